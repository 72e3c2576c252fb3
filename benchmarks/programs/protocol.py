"""Programs that train, measured side by side: a protocol of lines, and its two ends.

Each program runs in a process of its own and does one step whenever it is asked to, so that programs take turns on an
otherwise idle machine. Asked on stdin and answered on stdout, one JSON object a line:

    {"do": "start", "method": "cyclegan", "weights": "FOLDER", "size": 256, "batch": 1, "width": 64, "blocks": 9,
     "levels": 8, "dropout": true, "precision": "fp32", "device": "cpu", "seed": 0}
        -> {"program": "what it is, for people"}
    {"do": "step", "pictures": "FILE"}
        -> {"seconds": 0.71, "peak": 1234567890, "losses": {"fool": 0.69, ...}}

and the end of stdin ends it. Something that fails answers {"error": "words"}. Lines on stdout that are no JSON object
are passed over.

    method    "cyclegan" (photo <-> anime) or "pix2pix" (cartoon -> photo): the classic code's settings, of which
              `width` (channels of the first convolutions), `blocks` (of CycleGAN's generators), `levels` (of pix2pix'
              generator) and `dropout` (of pix2pix' generator) may differ.
    weights   a folder with NETWORK.safetensors, tensors named and laid out as in the classic code's own files; networks
              are G, F, D_anime, D_photo of CycleGAN, and G, D of pix2pix.
    pictures  a .safetensors file with the fields `photo` and `anime`, or `cartoon` and `photo`: float32
              (batch, 3, size, size) in [-1, 1].
    seconds   of the step alone, with the pictures' way to the device, the device waited for at the end; the losses
              are read after that.
    losses    of the step, before its updates, as they enter the sum that is differentiated (weighted):
              fool_anime, fool_photo, cycle_photo, cycle_anime, identity_anime, identity_photo, judge_anime,
              judge_photo of CycleGAN; fool, pixels, fakes, reals of pix2pix.
    peak      the most bytes that the process has held since it started, or since it answered to "start" where the
              system can forget (Linux); on a GPU, the most that tensors have held there.

`serve` is the program's end for programs in Python, `Client` the other end. ours.py and classic.py in this folder speak
it, and benchmarks/step.py measures what does. Another code base needs an adapter like

    sys.path += ["/its/folder", "/toonforge/benchmarks"]
    from programs.protocol import serve
    from its_module import Model

    class Adapter:
        def start(self, start):
            self.model = Model(width=start.width, blocks=start.blocks)
            for name, state in start.states().items():
                self.model.networks[name].load_state_dict(state)
            return "its name"

        def step(self, pictures):
            return self.model.train_on(pictures["photo"], pictures["anime"])

        def losses(self, done):
            return {"fool_anime": done.adversarial, ...}

    serve(Adapter())

in a file of its own, and the command that starts it.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import shlex
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import attrs
import torch
from safetensors.torch import load_file
from torch import Tensor

Losses = Mapping[str, "float | Tensor"]


@attrs.frozen(kw_only=True)
class Start:
    """What a program is to train, in the words of the protocol."""

    method: str
    weights: str
    size: int = 256
    batch: int = 1
    width: int = 64
    blocks: int = 9
    levels: int = 8
    dropout: bool = True
    precision: str = "fp32"
    device: str = "cpu"
    seed: int = 0

    def states(self) -> dict[str, dict[str, Tensor]]:
        """Network -> its tensors, by the classic code's names."""
        return {path.stem: load_file(path) for path in sorted(Path(self.weights).glob("*.safetensors"))}


class Program(Protocol):
    """What `serve` serves."""

    def start(self, start: Start) -> str:
        """Build the networks with the weights; returns what the program is."""

    def step(self, pictures: dict[str, Tensor]) -> Any:
        """One step; this is timed. Whatever it returns is given to `losses`."""

    def losses(self, done: Any) -> Losses:
        """The losses of the step; not timed."""


def serve(program: Program, lines: Iterable[str] = sys.stdin) -> None:
    """Answer until the lines end. What else the process prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    device = torch.device("cpu")
    for line in lines:
        message = json.loads(line)
        try:
            if message.pop("do") == "start":
                start = Start(**message)
                device = torch.device(start.device)
                answer: dict[str, Any] = {"program": program.start(start)}
                forget_peak(device)
            else:
                answer = timed(program, load_file(message["pictures"]), device)
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


def timed(program: Program, pictures: dict[str, Tensor], device: torch.device) -> dict[str, Any]:
    """The answer to one step."""
    wait(device)
    began = time.perf_counter()
    done = program.step(pictures)
    wait(device)
    seconds = time.perf_counter() - began
    losses = {name: float(value) for name, value in program.losses(done).items()}
    return {"seconds": seconds, "peak": peak(device), "losses": losses}


def wait(device: torch.device) -> None:
    """For what the device is still doing."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(device: torch.device) -> int:
    """The most bytes that this process, or its tensors on a GPU, have held so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        # Unlike ru_maxrss, it knows nothing of the process that started this one.
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def forget_peak(device: torch.device) -> None:
    """Count from now on: reading weights takes memory that no training needs."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with suppress(OSError):  # not Linux
        Path("/proc/self/clear_refs").write_text("5")


class Client:
    """A program in a process of its own.

    Args:
        name: in messages and tables.
        command: as typed in a shell, but no shell interprets it.
        environment: what differs from this process's.
        quiet: its stderr is not shown.
    """

    def __init__(
        self, name: str, command: str, environment: Mapping[str, str] | None = None, quiet: bool = True
    ) -> None:
        self.name = name
        self.process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            env={**os.environ, **(environment or {})},
            text=True,
            bufsize=1,
        )

    def ask(self, **message: Any) -> dict[str, Any]:
        """One question and its answer; raises `RuntimeError` for an answer that is an error, or none."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            for line in self.process.stdout:
                if line.startswith("{"):
                    answer: dict[str, Any] = json.loads(line)
                    if "error" in answer:
                        raise RuntimeError(f"{self.name}: {answer['error']}")
                    return answer
        except BrokenPipeError:
            pass
        raise RuntimeError(f"{self.name} ended with status {self.process.wait()}; --loud shows what it says")

    def start(self, start: Start) -> str:
        """What the program calls itself."""
        return str(self.ask(do="start", **attrs.asdict(start))["program"])

    def step(self, pictures: Path) -> dict[str, Any]:
        """`seconds`, `peak` and `losses` of one step."""
        return self.ask(do="step", pictures=str(pictures))

    def close(self) -> None:
        """End the program."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(30)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
