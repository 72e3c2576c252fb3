"""Time and memory of a training step, beside the classic step written by hand and beside other programs.

    python benchmarks/step.py cyclegan
    python benchmarks/step.py pix2pix --turns 20 --ours auto safe
    python benchmarks/step.py cyclegan --against "python /elsewhere/adapter.py" --turns 4 --compare-size 64
    python benchmarks/step.py cyclegan --size 64 --width 8 --blocks 6      # quickly, to see that it works

Each program is a process of its own, and they take turns, one step each, so that whatever else the machine does slows
all of them; every second round goes backwards. Ours is `Training.step` of the packaged recipe (`--ours` names values of
train.speed, each a program, tricks joined by commas). The others are the step by hand (benchmarks/reference) and every
command given by `--against`, which speaks the protocol of benchmarks/programs/protocol.py.

Before anything is timed, all of them make a few steps from the same weights on the same pictures, without dropout, and
every term of the losses is compared. The first step's are those of one computation, to rounding; after that the weights
have moved, and Adam's first steps, which go by a gradient's sign, make more of the rounding.

What it is doing is told on stderr, with the time that is left. Sizes as the recipes have them take two cores about a
minute for pix2pix and six for CycleGAN.

Medians with the lowest and the highest, and the median of the turns' ratios to the last program named with its
quartiles. Memory is the most that the process has held since it was ready for its first step, all of Python and torch
included; on a GPU, the most that tensors have held there.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import cycle, islice
from pathlib import Path

import attrs
import numpy as np
import torch
from PIL import Image
from programs.protocol import Client, Start
from programs.speeds import speed
from reference import cyclegan, pix2pix
from safetensors.torch import save_file
from toonforge_samples.credits import samples

HERE = Path(__file__).parent
FIELDS = {"cyclegan": ("photo", "anime"), "pix2pix": ("cartoon", "photo")}
FIRST, LATER = 1e-4, 1e-2
"""How far a term may be from the classic step's, as a share of it: in the first step, and in those after it."""


def main() -> None:
    given = arguments()
    programs = commands(given)
    with tempfile.TemporaryDirectory() as place:
        start = Start(
            method=given.method,
            weights=place,
            size=given.size,
            batch=given.batch,
            width=given.width,
            blocks=given.blocks,
            levels=given.levels or min(8, given.size.bit_length() - 1),
            precision="fp32",
            device=given.device,
        )
        draw_weights(start)
        environment = {"OMP_NUM_THREADS": str(given.threads)} if given.threads else {}
        print(f"{given.method}, {given.size} pixels, batch {given.batch}, width {given.width}, {machine(given)}")
        if given.device == "cpu":
            said(
                f"this takes about {minutes(given, len(programs)):.0f} min on two idle cores, longer on a busy machine"
            )
        if given.compare:
            small = attrs.evolve(start, size=given.compare_size or given.size, dropout=False)
            alike = compare(programs, small, given.compare, environment, given.loud)
            if not alike:
                sys.exit("the losses are not the same: nothing was timed")
        for line in measure(programs, start, given, environment):
            print(line)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=tuple(FIELDS))
    parser.add_argument(
        "--ours", nargs="*", type=speed, default=["auto"], metavar="SPEED", help="auto, safe, or TRICK,TRICK,…"
    )
    parser.add_argument("--against", action="append", default=[], metavar="COMMAND", help="a program of the protocol")
    parser.add_argument("--without-classic", action="store_true", help="leave out the step by hand")
    parser.add_argument("--size", type=int, default=256, help="side of the pictures (default 256)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--width", type=int, default=64, help="channels of the first convolutions (default 64)")
    parser.add_argument("--blocks", type=int, default=9, choices=(6, 9), help="of CycleGAN's generators")
    parser.add_argument("--levels", type=int, help="of pix2pix' generator; down to one pixel, at most 8, when left out")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, …")
    parser.add_argument("--precision", default="fp32", help="of ours where it is timed (default fp32)")
    parser.add_argument("--threads", type=int, help="of each program; torch's own choice when left out")
    parser.add_argument("--turns", type=int, default=10, help="steps of each program that count (default 10)")
    parser.add_argument("--warmup", type=int, default=1, help="steps of each that do not (default 1)")
    parser.add_argument("--seconds", type=float, help="begin no turn after this many seconds of measuring")
    parser.add_argument("--compare", type=int, default=3, help="steps whose losses are compared; 0: none (default 3)")
    parser.add_argument("--compare-size", type=int, help="side of the pictures for that; --size when left out")
    parser.add_argument("--loud", action="store_true", help="show what the programs say")
    return parser.parse_args()


