"""Finds a film's scenes and the best frames in them, from a few figures of each frame.

Cuts are found as by PySceneDetect's AdaptiveDetector: a frame differs from the one before far more than its neighbours
do, so that fast movement is no cut. Dissolves and fades, which it does not see, are found by what they are: for as long
as one lasts, a frame is the mean of those shortly before and after it. The figures are so few that a film of two hours
takes 4 MB, and they are made piece by piece: by many processes at once, and none twice after a stop.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

THRESHOLD = 3.0
"""Times that a frame changes more than its neighbours, to be a cut (AdaptiveDetector's default)."""

LEAST_CHANGE = 10.0
"""Mean difference to the frame before, in levels of 255, below which nothing is a cut."""

NEIGHBOURS = 2
"""Frames on each side that a cut is compared with (AdaptiveDetector's default)."""

REACH = 0.2
"""Seconds before and after, at which a frame's ends are taken when it is tried for a blend."""

BLEND, BLEND_CHANGE = 0.22, 8.0
"""A frame is a blend if it differs from the mean of its ends by less than this share of what they differ by, and they
by at least so many levels. Over pictures that move slowly, dissolves of a second have 0.17 and 24, movement 0.28 up."""

DIP = 0.75
"""A run of blends is a dissolve or a fade only if the sharpness falls below this share of what it is beside the run:
two pictures at once are softer than each, and a slow movement over a soft picture, which blends alike, is not."""

SHORTEST = 0.5
"""Seconds; what is shorter between two cuts is no scene: there is no frame away from its cuts."""

AWAY = 0.2
"""Seconds around a cut from which no frame is taken, where the scene is long enough."""

AROUND = 0.4
"""Seconds before and after a wanted time among which the sharpest frame is taken."""

THUMBNAIL = (128, 72)
"""Width and height at which frames are compared."""


@attrs.frozen(kw_only=True, eq=False)
class Figures:
    """Of each frame of a film or of a piece of it, in order; arrays of one length.

    Attributes:
        position: as `toonforge.prepare.film` numbers frames.
        time: seconds since the first frame.
        change: mean difference to the frame before, in levels of 255; 0 for the first.
        sharpness: variance of the Laplacian, as `toonforge.prepare.measures.sharpness`.
        brightness: mean luma, 0 to 1.
        blend: whether it is the mean of what is before and after it.
    """

    position: npt.NDArray[np.int64]
    time: npt.NDArray[np.float64]
    change: npt.NDArray[np.float32]
    sharpness: npt.NDArray[np.float32]
    brightness: npt.NDArray[np.float32]
    blend: npt.NDArray[np.bool_]


@attrs.frozen
class Scene:
    """Frames `first` to `last`, both in it."""

    first: int
    last: int


@attrs.define(eq=False)
class _Seen:
    position: int
    time: float
    change: float
    sharpness: float
    brightness: float
    thumbnail: npt.NDArray[np.float32]
    blend: bool = False


def measure(frames: Iterable[tuple[int, float, Picture]]) -> Figures:
    """The figures of frames that follow each other; no more of them are held than last twice `REACH`.

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
        "blend": np.bool_,
    }
    rows = [[getattr(one, name) for name in kinds] for one in _decided(_seen(frames))]
    return Figures(**{name: np.array([row[i] for row in rows], kind) for i, (name, kind) in enumerate(kinds.items())})


def _seen(frames: Iterable[tuple[int, float, Picture]]) -> Iterator[_Seen]:
    import numpy as np
    from PIL import Image

    from toonforge.prepare.measures import brightness, sharpness

    before = None
    for position, time, picture in frames:
        thumbnail = np.asarray(Image.fromarray(picture).resize(THUMBNAIL, Image.Resampling.BOX))
        small = thumbnail.astype(np.float32)
        change = 0.0 if before is None else float(np.abs(small - before).mean())
        before = small
        yield _Seen(position, time, change, sharpness(picture), brightness(thumbnail), small.mean(axis=2))


def _decided(frames: Iterator[_Seen]) -> Iterator[_Seen]:
    """Frames whose blend is decided, as soon as it is."""
    near: deque[_Seen] = deque()
    open_ = 0  # the first in `near` that is not decided
    for frame in frames:
        near.append(frame)
        while near[open_].time <= frame.time - REACH:
            middle = near[open_]
            while len(near) > 1 and near[1].time <= middle.time - REACH:
                yield near.popleft()
                open_ -= 1
            middle.blend = near[0].time <= middle.time - REACH and _is_blend(near[0], middle, frame)
            open_ += 1
    yield from near


def _is_blend(first: _Seen, middle: _Seen, last: _Seen) -> bool:
    import numpy as np

    if last.time - first.time > 4 * REACH:  # so few frames a second tell nothing
        return False
    share = (middle.time - first.time) / (last.time - first.time)
    apart = float(np.abs(last.thumbnail - first.thumbnail).mean())
    off = float(np.abs(middle.thumbnail - (1 - share) * first.thumbnail - share * last.thumbnail).mean())
    return apart >= BLEND_CHANGE and off < BLEND * apart


def find_scenes(figures: Figures, threshold: float = THRESHOLD) -> list[Scene]:
    """The scenes of a film, in order, without the frames between them.

    Scenes shorter than `SHORTEST` are left out. A film without any other is a single scene.
    """
    times = figures.time
    scenes: list[Scene] = []
    begin = 0
    for first, last in [*_transitions(figures, threshold), (len(times), len(times))]:
        if first > begin and times[min(first, len(times) - 1)] - times[begin] >= SHORTEST:
            scenes.append(Scene(begin, first - 1))
        begin = max(begin, last)
    return scenes or [Scene(0, len(times) - 1)]


def _transitions(figures: Figures, threshold: float) -> list[tuple[int, int]]:
    """(first frame that is no more of one scene, first frame of the next) of each cut, dissolve and fade, in order."""
    import numpy as np

    change = figures.change.astype(np.float64)
    padded = np.pad(change, NEIGHBOURS, mode="edge")
    around = [
        padded[NEIGHBOURS + step : NEIGHBOURS + step + len(change)]
        for step in range(-NEIGHBOURS, NEIGHBOURS + 1)
        if step
    ]
    cut = (change >= LEAST_CHANGE) & (change >= threshold * np.mean(around, axis=0))
    found = [(int(i), int(i)) for i in np.flatnonzero(cut)]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], figures.blend, [False]]).astype(int)))
    found += [run for run in zip(edges[::2].tolist(), edges[1::2].tolist()) if _is_transition(figures, *run)]
    return sorted(found)


def _is_transition(figures: Figures, first: int, end: int) -> bool:
    inside = figures.sharpness[first:end]
    before, after = figures.sharpness[max(0, first - 2)], figures.sharpness[min(end + 1, len(figures.time) - 1)]
    return len(inside) > 1 and float(inside.min()) < DIP * max(float(before), float(after))


def choose(figures: Figures, scene: Scene, count: int) -> list[int]:
    """The sharpest frames near `count` evenly spaced times of a scene, away from its cuts, in order.

    Fewer where the scene has fewer frames.
    """
    import numpy as np

    times = figures.time[scene.first : scene.last + 1]
    away = min(AWAY, (times[-1] - times[0]) / 4)
    begin, length = times[0] + away, times[-1] - times[0] - 2 * away
    found: list[int] = []
    for part in range(count):
        wanted = begin + length * (part + 0.5) / count
        around = min(AROUND, length / count / 2)
        near = np.flatnonzero(np.abs(times - wanted) <= around)
        if not len(near):
            near = np.array([np.abs(times - wanted).argmin()])
        best = scene.first + int(near[figures.sharpness[scene.first + near].argmax()])
        if best not in found:
            found.append(best)
    return sorted(found)
