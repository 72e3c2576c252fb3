"""Whether a checkpoint is this run's: known before anything is loaded from it. One copied from elsewhere is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from toonforge.errors import Problem, RunError
from toonforge.runs.inventory import Inventory
from toonforge.runs.metadata import read_metadata
from toonforge.train.saved import Saved

SHOWN = 4
"""Differences that are named; the rest are counted."""


def misfit(folder: Path, inventory: Inventory, saved: Saved) -> Problem | None:
    """Why a whole checkpoint cannot be loaded into a run; None where it can.

    Args:
        folder: of the checkpoint, whose files are as they were written.
        inventory: what it says of itself.
        saved: what would be loaded.
    """
    if inventory.run and inventory.run != saved.run:
        return _foreign(folder, f"a run of {_named(inventory.run)}", _named(saved.run))
    try:
        wrong = [*_differences(folder, inventory, saved)]
    except (SafetensorError, RunError, OSError) as error:
        wrong = [str(error).split("\n")[0]]
    if not wrong:
        return None
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return _foreign(folder, "; ".join(wrong[:SHOWN]) + more, "networks and optimizers of this run's recipe")


def _foreign(folder: Path, found: str, expected: str) -> Problem:
    return Problem(
        message=f"{folder} does not fit this run",
        found=found,
        expected=expected,
        hint="it was copied from another run, or a plugin has changed since it was written: see lock.json in the run",
    )


def _named(run: Mapping[str, Any]) -> str:
    return f"the recipe {str(run.get('recipe'))!r} with seed {run.get('seed')}"


def _differences(folder: Path, inventory: Inventory, saved: Saved) -> Iterator[str]:
    for name in saved.shared_files:
        if name not in inventory.files:
            yield f"{name} is missing"
    for stem, module in saved.modules.items():
        if f"{stem}.safetensors" in inventory.files:
            wanted = {key: list(value.shape) for key, value in module.state_dict().items()}
            with safe_open(folder / f"{stem}.safetensors", framework="pt") as file:
                held = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 -- no mapping
            for key in dict.fromkeys([*wanted, *held]):
                if wanted.get(key) != held.get(key):
                    yield f"{stem}: {key} is {_shape(held.get(key))} there and {_shape(wanted.get(key))} here"
    for name, optimizer in saved.optimizer_files.items():
        if name in inventory.files:
            there, here = read_metadata(folder / name).get("type"), type(optimizer).__name__
            if there not in (None, here):
                yield f"{name} is of {there} there and of {here} here"


def _shape(shape: list[int] | None) -> str:
    return "not" if shape is None else "x".join(map(str, shape)) or "a number"
