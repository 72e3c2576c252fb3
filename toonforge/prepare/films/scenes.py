"""Finds a film's scenes and the best frames in them, from a few figures of each frame.

Cuts are found as by PySceneDetect's AdaptiveDetector: a frame differs from the one before far more than its neighbours
do, so that fast movement is no cut. (Frames that repeat the one before do not count as neighbours: cartoons show each
drawing two or three times, and would jump from nothing to something all the time.)

Dissolves and fades, which it does not see, are found by what they are: halfway, a frame is the mean of one before and
one after that differ much, and softer than both, since two pictures at once are. Movement is not softer, and a blurred
moment is softer still. What rises from black or sinks to it is a fade also where a title stays sharp. (Of dissolves
between photographs that pan and zoom, some very fast, all 36 of up to a second were found, 9 of 12 of 1.6 seconds and
8 of 12 of 2.4; in 24 that only move, none.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.films.figures import TINY, Figures

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

THRESHOLD = 3.0
"""Times that a frame changes more than its neighbours, to be a cut (AdaptiveDetector's default)."""

LEAST_CHANGE = 10.0
"""Mean difference to the frame before, in levels of 255, below which nothing is a cut."""

SAME = 0.5
"""Mean difference up to which a frame repeats the one before: noise of a compression."""

NEIGHBOURS, NEAR = 2, 0.5
"""Frames on each side that a cut is compared with (AdaptiveDetector's default), and the seconds within which they lie.
Where there are none, nothing moves."""

RISE, LONGEST = 1.03, 2.0
"""Times that a figure rises or falls over two frames, at the least, as long as a dissolve or a fade goes on. It is
followed for so many seconds."""

BLACK = 0.01
"""Brightness, 0 to 1, below which a film has faded to black."""

SHORTEST = 0.5
"""Seconds; what is shorter between two cuts is no scene: there is no frame away from its cuts."""

AWAY = 0.2
"""Seconds around a cut from which no frame is taken, where the scene is long enough."""

AROUND = 0.4
"""Seconds before and after a wanted time among which the sharpest frame is taken."""


@attrs.frozen
class Scene:
    """Frames `first` to `last`, both in it."""

    first: int
    last: int


def find_scenes(figures: Figures, threshold: float = THRESHOLD) -> list[Scene]:
    """The scenes of a film, in order, without the frames between them.

    Scenes shorter than `SHORTEST` are left out. A film without any other is a single scene.
    """
    times = figures.time
    scenes: list[Scene] = []
    begin = 0  # of the next scene
    for first, last in [*_transitions(figures, threshold), (len(times), len(times))]:
        if first > begin and times[min(first, len(times) - 1)] - times[begin] >= SHORTEST:
            scenes.append(Scene(begin, first - 1))
        begin = max(begin, last)
    return scenes or [Scene(0, len(times) - 1)]


def _transitions(figures: Figures, threshold: float) -> list[tuple[int, int]]:
    """(first frame that is no more of one scene, first frame of the next) of each cut, dissolve and fade, in order."""
    import numpy as np

    moving = np.flatnonzero(figures.change > SAME)
    change, time = figures.change[moving].astype(np.float64), figures.time[moving]
    neighbours = np.zeros(len(moving))
    for step in range(1, NEIGHBOURS + 1):
        near = np.abs(time[step:] - time[:-step]) <= NEAR
        neighbours[step:] += change[:-step] * near
        neighbours[:-step] += change[step:] * near
    cut = (change >= LEAST_CHANGE) & (change >= threshold * neighbours / (2 * NEIGHBOURS))
    found = [(int(i), int(i)) for i in moving[cut]]
    found += [_span(figures, *run) for run in _runs(figures.blend > 0)]
    for first, end in _runs(figures.brightness < BLACK):
        even = _even(figures.brightness)
        begin = _walk(figures, even, first - 1, -1, True) if first else 0
        last = _walk(figures, even, end, 1, True) if end < len(even) else end
        found += [(begin, first), (end, last)]
    return sorted(found)


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Begin and end of each run of true values."""
    import numpy as np

    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int))).tolist()
    return list(zip(edges[::2], edges[1::2]))


def _even(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Means of five frames."""
    import numpy as np

    even: npt.NDArray[np.float32] = np.convolve(np.pad(values, 2, mode="edge"), np.full(5, 0.2), "valid")
    return even


def _walk(figures: Figures, even: npt.NDArray[np.float32], edge: int, step: int, rises: bool) -> int:
    """The frame up to which a figure goes on rising or falling, from `edge` back or forth."""
    limit = step * figures.time[edge] + LONGEST
    while 0 <= edge + 2 * step < len(even) and step * figures.time[edge] < limit:
        here, there = (even[edge], even[edge + 2 * step])[:: 1 if rises else -1]
        if there <= RISE * here:
            break
        edge += step
    return edge


def _span(figures: Figures, first: int, end: int) -> tuple[int, int]:
    """How far a dissolve reaches whose middles are the frames from `first` to before `end`.

    The narrowest tell best; from there, to where the sharpness rises no more, or falls no more where all fades away.
    """
    import numpy as np

    width = float(figures.blend[first:end].min())
    middles = np.flatnonzero(figures.blend[first:end] == width) + first
    times = figures.time[middles]
    begin, last = figures.time.searchsorted([times[0] - width + TINY, times[-1] + width + TINY]).tolist()
    even = _even(figures.sharpness)
    middle = even[middles[len(middles) // 2]]
    begin = _walk(figures, even, begin, -1, bool(even[begin] > middle))
    return begin, _walk(figures, even, last - 1, 1, bool(even[last - 1] > middle)) + 1


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
        around = min(AROUND, 0.4 * length / count)
        near = np.flatnonzero(np.abs(times - wanted) <= around)
        if not len(near):
            near = np.array([np.abs(times - wanted).argmin()])
        best = scene.first + int(near[figures.sharpness[scene.first + near].argmax()])
        if best not in found:
            found.append(best)
    return sorted(found)
