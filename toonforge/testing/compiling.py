"""A network under `torch.compile`: one graph, the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def assert_compiles(network: Any, batch: Sequence[Any]) -> None:
    """Assert that the network's forward is one graph in either mode, and computes what it does as written, with its
    backward.

    The graph is traced and taken apart into its operations, but not compiled for a machine: that takes a compiler and
    minutes, and is torch's business.
    """
    import torch

    forget: Any = torch.compiler.reset
    for mode in (True, False):  # in train mode it may draw, so that nothing is compared
        forget()
        compiled: Any = torch.compile(network.train(mode), backend="aot_eager", fullgraph=True)
        try:
            output = compiled(*batch)
        except Exception as error:
            first = str(error).strip().split("\n")[0]
            raise AssertionError(
                f"torch.compile cannot make one graph of forward() in {'train' if mode else 'eval'} mode: "
                f"{type(error).__name__}: {first}\n"
                "leave .item(), print, numpy and branches on a tensor's values out of forward(), or do not claim "
                "`compiles = True`"
            ) from error
    expected = network(*batch)
    far = (output - expected).abs().max().item()
    assert far <= 1e-5 * max(1.0, expected.abs().max().item()), f"compiled, it yields something else (by {far:.1e})"
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    ours = torch.autograd.grad(output.sum(), parameters)
    theirs = torch.autograd.grad(expected.sum(), parameters)
    for (name, _), one, other in zip(network.named_parameters(), ours, theirs):
        far = (one - other).abs().max().item()
        assert far <= 1e-4 * max(1.0, other.abs().max().item()), (
            f"compiled, the gradient of {name} is another (by {far:.1e}): is there an autograd.Function of its own?"
        )
    forget()
