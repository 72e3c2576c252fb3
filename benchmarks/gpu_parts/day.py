"""One run of benchmarks/gpu.py: what it was told, and what it has come to."""

from __future__ import annotations

import argparse
import gc
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


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
        from programs.protocol import Start

        from gpu_parts.steps import draw_weights

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