def commands(given: argparse.Namespace) -> dict[str, str]:
    """Name -> command, the last one being what the others are compared with."""
    own = f"{sys.executable} {HERE}/programs"
    ours = {f"ours, {speed}": f"{own}/ours.py {speed.replace(',', ' ')}" for speed in given.ours}
    classic = {} if given.without_classic else {"by hand": f"{own}/classic.py"}
    several = len(given.against) > 1
    others = {f"against {n}" if several else "against": command for n, command in enumerate(given.against, 1)}
    return {**ours, **classic, **others}


SECONDS = {"cyclegan": 12, "pix2pix": 0.9}
"""A plain step of 256 pixels and width 64, batch 1, on two cores, roughly."""
STARTING = 7
"""Seconds to start a program and build its networks, roughly; twice, with comparing."""


def minutes(given: argparse.Namespace, programs: int) -> float:
    """About how long all will take; at least 1."""
    one = SECONDS[given.method] * (given.width / 64) ** 2 * given.batch / 256**2
    turns = one * given.size**2 * (given.turns + given.warmup)
    compared = one * (given.compare_size or given.size) ** 2 * given.compare
    return max(1.0, programs * (2 * STARTING + compared + min(turns, given.seconds or turns)) / 60)


def machine(given: argparse.Namespace) -> str:
    if given.device != "cpu":
        return f"{given.device}, torch {torch.__version__}"
    return f"{given.threads or torch.get_num_threads()} threads of {os.cpu_count()} cores, torch {torch.__version__}"


def draw_weights(start: Start) -> None:
    """Write the weights that every program starts from."""
    torch.manual_seed(0)
    if start.method == "cyclegan":
        networks = cyclegan.build(start.width, start.blocks)
    else:
        networks = pix2pix.build(start.width, start.levels)
    for name, network in networks.items():
        save_file(network.state_dict(), Path(start.weights) / f"{name}.safetensors")


def pictures(start: Start, folder: Path) -> Iterator[Path]:
    """Endlessly new batches of samples, in the fields of the method, as files; a file is there until the next one."""
    kinds = {"photo": "photo", "anime": "anime", "cartoon": "anime"}
    paths = {
        field: cycle([sample.path for sample in samples() if sample.kind == kinds[field]])
        for field in FIELDS[start.method]
    }
    while True:
        fields = {}
        for field, endless in paths.items():
            rows = []
            for path in islice(endless, start.batch):
                with Image.open(path) as image:
                    rows.append(np.asarray(image.convert("RGB").resize((start.size, start.size))))
            fields[field] = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2).float().div(127.5).sub(1).contiguous()
        save_file(fields, folder / "pictures.safetensors")
        yield folder / "pictures.safetensors"


