"""Errors that carry data. Text for people is made at the edge, from these fields."""

from __future__ import annotations

import re
from collections.abc import Sequence

import attrs

__all__ = [
    "Location",
    "Problem",
    "ToonforgeError",
    "RecipeError",
    "UnknownNameError",
    "PluginError",
    "FieldError",
    "ShapeError",
    "DataError",
    "UnreadableImage",
    "RunError",
]

MOST_PROBLEMS = 50
"""So many are collected of one recipe: looking for more, each with its hint, could take for ever."""
MOST_LETTERS = 600
"""Of each part of a problem that is shown; what a file holds can be far longer."""


def shortened(text: str) -> str:
    """The text, or its beginning and its end."""
    half = MOST_LETTERS // 2
    return text if len(text) <= MOST_LETTERS else f"{text[:half]} … {text[-half:]}"


_OBEYED = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal takes for a command, or for the direction of writing."""


def escaped(text: str) -> str:
    """The text on one line, without what a terminal would obey: for names and reasons that come from files."""
    return _OBEYED.sub(lambda odd: odd[0].encode("unicode_escape").decode("ascii"), text)


@attrs.frozen
class Location:
    """Where a value was written: a file (or "--set"), and its line and column counted from 1."""

    source: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.source, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


@attrs.frozen(kw_only=True)
class Problem:
    """One thing wrong with what the user gave: where, what was found, what was expected, what to do.

    Attributes:
        message: what is wrong, in a few words: "unknown key".
        where: the file, line and column; None where it is no file's.
        key: of a recipe ("train.steps"), or the option of a command.
        found, expected: in the words of what was given.
        hint: what to do.

    Examples:
        >>> from toonforge.errors import Problem
        >>> print(Problem(message="out of range", key="train.steps", found="-1", expected="at least 1"))
        train.steps: out of range
          found:    -1
          expected: at least 1
    """

    message: str
    where: Location | None = None
    key: str | None = None
    found: str | None = None
    expected: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        head = ": ".join(shortened(str(part)) for part in (self.where, self.key, self.message) if part)
        lines = [head]
        if self.found is not None:
            lines.append(f"  found:    {shortened(self.found)}")
        if self.expected is not None:
            lines.append(f"  expected: {shortened(self.expected)}")
        if self.hint is not None:
            lines.append(f"  hint:     {shortened(self.hint)}")
        return "\n".join(lines)


class ToonforgeError(Exception):
    """A mistake that the user can mend. The command line prints it without a traceback, exit code 2.

    Examples:
        >>> import toonforge
        >>> try:
        ...     toonforge.load_recipe("nowhere.toml")
        ... except toonforge.ToonforgeError as error:
        ...     print([problem.message for problem in error.problems])
        ["no recipe 'nowhere.toml'"]
    """

    def __init__(self, *problems: Problem | str) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            p if isinstance(p, Problem) else Problem(message=p) for p in problems
        )
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class RecipeError(ToonforgeError):
    """A recipe that cannot be read, composed or trained. Holds every problem that was found."""


class UnknownNameError(ToonforgeError, KeyError):
    """A component name that no registry holds; `matches` are the close ones."""

    def __init__(self, problem: Problem, matches: Sequence[str] = ()) -> None:
        super().__init__(problem)
        self.matches = tuple(matches)


class PluginError(ToonforgeError):
    """A plugin that cannot be used: broken on import, misnamed, made for another version of toonforge, or in
    conflict with another plugin."""


class FieldError(ValueError):
    """A component field with a value outside its range; raised by a component's own validation.

    `field` is its key, with a dot before a key inside it: "filtered.drawing"; `component` is the class's name, once it
    is known.

    Examples:
        >>> from toonforge import FieldError
        >>> raise FieldError("levels", 9, "at most 8 for 256 pixels")
        Traceback (most recent call last):
        toonforge.errors.FieldError: levels: found 9, expected at most 8 for 256 pixels
    """

    def __init__(self, field: str, found: object, expected: str, hint: str | None = None) -> None:
        super().__init__(f"{field}: found {found!r}, expected {expected}")
        self.field, self.found, self.expected, self.hint = field, found, expected, hint
        self.component: str | None = None

    def __str__(self) -> str:
        return ".".join([*filter(None, [self.component]), super().__str__()])


class ShapeError(ValueError):
    """Input shapes that a network, op or loss cannot take. The text says why and what would fit."""


class ComponentFault(RuntimeError):
    """An error that a component's own code raised; its cause is that error.

    Args:
        text: the component, its place in the recipe, and what it said.
        plugin: whose component it is, and of which distribution; empty for toonforge's own.
    """

    def __init__(self, text: str, plugin: str = "") -> None:
        super().__init__(f"in the plugin {plugin}: {text}" if plugin else text)
        self.plugin = plugin


class DataError(ToonforgeError):
    """A data set that is missing, empty or unreadable."""


class UnreadableImage(Exception):
    """One picture that cannot be decoded: skipped, counted and named by the engine.

    `passing`: nothing is known to be wrong with the picture; it could not be read just now (a disk or network that
    stumbled, no memory). The engine tries again a few times, and does not hold it against the picture.
    """

    def __init__(self, path: str, reason: str, *, passing: bool = False) -> None:
        super().__init__(f"{path}: {reason}")
        self.path, self.reason, self.passing = path, reason, passing


class RunError(ToonforgeError):
    """A run folder or checkpoint that cannot be used as asked."""


class LostProcess(RunError):
    """Another process that trains with this one has ended: what that says, or what ended it, is the cause."""
