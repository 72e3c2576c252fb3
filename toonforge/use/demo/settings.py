"""What the page's controls say: checked here again, since anybody can send anything to a server."""

from __future__ import annotations

import math
from collections.abc import Mapping

from toonforge.errors import Problem, RunError
from toonforge.use.look import Look


def as_look(strength: object, keep_color: object, smooth: object) -> Look:
    """How translations are finished; raises `RunError` for values that the controls do not have."""
    return Look(
        strength=_share("strength", strength),
        keep_color=_switch("keep color", keep_color),
        smooth=_share("smooth", smooth),
    )


def as_domain(value: object, offered: Mapping[str, object]) -> str:
    """One of the domains that a model translates to; its first where nothing is said."""
    if value is None:
        return next(iter(offered))
    if isinstance(value, str) and value in offered:
        return value
    raise _wrong("translate to", value, " or ".join(offered))


def _share(what: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value <= 1:
        raise _wrong(what, value, "a number from 0 to 1")
    return float(value)


def _switch(what: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _wrong(what, value, "on or off")
    return value


def _wrong(what: str, value: object, expected: str) -> RunError:
    return RunError(Problem(message=f"{what} cannot be that", found=repr(value)[:60], expected=expected))
