"""The discriminator's config: the 70x70 PatchGAN under spectral normalisation, or Table 2 to the letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import component, param
from toonforge.nn import Norm, conv_size
from toonforge.nn.choices import NORM_DOC
from toonforge.nn.discriminators import PatchGANConfig

if TYPE_CHECKING:
    from torch import nn

TABLE = "Toon2real, Table 2"


@component
class PatchGAN(PatchGANConfig):
    """One logit for each overlapping patch, 70x70 pixels by default, every convolution spectrally normalised.

    The text promises 70x70 patches; Table 2 has four convolutions of stride 2, which see 46 pixels, and no layer that
    yields logits. By default the fourth has stride 1 and a fifth of one channel follows, as in pix2pix.
    """

    name = "toon2real/patchgan"

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
    norm: Norm = param("instance", doc=NORM_DOC + ", none after the first and the last", source=TABLE)

    def patches(self, size: int) -> int:
        """How many fit along a side of so many pixels; 0 where a norm would see a single pixel of a picture."""
        if not self.as_printed:
            return super().patches(size)
        for _ in range(self.layers + 1):
            size = conv_size(size, self.kernel, 2, (self.kernel - 1) // 2)
            if size < 2:
                return 0
        return size

    def build(self) -> nn.Module:
        """`toonforge.nn.patchgan.PatchGAN`; as printed, with its last stride of 2 and a head of 1x1."""
        if not self.as_printed:
            return super().build()
        from toonforge.nn.patchgan import PatchGAN as Network

        return Network(
            self.in_channels or 3,
            width=self.width,
            layers=self.layers,
            norm=self.norm,
            kernel=self.kernel,
            last_stride=2,
            head_kernel=1,
            spectral=self.spectral_norm,
            bias=self.bias,
        )
