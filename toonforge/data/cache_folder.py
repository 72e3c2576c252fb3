"""Where this package keeps what it can make again: indexes, decoded pictures."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """`TOONFORGE_CACHE` where that is set, or the user's cache folder as the platform has it; it need not exist yet."""
    if given := os.environ.get("TOONFORGE_CACHE"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/toonforge"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "toonforge/cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "toonforge"
