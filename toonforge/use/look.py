"""What is done to a translation after the networks: smoothed, given the input's colour, blended with the input.

All of it works on batches of any size and on any device, and on values of sRGB as they are, in [-1, 1].
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.errors import Problem, RunError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Look"]

LUMA = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue: Rec. ITU-R BT.709, whose primaries are those of sRGB."""


def _share(look: Look, attribute: attrs.Attribute[float], value: Any) -> None:
    if not isinstance(value, Real):
        raise RunError(Problem(message="is no number", key=attribute.name, found=repr(value), expected="0 to 1"))
    if not 0 <= float(value) <= 1:  # nor where it is no number
        raise RunError(
            Problem(message="is out of range", key=attribute.name, found=f"{float(value):g}", expected="0 to 1")
        )


@attrs.frozen(kw_only=True)
class Look:
    """How a translation is finished: smoothed first, then coloured, then blended.

    Attributes:
        strength: 0 gives the input, 1 the output, both to the last bit; between them x + strength (y - x).
        keep_color: take the luminance of the output and the colour of the input: each pixel is L(y) + t (x - L(x)),
            where L is the luma of Rec. 709 (`LUMA`) and t is 1, or as much less as keeps the pixel within range.
        smooth: how much the output is smoothed between its edges, 0 to 1: see `toonforge.use.smoothing`.

    Raises:
        RunError: for a strength or smoothness outside 0 to 1.

    Examples:
        >>> import toonforge
        >>> from toonforge.data import read_picture
        >>> model = toonforge.load("runs/small")
        >>> picture = model(read_picture("photo.jpg"), strength=0.5, keep_color=True)  # what a `Look` holds
        >>> picture.shape
        (48, 64, 3)
    """

    strength: float = attrs.field(default=1.0, validator=_share)
    keep_color: bool = False
    smooth: float = attrs.field(default=0.0, validator=_share)

    def apply(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """The finished pictures.

        Args:
            inputs: N,3,H,W in [-1, 1].
            outputs: what the networks made of them, of the same shape and on the same device.

        Returns:
            N,3,H,W in [-1, 1]; one of the two themselves where there is nothing to do.
        """
        if self.strength == 0:
            return inputs
        if self.smooth > 0:
            from toonforge.use.smoothing import smoothed

            outputs = smoothed(outputs, self.smooth)
        if self.keep_color:
            outputs = coloured(outputs, inputs)
        return outputs if self.strength == 1 else inputs + (outputs - inputs) * self.strength


AS_IT_IS = Look()
"""The output itself."""


def luma(pictures: Tensor) -> Tensor:
    """N,3,H,W -> N,1,H,W: how light each pixel is, in the same range."""
    red, green, blue = (pictures[:, channel : channel + 1] * weight for channel, weight in enumerate(LUMA))
    return red + green + blue


def coloured(light: Tensor, colour: Tensor) -> Tensor:
    """The luma of one picture with the colour (differences to its own luma) of another.

    Where the colour does not fit at that luma, it is made paler, by as little as fits: so the luma is exact, and the
    hue is kept.

    Args:
        light, colour: N,3,H,W in [-1, 1].
    """
    level = luma(light)
    chroma = colour - luma(colour)
    highest, lowest = chroma.amax(1, keepdim=True), chroma.amin(1, keepdim=True)
    # As much of the colour as fits between black and white; 0 chroma fits always.
    above = (1 - level) / highest.clamp(min=1e-6)
    below = (1 + level) / (-lowest).clamp(min=1e-6)
    return (level + chroma * above.minimum(below).clamp(0, 1)).clamp(-1, 1)
