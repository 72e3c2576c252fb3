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
import gc
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from gpu_parts.as_installed import as_installed

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


class Day:
    """One run of the script: settings, time left, and the rows that it has come to."""

    def __init__(self, given: argparse.Namespace, root: Path) -> None:
        import torch

        self.given, self.root, self.began = given, root, time.monotonic()
        self.small: bool = given.small
        self.device = torch.device("cpu" if given.cpu else "cuda")
        self.usual = "pix2pix" if self.small else "cyclegan"  # where one method is enough
        self.turns = 1 if self.small else 5
        self.turn = 0.001 if self.small else 0.4
        self.rates: dict[str, float] = {}
        self.rows: list[tuple[str, str, str, str]] = []
        self.known: dict[str, Any] = {}
        self.broken = False

    def left(self) -> float:
        return 60 * self.given.minutes - (time.monotonic() - self.began)

    def row(self, what: str, found: str, beside: str = "", target: str = "") -> None:
        self.rows.append((what, found, beside, target))
        print(f"{time.monotonic() - self.began:5.0f} s  {what}: {found}  {beside}  {target}", flush=True)

    def attempt(self, name: str, needs: float, work: Callable[[], None]) -> None:
        """Do something if there is time for it; a failure is a row."""
        if self.broken:
            self.row(name, "not done", "the device has failed before")
            return
        if self.left() < needs and not self.small:
            self.row(name, "not done", f"{self.left():.0f} s left")
            return
        try:
            work()
        except Exception as error:
            traceback.print_exc()
            self.broken = not works(self.device)
            self.row(name, "failed", f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:120]}")
        gc.collect()
        if self.device.type == "cuda":
            import torch

            torch.cuda.empty_cache()

    def subject(self, *words: Any) -> Any:
        """See `gpu_parts.steps.subject`."""
        from gpu_parts.steps import WARM, subject

        return subject(*words, warm=4 if self.small else WARM)

    def start(self, method: str, batch: int, precision: str = "fp32") -> Any:
        """What programs are told, with the weights they begin with."""
        from gpu_parts.steps import draw_weights
        from programs.protocol import Start

        sizes: dict[str, Any] = {"size": 256, "width": 64}
        if self.small:
            sizes = {"size": 32, "width": 4, "blocks": 6, "levels": 5, "batch": min(batch, 2)}
        sizes.setdefault("batch", batch)
        start = Start(
            method=method,
            weights=str(self.root / f"weights of {method}"),
            precision=precision,
            device=self.device.type,
            **{"dropout": False, **sizes},
        )
        if not Path(start.weights).exists():
            draw_weights(start)
        return start


def works(device: Any) -> bool:
    """Whether the device still computes: some failures end all that a process can do there."""
    import torch

    try:
        return torch.ones(2, device=device).sum().item() == 2
    except RuntimeError:
        return False


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
