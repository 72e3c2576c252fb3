"""Whether a checkpoint is this run's: known before anything is loaded from it. One copied from elsewhere is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from toonforge.errors import Problem, RunError
from toonforge.names import shape_text
from toonforge.runs.inventory import Inventory
from toonforge.runs.metadata import read_metadata
from toonforge.train.own import buffers_file, memory_file
from toonforge.train.saved import Saved
from toonforge.train.state import buffers_of

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
            held = _shapes(folder / f"{stem}.safetensors")
            for key in dict.fromkeys([*wanted, *held]):
                if wanted.get(key) != held.get(key):
                    yield f"{stem}: {key} is {_shape(held.get(key))} there and {_shape(wanted.get(key))} here"
    for name in saved.average.networks if saved.average is not None else ():
        if (file := f"{name}.ema.safetensors") in inventory.files:
            updates = read_metadata(folder / file).get("updates")
            if type(updates) is not int or updates < 0:
                yield f"{file} does not say how many updates it has taken"
    for (owner, name), optimizer in saved.optimizers.by_key.items():
        if (file := f"optimizer.{owner}.{name}.safetensors") in inventory.files:
            about = read_metadata(folder / file)
            there, here = about.get("type"), type(optimizer).__name__
            if there not in (None, here):
                yield f"{file} is of {there} there and of {here} here"
            elif not isinstance(about.get("plain"), dict):
                yield f"{file} does not say what it holds besides tensors"
            else:
                after = saved.optimizers.after_a_step((owner, name), saved.networks[name])
                differ = _in_state(_shapes(folder / file), about["plain"], after, saved.networks[name])
                yield from (f"{file}: {words}" for words in differ)
    for rank in range(inventory.processes):
        if (file := memory_file(rank)) in inventory.files:
            yield from (f"{file}: {words}" for words in saved.memory.differences(load_file(folder / file)))
        if (file := buffers_file(rank)) in inventory.files:
            known = {f"{stem}::{key}": v for stem, m in saved.modules.items() for key, v in buffers_of(m).items()}
            for key, shape in _shapes(folder / file).items():
                if key not in known or list(known[key].shape) != shape:
                    yield f"{file}: no network has a {key} of {_shape(shape)}"


def _in_state(
    tensors: Mapping[str, list[int]], plain: Mapping[str, Any], wanted: Mapping[str, Any] | None, network: nn.Module
) -> Iterator[str]:
    """What is wrong with an optimizer's state by "parameter/key".

    A parameter that no step has changed yet has none. One more key than expected may come with a later step.

    Args:
        tensors: shapes of those in the file.
        plain: the other values in it.
        wanted: what there is after a step, if that is known.
    """
    parameters = dict(network.named_parameters())
    held = {**tensors, **{key: _plain_shape(value) for key, value in plain.items()}}
    for key in held:
        if key.rpartition("/")[0] not in parameters:
            yield f"{key} belongs to no parameter"
        elif key in tensors and key in plain:
            yield f"{key} is there twice"
    begun = {key.rpartition("/")[0] for key in held}
    for key, value in (wanted or {}).items():
        if key.rpartition("/")[0] in begun:
            here = list(value.shape) if isinstance(value, Tensor) else _plain_shape(value)
            if key not in held or (here is not None and held[key] != here):
                yield f"{key} is {_shape(held.get(key))} there and {_shape(here)} here"


def _plain_shape(value: object) -> list[int] | None:
    """A number may be a tensor in another version of torch."""
    return [] if isinstance(value, (int, float)) else None


def _shapes(path: Path) -> dict[str, list[int]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118 -- no mapping


def _shape(shape: list[int] | None) -> str:
    return "not" if shape is None else shape_text(shape)
