"""What a run shows of itself: a grid of fixed pictures, and the same pictures as strips, from which pages are made.

A strip is one column of the grid: one JPEG file of cells below each other. What does not change from step to step, the
inputs and targets, is the same byte for byte in each step's strips.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from toonforge.data.grid import ARROW, TARGET, draw_grid
from toonforge.data.transforms import to_pictures
from toonforge.files import remove, save_picture, sync, write_atomic
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.validation.items import Items

Pictures = list["np.ndarray[Any, Any]"]

TALLEST = 65_500
"""Pixels of the longest side that JPEG holds: of more pictures than fit, the first are in the strips."""


@attrs.frozen(kw_only=True, eq=False)
class Drawn:
    """A grid that has been drawn.

    Attributes:
        grid: its file.
        shown: translation -> its input and its output, (N,3,H,W) in [-1, 1] on the CPU.
    """

    grid: Path
    shown: Mapping[str, tuple[Tensor, Tensor]]


@attrs.define(kw_only=True)
class Column:
    """Pictures of one stage of a translation.

    Attributes:
        stage: "input", "output", "reconstruction" (the way back of the output) or "target" (what it should be).
        label: what it shows, for readers.
        pictures: (height, width, 3) of uint8 each.
    """

    stage: str
    label: str
    pictures: Pictures = attrs.field(factory=list)


@attrs.frozen(kw_only=True, eq=False)
class Shown:
    """A translation of some pictures.

    Attributes:
        target, field: from which batch field to which domain.
        names: of the pictures, as the data set calls them.
        columns: of the grid, the input first.
        input, output: the first two as tensors (N,3,H,W) in [-1, 1], on the CPU.
    """

    target: str
    field: str
    names: Sequence[str]
    columns: Sequence[Column]
    input: Tensor
    output: Tensor


def translate_fixed(
    translations: Mapping[str, Expr], graph: Graph, items: Items, inference: Inference, count: int
) -> Iterator[Shown]:
    """Each translation of the first `count` pictures: beside input and output the way back, or the picture of the pair
    that the output should be, where there is one.

    Translations of which no picture can be read are left out.
    """
    for target, expr in translations.items():
        (field,) = graph.fields_of(expr)
        back = translations.get(field)
        if back is not None and graph.fields_of(back) != {target}:
            back = None
        theirs = items.groups[items.group_of(field)]
        columns = {"input": Column(stage="input", label=field), "output": Column(stage="output", label=target)}
        if back is not None:
            columns["reconstruction"] = Column(stage="reconstruction", label=f"{field} again")
        elif target in theirs:
            columns["target"] = Column(stage="target", label=target)
        names: list[str] = []
        inputs, outputs = [], []
        for batch in items.batches({field, target} if "target" in columns else {field}, limit=count):
            names += [items.source.name(items.group_of(field), index) for index in batch.indices]
            made = {"input": batch.fields[field], "output": inference(expr, batch.fields)}
            if back is not None:
                made["reconstruction"] = inference(back, {target: made["output"]})
            elif "target" in columns:
                made["target"] = batch.fields[target]
            for stage, column in columns.items():
                column.pictures += to_pictures(made[stage])
            inputs.append(_rgb(made["input"]))
            outputs.append(_rgb(made["output"]))
        if names:
            yield Shown(
                target=target,
                field=field,
                names=names,
                columns=[*columns.values()],
                input=torch.cat(inputs),
                output=torch.cat(outputs),
            )


def _rgb(pictures: Tensor) -> Tensor:
    return pictures.detach().float().cpu().expand(-1, 3, -1, -1)


def save_grid(shown: Sequence[Shown], title: str, path: Path) -> Path:
    """Draw the grid of all translations and save it, whole or not at all."""
    labels = {"input": "{}", "output": f"{ARROW} {{}}", "reconstruction": f"{ARROW} {{}}", "target": f"{TARGET}{{}}"}
    columns = [(labels[c.stage].format(c.label), c.pictures) for each in shown for c in each.columns]
    return save_picture(draw_grid(columns, title), path, flush=True, format="JPEG", quality=92)


def save_strips(shown: Sequence[Shown], folder: Path) -> Path:
    """Write the strips and strips.json, which says what they show, into a folder of their own.

    The folder is there once all of it is written; one of that name is replaced.
    """
    with _new_folder(folder) as partial:
        described = [_save_translation(each, partial) for each in shown]
        write_atomic(partial / "strips.json", json.dumps({"translations": described}, indent=1) + "\n")
    return folder


def _save_translation(shown: Shown, folder: Path) -> dict[str, Any]:
    height, width = shown.columns[0].pictures[0].shape[:2]
    rows = max(1, TALLEST // height)
    columns = []
    for column in shown.columns:
        file = f"{shown.target}-{column.stage}.jpg"
        cells = [_sized(picture, width, height) for picture in column.pictures[:rows]]
        strip = Image.fromarray(np.concatenate(cells))
        save_picture(strip, folder / file, flush=True, format="JPEG", quality=90, subsampling=0)
        columns.append({"stage": column.stage, "label": column.label, "file": file})
    return {
        "target": shown.target,
        "field": shown.field,
        "names": list(shown.names[:rows]),
        "size": [width, height],
        "columns": columns,
    }


def _sized(picture: np.ndarray[Any, Any], width: int, height: int) -> np.ndarray[Any, Any]:
    """The picture at the size of its input, which a network may have changed."""
    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill in place of another, which is there until this one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial, old = path.with_name(f".{path.name}.partial"), path.with_name(f".{path.name}.old")
    for left in (partial, old):
        remove(left)
    try:
        partial.mkdir()
        yield partial
        sync(partial)
        if path.exists() or path.is_symlink():
            path.rename(old)
        partial.rename(path)
        sync(path.parent)
    except BaseException:
        with suppress(OSError):
            remove(partial)
        raise
    remove(old)
