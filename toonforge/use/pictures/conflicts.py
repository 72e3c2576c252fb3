"""What stands in the way of outputs, in words: each cause once, however many outputs it concerns."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from toonforge.errors import Problem

NAMED = 3
"""Outputs of one cause that are named."""


@attrs.frozen
class Conflict:
    """A cause.

    Attributes:
        one: what is said of the only one; "{}" stands for it.
        many: what is said of more; "{:,}" stands for their number.
    """

    one: str
    many: str
    hint: str
    found: str | None = None


IS_THERE = Conflict(
    "{} is there already",
    "{:,} outputs are there already",
    "overwrite with --force, leave it as it is with --skip-existing, or choose another -o",
)
IS_INPUT = Conflict("{} is an input", "{:,} outputs are inputs", "choose another folder with -o")
SHARED = Conflict(
    "{}", "{:,} inputs would become the output of another", "translate them into folders of their own with -o"
)


def cannot_write(reason: str | None) -> Conflict:
    """What is no file, for a reason of the system's."""
    return Conflict("cannot write {}", "{:,} outputs cannot be written", "choose another -o", reason)


def in_words(conflicts: Iterable[tuple[Conflict, str]]) -> list[Problem]:
    """One problem a cause.

    Args:
        conflicts: causes, and what each concerns.
    """
    causes: dict[Conflict, list[str]] = {}
    for cause, name in conflicts:
        causes.setdefault(cause, []).append(name)
    return [
        Problem(message=_message(cause, names), found=cause.found, hint=cause.hint) for cause, names in causes.items()
    ]


def _message(cause: Conflict, names: list[str]) -> str:
    if len(names) == 1:
        return cause.one.format(names[0])
    more = ", …" * (len(names) > NAMED)
    return f"{cause.many.format(len(names))}: {', '.join(names[:NAMED])}{more}"
