"""OpenCV, which the picture filters need and the rest does not: imported when a filter is first used."""

from __future__ import annotations

import os
from typing import Any

from toonforge.extras import need


def opencv() -> Any:
    """The cv2 module, or an error that says how to get it."""
    need("cv2", "picture filters need")
    import cv2

    if "OPENCV_LOG_LEVEL" not in os.environ:
        # It writes of threads that it cannot start, and does without them; what fails is an exception anyway.
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_FATAL)
    return cv2
