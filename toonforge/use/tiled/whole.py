"""How much memory a network takes for a picture that is computed whole."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from toonforge.use.tiled.step import NotInParts
from toonforge.use.tiled.trace import peak_bytes, traced

PADDED = 256
"""Pixels that networks may add to a side."""
TRIAL = 256
"""Pixels along a side of the picture that shows what an untraceable network takes."""
WORKSPACE = 1.25
"""What the allocator, and operations' own buffers, add to values that were counted one by one."""
UNSEEN = 2.0
"""The same for values that were seen living: the second layout of a convolution's (see `trace.py`) is not seen."""


def surely_at_most(network: nn.Module, arguments: Sequence[Any]) -> int:
    """Bytes that no network of convolutions exceeds: as if all its channels were there at once, at full size.

    Known at once, for the many pictures that fit a hundred times over.
    """
    channels = 64 + sum(max(item.shape[:2]) for item in network.parameters() if item.ndim >= 2)
    return max(
        (
            len(item) * channels * (item.shape[-2] + PADDED) * (item.shape[-1] + PADDED) * item.element_size()
            for item in arguments
            if isinstance(item, torch.Tensor)
        ),
        default=0,
    )


def whole_bytes(network: nn.Module, arguments: Sequence[Any]) -> int:
    """Bytes that the values of a computation take at most, its pictures not counted; an estimate."""
    try:
        return int(WORKSPACE * peak_bytes(traced(network, arguments)))
    except NotInParts:
        return int(UNSEEN * per_pixel(network, arguments) * _pixels(arguments))


def per_pixel(network: nn.Module, arguments: Sequence[Any]) -> float:
    """Bytes for each pixel, seen at a corner of the picture."""
    trial = [item[:1, :, :TRIAL, :TRIAL] if isinstance(item, torch.Tensor) else item for item in arguments]
    device = next((item.device for item in network.parameters()), torch.device("cpu"))
    with torch.no_grad(), _Watching() as watching:
        network(*(item.to(device) if isinstance(item, torch.Tensor) else item for item in trial))
    return float(watching.most / _pixels(trial))


def _pixels(arguments: Sequence[Any]) -> int:
    return max(item.shape[0] * item.shape[-2] * item.shape[-1] for item in arguments if isinstance(item, torch.Tensor))


class _Watching(TorchDispatchMode):  # type: ignore[misc, no-untyped-call, unused-ignore]
    """Adds up the memory of the tensors that live at each moment."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self.live = self.most = 0
        self.known: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for item in tree_leaves(result):
            if isinstance(item, torch.Tensor):
                self._saw(item)
        return result

    def _saw(self, item: torch.Tensor) -> None:
        storage = item.untyped_storage()
        place, size = storage.data_ptr(), storage.nbytes()
        self.known[place] = self.known.get(place, 0) + 1
        if self.known[place] == 1:
            self.live += size
            self.most = max(self.most, self.live)
        weakref.finalize(item, self._gone, place, size)

    def _gone(self, place: int, size: int) -> None:
        self.known[place] -= 1
        if not self.known[place]:
            del self.known[place]
            self.live -= size
