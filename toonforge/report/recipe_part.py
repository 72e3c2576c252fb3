"""The recipe of a run: what it changes of the one it extends, and all of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from toonforge.errors import ToonforgeError
from toonforge.recipe.resolved import Difference, differences
from toonforge.runs.record import Record

LONGEST = 20_000
"""Characters of a recipe that a page shows."""


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
    given, resolved = _text(record.folder / "recipe.toml"), _text(record.folder / "resolved.toml")
    base, old, note = _base(record, given)
    rows = tuple(map(_row, differences(old, record.recipe))) if old is not None else ()
    return RecipePart(base=base, rows=rows, note=note, given=given, resolved=resolved)


def _text(path: Path) -> str:
    try:
        text = path.read_text("utf-8", errors="replace")
    except OSError:
        return ""
    return text if len(text) <= LONGEST else text[:LONGEST] + "\n…"


def _base(record: Record, given: str) -> tuple[str, Mapping[str, Any] | None, str]:
    """The base's name, its data, and a note."""
    import tomli

    from toonforge.recipe.loading import load, loads
    from toonforge.recipe.resolved import recipe_data

    if not given:
        return "", None, "The run has no recipe.toml: it was begun from a recipe that no file holds."
    try:
        extends = tomli.loads(given).get("extends")
        if extends is None:
            return "recipe.toml", recipe_data(loads(given)), "It extends no other recipe. What --set changed:"
        data = recipe_data(load(str(extends)))
    except (ToonforgeError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return "", None, f"What it changes cannot be told: {reason}"
    return str(extends), data, f"What it changes of {extends}, as that is installed now:"


def _row(difference: Difference) -> tuple[str, str, str]:
    return difference.key, _shown(difference.old), _shown(difference.new)


def _shown(value: Any) -> str:
    """A value as TOML would have it, nearly; a dash for one that is not there."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
