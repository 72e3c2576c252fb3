"""OpenCV, which the picture filters need and the rest does not: imported when a filter is first used."""

from __future__ import annotations

import os
from typing import Any

from toonforge.extras import need

SILENT, FATAL = 0, 1
"""Levels of OpenCV's logging."""


def opencv() -> Any:
    """The cv2 module, or an error that says how to get it."""
    need("cv2", "picture filters need")
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        # It writes of threads that it cannot start, and does without them; what fails is an exception anyway.
        logging_of(cv2).setLogLevel(FATAL)
    return cv2


def logging_of(cv2: Any) -> Any:
    """Where OpenCV's level of logging is asked for and set: up to OpenCV 4.12 that is cv2 itself."""
    return getattr(cv2.utils, "logging", cv2)
