"""The words that networks share for their options. Needs no torch, so that configs can use it."""

from __future__ import annotations

from typing import Literal

__all__ = [
    "Norm",
    "Statistics",
    "Upsample",
    "Interpolation",
    "Padding",
    "NORM_DOC",
    "STATISTICS_DOC",
    "UPSAMPLE_DOC",
    "BIAS_DOC",
    "INTERPOLATION_DOC",
]

Norm = Literal["instance", "instance-affine", "batch", "group", "layer", "none"]
"""Normalisation; `group` takes up to 8 groups, `layer` is one group over all channels and pixels."""

Statistics = Literal["picture", "running"]
"""What batch norm takes mean and deviation from outside of training: the picture itself, as pix2pix does at test time
with batches of one, or the averages that training tracked. Training always takes the batch's."""

Upsample = Literal["transposed", "resize", "pixel-shuffle"]
"""How a picture doubles its sides: a transposed convolution, resizing then a convolution, or a convolution to four
times the channels that are then laid out as 2x2 pixels. The last two avoid checkerboard artifacts."""

Interpolation = Literal["nearest", "bilinear"]
"""What `resize` upsampling interpolates with."""

Padding = Literal["reflect", "replicate", "zero"]
"""What convolutions see beyond the border."""

NORM_DOC = "normalisation after convolutions"
STATISTICS_DOC = 'batch norm in evaluation: statistics of each "picture" itself, or the "running" ones of training'
UPSAMPLE_DOC = '"resize" and "pixel-shuffle" avoid the checkerboard artifacts of "transposed"'
BIAS_DOC = "of the convolutions that a norm follows; when left out, where that norm has none of its own"
INTERPOLATION_DOC = 'of `upsample = "resize"`'
