"""The same validation pictures as every finished run translates them, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.data.grid import ARROW, draw_grid
from toonforge.data.transforms import normalised
from toonforge.data.used import only_used
from toonforge.errors import UnreadableImage
from toonforge.files import save_picture
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.sweeps.plan import Plan
from toonforge.sweeps.results import Row

if TYPE_CHECKING:
    import numpy as np
    import torch

    from toonforge.use.model import Model

    Pictures = list[np.ndarray[Any, Any]]

MOST_RUNS, MOST_PICTURES, SMALLEST = 12, 6, 128


def write_comparison(folder: Path, plan: Plan, rows: Sequence[Row], cpu: bool = False) -> tuple[list[Path], list[str]]:
    """Draw one picture a translation, `grid-TARGET.jpg`; what was made, and what could not be.

    The first finished run's validation pictures are shown; a run whose own are others is left out, and named.
    """
    done = [run for run, row in zip(plan.runs, rows) if row.state == "finished"]
    targets = list(dict.fromkeys(target for run in done for target in run.recipe.translations))
    shown = {target: [run for run in done if target in run.recipe.translations][:MOST_RUNS] for target in targets}
    shown = {target: runs for target, runs in shown.items() if len(runs) > 1}
    if not shown:
        return [], []
    columns: dict[str, list[tuple[str, Pictures]]] = {target: [] for target in shown}
    notes: list[str] = []
    first: dict[str, list[str]] = {}
    try:
        from toonforge.use.model import load_model

        for run in dict.fromkeys(run for runs in shown.values() for run in runs):
            model = load_model(folder / run.name, cpu=cpu)
            for target in [target for target, runs in shown.items() if run in runs and target in model.translations]:
                names, inputs = _inputs(run.recipe, target)
                if first.setdefault(target, names) != names:
                    notes.append(f"grid-{target}.jpg leaves out {run.name}: its validation pictures are others")
                    continue
                if not columns[target]:
                    columns[target].append((_field(run.recipe, target), _pictures(inputs)))
                columns[target].append((", ".join(run.values.values()), _translated(model, inputs, target)))
            del model
    except Exception as error:  # a picture is not worth a sweep
        return [], [*notes, f"the runs' pictures could not be compared: {type(error).__name__}: {error}"]
    made = [_save(folder / f"grid-{target}.jpg", found, plan, target) for target, found in columns.items() if found[2:]]
    return made, notes


def _field(recipe: Recipe, target: str) -> str:
    (field,) = Graph(recipe.modules, recipe.signals).fields_of(recipe.translations[target])
    return field


def _inputs(recipe: Recipe, target: str) -> tuple[list[str], list[torch.Tensor]]:
    """Names and pictures (3,H,W) of the validation items that a translation takes."""
    field, groups = _field(recipe, target), recipe.data.groups()
    source = only_used(recipe.data.build("validation"), groups, {field})
    (group,) = source.sizes
    names: list[str] = []
    pictures: list[torch.Tensor] = []
    for index in range(source.sizes[group]):
        if len(names) == min(MOST_PICTURES, recipe.train.samples.count):
            break
        try:
            pictures.append(normalised(source.item(group, index, None)[field]))
        except UnreadableImage:
            continue
        names.append(source.name(group, index))
    return names, pictures


def _translated(model: Model, inputs: Sequence[torch.Tensor], target: str) -> Pictures:
    return _pictures([model(picture[None], target)[0] for picture in inputs])


def _pictures(tensors: Sequence[torch.Tensor]) -> Pictures:
    """H,W,3 each; small ones enlarged, so that there is room for what stands above them."""
    from toonforge.data.transforms import to_pictures

    pictures = [picture for tensor in tensors for picture in to_pictures(tensor[None])]
    factors = [math.ceil(SMALLEST / max(picture.shape[:2])) for picture in pictures]
    return [picture.repeat(n, 0).repeat(n, 1) for picture, n in zip(pictures, factors)]


def short_labels(labels: Sequence[str], room: int) -> list[str]:
    """Labels of at most `room` characters, all different: their ends, which vary fastest; or else numbers."""
    short = [label if len(label) <= room else "…" + label[1 - room :] for label in labels]
    return short if len(set(short)) == len(short) else [f"run {number}" for number in range(1, len(labels) + 1)]


def _save(path: Path, columns: list[tuple[str, Pictures]], plan: Plan, target: str) -> Path:
    varied = ", ".join(axis.label for axis in plan.axes)
    width = columns[0][1][0].shape[1]
    names = short_labels([label for label, _ in columns[1:]], (width - 24) // max(8, min(11, width // 16)))
    labelled = [columns[0], *((f"{ARROW} {name}", pictures) for name, (_, pictures) in zip(names, columns[1:]))]
    picture = draw_grid(labelled, f"{plan.name}: {target} by {varied}")
    return save_picture(picture, path, format="JPEG", quality=92)
