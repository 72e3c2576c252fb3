"""Blocks and networks that several plugins share.

Modules here that import torch: `norms`, `upsampling`, `padding`, `init`, `resnet`, `unet`, `patchgan`,
`efficientnet_lite`. A plugin's config classes import them inside `build` only; `choices` and `shapes` need no torch
and may be imported anywhere, as may this package.
"""

from toonforge.nn.choices import Interpolation, Norm, Padding, Statistics, Upsample
from toonforge.nn.shapes import conv_size, one_picture, picture_and_number, up_to_multiple, with_channels

__all__ = [
    "Interpolation",
    "Norm",
    "Padding",
    "Statistics",
    "Upsample",
    "conv_size",
    "one_picture",
    "picture_and_number",
    "up_to_multiple",
    "with_channels",
]
