"""Translates what a webcam sees: in a window, into a film, or both."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import attrs

from toonforge.data.transforms import scale_short_side
from toonforge.errors import Problem, RunError
from toonforge.extras import need
from toonforge.files import beside
from toonforge.train.insisting import MOMENT
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.video.film import Outcome, refuse, unwritable
from toonforge.use.video.kinds import container_of
from toonforge.use.video.pieces import Facts, Shot

if TYPE_CHECKING:
    from toonforge.use.video.camera import Capture, Seen
    from toonforge.use.video.translating import Translator
    from toonforge.use.video.writing import Writer

UNIT = Fraction(1, 1000)
"""Of time in what is recorded, in seconds."""

RATE = 30
"""Pictures per second of a webcam that does not say."""


def webcam(
    model: Translator,
    index: int = 0,
    target: str | os.PathLike[str] | None = None,
    to: str | None = None,
    *,
    look: Look = AS_IT_IS,
    steady: float = 0.0,
    size: int | None = None,
    show: bool | None = None,
    force: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
    stop: Callable[[], bool] | None = None,
    camera: Capture | None = None,
) -> Outcome:
    """Translate what a webcam sees, till Ctrl-C, the window's q, or the webcam's end. There is no sound.

    A model slower than the webcam misses pictures: what is shown is always the newest, and the film lasts as long as
    the recording did.

    Args:
        model: as `toonforge.load` gives it.
        index: of the webcam, from 0 on.
        target: a film to record into; it is whole whenever it ends.
        to, look, steady, size, force: as of `translate_video`.
        show: open a window; left out, where OpenCV can and there is a screen.
        progress: called with the pictures done.
        stop: asked between pictures whether to end.
        camera: in place of the webcam of that number.

    Returns:
        What was recorded; `target` is the current folder where nothing was.

    Raises:
        RunError: there is no such webcam; it sends nothing; there is neither a window nor a target; the target is
            there already or cannot be written.
        ToonforgeError: OpenCV, or with a target PyAV, is not installed.

    Examples:
        >>> import cv2, toonforge
        >>> from toonforge.use.video import webcam
        >>> camera = cv2.VideoCapture("film.mp4")  # a film in place of a webcam
        >>> outcome = webcam(toonforge.load("runs/small"), target="live.mp4", camera=camera, show=False)
        >>> outcome.frames > 0, outcome.size
        (True, (64, 48))
    """
    kind, show = ready(target, show, steady=steady, force=force, index=index if camera is None else None)
    place = None if target is None else Path(target)
    from toonforge.use.video.camera import Newest, Window, open_camera
    from toonforge.use.video.steady import Steadier
    from toonforge.use.video.translating import translate_pictures

    camera = open_camera(index) if camera is None else camera
    rate = round(camera.get(5)) or RATE  # cv2.CAP_PROP_FPS
    steadier = Steadier(steady) if steady else None
    done, begun, last = 0, 0.0, 0
    written = (0, 0)
    try:
        with ExitStack() as stack:
            newest = stack.enter_context(Newest(camera))
            window = stack.enter_context(Window()) if show else None
            asked = stack.enter_context(interrupts())
            writer: Writer | None = None
            held: Shot | None = None
            while not asked.is_set() and not (stop is not None and stop()):
                seen = newest.next()
                if seen is None:
                    break
                if size is not None and size < min(seen.picture.shape[:2]):
                    seen = attrs.evolve(seen, picture=scale_short_side(seen.picture, size))
                made = translate_pictures(model, [seen.picture], to, look)[0]
                made = made if steadier is None else steadier.next(seen.picture, made)
                if done == 0:
                    begun, written = seen.time, (made.shape[1], made.shape[0])
                    writer = None if place is None else stack.enter_context(_recorder(place, kind, seen, rate))
                last = max(last + 1, round((seen.time - begun) / UNIT)) if done else 0
                if writer is not None:
                    if held is not None:
                        writer.add_shot(attrs.evolve(held, length=last - held.time))
                    held = Shot(made, last, round(1000 / rate))
                done += 1
                if progress is not None:
                    progress(done, None)
                if window is not None and not window.show(made):
                    break
            if writer is not None and held is not None:
                writer.add_shot(held)
    except OSError as error:
        raise unwritable(place or Path(), error) from error
    if done == 0 and not asked.is_set():
        raise RunError(Problem(message=f"webcam {index} sends no pictures", hint="is its cover open, is it in use?"))
    seconds = float(last * UNIT) + 1 / rate if done else 0.0
    return Outcome(target=place or Path(), frames=done, seconds=seconds, size=written)


def ready(
    target: str | os.PathLike[str] | None,
    show: bool | None = None,
    *,
    steady: float = 0.0,
    force: bool = False,
    index: int | None = None,
) -> tuple[str, bool]:
    """ffmpeg's name of the container that is recorded into ("" for none), and whether there is a window.

    Torch is not imported. Arguments and errors are those of `webcam`. Where the webcam of an `index` can be shown
    nowhere, it is looked for before that is said: without one, no other output helps.
    """
    need("cv2", "webcams need")
    place = None if target is None else Path(target)
    kind = "" if place is None else container_of(place)
    refuse(None, place, force, steady)
    from toonforge.use.video.camera import can_show, open_camera

    show = can_show() if show is None else show
    if place is None and not show:
        if index is not None:
            open_camera(index).release()
        raise RunError(
            Problem(
                message="what the webcam sees can be shown nowhere",
                found="this OpenCV opens no windows, or there is no screen",
                hint="record it: -o film.mp4; for a window: pip install opencv-python in place of "
                "opencv-python-headless",
            )
        )
    if place is not None:
        need("av", "films need")
    return kind, show


@contextmanager
def _recorder(target: Path, kind: str, first: Seen, rate: int) -> Iterator[Writer]:
    from av import FFmpegError

    from toonforge.use.video.writing import Writer

    height, width = first.picture.shape[:2]
    facts = Facts(height=height, width=width, unit=UNIT, rate=Fraction(rate))
    try:
        with beside(target, flush=True) as partial, partial.open("xb") as file, Writer(file, kind, facts) as writer:
            yield writer
    except FFmpegError as error:
        raise unwritable(target, error) from error


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Ctrl-C, or SIGTERM, sets the event and does not stop anything halfway; outside the main thread it does as ever.

    What comes after a moment, where nobody looks at the event, does as ever too.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    first = 0.0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal first
        handler = before[number]
        if not asked.is_set():
            first = time.monotonic()
            asked.set()
        elif time.monotonic() - first >= MOMENT and callable(handler):
            handler(number, frame)

    before = {int(number): signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, ask)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
