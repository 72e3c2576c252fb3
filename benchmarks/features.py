"""What sharing an extractor and keeping sets save: kid, fid, weighted-fid and content-preservation, several times over.

Each way measures the same pictures in the same batches; "alone" gives each metric an extractor of its own and all
pictures anew, as metrics that know nothing of each other do. Their numbers must be equal.

    python benchmarks/features.py
    python benchmarks/features.py --pictures 48 --size 224 --measurements 5
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from toonforge_samples.credits import samples

from toonforge.components import Metric, expressions
from toonforge.data import read_picture
from toonforge.metrics import FID, KID, ContentPreservation, WeightedFID
from toonforge.metrics.extractor import Extractor
from toonforge.recipe.expr import Expr

BATCH = 8
MADE, PHOTO, CARTOON = (Expr.parse(text) for text in ("G(photo)", "photo", "cartoon"))
CHANGES = frozenset({str(MADE)})
"""What no two measurements have in common."""

Sets = Mapping[str, list[torch.Tensor]]
Values = list[Mapping[str, float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=24, help="of each kind, at most 64")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--measurements", type=int, default=3)
    given = parser.parse_args()
    size: dict[str, Any] = {"size": given.size}
    metrics: list[Metric] = [
        KID(generated=MADE, reference=CARTOON, **size),
        FID(generated=MADE, reference=CARTOON, **size),
        WeightedFID(generated=MADE, target=CARTOON, input=PHOTO, **size),
        ContentPreservation(input=PHOTO, output=MADE, **size),
    ]
    real = {str(PHOTO): pictures(True, given.pictures), str(CARTOON): pictures(False, given.pictures)}
    print(f"{given.pictures} pictures of each kind at {given.size}, {len(metrics)} metrics, {given.measurements} times")
    ways: dict[str, Callable[[list[Metric], list[Sets]], Values]] = {
        "alone": alone,
        "shared": shared,
        "shared and kept": shared_and_kept,
    }
    steps = [{**real, str(MADE): translated(real[str(PHOTO)], step)} for step in range(given.measurements)]
    metrics[0].build(torch.device("cpu"))  # imports are nobody's cost
    rows = {name: timed(way, metrics, steps) for name, way in ways.items()}
    slowest, most, expected = rows["alone"]
    print(f"{'':<18}{'seconds':>9}{'extracted':>11}{'time':>8}{'pictures':>10}")
    for name, (seconds, count, values) in rows.items():
        if values != expected:
            raise SystemExit(f"{name} measured other numbers")
        print(f"{name:<18}{seconds:>9.2f}{count:>11,}{seconds / slowest:>7.0%}{count / most:>10.0%}")


def pictures(photos: bool, count: int) -> list[torch.Tensor]:
    chosen = [sample.path for sample in samples() if (sample.kind == "photo") is photos][:count]
    found = [np.asarray(Image.fromarray(read_picture(path)).resize((128, 128))) for path in chosen]
    stacked = torch.from_numpy(np.stack(found))
    return list((stacked.permute(0, 3, 1, 2).float() / 127.5 - 1).split(BATCH))


def translated(photos: list[torch.Tensor], step: int) -> list[torch.Tensor]:
    """What stands for a network's output: colours that shift a little more at each measurement."""
    return [(batch * (0.9 - 0.05 * step)).roll(step + 1, 1) for batch in photos]


def timed(
    way: Callable[[list[Metric], list[Sets]], Values], metrics: list[Metric], steps: list[Sets]
) -> tuple[float, int, Values]:
    """Seconds, pictures that went through the network, and the numbers."""
    count = 0
    extracted = Extractor._extracted

    def counted(self: Extractor, batch: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += len(batch)
        return extracted(self, batch)

    Extractor._extracted = counted  # type: ignore[method-assign]
    began = time.perf_counter()
    values = way(metrics, steps)
    seconds = time.perf_counter() - began
    Extractor._extracted = extracted  # type: ignore[method-assign]
    return seconds, count, values


def alone(metrics: list[Metric], steps: list[Sets]) -> Values:
    """Each metric builds its own extractor and is given copies, which nobody has seen."""
    values = []
    for sets in steps:
        for metric in metrics:
            built: Any = metric.build(torch.device("cpu"))
            for key, expr in expressions(metric).items():
                for batch in sets[str(expr)]:
                    built.update(**{key: batch.clone()})
            values.append(built.compute())
    return values


def shared(metrics: list[Metric], steps: list[Sets]) -> Values:
    """All metrics of a measurement live at once and see the same tensors."""
    return together(metrics, steps, keep=False)


def shared_and_kept(metrics: list[Metric], steps: list[Sets]) -> Values:
    """Besides, a later measurement has what did not change."""
    return together(metrics, steps, keep=True)


def together(metrics: list[Metric], steps: list[Sets], keep: bool) -> Values:
    values = []
    kept = [frozenset(key for key, expr in expressions(m).items() if str(expr) not in CHANGES) for m in metrics]
    built: list[Any] = []
    for sets in steps:
        first = not built or not keep
        built = [m.build(torch.device("cpu")) for m in metrics] if first else [
            b.again(k) for b, k in zip(built, kept)
        ]  # fmt: skip
        for name, batches in sets.items():
            for batch in batches:
                seen = batch.clone()  # as a measurement reads it: anew, and once for all metrics
                for metric, one, old in zip(metrics, built, kept):
                    for key, expr in expressions(metric).items():
                        if str(expr) == name and (first or key not in old):
                            one.update(**{key: seen})
        values.extend(one.compute() for one in built)
    return values


if __name__ == "__main__":
    main()
