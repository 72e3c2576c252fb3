"""OpenCV, which the picture filters need and the rest does not: imported when a filter is first used."""

from __future__ import annotations

from typing import Any

from toonforge.errors import Problem, ToonforgeError


def opencv() -> Any:
    """The cv2 module, or an error that says how to get it."""
    try:
        import cv2
    except ImportError:
        raise ToonforgeError(
            Problem(
                message="picture filters need OpenCV, which is not installed",
                hint="pip install 'toonforge[filters]'",
            )
        ) from None
    return cv2
