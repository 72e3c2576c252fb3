"""Calls of one network within a phase, made as one call of a larger batch: fewer and larger kernels for a GPU.

`G(photo)` and `G(anime)` of CycleGAN are one call, and so are `D(anime)` and `D(pool(fake))`: calls of one network
that do not wait for each other, whose gradient the phase wants. Only networks take part that treat every picture by
itself: nothing that changes when it is called (batch norm, spectral norm in training), nothing that draws (dropout is
seeded for each call), and no picture's output depends on another picture, which is tried at the first call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from toonforge.speed.capture import equal, host_states, hosts_kept
from toonforge.speed.choice import Speed
from toonforge.speed.tf32 import settings_of
from toonforge.train.graph import Compiled, Engine, Part, Use
from toonforge.train.groups import changes, numbers, walk

ROUNDING = 2**13
"""How far a batch's output may be from a single picture's, in the last digit of the largest value (0.1 % of it in
fp32): other kernels round otherwise, and a deep network adds that up."""
MOST = 0.05
"""The same as a share of the largest value, for types of few digits."""


def takes_batches(network: nn.Module) -> bool:
    """Whether a network may treat every picture by itself, as far as its modules tell."""
    draws = any(
        isinstance(part, nn.modules.dropout._DropoutNd) and part.training and part.p > 0 for part in network.modules()
    )
    return not draws and not changes(network)


class Together:
    """Which calls of a phase may be made at once.

    Args:
        roots: what the phase's losses take.
        updates: the networks that it trains.
        signals: name -> its expression.
        batched: networks that treat every picture by itself.
        changing: networks that change when they are called: the order of their calls stays as written.

    Attributes:
        sets: of calls, by their texts; those of a set do not wait for each other.
    """

    def __init__(
        self,
        roots: Iterable[Compiled],
        updates: Set[str],
        signals: Mapping[str, Compiled],
        batched: Set[str],
        changing: Set[str],
    ) -> None:
        self.signals = signals
        self._roots = tuple(roots)
        self._needed: dict[frozenset[str], Set[str]] = {}
        nodes = walk(self._roots, signals)
        calls = {
            text: node
            for text, node in nodes.items()
            if node.kind == "network" and node.name in batched and node.below & updates and not node.below & changing
        }
        depth = _Depths(signals, calls.keys())
        alike: dict[tuple[str, str, int], list[Compiled]] = defaultdict(list)
        for node in calls.values():
            alike[node.name, numbers(node), depth(node)].append(node)
        several = [sorted(found, key=lambda call: call.text) for found in alike.values() if len(found) > 1]
        self.sets = tuple(frozenset(call.text for call in found) for found in several)
        self._mates = {call.text: [o for o in found if o is not call] for found in several for call in found}

    def mates(self, call: Compiled, known: frozenset[str]) -> list[Compiled]:
        """The calls that can be made together with this one and will be asked for.

        Args:
            known: signals whose values of an earlier phase are taken.
        """
        if call.text not in self._mates:
            return []
        if known not in self._needed:
            stops = {name: node for name, node in self.signals.items() if name not in known}
            self._needed[known] = walk(self._roots, stops).keys()
        return [other for other in self._mates[call.text] if other.text in self._needed[known]]


class _Depths:
    """How many of `calls` stand one on top of another up to an expression, which may be the last one."""

    def __init__(self, signals: Mapping[str, Compiled], calls: Set[str]) -> None:
        self.signals, self.calls = signals, calls
        self._known: dict[str, int] = {}

    def __call__(self, node: Compiled) -> int:
        if node.text not in self._known:
            below = (self.signals[node.name],) if node.kind == "signal" else node.arguments
            self._known[node.text] = max(map(self, below), default=0) + (node.text in self.calls)
        return self._known[node.text]


class BatchingEngine(Engine):
    """Evaluates calls of one network together.

    Attributes:
        plans: phase -> which calls.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.plans: dict[str, Together] = {}
        self._together: Together | None = None
        self._tried: dict[tuple[str, tuple[Any, ...]], bool] = {}

    @contextmanager
    def phase(self, updates: frozenset[str], later: Sequence[Use], name: str = "") -> Iterator[None]:
        """As `Engine.phase`; `name` is the phase's in `plans`."""
        self._together = self.plans.get(name)
        with super().phase(updates, later, name):
            yield

    def _network(self, node: Compiled, want: frozenset[str], part: Part) -> Tensor:
        mates = self._mates(node, want, part)
        if not mates:
            return super()._network(node, want, part)
        rows = [[self.value(argument, want, part) for argument in node.arguments]]
        calls = [node]
        for mate in mates:
            row = [self.value(argument, self._updates, part) for argument in mate.arguments]
            if _shapes(row) == _shapes(rows[0]):
                rows.append(row)
                calls.append(mate)
        if len(calls) == 1 or not self._treats_each_by_itself(node.name, rows[0]):
            return super()._network(node, want, part)
        columns = zip(*rows, strict=True)
        inputs = [torch.cat(column) if isinstance(column[0], Tensor) else column[0] for column in columns]
        with torch.enable_grad():
            result = self._called(node, want, inputs)
        size = len(result) // len(calls)
        for index, call in enumerate(calls):
            part.memo[call.text, self._updates & call.below] = result.narrow(0, index * size, size)
        return result.narrow(0, 0, size)

    def _mates(self, node: Compiled, want: frozenset[str], part: Part) -> list[Compiled]:
        # A signal that is evaluated for a later phase has another gradient than what this phase computes.
        if self._together is None or want & node.below != self._updates & node.below:
            return []
        signals = self.compiler.signals
        known = frozenset(
            name
            for name, value in part.signals.items()
            if self._usable(value, signals[name], self._updates & signals[name].below)
        )
        mates = self._together.mates(node, known)
        return [mate for mate in mates if (mate.text, self._updates & mate.below) not in part.memo]

    def _treats_each_by_itself(self, name: str, inputs: Sequence[Any]) -> bool:
        key = (name, _shapes(inputs))
        if key not in self._tried:
            self._tried[key] = is_independent(self.networks[name], inputs)
        return self._tried[key]


