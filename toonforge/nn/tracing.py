"""Arithmetic on the sides of pictures that stays right while a network is written down for pictures of any size.

Sides are plain numbers while a network runs. While it is traced they are symbols (`torch.export`) or tensors of one
number (the TorchScript exporter of ONNX), and whatever Python decides by them holds for one size alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

__all__ = ["known", "at_least", "clamped_range"]


def known(side: Any) -> bool:
    """Whether it is a plain number, by which Python may decide.

    Examples:
        >>> import torch
        >>> from toonforge.nn.tracing import known
        >>> known(torch.rand(1, 3, 8, 8).shape[-1])
        True
    """
    return isinstance(side, int)


def at_least(side: Any, minimum: int) -> Any:
    """`max(side, minimum)` of a side of at least 1.

    Examples:
        >>> from toonforge.nn.tracing import at_least
        >>> at_least(3, 8), at_least(12, 8)
        (8, 12)
    """
    import torch

    if known(side):
        return max(side, minimum)
    if isinstance(side, torch.Tensor):
        return side.clamp(min=minimum)
    # torch.export decides a maximum by the example's side, and then refuses others. Each term is 1 where side <= less,
    # otherwise 0.
    return side + sum(2 * less // (side + less) for less in range(1, minimum))


def clamped_range(first: Any, count: Any, size: Any, device: torch.device) -> torch.Tensor:
    """first, first + 1, … (`count` of them), what lies outside of 0 … size - 1 replaced by the nearer end.

    Examples:
        >>> import torch
        >>> from toonforge.nn.tracing import clamped_range
        >>> clamped_range(-2, 6, 3, torch.device("cpu"))
        tensor([0, 0, 0, 1, 2, 2])
    """
    import torch

    last = torch.ones((), dtype=torch.int64, device=device) * (size - 1)
    return torch.minimum((torch.arange(count, device=device) + first).clamp(min=0), last)
