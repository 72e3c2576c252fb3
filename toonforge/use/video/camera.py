"""A webcam, of which always the newest picture is taken; and the window that shows what becomes of it. OpenCV's."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from toonforge.data.filters.opencv import SILENT, logging_of
from toonforge.errors import Problem, RunError
from toonforge.use.video.flow import opencv

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

TITLE = "toonforge: q ends"
ESCAPE = 27
WAIT = 5.0
"""Seconds after which a webcam that sends nothing is given up."""


class Capture(Protocol):
    """What is asked of `cv2.VideoCapture`."""

    def read(self) -> tuple[bool, npt.NDArray[np.uint8] | None]:
        """Whether there is a next picture, and that: H,W,3 of blue, green and red."""

    def get(self, number: int) -> float:
        """A property, by OpenCV's number of it."""

    def release(self) -> None:
        """Give the webcam back."""


def open_camera(index: int) -> Capture:
    """The webcam of a number.

    Raises:
        RunError: there is none, or another program has it.
    """
    cv2 = opencv()
    logging = logging_of(cv2)
    level = logging.getLogLevel()
    logging.setLogLevel(SILENT)  # it is said below
    try:
        camera: Any = cv2.VideoCapture(index)
    finally:
        logging.setLogLevel(level)
    if not camera.isOpened():
        raise RunError(
            Problem(
                message=f"webcam {index} cannot be opened",
                found="no webcam of this number, or another program uses it",
                hint="a file of that name is given as ./" + str(index),
            )
        )
    camera.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return camera  # type: ignore[no-any-return]


@attrs.frozen(eq=False)
class Seen:
    """A picture of a webcam: H,W,3, RGB, 0 to 255; and when it was taken, in seconds of a clock of its own."""

    picture: Picture
    time: float


class Newest:
    """The newest picture of a webcam, read in a thread: whoever is slower than the webcam misses pictures, and is not
    behind. A context: the webcam is given back at its end.
    """

    def __init__(self, camera: Capture) -> None:
        self._camera = camera
        self._there = threading.Condition()
        self._seen: Seen | None = None
        self._over = False
        self._thread = threading.Thread(target=self._read, name="toonforge-webcam", daemon=True)

    def __enter__(self) -> Newest:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._there:
            self._over = True
        self._thread.join(WAIT)  # a webcam that hangs is given back by its thread: a release while it reads may crash

    def next(self) -> Seen | None:
        """The newest picture that was not taken yet; None where the webcam sends no more."""
        with self._there:
            self._there.wait_for(lambda: self._seen is not None or self._over, WAIT)
            seen, self._seen = self._seen, None
            return seen

    def _read(self) -> None:
        import numpy as np

        try:
            while not self._over:
                there, picture = self._camera.read()
                with self._there:
                    if there and picture is not None:
                        self._seen = Seen(np.ascontiguousarray(picture[:, :, ::-1]), time.monotonic())
                    else:
                        self._over = True
                    self._there.notify()
        finally:
            self._camera.release()


class Window:
    """Shows pictures; q, Escape or closing it ends. A context."""

    def __enter__(self) -> Window:
        opencv().namedWindow(TITLE, opencv().WINDOW_NORMAL)
        return self

    def __exit__(self, *_: object) -> None:
        opencv().destroyWindow(TITLE)

    def show(self, picture: Picture) -> bool:
        """Show H,W,3 of RGB; whether to go on."""
        cv2 = opencv()
        cv2.imshow(TITLE, picture[:, :, ::-1])
        key = cv2.waitKey(1) & 0xFF
        return key not in (ESCAPE, ord("q")) and cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1


def can_show() -> bool:
    """Whether OpenCV can open a window here: opencv-python-headless cannot, nor a machine without a screen."""
    built = next((line for line in opencv().getBuildInformation().splitlines() if line.strip().startswith("GUI:")), "")
    screen = not sys.platform.startswith("linux") or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return screen and "NONE" not in built
