"""What a picture must be like to be trained with, and what is wrong with one that is not, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from toonforge.errors import DataError, Problem


def _limit(default: float, help: str, most: float | None = None) -> Any:
    """A limit of 0 to `most`, with its line in the help."""
    return attrs.field(default=default, metadata={"help": help, "most": most})


@attrs.frozen(kw_only=True)
class Limits:
    """What a picture must be like; figures as in `toonforge.prepare.quality.measures`. 0 switches a limit off.

    On the sample pictures, 128 of which none is bad, the defaults put two aside: both are nearly grey. `min_colour`
    finds every grey one and nine in ten toned like sepia; `min_sharpness` 19 in 20 photographs blurred by 1.5 pixels
    of 256.

    Raises:
        DataError: a limit is out of its range, or two contradict each other.
    """

    min_side: int = _limit(256, "Short side in pixels: smaller pictures would be enlarged for training.")
    max_aspect: float = _limit(3.0, "Long side to short side.")
    min_colour: float = _limit(3.0, "Spread of colour beyond one tint, in levels of 255: grey and sepia have less.")
    min_sharpness: float = _limit(40.0, "Variance of the Laplacian at 256 pixels.")
    min_brightness: float = _limit(0.1, "Mean luma, 0 to 1.", 1)
    min_contrast: float = _limit(0.02, "Deviation of luma, 0 to 0.5: empty pictures have less.", 1)
    min_face: float = _limit(0.0, "Side of the largest frontal face to the short side, 0 to 1; needs OpenCV.", 1)
    max_face: float = _limit(0.0, "Likewise, at most.", 1)

    def __attrs_post_init__(self) -> None:
        problems = [
            Problem(
                message="out of range",
                key=field.name,
                found=str(value),
                expected="0 to 1" if field.metadata["most"] else "0 or more",
            )
            for field in attrs.fields(type(self))
            if not 0 <= (value := getattr(self, field.name)) <= (field.metadata["most"] or float("inf"))
        ]
        if 0 < self.max_face < self.min_face:
            found = f"{self.min_face:g} and {self.max_face:g}"
            problems.append(Problem(message="no face can be both", key="min_face, max_face", found=found))
        if problems:
            raise DataError(*problems)

    @property
    def faces(self) -> bool:
        """Whether faces need to be looked for."""
        return bool(self.min_face or self.max_face)


@attrs.frozen(kw_only=True)
class Look:
    """A picture's figures. `bars` is their share of its area; `face` is "" where none was looked for."""

    width: int
    height: int
    brightness: float
    contrast: float
    colourfulness: float
    colour_spread: float
    sharpness: float
    bars: float
    face: float | str


@attrs.frozen
class Fault:
    """What is wrong with a picture: the fault's name, and the figures that say so."""

    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


def faults(look: Look, limits: Limits, *, letterboxed: bool) -> tuple[Fault, ...]:
    """Everything that is wrong with a picture, the gravest first.

    Args:
        letterboxed: it has bars, and those are a fault.
    """
    return tuple(_faults(look, limits, letterboxed))


def _faults(look: Look, limits: Limits, letterboxed: bool) -> Iterator[Fault]:
    short, long = sorted((look.width, look.height))
    if short < limits.min_side:
        yield Fault("small", f"{look.width}x{look.height} pixels, short side less than {limits.min_side}")
    if limits.max_aspect and long > limits.max_aspect * short:
        yield Fault("long", f"{look.width}x{look.height} pixels, aspect more than {limits.max_aspect:g}")
    if look.brightness < limits.min_brightness:
        yield Fault("dark", _less("brightness", look.brightness, limits.min_brightness))
    if look.contrast < limits.min_contrast:
        yield Fault("empty", _less("contrast", look.contrast, limits.min_contrast))
    if look.colour_spread < limits.min_colour:
        yield Fault("gray", _less("colour spread", look.colour_spread, limits.min_colour))
    if look.sharpness < limits.min_sharpness:
        yield Fault("blurred", _less("sharpness", look.sharpness, limits.min_sharpness))
    if letterboxed:
        yield Fault("letterbox", f"bars cover {look.bars:.1%}")
    if isinstance(look.face, float):
        if limits.min_face and not look.face:
            yield Fault("no-face", "no frontal face found")
        elif look.face < limits.min_face:
            yield Fault("small-face", _less("face", look.face, limits.min_face))
        elif limits.max_face and look.face > limits.max_face:
            yield Fault("large-face", f"face {look.face:g}, more than {limits.max_face:g}")


def _less(figure: str, value: float, limit: float) -> str:
    return f"{figure} {value:g}, less than {limit:g}"
