"""The layers of VGG19 and VGG16, and how pictures are brought to them. Needs no torch, so that configs can use it."""

from __future__ import annotations

from typing import Literal

Stages = tuple[tuple[int, int], ...]

VGG19_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
VGG16_STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Channels and number of the 3x3 convolutions between two poolings (Simonyan and Zisserman, 2015, table 1, E and D)."""

VGG19Layer = Literal[
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4",
    "conv4_1", "conv4_2", "conv4_3", "conv4_4", "conv5_1", "conv5_2", "conv5_3", "conv5_4",
]  # fmt: skip
VGG16Layer = Literal[
    "conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3",
    "conv4_1", "conv4_2", "conv4_3", "conv5_1", "conv5_2", "conv5_3",
]  # fmt: skip
Preprocessing = Literal["imagenet", "caffe", "none"]
