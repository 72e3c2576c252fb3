"""Names of components ("namespace/name", bare for the core) and close-match suggestions."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*\Z")
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def is_component_name(name: str) -> bool:
    """Whether `name` may name a component or a plugin: lower-case words joined by hyphens."""
    return NAME.match(name) is not None


def is_identifier(name: str) -> bool:
    """Whether `name` may name a field, network, signal, phase or loss of a recipe."""
    return IDENTIFIER.match(name) is not None


def shape_text(shape: Iterable[int]) -> str:
    """(3, 128, 128) -> "3x128x128", and () -> "a number"."""
    return "x".join(map(str, shape)) or "a number"


def close_matches(name: str, known: Iterable[str], limit: int = 3) -> list[str]:
    """The known names nearest to `name`, best first; a namespace left out or wrong still matches."""
    choices = list(dict.fromkeys(known))
    tail = name.rsplit("/", 1)[-1]
    same_tail = [choice for choice in choices if choice.rsplit("/", 1)[-1] == tail and choice != name]
    lowered = {choice.lower(): choice for choice in choices}
    import difflib  # here: few commands have a mistake to suggest something for

    near = [lowered[match] for match in difflib.get_close_matches(name.lower(), lowered, n=limit, cutoff=0.6)]
    return list(dict.fromkeys([*same_tail, *near]))[:limit]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """A hint sentence for an unknown name, or None when nothing is near."""
    matches = close_matches(name, known)
    return f"did you mean {' or '.join(repr(match) for match in matches)}?" if matches else None
