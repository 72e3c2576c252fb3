"""The discriminator's config: the 70x70 PatchGAN under spectral normalisation, or Table 2 to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Discriminator, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn import Norm, conv_size, one_picture, with_channels
from toonforge.nn.choices import NORM_DOC

if TYPE_CHECKING:
    from torch import nn

NAME = "toon2real/patchgan"
TABLE = "Toon2real, Table 2"
KERNEL, PADDING = 4, 1


@component
class PatchGAN(Discriminator):
    """One logit for each overlapping patch, 70x70 pixels by default, every convolution spectrally normalised.

    The text promises 70x70 patches; Table 2 has four convolutions of stride 2, which see 46 pixels, and no layer that
    yields logits. By default the fourth has stride 1 and a fifth of one channel follows, as in pix2pix.
    """

    spectral_norm: bool = param(
        True,
        doc="spectral normalisation of every convolution: one power iteration at each call in training",
        source="Toon2real, section 3 (Training Stabilization)",
    )
    as_printed: bool = param(
        False,
        doc="Table 2 to the letter: the convolution before the logits has stride 2 as well, and since the table has no "
        "layer for the logits, a 1x1 convolution reads them off: each sees 46 pixels",
        source=TABLE,
    )
    layers: int = param(
        3,
        doc="convolutions of stride 2; patches of 16, 34, 70, 142 pixels for 1, 2, 3, 4; `as_printed` strides one more "
        "and sees 10, 22, 46, 94",
        at_least=1,
        at_most=7,
        source=TABLE,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels of the first convolution, doubling up to 8 times as many",
        unit="channels",
        at_least=1,
        source=TABLE,
        tiny=4,
    )
    norm: Norm = param("instance", doc=NORM_DOC + ", none after the first and the last", source=TABLE)
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )

    def fit(self, *inputs: Shape) -> PatchGAN:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(NAME, inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """(1, rows, columns) of patches; refuses pictures on which not one fits."""
        _, height, width = one_picture(NAME, inputs, self.in_channels)
        patches = self._patches(height), self._patches(width)
        if min(patches) < 1:
            least = next(size for size in range(1, 10_000) if self._patches(size) >= 1)
            raise ShapeError(
                f"{NAME} with {self.layers} layers{' as printed' if self.as_printed else ''} needs pictures of at "
                f"least {least}x{least}, found {height}x{width}: use larger pictures or fewer layers"
            )
        return (1, *patches)

    def _patches(self, size: int) -> int:
        for stride in [2] * self.layers + [2 if self.as_printed else 1]:
            size = conv_size(size, KERNEL, stride, PADDING)
            if size < 2:  # a norm over one pixel of one picture has nothing to normalise
                return 0
        return size if self.as_printed else conv_size(size, KERNEL, 1, PADDING)

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PatchGAN`, or `PrintedPatchGAN`."""
        if self.as_printed:
            from toonforge_toon2real.as_printed import PrintedPatchGAN

            return PrintedPatchGAN(
                self.in_channels or 3,
                width=self.width,
                layers=self.layers + 1,
                norm=self.norm,
                spectral=self.spectral_norm,
            )
        from toonforge.nn.patchgan import PatchGAN as Network

        return Network(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            norm=self.norm,
            kernel=KERNEL,
            spectral=self.spectral_norm,
        )
