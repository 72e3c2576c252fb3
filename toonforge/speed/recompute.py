"""Activations that are computed again in the backward pass instead of being kept: memory for time, at high resolution.

Of each block of a network its input alone is kept. The gradient is the same to the last bit, a step takes a third to
a half longer, and of a ResNet's pass little more than one block's activations is in memory at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, cast

from torch import Tensor, is_grad_enabled, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.utils.checkpoint import checkpoint

from toonforge.errors import Problem, RunError
from toonforge.nn.quick import QuickSequential

SMALL = 2
"""Layers with weights in a module that is one block, at most; larger ones are taken apart."""
PLAIN = (nn.Sequential.forward, QuickSequential.forward)
"""Of sequences that may be cut: their layers follow each other and nothing else."""


def recompute(network: nn.Module, name: str) -> None:
    """Let a network's blocks compute their activations again in backward passes. Call it after copies were made.

    Args:
        name: what the recipe calls it.

    Raises:
        RunError: it changes when it is called, and would change twice.
    """
    for layer in network.modules():
        if _remembers(layer):
            kind = "spectral norm" if isinstance(layer, _SpectralNorm) else "batch norm"
            raise _refused(name, f"{name}, whose {kind} changes with every call")
    for block in _blocks(network, is_whole=True):
        is_plain = isinstance(block, nn.Sequential) and type(block).forward in PLAIN
        parts = _cut(cast(nn.Sequential, block)) if is_plain else [block]
        again = [_again(part, part.forward, name) for part in parts]
        vars(block)["forward"] = again[0] if len(again) == 1 else _one_after_another(again)


def _remembers(layer: nn.Module) -> bool:
    tracks = isinstance(layer, _NormBase) and layer.track_running_stats
    return layer.training and (tracks or isinstance(layer, _SpectralNorm))


def _refused(name: str, found: str) -> RunError:
    return RunError(
        Problem(
            message="a network cannot compute its activations again",
            key="train.recompute",
            found=found,
            expected="networks without batch norm and spectral norm while they are trained",
            hint=f"take {name} out of train.recompute, or give it another norm (instance, group, layer)",
        )
    )


def _weights(module: nn.Module) -> int:
    return sum(parameter.dim() > 1 for parameter in module.parameters())


def _is_flat(module: nn.Module) -> bool:
    return not any(True for child in module.children() for _ in child.children())


def _blocks(module: nn.Module, is_whole: bool = False) -> Iterator[nn.Module]:
    """Modules of some layers each, in which whatever has weights lies."""
    if next(module.children(), None) is None:
        return
    if isinstance(module, nn.Sequential) and _is_flat(module):
        if _weights(module):
            yield module
    elif _weights(module) <= SMALL and not is_whole and not isinstance(module, nn.ModuleList | nn.ModuleDict):
        yield module
    else:
        for child in module.children():
            yield from _blocks(child)


def _cut(layers: nn.Sequential) -> list[nn.Module]:
    """A sequence of n layers with weights in about sqrt(n) shorter ones, each from a layer with weights on."""
    starts = [index for index, layer in enumerate(layers) if _weights(layer)]
    if len(starts) <= SMALL:
        return [layers]
    starts = starts[:: math.ceil(math.sqrt(len(starts)))]
    return [layers[begin:end] for begin, end in zip([0, *starts[1:]], [*starts[1:], len(layers)], strict=True)]


def _one_after_another(parts: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def forward(x: Any) -> Any:
        for part in parts:
            x = part(x)
        return x

    return forward


def _again(block: nn.Module, forward: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The block's forward, which keeps its inputs alone where gradients are wanted."""

    def watched(*inputs: Any, **named: Any) -> Any:
        tensors = [*block.buffers(), *(value for value in (*inputs, *named.values()) if isinstance(value, Tensor))]
        before = [tensor._version for tensor in tensors]
        output = forward(*inputs, **named)
        if [tensor._version for tensor in tensors] != before:
            kind = block._get_name()  # type: ignore[no-untyped-call]
            raise _refused(name, f"{name}, whose {kind} changes its buffers or its input")
        return output

    def kept(*inputs: Any, **named: Any) -> Any:
        if not is_grad_enabled():
            return forward(*inputs, **named)
        # Bound beforehand: an argument may have the name of one of the checkpoint's own.
        return checkpoint(partial(watched, **named), *inputs, use_reentrant=False)

    return kept
