"""Gradients of convolutions that change the size, in the layout that is fastest for each.

On a CPU oneDNN computes a convolution in channels-last as fast as in torch's own layout or faster, but for the gradient
by the weights of large convolutions with a stride, which takes twice to three times as long. It alone is computed of
copies: in 46 ms in place of 90, the copies counted, for 64 to 128 channels at 256x256 (one thread of an AMD EPYC).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from toonforge.nn.written import in_channels_last, may_differ

LEAST = 2**26
"""Products for each place of the kernel from which on copies pay: inputs x outputs x pixels of the smaller side."""


def pays(layer: nn.Conv2d | nn.ConvTranspose2d, x: torch.Tensor) -> bool:
    """Whether `convolved` is faster than the layer, of whose bias nothing is said here."""
    if set(layer.stride) != {2} or layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        return False
    if not (torch.is_grad_enabled() and layer.weight.requires_grad and may_differ(x, layer.weight)):
        return False
    if not in_channels_last(x):
        return False
    pixels = x.shape[0] * x.shape[2] * x.shape[3] / (1 if isinstance(layer, nn.ConvTranspose2d) else 4)
    return pixels * layer.in_channels * layer.out_channels / layer.groups >= LEAST


def convolved(layer: nn.Conv2d | nn.ConvTranspose2d, x: torch.Tensor) -> torch.Tensor:
    """What the layer yields without its bias."""
    transposed = isinstance(layer, nn.ConvTranspose2d)
    more = layer.output_padding if transposed else (0, 0)
    how = (layer.stride, layer.padding, layer.dilation, transposed, more, layer.groups)
    y: torch.Tensor = _Convolution.apply(x, layer.weight, how)  # type: ignore[no-untyped-call]
    return y


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, how: tuple[Any, ...]) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.how = how
        return torch.convolution(x, weight, None, *how)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        backward = torch.ops.aten.convolution_backward
        if ctx.needs_input_grad[0]:
            of_x = backward(gradient, x, weight, None, *ctx.how, [True, False, False])[0]
        if ctx.needs_input_grad[1]:
            plain = (value.contiguous() for value in (gradient, x, weight))
            of_weight = backward(*plain, None, *ctx.how, [False, True, False])[1]
        return of_x, of_weight, None
