"""Normalisation layers by the name that recipes use."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from toonforge.nn.choices import Norm, Statistics

__all__ = ["norm_layer", "bias_before", "normalise_spectrally", "groups_of", "PictureBatchNorm2d", "EPSILON"]

MAX_GROUPS = 8
EPSILON = 1e-5  # torch's own


class PictureBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that in evaluation takes each picture's own mean and deviation: what pix2pix does at test time.

    The original tests one picture at a time with batch norm left in training mode. This gives that result whatever
    batch a picture arrives in, and changes no running statistics. Training, parameters and the state's keys are
    `BatchNorm2d`'s.

    Examples:
        >>> import torch
        >>> from toonforge.nn.norms import PictureBatchNorm2d
        >>> pictures = torch.rand(2, 3, 8, 8)
        >>> norm = PictureBatchNorm2d(3).eval()
        >>> torch.allclose(norm(pictures)[:1], norm(pictures[:1]), atol=1e-5)
        True
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W), in evaluation of at least two pixels."""
        if self.training:
            return super().forward(x)
        return functional.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


def norm_layer(norm: Norm, channels: int, statistics: Statistics = "running", epsilon: float = EPSILON) -> nn.Module:
    """A layer that normalises (N,channels,H,W).

    `instance` has neither weights nor running statistics, as in the CycleGAN code; `batch` tracks statistics, and uses
    them in evaluation unless `statistics` says otherwise. `epsilon` is added to every variance.

    Examples:
        >>> from toonforge.nn.norms import norm_layer
        >>> norm_layer("group", 64).num_groups
        8
    """
    if norm == "instance":
        return nn.InstanceNorm2d(channels, epsilon)
    if norm == "instance-affine":
        return nn.InstanceNorm2d(channels, epsilon, affine=True)
    if norm == "batch":
        return (PictureBatchNorm2d if statistics == "picture" else nn.BatchNorm2d)(channels, epsilon)
    if norm == "group":
        return nn.GroupNorm(groups_of(channels), channels, epsilon)
    if norm == "layer":
        return nn.GroupNorm(1, channels, epsilon)
    return nn.Identity()


def normalise_spectrally(network: nn.Module) -> None:
    """Spectral normalisation (Miyato et al., 2018) of every convolution and linear layer.

    Examples:
        >>> from torch import nn
        >>> from toonforge.nn.norms import normalise_spectrally
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 1, 3))
        >>> normalise_spectrally(network)
        >>> "parametrizations.weight.original" in network[0].state_dict()
        True
    """
    for module in list(network.modules()):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            spectral_norm(module)


def groups_of(channels: int) -> int:
    """As many equal groups as possible, up to 8, of at least two channels each (one group of a lone channel).

    Examples:
        >>> from toonforge.nn.norms import groups_of
        >>> groups_of(64), groups_of(6)
        (8, 3)
    """
    fitting = [groups for groups in range(1, MAX_GROUPS + 1) if channels % groups == 0 and channels // groups >= 2]
    return max(fitting, default=1)


def bias_before(norm: Norm) -> bool:
    """Whether a convolution before this norm has a bias.

    None before a norm that takes the mean of each channel out and has a bias of its own. Plain instance norm takes it
    out too, but the CycleGAN code keeps those biases, and published weights hold them.

    Examples:
        >>> from toonforge.nn.norms import bias_before
        >>> bias_before("batch"), bias_before("none")
        (False, True)
    """
    return norm not in ("batch", "instance-affine")
