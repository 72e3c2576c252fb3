"""Keys and values of a recipe in few words: for names of folders, headings of columns, and tables of what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from toonforge.errors import Problem, RecipeError

_VAGUE = {"type", "weight", "every", "name", "start", "from", "until", "recipe"}
"""Last parts of keys that say little without the part before them."""


def short_paths(paths: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Key -> the shortest ending of its path that says enough, and that no other key has."""
    short = {}
    for key, path in paths.items():
        length = 2 if path[-1] in _VAGUE else 1
        others = [other for name, other in paths.items() if name != key]
        while length < len(path) and any(other[-length:] == path[-length:] for other in others):
            length += 1
        short[key] = ".".join(path[-length:])
    return short


def inline(value: Any) -> str:
    """A plain value as TOML on one line; `RecipeError` for what is none."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value).replace("Infinity", "inf")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str | PurePath):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{inline(str(key))} = {inline(item)}" for key, item in value.items()) + " }"
    if isinstance(value, Iterable):
        return "[" + ", ".join(map(inline, value)) + "]"
    raise RecipeError(
        Problem(
            message="not a value of a recipe",
            found=f"{type(value).__name__} {value!r}",
            expected="a number, text, true or false, or lists and tables of them",
        )
    )
