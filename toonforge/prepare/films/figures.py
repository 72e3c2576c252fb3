"""A few figures of each frame of a film, from which its scenes are found.

They are so few that a film of two hours takes 5 MB, and they are made piece by piece: by many processes at once, and
none twice after a stop. A frame's figures depend on those around it no further away than `REACH`.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

WIDTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
"""Seconds before and after a frame, at which it is tried for the middle of a dissolve."""

REACH = 1.35
"""Seconds before and after a frame on which its figures depend at most: where frames are sparse, the next is not always
at hand, and one that is off by a quarter of the width is taken."""

DIP = (0.3, 0.65)
"""Shares of the mean sharpness of both ends, between which the middle of a dissolve is. It is a half, if pictures have
nothing in common; what is much softer is blurred."""

APART, OFF = 12.0, 0.3
"""Mean difference of the ends of a dissolve, in levels of 255, at least; and the share of it by which its middle may
differ from their mean."""

THUMBNAIL, COARSE = (32, 18), (16, 9)
"""Widths and heights at which frames are compared to find cuts, and dissolves: small, so that movement matters less."""

TINY = 1e-3
"""Seconds by which times that are meant to be the same may differ."""


@attrs.frozen(kw_only=True, eq=False)
class Figures:
    """Of each frame of a film or of a piece of it, in order; arrays of one length.

    Attributes:
        position: as `toonforge.prepare.films.film` numbers frames.
        time: seconds since the first frame.
        change: mean difference to the frame before, in levels of 255; 0 for the first.
        sharpness: variance of the Laplacian, as `toonforge.prepare.quality.measures.sharpness`.
        brightness: mean luma, 0 to 1.
        blend: seconds before and after it, between which it is the middle of a dissolve or a fade; 0 if it is none.
    """

    position: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    change: npt.NDArray[np.float32]
    sharpness: npt.NDArray[np.float32]
    brightness: npt.NDArray[np.float32]
    blend: npt.NDArray[np.float32]


@attrs.define(eq=False)
class _Seen:
    position: int
    time: float
    change: float
    sharpness: float
    brightness: float
    coarse: npt.NDArray[np.float32]
    blend: float = 0.0


def measure(frames: Iterable[tuple[int, float, Picture]]) -> Figures:
    """The figures of frames that follow each other; no more of them are held than last twice `REACH`, and those small.

    Args:
        frames: position, seconds, and the picture with a short side of about 256 pixels.
    """
    import numpy as np

    kinds: Mapping[str, Any] = {
        "position": np.int64,
        "time": np.float64,
        "change": np.float32,
        "sharpness": np.float32,
        "brightness": np.float32,
        "blend": np.float32,
    }
    rows = [[getattr(one, name) for name in kinds] for one in _decided(_seen(frames))]
    return Figures(**{name: np.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(kinds.items())})


def _seen(frames: Iterable[tuple[int, float, Picture]]) -> Iterator[_Seen]:
    import numpy as np
    from PIL import Image

    from toonforge.prepare.quality.measures import brightness, sharpness

    before = None
    for position, time, picture in frames:
        thumbnail = np.asarray(Image.fromarray(picture).resize(THUMBNAIL, Image.Resampling.BOX))
        small = thumbnail.astype(np.float32)
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        before = small
        coarse = np.asarray(Image.fromarray(thumbnail).resize(COARSE, Image.Resampling.BOX), np.float32)
        yield _Seen(position, time, change, sharpness(picture), brightness(thumbnail), coarse)


def _decided(frames: Iterator[_Seen]) -> Iterator[_Seen]:
    """The frames with their blend, as soon as it can be known."""
    near: list[_Seen] = []
    place = 0  # of the first that is not decided
    for frame in frames:
        near.append(frame)
        while near[place].time < frame.time - REACH:
            near[place].blend = _blend(near, place)
            place += 1
        passed = sum(one.time < near[place].time - REACH for one in near)
        yield from near[:passed]
        del near[:passed]
        place -= passed
    for late in range(place, len(near)):
        near[late].blend = _blend(near, late)
    yield from near


def _blend(near: list[_Seen], place: int) -> float:
    import numpy as np

    middle, times = near[place], [one.time for one in near]
    for width in WIDTHS:
        first, last = bisect(times, middle.time - width + TINY) - 1, bisect(times, middle.time + width - TINY)
        if first < 0 or last == len(near) or times[last] - times[first] > 2.5 * width:
            continue
        ends = (_sharpness(near, first) + _sharpness(near, last)) / 2
        if _sharpness(near, place) >= DIP[1] * ends or middle.sharpness < DIP[0] * ends:
            continue
        before, after = near[first], near[last]
        apart = float(np.abs(after.coarse - before.coarse).mean())
        share = (middle.time - before.time) / (after.time - before.time)
        off = float(np.abs(middle.coarse - (1 - share) * before.coarse - share * after.coarse).mean())
        if apart >= APART and off < OFF * apart:
            return width
    return 0.0


def _sharpness(near: list[_Seen], place: int) -> float:
    """Of a frame and those directly beside it: a compression keeps every few frames sharper than the others."""
    time = near[place].time
    beside = [one.sharpness for one in near[max(0, place - 1) : place + 2] if abs(one.time - time) < REACH - 1.25]
    return sum(beside) / len(beside)