def is_independent(network: nn.Module, inputs: Sequence[Any]) -> bool:
    """Whether no picture's output depends on another picture of its batch, and nothing is drawn.

    Two pictures that differ much are put in together. No gradient may lead from one's output to the other one; where
    one is exchanged, the other's output must stay as it is to the last bit; and each must be as it is alone, to
    rounding (without TensorFloat-32, which has three digits). No generator may draw, torch's, numpy's or Python's; all
    are left as they were.

    Args:
        inputs: tensors of the shapes that the network is called with, and numbers.
    """
    tensors = [value for value in inputs if isinstance(value, Tensor)]
    if not tensors:
        return False
    device = tensors[0].device
    generator = torch.Generator().manual_seed(0)

    def noise(like: Tensor, count: int) -> Tensor:
        drawn = torch.rand(count, *like.shape[1:], generator=generator) * 2 - 1
        drawn[1:] *= 0.1
        return drawn.to(like)

    def forward(given: Sequence[Any]) -> Any:
        # As it is written: what it was compiled to is for other shapes.
        return type(network).forward(network, *given)

    pair = [noise(value, 2) if isinstance(value, Tensor) else value for value in inputs]
    other = [noise(value, 1) if isinstance(value, Tensor) else value for value in inputs]
    leaves = [value.requires_grad_() for value in pair if isinstance(value, Tensor)]
    with torch.random.fork_rng([device] if device.type == "cuda" else []), hosts_kept(), settings_of(Speed(), device):
        before = _random_states(device)
        with torch.enable_grad():
            both = forward(pair)
        if not isinstance(both, Tensor) or len(both) != 2 or not both.requires_grad:
            return False
        if not equal(before, _random_states(device)):
            return False
        weights = torch.rand(both.shape[1:], generator=generator).to(both)
        for one in (0, 1):
            gradients = torch.autograd.grad(both[one], leaves, weights, allow_unused=True, retain_graph=True)
            if any(gradient is not None and gradient[1 - one].any() for gradient in gradients):
                return False
            with torch.no_grad():
                exchanged, alone = forward(_exchanged(pair, other, 1 - one)), forward(_alone(pair, one))
            if not torch.equal(exchanged[one], both[one]) or not _close(both[one], alone[0]):
                return False
    return True


def _exchanged(pair: Sequence[Any], other: Sequence[Any], index: int) -> list[Any]:
    """The pair with another picture at `index`."""
    keep = slice(1 - index, 2 - index)
    return [
        torch.cat([theirs, ours[keep]] if index == 0 else [ours[keep], theirs]) if isinstance(ours, Tensor) else ours
        for ours, theirs in zip(pair, other, strict=True)
    ]


def _alone(pair: Sequence[Any], index: int) -> list[Any]:
    return [value[index : index + 1].clone() if isinstance(value, Tensor) else value for value in pair]


def _close(one: Tensor, other: Tensor) -> bool:
    share = min(ROUNDING * torch.finfo(other.dtype).eps, MOST)
    return bool((one - other).abs().max() <= share * other.abs().max())


def _random_states(device: torch.device) -> tuple[Any, ...]:
    states = (torch.get_rng_state(), host_states())
    return (*states, torch.cuda.get_rng_state(device)) if device.type == "cuda" else states


def _shapes(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(tuple(value.shape) if isinstance(value, Tensor) else value for value in values)
