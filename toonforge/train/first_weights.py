"""Networks that start from weights of elsewhere: read by the main process, the same in all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from toonforge.errors import Problem, RunError
from toonforge.names import shape_text
from toonforge.weights.network import read_tensors
from toonforge.weights.origin import Origin

SHOWN = 4
"""Differences that are named; the rest are counted."""

State = Mapping[str, Tensor]


def read_first(origins: Mapping[str, Origin], networks: Mapping[str, nn.Module]) -> dict[str, State]:
    """The state that each network starts from.

    Args:
        origins: network -> where it lies.
        networks: as the recipe builds them.

    Raises:
        RunError: a file cannot be read, or its tensors are not those of the network.
    """
    states: dict[str, State] = {}
    problems = []
    for name, origin in origins.items():
        try:
            states[name] = read_tensors(origin.weights)
            wrong = [*_differences(states[name], networks[name].state_dict())]
        except (OSError, SafetensorError) as error:
            wrong = [f"{type(error).__name__}: {error}"]
        if wrong:
            more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
            problems.append(
                Problem(
                    message=f"{origin.weights.path} does not fit the network {name}",
                    found="; ".join(wrong[:SHOWN]) + more,
                    expected="the tensors that the recipe's component has, all finite",
                    hint="another version of its plugin may have made it: see lock.json in the run's folder",
                )
            )
    if problems:
        raise RunError(*problems)
    return states


def _differences(there: State, here: State) -> Iterator[str]:
    for key in dict.fromkeys([*here, *there]):
        if key not in there or key not in here:
            yield f"{key} is not {'there' if key in here else 'here'}"
        elif there[key].shape != here[key].shape:
            yield f"{key} is {shape_text(there[key].shape)} there and {shape_text(here[key].shape)} here"
        elif there[key].is_floating_point() != here[key].is_floating_point() or there[key].is_complex():
            yield f"{key} is of {there[key].dtype} there and of {here[key].dtype} here"
        elif there[key].is_floating_point() and not bool(torch.isfinite(there[key].float()).all()):
            yield f"{key} is not finite"


def start_from(network: nn.Module, average: nn.Module | None, state: State | None, processes: int) -> None:
    """Give a network and its moving average their first weights; every process must call this.

    Args:
        state: on the main process; None on the others, which take its numbers.
        processes: how many there are.
    """
    if state is not None:
        network.load_state_dict(state)  # 16-bit numbers become those of the network's type
    if processes > 1:
        for value in network.state_dict().values():
            shared = value.detach().clone(memory_format=torch.contiguous_format)
            torch.distributed.broadcast(shared, 0)
            value.copy_(shared)
    if average is not None:
        average.load_state_dict(network.state_dict())
