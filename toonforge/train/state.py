"""Everything of a run that changes: networks, their averages, optimizers and the ops that remember."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from toonforge.recipe.model import Recipe
from toonforge.train.phases import PlannedPhase
from toonforge.train.seeds import derive

DTYPES: Mapping[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.float32, "fp64": torch.float64}
"""`train.precision` -> the type of parameters; bf16 computes under autocast."""


def build_networks(recipe: Recipe) -> dict[str, nn.Module]:
    """The recipe's networks, each initialised from a stream of its own: adding one never changes another.

    Networks that no phase updates are put into evaluation mode, all others into training mode.
    """
    trained = {name for phase in recipe.phases.values() for name in phase.updates}
    networks = {}
    for name, config in recipe.modules.items():
        torch.manual_seed(derive(recipe.train.seed, "init", name))
        network = config.build().to(DTYPES[recipe.train.precision])
        networks[name] = network.train(name in trained)
    return networks


class Optimizers:
    """One optimizer for each network and owner (`train`, or a phase with an optimizer of its own)."""

    def __init__(self, phases: list[PlannedPhase], networks: Mapping[str, nn.Module]) -> None:
        self.by_key: dict[tuple[str, str], torch.optim.Optimizer] = {}
        self._base: dict[tuple[str, str], list[float]] = {}
        for phase in phases:
            for name in phase.phase.updates:
                key = (phase.owner, name)
                if key not in self.by_key:
                    optimizer = phase.optimizer.build(networks[name].parameters())
                    self.by_key[key] = optimizer
                    self._base[key] = [group["lr"] for group in optimizer.param_groups]

    def of(self, phase: PlannedPhase) -> list[torch.optim.Optimizer]:
        """The optimizers that the phase steps, in the order of its `updates`."""
        return [self.by_key[phase.owner, name] for name in phase.phase.updates]

    def set_rate(self, phase: PlannedPhase, step: int) -> float:
        """Set the phase's learning rate for `step`; returns that of the first group."""
        factor = phase.factor(step)
        for name in phase.phase.updates:
            key = (phase.owner, name)
            for group, base in zip(self.by_key[key].param_groups, self._base[key], strict=True):
                group["lr"] = base * factor
        first = (phase.owner, phase.phase.updates[0])
        return self._base[first][0] * factor


class Average:
    """Exponential moving average of networks' parameters; buffers are copied.

    At the n-th update the decay is min(decay, (1 + n) / (10 + n)), so that short runs forget the random start.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.networks = {name: copy.deepcopy(network).requires_grad_(False) for name, network in networks.items()}
        self.updates = dict.fromkeys(networks, 0)

    @torch.no_grad()
    def update(self, name: str, network: nn.Module) -> None:
        """Take the network's present parameters into its average."""
        count = self.updates[name] = self.updates[name] + 1
        decay = min(self.decay, (1 + count) / (10 + count))
        averages: list[Tensor] = list(self.networks[name].parameters())
        torch._foreach_lerp_(averages, [value.detach() for value in network.parameters()], 1 - decay)
        for average, value in zip(self.networks[name].buffers(), network.buffers(), strict=True):
            average.copy_(value)


def optimizer_tensors(optimizer: torch.optim.Optimizer, network: nn.Module) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state by "parameter/key": tensors, and the rest as plain values."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            (tensors if isinstance(value, Tensor) else plain)[f"{name}/{key}"] = value
    return tensors, plain


def load_optimizer(
    optimizer: torch.optim.Optimizer, network: nn.Module, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]
) -> None:
    """Put back what `optimizer_tensors` gave, through the optimizer's own loading, which fits devices and types."""
    names = [name for name, _ in network.named_parameters()]
    state: dict[int, dict[str, Any]] = {}
    # Loaded tensors may still be mapped onto their file, which is deleted one day.
    tensors = {key: value.clone() for key, value in tensors.items()}
    for index, name in enumerate(names):
        prefix = f"{name}/"
        entries = {k.removeprefix(prefix): v for k, v in (*tensors.items(), *plain.items()) if k.startswith(prefix)}
        if entries:
            state[index] = entries
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def tensors_of(state: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a `state_dict`, named "prefix::key"."""
    for key, value in state.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{prefix}: state {key!r} is {type(value).__name__}; an op's state must be tensors")
        yield f"{prefix}::{key}", value
