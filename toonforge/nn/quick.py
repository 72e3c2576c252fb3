"""Instance norm by faster kernels, and convolutions without the biases that it takes out again.

`quicken` changes how a network computes, and nothing else: names, parameters and the mathematics stay. Torch computes
instance norm as a batch norm of N x C channels, for which it copies what does not lie channel by channel. Its group
norm of C groups and, picture by picture, its batch norm are the same function: measured on a CPU, forward and backward
together take 0.35 of the time where channels lie one after another, and 0.25 in channels-last.

A bias that is added to a whole channel changes its mean alone, which the norm subtracts. So a convolution right before
such a norm is computed without its bias, whose gradient is exactly 0 in place of the rounding errors around 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules import module as hooked

from toonforge.nn import strided
from toonforge.nn.few_pixels import FEW, FewPixelsConvTranspose2d
from toonforge.nn.norms import PictureBatchNorm2d
from toonforge.nn.tracing import known
from toonforge.nn.winograd import WinogradConv2d
from toonforge.nn.written import as_written, is_traced, written

__all__ = ["as_written", "quicken"]

PIXELS = 2**14
"""Of a picture whose gradient is wanted, at most, for the batch norm's kernel in channels-last: torch adds them up one
by one there, in 32 bits, and flat pictures of 256x256 come out wrong in the fourth digit."""
TOGETHER = 2**10
"""Pixels whose mean and variance are taken at once where no gradient is wanted; those of all are made of theirs."""
ROWS = 8
"""One in so many rows tells about where the mean is."""
FAR = 512
"""A mean of so many deviations, times the root of the pixels, is too far from 0 for sums in 32 bits: of noise, they are
wrong by about 2e-8 of it."""


def quicken(network: nn.Module) -> nn.Module:
    """Let the instance norms and sequences of a network compute faster; returns the network, changed in place.

    Only layers of exactly torch's own classes are changed (and `PictureBatchNorm2d`), those of subclasses compute as
    their authors wrote. `as_written` gives torch's own ways back for a while.
    """
    for module in network.modules():
        if type(module) in QUICK and not (isinstance(module, nn.InstanceNorm2d) and module.track_running_stats):
            module.__class__ = QUICK[type(module)]
    return network


class QuickInstanceNorm2d(nn.InstanceNorm2d):
    """`nn.InstanceNorm2d` without running statistics."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W)."""
        quick = None
        if input.dim() == 4 and input.shape[1] == self.num_features:
            quick = normalised(input, self.weight, self.bias, self.eps)
        return _by_torch(super().forward, input) if quick is None else quick

    def _get_name(self) -> str:
        return nn.InstanceNorm2d.__name__


class QuickPictureBatchNorm2d(PictureBatchNorm2d):
    """`PictureBatchNorm2d`: in evaluation an instance norm."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W), in evaluation of at least two pixels."""
        if self.training:
            return super().forward(x)
        quick = normalised(x, self.weight, self.bias, self.eps)
        return _by_torch(super().forward, x) if quick is None else quick

    def _get_name(self) -> str:
        return PictureBatchNorm2d.__name__


class QuickSequential(nn.Sequential):
    """`nn.Sequential` that leaves out the biases which the next layer takes out again."""

    def forward(self, input: Any) -> Any:
        """What the layers make of it, one after another."""
        if written() or _all_are_watched():
            return super().forward(input)  # type: ignore[no-untyped-call]
        layers = list(self._modules.values())
        for layer, following in zip(layers, [*layers[1:], None]):
            assert layer is not None
            input = _without_bias(layer, input) if _needs_no_bias(layer, following) else layer(input)
        return input

    def _get_name(self) -> str:
        return nn.Sequential.__name__


QUICK: dict[type[nn.Module], Any] = {
    nn.InstanceNorm2d: QuickInstanceNorm2d,
    PictureBatchNorm2d: QuickPictureBatchNorm2d,
    nn.Sequential: QuickSequential,
}


def normalised(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, epsilon: float
) -> torch.Tensor | None:
    """Each channel of each picture less its mean, divided by its deviation; None where torch's own way is best.

    A picture's result is the same bit by bit alone and in a batch.

    Args:
        x: (N,C,H,W).
        weight, bias: (C,), applied afterwards.
        epsilon: added to the variances.
    """
    if written() or not all(map(known, x.shape)):
        return None
    count, channels, height, width = x.shape
    if not count or height * width < 2:  # torch's own says what is wrong with it
        return None
    if x.device.type != "cpu":
        # One launch for all pictures is worth a copy.
        return None if count > 1 or x.is_contiguous() else _by_batch_norm(x, weight, bias, epsilon)
    if x.dtype not in (torch.float32, torch.float64):
        return None
    if not x.is_contiguous():
        if not x.is_contiguous(memory_format=torch.channels_last):
            return None
        learning = torch.is_grad_enabled() or torch.compiler.is_compiling()
        if not learning or height * width <= PIXELS:
            norm = _exact if learning else _without_gradient
            if count == 1:  # not split: the gradient of that is a copy
                return norm(x, weight, bias, epsilon)
            return torch.cat([norm(one, weight, bias, epsilon) for one in torch.split(x, 1)])
        x = x.contiguous()
    return functional.group_norm(x, channels, weight, bias, epsilon)


