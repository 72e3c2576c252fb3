"""Mistakes in a recipe's values, collected with the keys that lead to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import cattrs

from toonforge.components import fields_of
from toonforge.errors import MOST_PROBLEMS
from toonforge.recipe.scalars import Mistake


class Mistakes(Exception):
    """Mistakes below one value, each with the path that leads to it."""

    def __init__(self, items: list[tuple[tuple[str | int, ...], Exception]]) -> None:
        super().__init__(items)
        self.items = items


def collect(
    parts: Iterable[tuple[str | int | tuple[str, ...], Callable[[], Any]]], extra: Iterable[tuple[str, Mistake]] = ()
) -> list[Any]:
    """Run each part; all results, or `Mistakes` with what went wrong in them, until that is enough to mend.

    Args:
        parts: the key that leads to each, or several in turn, and what makes it.
        extra: what is wrong besides.
    """
    results = []
    mistakes: list[tuple[tuple[str | int, ...], Exception]] = [((key,), mistake) for key, mistake in extra]
    for key, part in parts:
        if len(mistakes) >= MOST_PROBLEMS:
            break
        try:
            results.append(part())
        except Exception as error:  # whatever a component's own code raises is a mistake in its values
            keys = key if isinstance(key, tuple) else (key,)
            mistakes += [((*keys, *path), inner) for path, inner in flat(error)]
    if mistakes:
        raise Mistakes(mistakes)
    return results


def flat(error: BaseException) -> list[tuple[tuple[str | int, ...], Exception]]:
    """The mistakes in an error, with the path of each; cattrs' own error groups included."""
    if isinstance(error, Mistakes):
        return error.items
    if isinstance(error, cattrs.BaseValidationError):
        found: list[tuple[tuple[str | int, ...], Exception]] = []
        for inner in error.exceptions:
            for note in getattr(inner, "__notes__", ()):
                if isinstance(note, cattrs.AttributeValidationNote):
                    key = _key_of(error.cl, note.name)
                    found += [((key, *path), cause) for path, cause in flat(inner)]
                    break
            else:
                found += flat(inner)
        return found
    return [((), error)] if isinstance(error, Exception) else []


def _key_of(cls: type, attribute: str) -> str:
    return next((key for key, (_, a, _) in fields_of(cls).items() if a.name == attribute), attribute)
