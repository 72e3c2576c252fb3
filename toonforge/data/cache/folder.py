"""Where this package keeps what it can make again: indexes, decoded pictures."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """`TOONFORGE_CACHE` where that is set, or the user's cache folder as the platform has it; it need not exist yet."""
    if given := os.environ.get("TOONFORGE_CACHE"):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("toonforge", appauthor=False)
