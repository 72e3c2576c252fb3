"""The slides' generator: a U-Net of strided convolutions whose innermost pixels attend to each other.

Encoder C64-C128-C256-C512-C512-C512-C512-C512 of 4x4 convolutions, the last 5x5; the decoder mirrors it with
transposed convolutions and sees the encoder's stages beside it. What the slides ("Our initial architecture", "And
finally") leave open follows the authors' public code: a norm after every stage but the innermost encoder's and the
last, activations before the skip connections, dropout in the first three decoder stages.
"""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.choices import Interpolation, Norm, Upsample
from toonforge.nn.init import init_normal
from toonforge.nn.norms import bias_before, norm_layer
from toonforge.nn.padding import PadToMultiple
from toonforge.nn.tracing import known
from toonforge.nn.upsampling import upsample_layer

DROPPED = 3
"""Decoder stages with dropout, innermost first."""


class TokenAttention(nn.Module):
    """Self-attention over the pixels of a feature map: its output takes their place, (N,C,H,W) to (N,C,H,W).

    Tokens are laid out as H*W,N,C: `nn.MultiheadAttention` has an inference path of its own, with other rounding, for
    N,H*W,C only, and a trained network should yield in use exactly what it yielded in training.
    """

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Every pixel sees every other; where they lie is not told."""
        count, channels, height, width = x.shape
        tokens = x.flatten(2).permute(2, 0, 1)  # H*W,N,C
        if known(height) and known(width):
            attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        else:
            attended = self._of_any_count(tokens)
        return attended.permute(1, 2, 0).reshape(count, channels, height, width)  # type: ignore[no-any-return]

    def _of_any_count(self, tokens: torch.Tensor) -> torch.Tensor:
        """The same while the network is traced: torch's own code writes the number of tokens down as a constant."""
        attention = self.attention
        channels, heads = attention.embed_dim, attention.num_heads
        assert attention.in_proj_bias is not None
        packed = nn.functional.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)  # H*W,N,3C
        query, key, value = (
            # N,heads,H*W,C/heads
            part.unflatten(-1, (heads, channels // heads)).permute(1, 2, 0, 3)
            for part in packed.split(channels, -1)
        )
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return attention.out_proj(mixed.permute(2, 0, 1, 3).flatten(2))  # type: ignore[no-any-return]


class AttentionUnet(PadToMultiple):
    """Pictures (N,in_channels,H,W) in [-1, 1] to (N,out_channels,H,W) in [-1, 1], any H and W.

    Args:
        levels: encoder stages; one token stands for 2^levels x 2^levels pixels.
        width: channels of the first stage; they double up to 8 times as many.
        heads: of the attention; smaller pictures are padded up to 2x2 tokens. 0 leaves attention out, and one token
            is enough then.
        last_kernel: side of the innermost encoder convolution.
        dropout: probability in the first three decoder stages.
    """

    any_layout = True

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        levels: int = 8,
        width: int = 64,
        heads: int = 8,
        last_kernel: int = 5,
        norm: Norm = "batch",
        upsample: Upsample = "transposed",
        interpolation: Interpolation = "nearest",
        dropout: float = 0.5,
    ) -> None:
        super().__init__(multiple=2**levels, minimum=2 ** (levels + 1) if heads else 1)
        bias = bias_before(norm)
        widths = [min(2**level, 8) * width for level in range(levels)]
        self.encoder = nn.ModuleList()
        for inputs, outputs in zip([in_channels, *widths], widths[:-1]):
            reflecting = nn.Conv2d(inputs, outputs, 4, 2, 1, bias=bias, padding_mode="reflect")
            self.encoder.append(nn.Sequential(reflecting, norm_layer(norm, outputs), nn.LeakyReLU(0.2)))
        # Zeros beyond the border here, as in the authors' code: 2x2 pixels have no two more to reflect for a 5x5.
        innermost = nn.Conv2d(widths[-2], widths[-1], last_kernel, 2, (last_kernel - 1) // 2)
        self.encoder.append(nn.Sequential(innermost, nn.LeakyReLU(0.2)))
        self.decoder = nn.ModuleList()  # innermost first
        for stage, level in enumerate(reversed(range(levels))):
            inputs = widths[level] if stage == 0 else 2 * widths[level]
            outputs = widths[level - 1] if level else out_channels
            grow = upsample_layer(
                upsample, inputs, outputs, kernel=4, bias=bias or not level, interpolation=interpolation
            )
            layers = nn.Sequential(grow)
            if level:
                layers.extend([norm_layer(norm, outputs), nn.LeakyReLU(0.2)])
                if dropout and stage < DROPPED:
                    layers.append(nn.Dropout(dropout))
            self.decoder.append(layers)
        init_normal(self)
        # After init_normal, which would shrink the attention's last layer: it keeps torch's own initial weights.
        self.attention = TokenAttention(widths[-1], heads) if heads else nn.Identity()

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """Sides are multiples of 2^levels."""
        skips: list[torch.Tensor] = []
        for stage in self.encoder:
            x = stage(x)  # N,widths[i],H/2^(i+1),W/2^(i+1)
            skips.append(x)
        skips.pop()
        x = self.attention(x)  # N,widths[-1],H/2^levels,W/2^levels
        for stage in self.decoder:
            x = stage(x)  # N,widths[i-1],H/2^i,W/2^i
            if skips:
                x = torch.cat([skips.pop(), x], 1)
        return torch.tanh(x)
