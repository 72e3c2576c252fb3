"""The recipe of a run: what it changes of the one it extends, and all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import tomli

from toonforge.errors import ToonforgeError
from toonforge.recipe.loading import load, loads
from toonforge.recipe.resolved import Difference, differences, recipe_data
from toonforge.runs.base import NAME
from toonforge.runs.reading import file_inside, read_text, shallow
from toonforge.runs.record import Record

LONGEST = 20_000
"""Characters of a recipe that a page shows."""
WIDEST = 300
"""Characters of a value in the table of differences."""


@attrs.frozen(kw_only=True)
class RecipePart:
    """What a page says of a run's recipe.

    Attributes:
        base: what the differences are from: the recipe it extends, or its own file; empty where neither is known.
        rows: (key, value of the base, value of the run).
        note: why there are no differences, or from what they are.
        given: the recipe's file as text, with its comments.
        resolved: the same with every default filled in.
    """

    base: str
    rows: tuple[tuple[str, str, str], ...]
    note: str
    given: str
    resolved: str


def recipe_part(record: Record) -> RecipePart:
    """Read a run's recipe and that of its base."""
    given, resolved = _text(record.folder, "recipe.toml"), _text(record.folder, "resolved.toml")
    base, old, note = _base(record, given)
    rows = tuple(_told(differences(old, record.recipe))) if old is not None else ()
    return RecipePart(base=base, rows=rows, note=note, given=_cut(given), resolved=_cut(resolved))


def _text(folder: Path, name: str) -> str:
    try:
        return read_text(folder, name, errors="replace")
    except OSError:
        return ""


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n…"


def _base(record: Record, given: str) -> tuple[str, Mapping[str, Any] | None, str]:
    """The base's name, its data, and a note."""
    if not given:
        return "", None, "The run has no recipe.toml: it was begun from a recipe that no file holds."
    try:
        extends = tomli.loads(given).get("extends")
        if extends is None:
            return "recipe.toml", recipe_data(loads(given)), "It extends no other recipe. What --set changed:"
        name = str(extends)
        if file_inside(record.folder, NAME) is not None:
            kept = shallow(tomli.loads(read_text(record.folder, NAME)))
            return name, kept, f"What it changes of {name}:"
        if name.endswith(".toml"):
            return "", None, f"It extends {name}, which does not lie in the run's folder."
        return name, recipe_data(load(name)), f"What it changes of {name}, as that is installed now:"
    except (ToonforgeError, ValueError, OSError, RecursionError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return "", None, f"What it changes cannot be told: {reason}"


def _told(found: Sequence[Difference]) -> list[tuple[str, str, str]]:
    """The differences as rows. Where a component's `type` changed, the old one's other keys went with it unsaid."""
    replaced = tuple(d.key[: -len("type")] for d in found if d.key.endswith(".type") and None not in (d.old, d.new))
    return [(d.key, _shown(d.old), _shown(d.new)) for d in found if not (d.new is None and d.key.startswith(replaced))]


def _shown(value: Any) -> str:
    """A value as TOML, cut where it is long; a dash for one that is not there."""
    text = "–" if value is None else value if isinstance(value, str) else _toml(value)
    return text if len(text) <= WIDEST else text[:WIDEST] + " …"


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, default=str)
