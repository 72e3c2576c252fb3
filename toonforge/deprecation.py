"""What still works and will go: each name, field and component on its way out says what to use, and when it goes.

Functions and classes are marked as PEP 702 has it, so that editors strike them through:

    @deprecated("use toonforge.load; it goes in toonforge 0.3", category=ToonforgeDeprecationWarning)

A name that moved is an entry of `OLD_NAMES`, a field says `param(deprecated=Deprecation(…))`, and a component has a
class attribute `deprecated`. `docs/explanation/compatibility.md` says how long things stay.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import attrs

from toonforge.errors import Problem

__all__ = ["Deprecation", "ToonforgeDeprecationWarning"]

T = TypeVar("T")
_TEXT = re.compile(r"use (?P<use>.+); it goes in (?P<distribution>[A-Za-z0-9._-]+) (?P<version>\S+)\Z", re.DOTALL)


@attrs.frozen(kw_only=True)
class Deprecation:
    """What to use in the place of something, and when that goes.

    Args:
        use: what to write instead, in a few words: "`strength`", "toonforge.load".
        gone_in: the distribution whose version decides, and the first version that lacks it: "toonforge 0.3".

    Raises:
        ValueError: for a `gone_in` of any other form.

    >>> from toonforge import Deprecation
    >>> print(Deprecation(use="`strength`", gone_in="toonforge-soft 0.3"))
    use `strength`; it goes in toonforge-soft 0.3
    """

    use: str
    gone_in: str = attrs.field()

    @gone_in.validator
    def _is_a_version(self, attribute: attrs.Attribute[str], value: str) -> None:
        from packaging.version import InvalidVersion, Version

        try:
            fits = _TEXT.match(str(self)) is not None and Version(value.rsplit(" ", 1)[-1])
        except InvalidVersion:
            fits = False
        if not fits:
            raise ValueError(f"gone_in: found {value!r}, expected a distribution and a version: 'toonforge 0.3'")

    def __str__(self) -> str:
        return f"use {self.use}; it goes in {self.gone_in}"

    @classmethod
    def parse(cls, text: str) -> Deprecation:
        """The inverse of `str`, for the texts of PEP 702; raises ValueError for texts of another form."""
        match = _TEXT.match(text)
        if match is None:
            raise ValueError(f"found {text!r}, expected 'use WHAT; it goes in DISTRIBUTION VERSION'")
        return cls(use=match["use"], gone_in=f"{match['distribution']} {match['version']}")

    def overdue(self, installed: Mapping[str, str]) -> bool:
        """Whether what it is about should be gone already.

        Args:
            installed: distribution -> version; of one that is not there nothing is overdue. A pre-release counts as
                the version that it leads to.
        """
        from packaging.utils import canonicalize_name
        from packaging.version import Version

        distribution, version = self.gone_in.rsplit(" ", 1)
        has = {canonicalize_name(name): has for name, has in installed.items()}.get(canonicalize_name(distribution))
        return has is not None and Version(Version(has).base_version) >= Version(version)


class ToonforgeDeprecationWarning(DeprecationWarning):
    """Something that still works and will go: the text says what to use, and in which version it goes.

    `problem` says where a recipe uses it; None where Python code does.

    >>> import warnings, toonforge
    >>> warnings.filterwarnings("error", category=toonforge.ToonforgeDeprecationWarning)  # for a test suite
    """

    def __init__(self, text: str, problem: Problem | None = None) -> None:
        super().__init__(text)
        self.problem = problem


@attrs.frozen(kw_only=True)
class OldName:
    """A name that stands for something that is now elsewhere.

    Attributes:
        home: "module:name" of what it stands for.
        deprecation: what to use, and when the old name goes.
    """

    home: str
    deprecation: Deprecation


OLD_NAMES: Mapping[str, OldName] = {}
"""Full dotted name -> what it stands for. A module other than `toonforge` itself needs, for its names in this table,
`def __getattr__(name): return old_name(__name__, name)`."""


def old_name(module: str, name: str) -> Any:
    """What an old name stands for, with a warning at the line of code that looked it up in the module.

    Raises:
        AttributeError: for a name that is not in `OLD_NAMES`.
    """
    old = OLD_NAMES.get(f"{module}.{name}")
    if old is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    warn(f"{module}.{name}", old.deprecation, above=2)
    home, _, attribute = old.home.partition(":")
    return getattr(importlib.import_module(home), attribute)


_silent: ContextVar[bool] = ContextVar("toonforge_deprecations_silent", default=False)


@contextmanager
def silent() -> Iterator[None]:
    """Within it nothing is said: for the core's own copies of what a user made, of whom it was said already."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)


def quietly(make: Callable[[], T]) -> T:
    """What `make` gives, `silent`: for an op, which the core makes anew for each use of it in a recipe."""
    with silent():
        return make()


def warn(name: str, deprecation: Deprecation, above: int = 1) -> None:
    """Say that Python code uses something on its way out.

    Args:
        name: of what is used.
        above: how many calls above the one that calls this function the line to blame is.
    """
    if not _silent.get():
        warnings.warn(ToonforgeDeprecationWarning(f"{name} is deprecated: {deprecation}"), stacklevel=above + 2)


def warn_of(problem: Problem) -> None:
    """Say that a recipe uses something on its way out, at its line.

    The warning counts as one of the main program, whose warnings Python shows unasked: the recipe is the user's own.
    """
    text = ": ".join(part for part in (problem.key, problem.message, problem.hint) if part)
    warnings.warn_explicit(
        ToonforgeDeprecationWarning(text, problem),
        ToonforgeDeprecationWarning,
        filename=problem.where.source if problem.where is not None else "recipe",
        lineno=(problem.where.line or 1) if problem.where is not None else 1,
        module="__main__",
    )
