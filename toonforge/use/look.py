"""What is done to a translation after the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True)
class Look:
    """How a translation is finished.

    Attributes:
        strength: 0 gives the input, 1 the output, values between them a blend.
        keep_color: take the luminance of the output and the colour of the input.
        smooth: how much the output is smoothed between its edges, 0 to 1.
    """

    strength: float = 1.0
    keep_color: bool = False
    smooth: float = 0.0

    def apply(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        """N,3,H,W in [-1, 1] each, on one device."""
        return outputs if self.strength == 1 else inputs + (outputs - inputs) * self.strength


AS_IT_IS = Look()
"""The output itself."""
