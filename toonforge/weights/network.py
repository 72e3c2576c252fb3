"""The network of a weights file, built."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from toonforge.components import NetworkComponent
from toonforge.errors import Problem, RecipeError, RunError
from toonforge.weights.described import Weights
from toonforge.weights.fitting import does_not_fit, refuse_other_shapes

if TYPE_CHECKING:
    import torch

NETWORKS = ("generators", "discriminators", "networks")
"""Registries of components that weights belong to."""


def build_network(weights: Weights) -> torch.nn.Module:
    """The network of a weights file, in evaluation mode; `RunError` where they do not fit or weights are not finite."""
    from safetensors import SafetensorError

    config = network_config(weights)
    refuse_other_shapes(config, weights)
    try:
        network = config.build()
        network.load_state_dict(read_tensors(weights))
    except (RuntimeError, SafetensorError, TypeError, OverflowError, MemoryError) as error:
        raise does_not_fit(weights, str(error).strip().split("\n")[-1].strip()) from error
    _refuse_not_finite(weights, network)
    return network.eval()


def read_tensors(weights: Weights) -> dict[str, torch.Tensor]:
    """A network's state, by the names that it has in the network."""
    from safetensors import safe_open

    with safe_open(weights.path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(weights.prefix)]  # noqa: SIM118 -- no mapping
        return {name.removeprefix(weights.prefix): file.get_tensor(name) for name in names}


def _refuse_not_finite(weights: Weights, network: torch.nn.Module) -> None:
    for name, value in network.state_dict().items():
        if value.is_floating_point() and not value.isfinite().all():
            raise RunError(
                Problem(
                    message=f"{weights.path}: the weights of {weights.network} are not finite",
                    found=f"NaN or infinite numbers in {name}",
                    hint="its pictures would be black: training may have diverged, so take an earlier checkpoint",
                )
            )


def network_config(weights: Weights) -> NetworkComponent:
    """The config of a weights file's network; raises `RunError` where it describes none."""
    from toonforge.recipe.resolved import component_from_data

    if weights.kind not in NETWORKS:
        raise RunError(Problem(message=f"{weights.path} holds no network", found=weights.kind))
    try:
        config = component_from_data(weights.kind, weights.component)
    except RecipeError as error:
        raise RunError(
            *(attrs.evolve(problem, message=f"{weights.path}: {problem.message}") for problem in error.problems)
        ) from None
    except RecursionError:
        raise RunError(Problem(message=f"{weights.path}: what it says of its network is nested too deeply")) from None
    assert isinstance(config, NetworkComponent)
    return config.without_weights()
