"""A plain discriminator: strided 3x3 convolutions, an average over all places, one logit a picture."""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Norm
from toonforge.nn.init import init_normal
from toonforge.nn.norms import bias_before, norm_layer, normalise_spectrally

__all__ = ["PlainDiscriminator"]


class PlainDiscriminator(nn.Module):
    """Pictures (N,in_channels,H,W) to logits (N,1).

    Args:
        width: channels of the first convolution; they double with each layer.
        layers: convolutions, each of stride 2.
        spectral: spectral normalisation (Miyato et al., 2018) of all layers.

    Examples:
        >>> import torch
        >>> from toonforge.nn.plain import PlainDiscriminator
        >>> PlainDiscriminator(width=8)(torch.rand(2, 3, 64, 64)).shape[:2]
        torch.Size([2, 1])
    """

    any_layout = True

    def __init__(
        self, in_channels: int = 3, *, width: int = 64, layers: int = 4, norm: Norm = "instance", spectral: bool = False
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        inputs = in_channels
        for layer in range(layers):
            outputs = width * 2**layer
            stages.append(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=layer == 0 or bias_before(norm)))
            if layer:
                stages.append(norm_layer(norm, outputs))
            stages.append(nn.LeakyReLU(0.2, inplace=True))
            inputs = outputs
        self.layers = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, 1)
        init_normal(self)
        if spectral:
            normalise_spectrally(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, never probabilities."""
        features = self.layers(x).mean((2, 3))  # N,width * 2^(layers-1)
        logits: torch.Tensor = self.head(features)
        return logits
