"""The order of numbers in memory that a network computes fastest in.

Channels-last, pixel by pixel, is what the kernels of convolutions want. Torch's own layout is channel by channel, which
every convolution on a CPU changes for itself, and back. Parameters carry the layout: what a convolution yields has the
one of its weights. Outside of a network nothing of this is seen: it takes pictures in any layout and yields torch's
own, and files hold torch's own.

What pays was measured on a CPU (AMD EPYC, one thread, oneDNN of torch 2.13), forward and backward: narrow ResNets take
0.65 of the time, PatchGANs 0.9 to 1, and U-Nets 1.1: kernels for convolutions with a stride gain little, and innermost
weights, which are far larger than pictures there, have to be laid out anew instead.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from toonforge.nn.few_pixels import by_matrices
from toonforge.nn.norms import PictureBatchNorm2d
from toonforge.nn.quick import QuickInstanceNorm2d, QuickPictureBatchNorm2d, quicken
from toonforge.nn.winograd import by_winograd
from toonforge.speed.choice import Speed

LARGEST = 2**21
"""Numbers in one convolution's weights at most, on a CPU: 512 x 512 x 4 x 4, as innermost in U-Nets, are too many."""
NORMS = (nn.InstanceNorm2d, nn.LazyInstanceNorm2d, PictureBatchNorm2d)
QUICK_NORMS = (QuickInstanceNorm2d, QuickPictureBatchNorm2d)


def arranged(network: nn.Module, speed: Speed, device: torch.device | str) -> nn.Module:
    """A network as it computes under `speed` on a device; changed in place, names and numbers stay."""
    if "quick-norms" in speed:
        quicken(network)
    if "channels-last" in speed and pays(network, torch.device(device)):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if "winograd" in speed:
            by_winograd(network)
        network.register_forward_hook(_as_torch_has_it)
    if "matrix-convolutions" in speed:
        by_matrices(network)  # after Winograd's: 3x3 convolutions of 342 channels are large enough for either
    return network


def is_arranged(network: nn.Module) -> bool:
    """Whether the network computes in channels-last."""
    return _as_torch_has_it in network._forward_hooks.values()


def pays(network: nn.Module, device: torch.device) -> bool:
    """Whether channels-last is faster for a network.

    Only where its class says, by `any_layout = True`, that its code asks for no layout, as `view` does. Nor may it call
    `functional.instance_norm`: torch's gradient of one picture in channels-last is wrong on a CPU. Networks with layers
    that may do so, `nn.InstanceNorm2d` as torch or somebody's subclass computes it, stay as they are.
    """
    if not getattr(network, "any_layout", False):
        return False
    if any(isinstance(module, NORMS) and not isinstance(module, QUICK_NORMS) for module in network.modules()):
        return False
    return device.type == "cuda" or (device.type == "cpu" and _keeps_sizes(network))


def _keeps_sizes(network: nn.Module) -> bool:
    """Whether most of the weights are of convolutions without a stride, and none of them are too many."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    # Not asked of the weight: a spectral norm changes whenever somebody looks at it.
    numbers = [math.prod(each.kernel_size) * each.in_channels * each.out_channels // each.groups for each in layers]
    plain = sum(n for n, each in zip(numbers, layers) if isinstance(each, nn.Conv2d) and set(each.stride) == {1})
    return 2 * plain > sum(numbers) and max(numbers) <= LARGEST


def _as_torch_has_it(_: nn.Module, __: Any, output: Any) -> Any:
    return output.contiguous() if isinstance(output, torch.Tensor) else output
