"""One thing that was looked at, and what to do about it."""

from __future__ import annotations

from typing import Literal

import attrs

AREAS = ("machine", "devices", "packages", "plugins", "folders")
"""In the order shown."""
STATUSES = ("good", "note", "warning", "broken")
"""Good; fine, with something to know; works, but not as well as it could; something does not work."""


@attrs.frozen(kw_only=True)
class Finding:
    """What was found of one thing.

    Attributes:
        area: one of `AREAS`.
        name: of the thing: "Python", "plugin cyclegan".
        status: one of `STATUSES`.
        text: what was found, in one line.
        advice: what to do, a command where there is one; None where there is nothing to do.
    """

    area: Literal["machine", "devices", "packages", "plugins", "folders"]
    name: str
    status: Literal["good", "note", "warning", "broken"] = "good"
    text: str
    advice: str | None = None
