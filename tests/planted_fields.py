"""Configs whose fields say too little or do not behave, for the suites to find. No torch here."""

from __future__ import annotations

from typing import Any

import attrs

from toonforge.components import Schedule, changed, component, param


@component
class Plain(Schedule):
    """Always the same factor; only its fields are looked at."""

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        return 1.0


@component
class Undocumented(Plain):
    """A field without a word."""

    floor: float = attrs.field(default=0.0)


@component
class Unitless(Plain):
    """A size of what?"""

    window_size: int = param(5, doc="how wide", at_least=1, at_most=9)


@component
class Unsourced(Plain):
    """A default of which paper?"""

    floor: float = param(0.5, doc="lowest factor, as in the original paper", at_least=0, at_most=1)


@component
class Listed(Plain):
    """Several factors, of which a recipe may have any value."""

    floors: list[float] = param(lambda: [0.5], doc="lowest factors", at_least=0, at_most=1)


@component
class Forgetful(Plain):
    """None is no TOML: it is left out, and read back as the default."""

    floor: float | None = param(0.5, doc="lowest factor", at_least=0, at_most=1)


@component
class Beyond(Plain):
    """A default outside its own limits is refused by attrs at once; one of `tiny` is not."""

    floor: float = param(0.5, doc="lowest factor", at_least=0, at_most=1, tiny=2.0)


@component
class Mute(Plain):
    floor: float = param(0.5, doc="lowest factor", at_least=0, at_most=1)


@component
class Halving(Plain):
    """Smaller each time."""

    floor: float = param(0.5, doc="lowest factor", at_least=0, at_most=1)

    def tiny(self: Any) -> Any:
        return changed(self, floor=self.floor / 2)


@attrs.define(kw_only=True)
class Thawed(Schedule):
    """One that can be changed."""

    floor: float = param(0.5, doc="lowest factor", at_least=0, at_most=1)


@component
class Doubling(Plain):
    """Twice what it is given."""

    floor: float = attrs.field(default=0.25, converter=lambda value: 2 * value)
