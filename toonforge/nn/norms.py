"""Normalisation layers by the name that recipes use."""

from __future__ import annotations

from torch import nn

from toonforge.nn.choices import Norm

MAX_GROUPS = 8


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """A layer that normalises (N,channels,H,W).

    `instance` has neither weights nor running statistics, as in the CycleGAN code; `batch` tracks statistics.
    """
    if norm == "instance":
        return nn.InstanceNorm2d(channels)
    if norm == "instance-affine":
        return nn.InstanceNorm2d(channels, affine=True)
    if norm == "batch":
        return nn.BatchNorm2d(channels)
    if norm == "group":
        return nn.GroupNorm(groups_of(channels), channels)
    if norm == "layer":
        return nn.GroupNorm(1, channels)
    return nn.Identity()


def groups_of(channels: int) -> int:
    """As many equal groups as possible, up to 8, of at least two channels each (one group of a lone channel)."""
    fitting = [groups for groups in range(1, MAX_GROUPS + 1) if channels % groups == 0 and channels // groups >= 2]
    return max(fitting, default=1)


def bias_before(norm: Norm) -> bool:
    """Whether a convolution before this norm has a bias.

    None before a norm that takes the mean of each channel out and has a bias of its own. Plain instance norm takes it
    out too, but the CycleGAN code keeps those biases, and published weights hold them.
    """
    return norm not in ("batch", "instance-affine")
