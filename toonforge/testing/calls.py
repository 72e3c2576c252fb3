"""Calls of a network under test: what it is given, and what is said where it cannot take that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from toonforge.components import NetworkComponent, Shape

if TYPE_CHECKING:
    import torch

Arguments = tuple[Shape | float, ...]
"""What one call is given: shapes of one sample each for tensors, numbers as they are (a domain code, a scale)."""


def arguments_of(entry: Shape | Arguments) -> Arguments:
    """An entry of `inputs`: one shape stands for a call with one tensor."""
    return entry if entry and isinstance(entry[0], tuple) else (entry,)  # type: ignore[return-value]


def shapes_of(entry: Shape | Arguments) -> tuple[Shape, ...]:
    """The shapes of the tensors alone."""
    return tuple(part for part in arguments_of(entry) if isinstance(part, tuple))


def alike(inputs: Sequence[Shape | Arguments]) -> list[Shape | Arguments]:
    """The entries whose tensors have the shapes of the first one's: they differ in their numbers."""
    return [entry for entry in inputs if shapes_of(entry) == shapes_of(inputs[0])]


def tensors(entry: Shape | Arguments, size: int, seed: int = 5) -> list[Any]:
    """A batch of `size` random samples in [-1, 1] for every shape, and the numbers between them."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    return [
        torch.rand(size, *part, generator=generator) * 2 - 1 if isinstance(part, tuple) else part
        for part in arguments_of(entry)
    ]


def called(network: Any, arguments: Sequence[Any], where: str) -> torch.Tensor:
    """The network's output; an AssertionError that says what it was given where it cannot be had."""
    import torch

    given = ", ".join(
        f"{list(part.shape)} {part.dtype}".replace("torch.", "") if isinstance(part, torch.Tensor) else repr(part)
        for part in arguments
    )
    try:
        output = network(*arguments)
    except Exception as error:
        raise AssertionError(
            f"forward() fails {where}, given {given}: {type(error).__name__}: {error}\nif such inputs make no sense "
            "for it, let shape() raise ShapeError and leave them out of `inputs`"
        ) from error
    assert isinstance(output, torch.Tensor), (
        f"forward() returns {type(output).__name__}: recipes take one tensor from a call. Let a number argument choose "
        "among several outputs, D(x, 1), or make several networks of the parts"
    )
    return output


def built(component: NetworkComponent, entry: Shape | Arguments, seed: int = 0) -> Any:
    """The network of a config for these inputs, its weights drawn from `seed`."""
    import torch

    torch.manual_seed(seed)
    return component.fit(*shapes_of(entry)).build()
