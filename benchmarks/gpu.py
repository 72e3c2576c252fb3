"""Everything about speed that needs a GPU, in under eight minutes and one table.

    python benchmarks/gpu.py                        # on the machine with the GPU
    python benchmarks/gpu.py --json gpu.json        # and all numbers in a file
    python benchmarks/gpu.py --only steps,kernels   # some sections
    python benchmarks/gpu.py --cpu --small          # the same path in seconds, without a GPU; its numbers mean nothing

It needs this repository (installed or only copied) and the Python packages that the core depends on. Sections, in
order: rates (of the device), steps (CycleGAN and pix2pix, ours by tricks and precision, against the step by hand),
kernels (where the time goes), data (a run from 10,000 JPEG files), translate, losses (200 steps with and without),
graphs (steps recorded as CUDA graphs), tricks (each one's own ratio), compile. What no time is left for says so; what
fails has a row that says how, and the rest goes on.

"By hand" is benchmarks/reference: plain torch in fp32 with torch's own settings (cuDNN multiplies in TensorFloat-32)
and cuDNN's search for kernels, as the classic code has it. From the same weights, losses are compared before time: of
the first step, and of a later one. Times are medians of turns A B C A B C, with the lowest and the highest; "times the
classic step by hand" is the rate shown over that of the row "by hand", the median's. Targets of other rows are met or
missed; "safe" has none. A share of the device's rate is stated for bf16 only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gpu_parts.as_installed import as_installed
from gpu_parts.day import Day

SECTIONS = ("rates", "steps", "kernels", "data", "translate", "losses", "graphs", "tricks", "compile")
NEEDS = {
    "rates": 5,
    "steps": 25,
    "kernels": 8,
    "data": 45,
    "translate": 30,
    "losses": 30,
    "graphs": 25,
    "tricks": 20,
    "compile": 90,
}
"""Seconds that a section must have left to be begun (steps, graphs: each size)."""
SIZES = (("cyclegan", 1, ">= 4"), ("cyclegan", 16, ">= 3"), ("pix2pix", 1, ">= 3"), ("pix2pix", 64, ">= 4"))
PROFILED = (
    ("cyclegan", 16, "bf16"),
    ("cyclegan", 1, "fp32"),
    ("pix2pix", 64, "bf16"),
    ("cyclegan", 16, "fp32"),
    ("cyclegan", 1, "bf16"),
)


def table(rows: list[tuple[str, str, str, str]]) -> str:
    """The rows as a Markdown table."""
    head = ("what", "found", "beside", "target")
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(4)]

    def line(cells: tuple[str, ...]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"

    return "\n".join([line(head), line(tuple("-" * width for width in widths)), *map(line, rows)])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="without a GPU; for trying the script")
    parser.add_argument("--small", action="store_true", help="tiny networks and pictures; its numbers mean nothing")
    parser.add_argument("--minutes", type=float, default=7.5, help="in which all must be done (default 7.5)")
    parser.add_argument("--only", default=",".join(SECTIONS), help=f"sections, some of {','.join(SECTIONS)}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers to a file")
    given = parser.parse_args()
    unknown = set(given.only.split(",")) - set(SECTIONS)
    if unknown:
        parser.error(f"no section is called {' or '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return given


def main() -> None:
    given = arguments()
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "packages").mkdir()
        as_installed(Path(place) / "packages")
        import torch

        if not given.cpu and not torch.cuda.is_available():
            sys.exit(f"torch {torch.__version__} finds no GPU here; --cpu --small goes the same way without one")
        day = Day(given, Path(place))
        day.known["device"] = "CPU" if given.cpu else torch.cuda.get_device_name()
        run(day, given.only.split(","))
        print(f"\n{day.known['device']}, torch {torch.__version__}, {time.monotonic() - day.began:.0f} s")
        print(table(day.rows))
        if given.json is not None:
            given.json.write_text(json.dumps({"rows": day.rows, "rates": day.rates, **day.known}, indent=1))


def run(day: Day, wanted: list[str]) -> None:
    """The sections that are wanted, in the order of `SECTIONS`."""
    from gpu_parts.sections import compiled, data, kernels, losses, rates, steps, translate, tricks_alone

    sizes, recorded = (SIZES[:1], SIZES[3:]) if day.small else (SIZES, SIZES)
    work: dict[str, list[tuple[str, Callable[[], None]]]] = {
        "rates": [("rates", partial(rates, day))],
        "steps": [
            (f"{method}, batch {batch}", partial(steps, day, method, batch, target)) for method, batch, target in sizes
        ],
        "kernels": [
            (f"kernels of {method}, batch {batch}, {precision}", partial(kernels, day, method, batch, precision))
            for method, batch, precision in (PROFILED[2:3] if day.small else PROFILED)
        ],
        "graphs": [
            (f"graphs, {method}, batch {batch}", partial(steps, day, method, batch, target, graphs=True))
            for method, batch, target in recorded
        ],
        "data": [("waiting for data", partial(data, day))],
        "translate": [("translate", partial(translate, day))],
        "tricks": [("tricks", partial(tricks_alone, day))],
        "losses": [("losses", partial(losses, day))],
        "compile": [("compile", partial(compiled, day))],
    }
    if day.device.type == "cpu":
        why = "CUDA graphs are recorded on a GPU only"
        work["graphs"] = [("graphs", lambda: day.row("graphs", "not possible", why))]
    for section in SECTIONS:
        for name, each in work[section] if section in wanted else ():
            day.attempt(name, NEEDS[section], each)


if __name__ == "__main__":
    main()
