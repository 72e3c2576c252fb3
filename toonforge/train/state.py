"""Everything of a run that changes: networks, their averages, optimizers and the ops that remember."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from toonforge.blame import built
from toonforge.components import Optimizer
from toonforge.recipe.model import Recipe
from toonforge.speed.fused import fuse, like_parameter
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
        network = built(config, f"{config.kind}.{name}").to(DTYPES[recipe.train.precision])
        networks[name] = network.train(name in trained)
    return networks


class Optimizers:
    """One optimizer for each network and owner (`train`, or a phase with an optimizer of its own).

    Args:
        phases: of the recipe.
        networks: by name.
        fused: use the fused kernels where there are some.

    Attributes:
        fusible: whether any optimizer uses them.
    """

    def __init__(self, phases: list[PlannedPhase], networks: Mapping[str, nn.Module], fused: bool = False) -> None:
        self.fused = fused
        self.fusible = False
        self.by_key: dict[tuple[str, str], torch.optim.Optimizer] = {}
        self._base: dict[tuple[str, str], list[float]] = {}
        self._configs: dict[tuple[str, str], Optimizer] = {}
        for phase in phases:
            for name in phase.phase.updates:
                if (phase.owner, name) not in self.by_key:
                    self.add((phase.owner, name), phase.optimizer, networks[name])

    def add(self, key: tuple[str, str], config: Optimizer, network: nn.Module) -> None:
        """Build the optimizer of (owner, network's name)."""
        place = f"{'train' if key[0] == 'train' else f'phases.{key[0]}'}.optimizer"
        optimizer = self.by_key[key] = built(config, place, network.parameters())
        if self.fused and fuse(optimizer) is None:
            self.fusible = True
        self._base[key] = [group["lr"] for group in optimizer.param_groups]
        self._configs[key] = config

    def of(self, phase: PlannedPhase, names: Sequence[str] | None = None) -> list[torch.optim.Optimizer]:
        """The optimizers that the phase steps, in the order of its `updates`; or those of some of its networks."""
        return [self.by_key[phase.owner, name] for name in (phase.phase.updates if names is None else names)]

    def after_a_step(self, key: tuple[str, str], network: nn.Module) -> dict[str, Any] | None:
        """What the optimizer holds by "parameter/key" once it has stepped; None where that cannot be told beforehand.

        Tried on parameters without numbers, which take no memory.
        """
        stand_ins = {name: nn.Parameter(torch.empty_like(p, device="meta")) for name, p in network.named_parameters()}
        for stand_in in stand_ins.values():
            stand_in.grad = torch.empty_like(stand_in)
        try:
            optimizer = self._configs[key].build(iter(stand_ins.values()))
            optimizer.step()
        except Exception:  # one of a plugin, which looks at numbers
            return None
        return {f"{name}/{key}": value for name, p in stand_ins.items() for key, value in optimizer.state[p].items()}

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
    state: dict[int, dict[str, Any]] = {}
    # Loaded tensors may still be mapped onto their file, which is deleted one day.
    tensors = {key: value.clone() for key, value in tensors.items()}
    for index, (name, parameter) in enumerate(network.named_parameters()):
        prefix = f"{name}/"
        entries = {k.removeprefix(prefix): v for k, v in plain.items() if k.startswith(prefix)}
        # In the parameter's order of memory, as the optimizer made it: fused kernels look at no strides.
        entries |= {
            k.removeprefix(prefix): like_parameter(parameter, v) for k, v in tensors.items() if k.startswith(prefix)
        }
        if entries:
            state[index] = entries
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


class Memory:
    """What remembers from step to step besides networks: ops (image pools) and losses; each by a name of its own.

    Of modules that is those buffers that are no longer as they were built; of anything else its `state_dict`, which
    must hold tensors.

    Args:
        parts: as they were built; those that cannot remember are left out.
    """

    def __init__(self, parts: Mapping[str, Any]) -> None:
        known = {
            name: part
            for name, part in parts.items()
            if hasattr(part, "state_dict") and hasattr(part, "load_state_dict")
        }
        self.parts: Mapping[str, Any] = known
        self._built = {
            name: {key: value.detach().to("cpu", copy=True) for key, value in buffers_of(part).items()}
            for name, part in known.items()
            if isinstance(part, nn.Module)
        }

    def tensors(self) -> dict[str, Tensor]:
        """The present state by "name::key"; nothing of what has nothing to remember yet."""
        return {f"{name}::{key}": value for name, part in self.parts.items() for key, value in self._state(name, part)}

    def _state(self, name: str, part: Any) -> Iterator[tuple[str, Tensor]]:
        if isinstance(part, nn.Module):
            built = self._built[name]
            for key, value in buffers_of(part).items():
                if key not in built or not same(value.cpu(), built[key]):
                    yield key, value
            return
        for key, value in part.state_dict().items():
            if not isinstance(value, Tensor):
                raise TypeError(f"{name}: state {key!r} is {type(value).__name__}; it must be a tensor")
            yield key, value

    def differences(self, tensors: Mapping[str, Tensor]) -> Iterator[str]:
        """Why `load` would fail or leave something out, in words; nothing where these are what `tensors` gives."""
        for key in tensors:
            if key.partition("::")[0] not in self.parts:
                yield f"nothing here remembers {key}"
        for name, part in self.parts.items():
            state = _of_part(name, tensors)
            if isinstance(part, nn.Module):
                yield from (f"{name} has no {key} here" for key in state if not _has(part, key))
            elif state and not _takes(part, state):
                held = ", ".join(f"{key} {list(value.shape)}" for key, value in state.items())
                yield f"{name} cannot take {held}"

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        for name, part in self.parts.items():
            state = _of_part(name, tensors)
            if isinstance(part, nn.Module):
                for key, value in state.items():
                    put_buffer(part, key, value)
            elif state:  # one that had nothing to remember yet stays as it was built
                part.load_state_dict(state)


def _of_part(name: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{name}::"
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _has(module: nn.Module, key: str) -> bool:
    path, _, leaf = key.rpartition(".")
    try:
        return hasattr(module.get_submodule(path), leaf)
    except AttributeError:
        return False


def _takes(part: Any, state: Mapping[str, Tensor]) -> bool:
    """Whether a part gives back a state that it was given; tried on a copy."""
    try:
        trial = copy.deepcopy(part)
    except Exception:  # of a plugin, with a lock in it, say
        return True
    try:
        trial.load_state_dict(state)
        back = trial.state_dict()
    except Exception:
        return False
    return back.keys() == state.keys() and all(same(value.cpu(), state[key].cpu()) for key, value in back.items())


def buffers_of(module: nn.Module) -> dict[str, Tensor]:
    """The buffers that a module's `state_dict` holds: what changes in it without an optimizer."""
    parameters = dict(module.named_parameters())
    state = module.state_dict()
    return {key: value for key, value in state.items() if key not in parameters and isinstance(value, Tensor)}


def put_buffer(module: nn.Module, key: str, value: Tensor) -> None:
    """Give a buffer of a module a value, which may be of another size than before; a parameter, too."""
    path, _, leaf = key.rpartition(".")
    owner = module.get_submodule(path)
    before = getattr(owner, leaf)
    if isinstance(before, nn.Parameter) or (isinstance(before, Tensor) and before.shape == value.shape):
        with torch.no_grad():
            before.copy_(value)
    else:
        setattr(owner, leaf, value.to(before.device, copy=True) if isinstance(before, Tensor) else value.clone())


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are equal bit for bit, numbers that are none included."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(torch.equal(one.contiguous().view(-1).view(torch.uint8), other.contiguous().view(-1).view(torch.uint8)))
