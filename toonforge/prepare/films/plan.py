"""Which frames of a film are taken, and in which pieces it is worked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.films.figures import REACH, Figures
from toonforge.prepare.films.scenes import SHORTEST, Scene, choose, find_scenes

if TYPE_CHECKING:
    from toonforge.prepare.films.film import Survey

PIECE = 30.0
"""Seconds of film that are worked on at once, at least: few enough that a stop loses little."""

LEAD = REACH
"""Seconds by which what is measured of a piece lies behind where its decoding begins: cuts and dissolves are seen in
comparison with the frames around them. So decoding begins where it can, and nothing before that is decoded twice."""

DARK = 0.04
"""Brightness, 0 to 1, below which a frame shows nothing."""


@attrs.frozen
class Piece:
    """Frames at the positions `first` up to, but without, `end`; None for the film's end. Decoding can begin there."""

    name: str
    first: int
    end: int | None

    def holds(self, position: int) -> bool:
        """Whether a frame is in this piece."""
        return self.first <= position and (self.end is None or position < self.end)


@attrs.frozen(kw_only=True)
class Wanted:
    """One frame to take, or one that is not for a reason.

    Attributes:
        position: of the frame.
        time: seconds since the film's first frame.
        scene: its number, from 1; 0 where scenes were not looked for.
        reason: why it is not taken; "" if it is.
    """

    position: int
    time: float
    scene: int = 0
    reason: str = ""


@attrs.frozen(kw_only=True)
class Choice:
    """How frames are chosen; as `toonforge.prepare.verbs.frames` takes it."""

    every: float | None
    per_scene: int
    threshold: float
    begin: float
    end: float | None
    most: int | None

    def times(self, film: Survey) -> tuple[float, float]:
        """Begin and end of what is wanted of a film, in seconds."""
        return self.begin, film.duration if self.end is None else min(self.end, film.duration)


def pieces(name: str, film: Survey) -> list[Piece]:
    """A film in pieces of `PIECE` seconds and more, each beginning at a key frame.

    Args:
        name: of the film; that of a piece says when it begins, as a media fragment (W3C): "film.mp4#t=00:01:00.120".
    """
    starts = [int(film.positions[0])]
    for key in film.keys.tolist():
        if film.seconds(key) >= film.seconds(starts[-1]) + PIECE:
            starts.append(key)
    ends = [*starts[1:], None]
    return [Piece(f"{name}#t={clock(film.seconds(first))}", first, end) for first, end in zip(starts, ends)]


def clock(seconds: float) -> str:
    """Hours, minutes and seconds to the thousandth."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"


def wanted(film: Survey, figures: Figures | None, choice: Choice) -> list[Wanted]:
    """The frames of a film to take, in order.

    Args:
        figures: of all its frames; None where `choice.every` is given.
    """
    found = _at_times(film, choice) if figures is None else _in_scenes(film, figures, choice)
    taken = [one for one in found if not one.reason]
    if choice.most is not None and len(taken) > choice.most:
        step = len(taken) / choice.most
        kept = {taken[int(step * (i + 0.5))].position for i in range(choice.most)}
        found = [one for one in found if one.reason or one.position in kept]
    return found


def _at_times(film: Survey, choice: Choice) -> list[Wanted]:
    import numpy as np

    assert choice.every is not None
    begin, end = choice.times(film)
    if end < begin:
        return []
    count = int((end - begin) / choice.every + 1e-9) + 1
    targets = [film.position(begin + i * choice.every) for i in range(count)]
    after = np.searchsorted(film.positions, targets).clip(0, len(film.positions) - 1)
    before = (after - 1).clip(0)
    nearer = np.abs(film.positions[before] - targets) <= np.abs(film.positions[after] - targets)
    found = np.unique(np.where(nearer, film.positions[before], film.positions[after]))
    return [Wanted(position=int(position), time=film.seconds(position)) for position in found]


def _in_scenes(film: Survey, figures: Figures, choice: Choice) -> list[Wanted]:
    begin, end = choice.times(film)
    inside = (figures.time >= begin) & (figures.time <= end)
    if not inside.any():
        return []
    kept = Figures(**{name: values[inside] for name, values in attrs.asdict(figures).items()})
    found: list[Wanted] = []
    number = 0
    for scene in find_scenes(kept, choice.threshold):
        if scene.short:
            found.append(_left_out(film, kept, scene))
            continue
        number += 1
        for index in choose(kept, scene, choice.per_scene):
            position = int(kept.position[index])
            reason = why_dark(float(kept.brightness[index]))
            found.append(Wanted(position=position, time=film.seconds(position), scene=number, reason=reason))
    return found


def _left_out(film: Survey, figures: Figures, scene: Scene) -> Wanted:
    first, last = (int(figures.position[index]) for index in (scene.first, scene.last))
    end = film.positions[min(int(film.positions.searchsorted(last, "right")), len(film.positions) - 1)]
    reason = (
        f"a scene too short: from {film.seconds(first):.2f} to {film.seconds(end):.2f} seconds, "
        f"less than {SHORTEST} seconds"
    )
    return Wanted(position=first, time=film.seconds(first), reason=reason)


def why_dark(brightness: float) -> str:
    """The reason not to take a frame that shows nothing; "" where it shows something."""
    return f"dark: brightness {brightness:.3f}, less than {DARK}" if brightness < DARK else ""


def in_pieces(frames: Sequence[Wanted], parts: Sequence[Piece]) -> Mapping[str, tuple[Wanted, ...]]:
    """Piece -> the frames wanted of it, of those of which any are."""
    found = {piece.name: tuple(one for one in frames if piece.holds(one.position)) for piece in parts}
    return {name: theirs for name, theirs in found.items() if theirs}
