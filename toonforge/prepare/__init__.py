"""From films and folders of pictures to a data set: what `toonforge data` does, as a library.

Each function is a verb. It reads folders, changes nothing in them, and writes into a folder of its own (`out`), with a
manifest.csv that says what became of every file and why. Called again, it goes on where it was stopped.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toonforge.prepare.engine.task import Outcome, Progress
    from toonforge.prepare.engine.work import Report, Row
    from toonforge.prepare.quality.judging import Limits
    from toonforge.prepare.verbs.cartoonize import cartoonize
    from toonforge.prepare.verbs.dedupe import dedupe
    from toonforge.prepare.verbs.filter import filter_pictures
    from toonforge.prepare.verbs.frames import frames
    from toonforge.prepare.verbs.inspect import inspect
    from toonforge.prepare.verbs.pair import pair
    from toonforge.prepare.verbs.smooth_edges import smooth_edges
    from toonforge.prepare.verbs.split import split

__all__ = [
    "inspect",
    "frames",
    "filter_pictures",
    "dedupe",
    "cartoonize",
    "smooth_edges",
    "pair",
    "split",
    "Limits",
    "Report",
    "Row",
    "Outcome",
    "Progress",
]

_LIE_IN = {
    "filter_pictures": "verbs.filter",
    "Limits": "quality.judging",
    "Report": "engine.work",
    "Row": "engine.work",
} | dict.fromkeys(("Outcome", "Progress"), "engine.task")
"""Names that are not in the module of their verb. Each is imported when it is asked for: one verb needs few others."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LIE_IN.get(name, f'verbs.{name}')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
