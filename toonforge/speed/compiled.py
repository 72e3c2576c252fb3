"""Networks compiled by torch.compile, while a step computes with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from toonforge.errors import Problem, RunError


class Compiled:
    """Compiled forwards of networks, in use within `active()` alone.

    A network stays the module it is, under the same names in its state: its `forward` is replaced for a step and put
    back. So pictures and metrics, which come in other shapes and in evaluation mode, compile nothing; a step's shapes
    are always the same, and each network is compiled once for every way in which gradients are asked of it (of its
    parameters, of its input, of both, of neither), which takes no more steps than there are kinds of steps.

    Args:
        networks: as Accelerate has prepared them: autocast is compiled along.
        backend: of torch.compile. "aot_eager" traces forward and backward and computes with the usual kernels.
    """

    def __init__(self, networks: Mapping[str, nn.Module], backend: str = "inductor") -> None:
        # Dropout as the step's seeds have it: inductor's own generator would draw other numbers from them.
        options: dict[str, Any] = {"options": {"fallback_random": True}} if backend == "inductor" else {}
        self._forwards: list[tuple[nn.Module, Callable[..., Any]]] = []
        for name, network in networks.items():
            compiled = torch.compile(network.forward, backend=backend, dynamic=False, **options)
            self._forwards.append((network, _told(compiled, name)))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within it the networks compute compiled."""
        before = [vars(network).get("forward") for network, _ in self._forwards]
        for network, compiled in self._forwards:
            vars(network)["forward"] = compiled
        try:
            yield
        finally:
            for (network, _), forward in zip(self._forwards, before, strict=True):
                if forward is None:
                    del vars(network)["forward"]
                else:  # Accelerate's, with autocast
                    vars(network)["forward"] = forward


def _told(compiled: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The same; a failure of the compiler says what to do."""
    from torch._dynamo.exc import TorchDynamoException

    def forward(*inputs: Tensor) -> Any:
        try:
            return compiled(*inputs)
        except TorchDynamoException as error:
            raise RunError(
                Problem(
                    message=f"torch.compile cannot compile the network {name}",
                    key="train.speed",
                    found=" ".join(str(error).split("\n")[:2]).strip(),
                    hint='leave "compile" out of train.speed',
                )
            ) from error

    return forward
