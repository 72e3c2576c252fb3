"""The words that networks share for their options. Needs no torch, so that configs can use it."""

from __future__ import annotations

from typing import Literal

Norm = Literal["instance", "instance-affine", "batch", "group", "layer", "none"]
"""Normalisation; `group` takes up to 8 groups, `layer` is one group over all channels and pixels."""

Upsample = Literal["transposed", "resize", "pixel-shuffle"]
"""How a picture doubles its sides: a transposed convolution, resizing then a convolution, or a convolution to four
times the channels that are then laid out as 2x2 pixels. The last two avoid checkerboard artifacts."""

Interpolation = Literal["nearest", "bilinear"]
"""What `resize` upsampling interpolates with."""

Padding = Literal["reflect", "replicate", "zero"]
"""What convolutions see beyond the border."""

NORM_DOC = "normalisation after convolutions"
UPSAMPLE_DOC = '"resize" and "pixel-shuffle" avoid the checkerboard artifacts of "transposed"'
INTERPOLATION_DOC = 'of `upsample = "resize"`'
