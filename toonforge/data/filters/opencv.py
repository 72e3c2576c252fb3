"""OpenCV, which the picture filters need and the rest does not: imported when a filter is first used."""

from __future__ import annotations

from typing import Any

from toonforge.extras import need


def opencv() -> Any:
    """The cv2 module, or an error that says how to get it."""
    need("cv2", "picture filters need")
    import cv2

    return cv2
