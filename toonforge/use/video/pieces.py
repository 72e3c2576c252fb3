"""What goes through the threads: a few frames of a film, and the packets of sound and subtitles around them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture

SOUND = 2**22
"""Bytes of packets after which a piece ends, however few frames it has: a file may hold all sound before its frames."""


@attrs.frozen(eq=False)
class Shot:
    """One frame.

    Attributes:
        pixels: height, width, 3; RGB, 0 to 255, upright.
        time: when it is shown, in the film's own unit.
        length: for how long; 0 where the film does not say.
    """

    pixels: Picture
    time: int
    length: int = 0


@attrs.frozen(kw_only=True)
class Colours:
    """How a film's numbers stand for colours, as numbered in H.273; 2 is unknown.

    Attributes:
        matrix: from RGB to luma and chroma: 1 for BT.709, 6 for BT.601.
        full: luma takes 0 to 255, not 16 to 235.
        primaries: the three colours that are mixed.
        curve: the transfer function.
    """

    matrix: int = 1
    full: bool = False
    primaries: int = 2
    curve: int = 2


@attrs.frozen(kw_only=True)
class Facts:
    """Of a film, known with its first frame.

    Attributes:
        height, width: of the upright frames, in pixels.
        unit: seconds of one unit of time.
        rate: frames per second on average.
        colours: of the frames.
    """

    height: int
    width: int
    unit: Fraction
    rate: Fraction
    colours: Colours = Colours()


@attrs.define(eq=False)
class Piece:
    """Frames that are translated together, with the packets that were read since the piece before.

    Attributes:
        shots: in the order in which they are shown.
        packets: of PyAV, as they are in the film; their times begin with the film's.
        facts: set from the first piece with a frame on.
        given: the frames before they were translated.
    """

    shots: list[Shot] = attrs.field(factory=list)
    packets: list[Any] = attrs.field(factory=list)
    facts: Facts | None = None
    given: list[Shot] = attrs.field(factory=list)