def _by_torch(norm: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Torch's own instance norm, of what lies channel by channel: in other layouts its gradient for one is wrong."""
    if x.device.type != "cpu" or not torch.is_grad_enabled() or is_traced():
        return norm(x)
    y = norm(x if x.is_contiguous() else x.contiguous())
    if y.requires_grad and not torch.compiler.is_compiling():
        y.register_hook(torch.Tensor.contiguous)  # type: ignore[no-untyped-call]
    return y


def _exact(x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, epsilon: float) -> torch.Tensor:
    """By the batch norm, and once more without about its mean where that turns out to be far from 0."""
    if torch.compiler.is_compiling() or type(x) not in (torch.Tensor, torch.nn.Parameter):  # nothing may hang on values
        return _centred(x, weight, bias, epsilon)
    y, mean, scale = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, epsilon)
    far = np.abs(mean.detach().numpy() * scale.detach().numpy()).max()
    if not far * math.sqrt(x[0, 0].numel()) <= FAR:  # nan in one channel is no reason to be inexact in others
        return _centred(x, weight, bias, epsilon)
    return _in_its_layout(y)


def _centred(x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, epsilon: float) -> torch.Tensor:
    """By the batch norm of what is left of it without about its mean.

    Sums in 32 bits are inexact where a mean is far larger than the deviation around it. That of some rows is within
    three deviations of the whole's; whatever is subtracted changes neither the result nor its gradients.
    """
    about = x.detach()[:, :, ::ROWS].mean((2, 3), keepdim=True)
    return _by_batch_norm(x - about, weight, bias, epsilon)


def _by_batch_norm(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, epsilon: float
) -> torch.Tensor:
    """One picture, a batch of its own."""
    return _in_its_layout(functional.batch_norm(x, None, None, weight, bias, True, 0.0, epsilon))


def _in_its_layout(y: torch.Tensor) -> torch.Tensor:
    if y.requires_grad and not torch.compiler.is_compiling():
        # Otherwise torch takes a far slower way.
        y.register_hook(_in_channels_last)  # type: ignore[no-untyped-call]
    return y


def _in_channels_last(gradient: torch.Tensor) -> torch.Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)


def _without_gradient(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, epsilon: float
) -> torch.Tensor:
    """The same, from the means and variances of some rows at a time: as quick, and exact for pictures of any size."""
    height, width = x.shape[2:]
    parts = torch.split(x, max(1, TOGETHER // width), 2)
    means, variances = zip(*(torch.batch_norm_update_stats(part, None, None, 0.0) for part in parts))
    shares = torch.tensor([part.shape[2] / height for part in parts], dtype=x.dtype)[:, None]
    each = torch.stack(means)
    mean = (shares * each).sum(0)
    variance = (shares * (torch.stack(variances) + (each - mean) ** 2)).sum(0)
    return functional.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


# -- biases that are taken out again ----------------------------------------------------------------------------------


CONVOLUTIONS = frozenset((*FEW, *FEW.values(), WinogradConv2d))
"""Torch's own, and those of them that compute in a way of ours."""


def _needs_no_bias(layer: nn.Module, following: nn.Module | None) -> bool:
    """Whether it is a convolution without a bias, or with one that changes only what the following layer subtracts."""
    if type(layer) not in CONVOLUTIONS or _is_watched(layer) or _is_watched(following):
        return False
    if layer.bias is None or isinstance(following, QuickInstanceNorm2d):
        return True
    return isinstance(following, QuickPictureBatchNorm2d) and not following.training


def _all_are_watched() -> bool:
    """Whether somebody's code sees what every module is given or yields; torch 2.4 has no function that tells."""
    return bool(
        hooked._global_forward_hooks
        or hooked._global_forward_pre_hooks
        or hooked._global_backward_hooks
        or hooked._global_backward_pre_hooks
    )


def _is_watched(layer: nn.Module | None) -> bool:
    """Whether somebody's code sees, or changes, what the layer is given or yields."""
    if layer is None:
        return False
    hooks = layer._forward_hooks or layer._forward_pre_hooks or layer._backward_hooks or layer._backward_pre_hooks
    return bool(hooks) or "forward" in vars(layer)


def _without_bias(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    y: torch.Tensor
    if strided.pays(layer, x):
        y = strided.convolved(layer, x)
    elif isinstance(layer, nn.Conv2d):
        y = layer._conv_forward(x, layer.weight, None)
    elif isinstance(layer, FewPixelsConvTranspose2d):
        y = layer.convolved(x, None)
    else:
        options = (layer.stride, layer.padding, layer.output_padding, layer.groups, layer.dilation)
        y = functional.conv_transpose2d(x, layer.weight, None, *options)  # type: ignore[arg-type]
    bias = layer.bias
    if bias is not None and bias.requires_grad and torch.is_grad_enabled():
        y = _Beside.apply(y, bias)  # type: ignore[no-untyped-call]
    return y


class _Beside(torch.autograd.Function):
    """Passes a value on; a bias beside it gets a gradient of zeros.

    None would do for most optimizers, but processes that train together, and those that count gradients, miss it.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W) and (C,)."""
        ctx.shape, ctx.dtype = bias.shape, bias.dtype
        return x.detach()  # a view of it would have other strides along a batch of one: no channels-last to torch

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """That of the value, and zeros."""
        return gradient, gradient.new_zeros(ctx.shape, dtype=ctx.dtype)
