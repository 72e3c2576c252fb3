"""Training steps in one process that take turns on one device: ours by their tricks, and the step by hand."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import torch
from programs.classic import Classic
from programs.ours import Ours
from programs.protocol import Start, wait
from reference import cyclegan, pix2pix
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation

WARM = 7
"""Steps before any that count: kernels are chosen; the fourth is recorded where steps are, and later ones replay it."""
BATCHES = 3
"""Different ones that are given in turn: a recording that kept to its own would show in the losses."""
FIELDS = {"cyclegan": ("photo", "anime"), "pix2pix": ("cartoon", "photo")}


@attrs.define
class Subject:
    """A program that makes steps of one size.

    Attributes:
        losses: of its first step.
        now: how many steps it has made.
        later: of its last step before any is timed, when all that will be recorded is replayed.
        peak: the most bytes of tensors during a step, those of other programs left out; 0 on a CPU.
        reasons: why it computes something as written, in words.
    """

    name: str
    program: Any
    start: Start
    pictures: Sequence[Mapping[str, Tensor]]
    now: int = 0
    losses: Mapping[str, float] = attrs.field(factory=dict)
    later: Mapping[str, float] = attrs.field(factory=dict)
    peak: int = 0
    reasons: Sequence[str] = ()

    @property
    def device(self) -> torch.device:
        return torch.device(self.start.device)

    def steps(self, count: int) -> Any:
        """So many steps, the last of which is waited for; returns what the last one gave."""
        done = None
        with by_hand() if isinstance(self.program, Classic) else as_it_is():
            for _ in range(count):
                done = self.program.step(self.pictures[self.now % len(self.pictures)])
                self.now += 1
            wait(self.device)
        return done


@contextmanager
def by_hand() -> Iterator[None]:
    """The classic code asks cuDNN to look for its fastest kernels."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextmanager
def as_it_is() -> Iterator[None]:
    yield


def tricks(start: Start) -> tuple[str, ...]:
    """What `auto` takes for this device and precision."""
    return choose("auto", Situation(device=start.device, precision=start.precision)).tricks


def possible(start: Start) -> tuple[str, ...]:
    """All tricks that can be used."""
    return choose(list(TRICKS), Situation(device=start.device, precision=start.precision)).tricks


def subject(name: str, start: Start, speed: Sequence[str] | None, warm: int = WARM) -> Subject:
    """A program, warmed up, with its first losses and its peak memory.

    Args:
        speed: "auto", "safe" or tricks, as a list; None for the step by hand.
    """
    device = torch.device(start.device)
    before = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
    program = Classic() if speed is None else Ours(list(speed))
    program.start(start)
    generator = torch.Generator().manual_seed(start.seed)
    shape = (start.batch, 3, start.size, start.size)
    pictures = [
        {field: (torch.rand(shape, generator=generator) * 2 - 1).to(device) for field in FIELDS[start.method]}
        for _ in range(BATCHES)
    ]
    made = Subject(name, program, start, pictures)
    made.losses = read(made, 1)
    made.later = read(made, warm)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        made.steps(2)
        made.peak = torch.cuda.max_memory_allocated(device) - before
    captured = getattr(getattr(program, "training", None), "captured", None)
    made.reasons = [] if captured is None else [*captured.reasons.values()]
    return made


def read(one: Subject, steps: int) -> dict[str, float]:
    """Make steps and read the losses of the last."""
    return {key: float(value) for key, value in one.program.losses(one.steps(steps)).items()}


def draw_weights(start: Start) -> None:
    """Write the weights that all programs of a method begin with."""
    torch.manual_seed(0)
    built = (
        cyclegan.build(start.width, start.blocks)
        if start.method == "cyclegan"
        else pix2pix.build(start.width, start.levels)
    )
    Path(start.weights).mkdir(parents=True, exist_ok=True)
    for name, network in built.items():
        save_file(network.state_dict(), Path(start.weights) / f"{name}.safetensors")


def apart(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """The largest difference of two first steps' losses, as a share; infinite where they are not the same terms."""
    if one.keys() != other.keys():
        return float("inf")
    return max(abs(one[name] - value) / max(abs(value), 1e-8) for name, value in other.items())


def in_turns(subjects: Sequence[Subject], turns: int, seconds: float) -> dict[str, list[float]]:
    """Seconds a step of each subject in each turn: A B C A B C, so that whatever slows the machine slows all.

    Args:
        seconds: that a turn of the slowest should take.
    """
    return alternating({one.name: one.steps for one in subjects}, turns, seconds)


def alternating(work: Mapping[str, Callable[[int], Any]], turns: int, seconds: float) -> dict[str, list[float]]:
    """The same for anything that is done `count` times."""

    def timed(name: str, count: int) -> float:
        began = time.perf_counter()
        work[name](count)
        return (time.perf_counter() - began) / count

    slowest = max(timed(name, 1) for name in work)
    count = max(1, min(200, round(seconds / slowest)))
    found: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(turns):
        for name in list(work) if turn % 2 else list(work)[::-1]:
            found[name].append(timed(name, count))
    return found


def ratio(times: Mapping[str, Sequence[float]], one: str, other: str) -> float:
    """How many times as fast `one` is as `other`: the median of the turns' ratios."""
    return statistics.median(b / a for a, b in zip(times[one], times[other], strict=True))


def flops(one: Subject) -> float:
    """Operations of a step, counted where it is computed as written."""
    with FlopCounterMode(display=False) as counter:
        one.steps(1)
    return float(counter.get_total_flops())
