"""Finds a film's scenes and the best frames in them, from a few figures of each frame.

Cuts are found as by PySceneDetect's AdaptiveDetector: a frame differs from the one before far more than its neighbours
do, so that fast movement is no cut. (Frames that repeat the one before do not count as neighbours: cartoons show each
drawing two or three times, and would jump from nothing to something all the time.)

Dissolves and fades, which it does not see, are found by what they are: halfway, a frame is the mean of one before and
one after that differ much, and softer than both, since two pictures at once are. Movement is not softer, and a blurred
moment is softer still. A dissolve is such for several frames on end; single ones only look it, where a compression
makes some softer than others, as it does of slow zooms. What rises from black or sinks to it is a fade also where a
title stays sharp.

(Of 210 films of 8 photographs or drawings each, still, panned, zoomed, hand-held or drawn on threes, a frame was taken
of all 672 scenes of 0.5 to 5 s between cuts and all 224 between fades; of those between dissolves, 286 of 336 where
they take 0.4 s, 201 of 224 for 0.8 s and 164 of 224 for 1.6 s, most others being fast pans; one scene was parted.)
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

NEIGHBOURS, NEAR = 2, 0.3
"""Frames on each side that a cut is compared with (AdaptiveDetector's default), and the seconds within which they lie.
Where there are none, nothing moves."""

RISE, LONGEST = 1.03, 2.0
"""Times that a figure rises or falls over two frames, at the least, as long as a dissolve or a fade goes on. It is
followed for so many seconds."""

BLACK = 0.01
"""Brightness, 0 to 1, below which a film has faded to black."""

STEADY, GAP = 0.1, 0.12
"""Seconds for which frames must be the middle of a dissolve, at least; and gaps in them up to which they are one."""

GIVEN = 0.4
"""Share of what is between two cuts or dissolves, that a dissolve may take of it at the most."""

SHORTEST = 0.4
"""Seconds; of what is shorter between two cuts no frame is taken: there is none away from them."""

AWAY = 0.2
"""Seconds around a cut from which no frame is taken, where the scene is long enough."""

AROUND = 0.4
"""Seconds before and after a wanted time among which the sharpest frame is taken."""


@attrs.frozen
class Scene:
    """Frames `first` to `last`, both in it; `short` where it is too short for a frame to be taken."""

    first: int
    last: int
    short: bool = False


@attrs.frozen
class _Parting:
    """What parts two scenes; a scene before it has frames up to, but without, `begin`, the next from `last` on.

    What is between `first` and `after` is of neither: the black of a fade, and nothing of a cut or a dissolve.
    """

    begin: int
    first: int
    after: int
    last: int


def find_scenes(figures: Figures, threshold: float = THRESHOLD) -> list[Scene]:
    """The scenes of a film, in order, without the dissolves and fades between them.

    What stands between two of them always is a scene, for a dissolve takes at most `GIVEN` of it at each end; what is
    shorter than `SHORTEST` is marked. A film without any other is a single scene.
    """
    end = len(figures.time)
    scenes: list[Scene] = []
    before = _Parting(0, 0, 0, 0)
    for parting in [*_partings(figures, threshold), _Parting(end, end, end, end)]:
        if parting.first > before.after:
            scenes.append(_between(figures, before, parting))
        if parting.after > parting.first:
            black = _Parting(parting.first, parting.first, parting.first, parting.first)
            after = _Parting(parting.after, parting.after, parting.after, parting.after)
            scenes.append(_between(figures, black, after))
        before = parting
    return scenes if any(not scene.short for scene in scenes) else [Scene(0, end - 1)]


def _between(figures: Figures, before: _Parting, after: _Parting) -> Scene:
    times = figures.time
    start, stop = float(times[before.after]), float(_time(times, after.first))
    given = GIVEN * (stop - start)
    first, last = times.searchsorted([start + given, stop - given]).tolist()
    first = min(before.last, first, after.first - 1)
    last = max(after.begin - 1, last - 1, first)
    return Scene(first, last, stop - start < SHORTEST - TINY)


def _time(times: npt.NDArray[np.float64], index: int) -> float:
    """When a frame is shown; of the one after the last, when the last ends."""
    if index < len(times) or len(times) < 2:
        return float(times[min(index, len(times) - 1)])
    return float(2 * times[-1] - times[-2])


def _partings(figures: Figures, threshold: float) -> list[_Parting]:
    """The cuts, dissolves and fades of a film, in order; none begins before the one before it has ended."""
    end = len(figures.time)
    even = _even(figures.brightness)
    cuts = _cuts(figures, threshold)
    fades = [
        _Parting(
            _walk(figures, even, first - 1, -1, True) if first else 0,
            first,
            after,
            _walk(figures, even, after, 1, True) if after < end else end,
        )
        for first, after in _runs(figures.brightness < BLACK)
    ]
    dissolves = [_dissolve(figures, *run) for run in _steady(figures)]
    found: list[_Parting] = []
    for one in sorted([*cuts, *fades, *dissolves], key=lambda one: (one.first, -one.after)):
        apart = not found or (one.first >= found[-1].after and one.first > found[-1].first)
        mixed = one in dissolves and any(other.begin <= one.first < other.last for other in [*fades, *found])
        if apart and not mixed:
            found.append(one)
    return found


def _cuts(figures: Figures, threshold: float) -> list[_Parting]:
    import numpy as np

    moving = np.flatnonzero(figures.change > SAME)
    change, time = figures.change[moving].astype(np.float64), figures.time[moving]
    neighbours = np.zeros(len(moving))
    for step in range(1, NEIGHBOURS + 1):
        near = np.abs(time[step:] - time[:-step]) <= NEAR
        neighbours[step:] += change[:-step] * near
        neighbours[:-step] += change[step:] * near
    cut = (change >= LEAST_CHANGE) & (change >= threshold * neighbours / (2 * NEIGHBOURS))
    return [_Parting(i, i, i, i) for i in moving[cut].tolist()]


def _steady(figures: Figures) -> list[tuple[int, int]]:
    """Runs of frames that are the middle of a dissolve: a single one, of which compression makes some, is none."""
    runs: list[tuple[int, int]] = []
    for first, end in _runs(figures.blend > 0):
        if runs and _time(figures.time, first) - _time(figures.time, runs[-1][1]) < GAP - TINY:
            first = runs.pop()[0]
        runs.append((first, end))
    return [
        (first, end)
        for first, end in runs
        if (figures.blend[first:end] > 0).sum() > 1
        and _time(figures.time, end) - _time(figures.time, first) >= STEADY - TINY
    ]


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


def _dissolve(figures: Figures, first: int, end: int) -> _Parting:
    """How far a dissolve reaches whose middles are the frames from `first` to before `end`.

    The narrowest tell best; from there, to where the sharpness rises no more, or falls no more where all fades away.
    """
    import numpy as np

    widths = figures.blend[first:end]
    width = float(widths[widths > 0].min())
    middles = np.flatnonzero(widths == width) + first
    times = figures.time[middles]
    begin, last = figures.time.searchsorted([times[0] - width + TINY, times[-1] + width + TINY]).tolist()
    even, middle = _even(figures.sharpness), int(middles[len(middles) // 2])
    begin = _walk(figures, even, begin, -1, bool(even[begin] > even[middle]))
    last = _walk(figures, even, last - 1, 1, bool(even[last - 1] > even[middle])) + 1
    return _Parting(begin, middle, middle, last)


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
