"""What differs between runs: keys of their recipes, and where they ran."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

import attrs

from toonforge.recipe.tree import dotted
from toonforge.recipe.words import inline, short_paths
from toonforge.report.compared import Compared
from toonforge.runs.record import Record

ABSENT = "–"
LONGEST = 28
"""A table's cell holds so many characters of a value."""
_Path = tuple[str, ...]


class _Missing:
    """Stands for a key that a run's recipe does not have."""


MISSING = _Missing()


@attrs.frozen(kw_only=True)
class Differing:
    """A key whose value is not the same in all runs.

    Attributes:
        key: as a recipe writes it.
        label: its shortest ending that no other of the comparison has.
        values: run -> its value as TOML; `ABSENT` where it has none. Runs that were not begun are left out.
        short: the same in few characters: a component's type, text without quotes.
    """

    key: str
    label: str
    values: Mapping[str, str]
    short: Mapping[str, str]


def differing(runs: Sequence[Compared]) -> list[Differing]:
    """Keys of the resolved recipes that differ, in the order of the first recipe; the recipes' own names do not count.

    Where a component's type differs, or only some runs have a table at all, that is one key with the whole table.
    """
    known = [(run.name, run.record.recipe) for run in runs if run.record is not None]
    return _rows([name for name, _ in known], [recipe for _, recipe in known], leave_out=("name",))


def surroundings(runs: Sequence[Compared]) -> list[Differing]:
    """What differs in where and with what the runs were made: training pictures, versions, plugins, device, speeds."""
    known = [(run.name, {**run.record.lock, **_speeds(run.record)}) for run in runs if run.record is not None]
    return _rows([name for name, _ in known], [lock for _, lock in known], leave_out=("seed",))


def _speeds(record: Record) -> dict[str, str]:
    """The speeds of a run's starts where they differ, "safe, then auto"; the recipe tells of the last alone."""
    said = [", ".join(start.tricks or ()) if start.speed == "listed" else start.speed for start in record.starts]
    changes = [words or "no trick" for words, _ in groupby(said)]
    return {"speed": ", then ".join(changes)} if len(changes) > 1 else {}


def _rows(names: Sequence[str], trees: Sequence[Mapping[str, Any]], leave_out: Sequence[str]) -> list[Differing]:
    found = {
        dotted(path): (path, values)
        for path, values in _walk((), trees)
        if path and path[0] not in leave_out  # nothing differs between no trees
    }
    labels = short_paths({key: path for key, (path, _) in found.items()})
    return [
        Differing(
            key=key,
            label=labels[key],
            values={name: _written(value) for name, value in zip(names, values)},
            short={name: shortened(_brief(value)) for name, value in zip(names, values)},
        )
        for key, (_, values) in found.items()
    ]


def _walk(path: _Path, values: Sequence[Any]) -> Iterator[tuple[_Path, Sequence[Any]]]:
    if all(isinstance(value, Mapping) for value in values) and not _of_other_types(values):
        for key in dict.fromkeys(key for value in values for key in value):
            yield from _walk((*path, key), [value.get(key, MISSING) for value in values])
    elif any(not _alike(value, values[0]) for value in values[1:]):
        yield path, values


def _of_other_types(tables: Sequence[Mapping[str, Any]]) -> bool:
    types = [table.get("type") for table in tables]
    return any(kind != types[0] for kind in types)


def _alike(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def _written(value: Any) -> str:
    if value is MISSING:
        return ABSENT
    return _toml(value)


def _toml(value: Any) -> str:
    """As TOML; what TOML does not know (a lock's null) as Python writes it."""
    return "none" if value is None else inline(value)


def _brief(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        weight = value.get("weight")
        return str(value["type"]) + (f" × {inline(weight)}" if isinstance(weight, int | float) else "")
    if isinstance(value, Mapping) and isinstance(value.get("from"), str):
        return str(value["from"]) + (f", {value['checkpoint']}" if "checkpoint" in value else "")
    if isinstance(value, Mapping) and set(value) == {"epochs"}:
        return f"{value['epochs']} epochs"
    return _written(value)


def shortened(text: str, room: int = LONGEST) -> str:
    """The beginning of a text that is longer than there is room for."""
    return text if len(text) <= room else text[: room - 1] + "…"
