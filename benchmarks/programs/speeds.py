"""Values of train.speed on a command line."""

from __future__ import annotations

import argparse

from toonforge.speed.tricks import TRICKS


def speed(text: str) -> str:
    """For argparse: "auto", "safe", or names of tricks joined by commas; anything else is refused."""
    unknown = [] if text in ("auto", "safe") else [name for name in text.split(",") if name not in TRICKS]
    if unknown:
        known = ", ".join(["auto", "safe", *TRICKS])
        raise argparse.ArgumentTypeError(f"no trick is called {' or '.join(map(repr, unknown))}; there are {known}")
    return text