def compare(programs: dict[str, str], start: Start, steps: int, environment: dict[str, str], loud: bool) -> bool:
    """Whether the programs' losses are the same; prints how far they are apart. Programs run one after another."""
    found: dict[str, list[dict[str, float]]] = {}
    for name, command in programs.items():
        with tempfile.TemporaryDirectory() as place, Client(name, command, environment, not loud) as program:
            program.start(start)
            said(f"comparing losses: {name}, {steps} steps")
            batches = islice(pictures(start, Path(place)), steps)
            found[name] = [program.step(batch)["losses"] for batch in batches]
    *others, reference = programs
    alike = True
    for name in others:
        apart = [largest_difference(a, b) for a, b in zip(found[name], found[reference])]
        good = apart[0] <= FIRST and max(apart) <= LATER
        alike &= good
        each = ", ".join(f"{value:.1e}" for value in apart)
        print(f"losses of {steps} steps at {start.size} pixels, {name} and {reference}: ", end="")
        print(f"at most {each} apart, as a share{'' if good else ': NOT THE SAME'}")
    return alike


def said(words: str) -> None:
    """Where the work is, for those who wait for it; the table alone is on stdout."""
    print(words, file=sys.stderr, flush=True)


def largest_difference(losses: dict[str, float], reference: dict[str, float]) -> float:
    """Of all terms, as a share of the reference's; infinite where there are not the same terms, or no numbers."""
    if losses.keys() != reference.keys() or not all(map(math.isfinite, (*losses.values(), *reference.values()))):
        return math.inf
    return max(abs(losses[name] - value) / max(abs(value), 1e-8) for name, value in reference.items())


def measure(
    programs: dict[str, str], start: Start, given: argparse.Namespace, environment: dict[str, str]
) -> Iterator[str]:
    """The table, a line a program."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    peaks: dict[str, list[int]] = {name: [] for name in programs}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        running = {
            name: stack.enter_context(Client(name, command, environment, not given.loud))
            for name, command in programs.items()
        }
        called = {}
        for name, program in running.items():
            mine = given.precision if name.startswith("ours") else "fp32"  # others have no choice
            called[name] = program.start(attrs.evolve(start, precision=mine))
        began = time.perf_counter()
        batches = pictures(start, place)
        for turn in range(given.warmup + given.turns):
            if given.seconds and turn > given.warmup and time.perf_counter() - began > given.seconds:
                break
            batch = next(batches)
            order = list(running) if turn % 2 else list(running)[::-1]
            for name in order:
                time.sleep(0.02)  # the one before may still have threads that spin
                answer = running[name].step(batch)
                peaks[name].append(answer["peak"])
                if turn >= given.warmup:
                    times[name].append(answer["seconds"])
            done, every = turn + 1, given.warmup + given.turns
            left = (time.perf_counter() - began) / done * (every - done)
            if given.seconds:
                left = max(0.0, min(left, given.seconds - (time.perf_counter() - began)))
            said(f"turn {done} of {every}, {'about ' if left else ''}{left:.0f} s left")
    yield from table(times, peaks, called, start.batch)


def table(
    times: dict[str, list[float]], peaks: dict[str, list[int]], said: dict[str, str], batch: int
) -> Sequence[str]:
    reference = next(reversed(times))
    count = len(times[reference])
    lines = [f"{count} turns; ratios of time and memory to: {reference} ({said[reference]})"]
    lines.append(
        f"{'':<28}{'s a step (range)':>28}{'images/s':>10}{'ratio (quartiles)':>24}{'peak MB':>10}{'ratio':>8}"
    )
    for name, values in times.items():
        low, middle, high = min(values), float(np.median(values)), max(values)
        ratios = np.array(values) / np.array(times[reference])
        worst, ratio, best = np.percentile(ratios, [25, 50, 75])
        memory = max(peaks[name])
        lines.append(
            f"{name:<28}{f'{middle:.3f} ({low:.3f} to {high:.3f})':>28}{batch / middle:>10.2f}"
            f"{f'{ratio:.3f} ({worst:.3f} to {best:.3f})':>24}{memory / 1e6:>10.0f}"
            f"{memory / max(peaks[reference]):>8.2f}"
        )
    lines += [f"{name} is {words}" for name, words in said.items()]
    return lines


if __name__ == "__main__":
    main()
