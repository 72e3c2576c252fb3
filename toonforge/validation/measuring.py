"""What a run shows of itself: a fixed grid of validation pictures, and metrics over all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toonforge import events
from toonforge.components import BuiltMetric, DrawsPicture, ImageSource, expressions
from toonforge.data.grid import TARGET, draw_grid
from toonforge.data.transforms import normalised
from toonforge.data.used import only_used
from toonforge.errors import UnreadableImage
from toonforge.files import save_picture
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.runs.folder import RunFolder, writing

BATCH = 8


class Validation:
    """The validation pictures of a run.

    Args:
        recipe: says the translations and metrics.
        source: the data set's validation part.
        folder: where grids and pictures of metrics go.
        device, dtype: where and as what the networks compute.
        skipped: told (path, reason) of each unreadable picture.
    """

    def __init__(
        self,
        recipe: Recipe,
        source: ImageSource,
        folder: RunFolder,
        device: torch.device,
        dtype: torch.dtype,
        skipped: Callable[[str, str], None],
    ) -> None:
        self.recipe, self.source, self.folder, self.skipped = recipe, source, folder, skipped
        self.device, self.dtype = device, dtype
        self.graph = Graph(recipe.modules, recipe.signals)
        # Now, so that weights or packages that are missing are missed before the first step. The first measurement uses
        # what is built here.
        self._built = self._build_metrics()
        self.groups = {field: group for group, fields in recipe.data.groups().items() for field in fields}

    def _build_metrics(self) -> dict[str, BuiltMetric]:
        return {name: config.build(self.device) for name, config in self.recipe.metrics.items()}

    def _items(self, fields: Set[str]) -> Iterator[dict[str, Tensor]]:
        """Validation items, one at a time: the i-th of every group together, as many as the smallest has."""
        source = only_used(self.source, self.recipe.data.groups(), fields)
        for index in range(min(source.sizes.values())):
            item: dict[str, Tensor] = {}
            try:
                for group in sorted(source.sizes):
                    item.update(source.item(group, index, None))
            except UnreadableImage as error:
                self.skipped(error.path, error.reason)
                continue
            yield item

    def _batches(self, fields: Set[str], limit: int | None = None) -> Iterator[dict[str, Tensor]]:
        batch: list[dict[str, Tensor]] = []
        for number, item in enumerate(self._items(fields)):
            if limit is not None and number >= limit:
                break
            batch.append(item)
            if len(batch) == BATCH:
                yield self._stack(batch)
                batch = []
        if batch:
            yield self._stack(batch)

    def _stack(self, items: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        stacked = {key: torch.stack([item[key] for item in items]).to(self.device) for key in items[0]}
        return {key: normalised(value).to(self.dtype) for key, value in stacked.items()}

    def draw(self, inference: Inference, step: int) -> Path | None:
        """Draw the grid: for each translation its input, its output, and where they can be had the way back, or the
        picture of the pair that the output should be.

        None where the recipe offers no translation, and where no validation picture can be read: each has been told to
        `skipped`, and training goes on.
        """
        columns: list[tuple[str, list[np.ndarray[Any, Any]]]] = []
        for target, expr in self.recipe.translations.items():
            (field,) = self.graph.fields_of(expr)
            back = self._way_back(field, target)
            pair = {field, target} if target in self.groups and self.groups[target] == self.groups[field] else {field}
            shown: dict[str, list[np.ndarray[Any, Any]]] = {}
            for fields in self._batches(pair, self.recipe.train.samples.count):
                output = inference(expr, fields)
                shown.setdefault(field, []).extend(to_pictures(fields[field]))
                shown.setdefault(f"→ {target}", []).extend(to_pictures(output))
                if back is not None:
                    shown.setdefault(f"→ {field} again", []).extend(to_pictures(inference(back, {target: output})))
                elif target in pair:
                    shown.setdefault(f"{TARGET}{target}", []).extend(to_pictures(fields[target]))
            columns.extend(shown.items())
        if not columns:
            return None
        picture = draw_grid(columns, f"{self.recipe.name}, step {step:,}")
        return self._save(picture, self.folder.samples / f"step-{step:06d}.jpg", format="JPEG", quality=92)

    def _way_back(self, field: str, target: str) -> Expr | None:
        expr = self.recipe.translations.get(field)
        return expr if expr is not None and self.graph.fields_of(expr) == {target} else None

    def measure(self, inference: Inference, step: int) -> events.Measured:
        """Every metric of the recipe over all validation pictures, written to the log and told."""
        results: dict[str, dict[str, float]] = {}
        pictures: dict[str, Path] = {}
        built, self._built = self._built or self._build_metrics(), {}
        together: dict[frozenset[str], dict[str, dict[str, Expr]]] = {}
        for name, config in self.recipe.metrics.items():
            for key, expr in expressions(config).items():
                groups = frozenset(self.groups[field] for field in self.graph.fields_of(expr))
                together.setdefault(groups, {}).setdefault(name, {})[key] = expr
        # One pass over the pictures of a group serves all metrics: each is read and translated once.
        for wanted in together.values():
            exprs = [expr for exprs in wanted.values() for expr in exprs.values()]
            used = frozenset().union(*map(self.graph.fields_of, exprs))
            for fields in self._batches(used):
                values = iter(inference.values(exprs, fields))
                for name, keys in wanted.items():
                    built[name].update(**{key: next(values) for key in keys})
        for name, metric in built.items():
            results[name] = dict(metric.compute())
            if isinstance(metric, DrawsPicture) and (picture := metric.draw()) is not None:
                path = self.folder.pictures / f"{name}-step-{step:06d}.png"
                pictures[name] = self._save(picture, path, format="PNG", optimize=True)
        if results:
            self.folder.write_event("metrics", step, metrics=metric_summary(results))
        return events.Measured(step=step, metrics=results, about={}, pictures=pictures)

    def _save(self, picture: Image.Image, path: Path, **options: Any) -> Path:
        with writing(self.folder.path):
            return save_picture(picture, path, **options)


def to_pictures(batch: Tensor) -> list[np.ndarray[Any, Any]]:
    """N,3,H,W in [-1, 1] -> H,W,3 uint8 each."""
    values = (batch.float().clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
    return list(values.permute(0, 2, 3, 1).cpu().numpy())


def metric_summary(results: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Results by "metric" and "metric.part", flat."""
    return {
        f"{name}.{part}" if part else name: value for name, parts in results.items() for part, value in parts.items()
    }
