"""Evaluates expressions during a step: each once, with gradients only where something being updated lies below.

Within a phase an expression is evaluated once. A signal is evaluated once a step and shared by the phases: with
gradient if a phase of this step will want it, detached for phases that update nothing below it, and again only if a
phase wants its gradient after a network below it has stepped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from toonforge.blame import built, of_component, refuse_other_shape
from toonforge.components import Component, NetworkComponent, Op, expressions, network_names
from toonforge.deprecation import quietly
from toonforge.recipe.expr import Call, Expr, Name, Node, Number
from toonforge.recipe.graph import Graph
from toonforge.registry import Registry

Nothing: frozenset[str] = frozenset()


@attrs.frozen(eq=False)
class Compiled:
    """An expression's node, with what is asked of it at every step worked out beforehand.

    Attributes:
        kind: "field", "signal", "number", "network" or "op".
        below: the networks whose parameters it depends on.
        draws: it is seeded by its text at every call.
        stateful: its value is drawn once a step for all phases, and passes no gradient on.
    """

    kind: str
    name: str
    text: str
    below: frozenset[str]
    arguments: tuple[Compiled, ...] = ()
    number: float = 0
    op: Callable[..., Tensor] | None = None
    config: Op | None = None
    draws: bool = False
    stateful: bool = False


@attrs.frozen
class Arguments:
    """A loss's `Expr` fields as compiled nodes, and its `Network` fields as names."""

    nodes: Mapping[str, Compiled]
    networks: Mapping[str, str]


class Compiler:
    """Turns expressions into compiled nodes; builds one op instance for each distinct text.

    Args:
        graph: dependencies of the recipe's expressions.
        ops: where the names of ops are looked up.
        device: where ops that are modules live.
    """

    def __init__(self, graph: Graph, ops: Registry[Op], device: torch.device) -> None:
        self.graph, self.registry, self.device = graph, ops, device
        self.ops: dict[str, Callable[..., Tensor]] = {}
        self._known: dict[str, Compiled] = {}
        self.signals = {name: self(expr) for name, expr in graph.signals.items()}

    def __call__(self, expr: Expr) -> Compiled:
        """The compiled root of an expression."""
        return self._node(expr.root)

    def arguments(self, config: Component) -> Arguments:
        """What a loss takes, compiled once for all steps."""
        nodes = {key: self(expr) for key, expr in expressions(config).items()}
        return Arguments(nodes, network_names(config))

    def _node(self, node: Node) -> Compiled:
        text = str(node)
        if text not in self._known:
            self._known[text] = self._compile(node, text)
        return self._known[text]

    def _compile(self, node: Node, text: str) -> Compiled:
        below = self.graph.networks_below(Expr(node))
        if isinstance(node, Number):
            return Compiled("number", text, text, below, number=node.value)
        if isinstance(node, Name):
            return Compiled("signal" if node.name in self.graph.signals else "field", node.name, text, below)
        arguments = tuple(self._node(argument) for argument in node.arguments)
        if node.function in self.graph.networks:
            return Compiled("network", node.function, text, below, arguments)
        return self._op(node, text, below, arguments)

    def _op(self, node: Call, text: str, below: frozenset[str], arguments: tuple[Compiled, ...]) -> Compiled:
        config = quietly(self.registry[node.function])
        op = self.ops.setdefault(text, built(config, text))
        if isinstance(op, nn.Module):
            op.to(self.device)
        draws = config.evaluation == "identity"
        return Compiled(
            "op", node.function, text, below, arguments, op=op, config=config, draws=draws, stateful=config.detaches
        )


@attrs.define
class _Signal:
    value: Tensor
    gradient: frozenset[str]
    versions: dict[str, int]


@attrs.define
class Part:
    """One part of a step's batch and what has been computed from it during the step."""

    fields: Mapping[str, Tensor]
    index: int
    signals: dict[str, _Signal] = attrs.field(factory=dict)
    drawn: dict[str, Tensor] = attrs.field(factory=dict)
    memo: dict[tuple[str, frozenset[str]], Any] = attrs.field(factory=dict)

    def forget(self, but: frozenset[str]) -> None:
        """Drop what the phase has computed, but for the expressions of these texts."""
        self.memo = {key: value for key, value in self.memo.items() if key[0] in but} if but else {}


Use = tuple[frozenset[str], frozenset[str]]
"""(networks updated, signals used) of a phase that is active in the present step."""


class Engine:
    """Evaluates compiled expressions over the recipe's networks.

    Args:
        compiler: holds the signals.
        networks: the bare modules.
        wrapped: the same modules as the distributed wrapper sees them; used where gradients are wanted.
        seed_call: called with (part index, text) before every call of a network and every op that draws.
        configs: of the networks.
    """

    def __init__(
        self,
        compiler: Compiler,
        networks: Mapping[str, nn.Module],
        wrapped: Mapping[str, nn.Module],
        seed_call: Callable[[int, str], None],
        configs: Mapping[str, NetworkComponent],
    ) -> None:
        self.compiler, self.networks, self.wrapped, self.seed_call = compiler, networks, wrapped, seed_call
        self.configs = configs
        self._seen: set[str] = set()
        self.versions = dict.fromkeys(networks, 0)
        # Listed once: going through a network's modules at every phase takes longer than telling its parameters.
        self._parameters = {name: list(network.parameters()) for name, network in networks.items()}
        self._trainable: dict[str, bool] = {}
        self._updates: frozenset[str] = Nothing
        self._later: Sequence[Use] = ()

    @contextmanager
    def phase(self, updates: frozenset[str], later: Sequence[Use], name: str = "") -> Iterator[None]:
        """Freeze every network that the phase does not update. `later`: the phases that follow in this step."""
        self._updates, self._later = updates, later
        with self._gradients_for(updates):
            yield

    def stepped(self, network: str) -> None:
        """Note that the network's parameters have changed."""
        self.versions[network] += 1

    def arguments(self, compiled: Arguments, part: Part) -> dict[str, Any]:
        """A loss's `Expr` fields as tensors and its `Network` fields as modules."""
        values = {key: self.value(node, self._updates, part) for key, node in compiled.nodes.items()}
        return {**values, **{key: self._module(name, self._updates) for key, name in compiled.networks.items()}}

    def value(self, node: Compiled, want: frozenset[str], part: Part) -> Any:
        """The node's value; gradients reach the parameters of the networks in `want`."""
        if node.kind == "field":
            return part.fields[node.name]
        if node.kind == "number":
            return node.number
        if node.kind == "signal":
            return self._signal(node, want, part)
        if node.text in part.drawn:
            return part.drawn[node.text]
        key = (node.text, want & node.below)
        if key not in part.memo:
            value = self._call(node, want, part)
            if node.stateful:
                value = part.drawn[node.text] = value.detach()
            part.memo[key] = value
        return part.memo[key]

    def _call(self, node: Compiled, want: frozenset[str], part: Part) -> Tensor:
        if node.kind == "network":
            return self._network(node, want, part)
        arguments = [self.value(argument, want, part) for argument in node.arguments]
        assert node.op is not None and node.config is not None
        with torch.set_grad_enabled(bool(want & node.below)):
            if node.draws:
                self.seed_call(part.index, node.text)
            with of_component(node.config, node.text):
                result = node.op(*arguments)
        self._refuse_other_shape(node, node.config, node.text, arguments, result)
        return result

    def _network(self, node: Compiled, want: frozenset[str], part: Part) -> Tensor:
        arguments = [self.value(argument, want, part) for argument in node.arguments]
        with torch.set_grad_enabled(bool(want & node.below)):
            self.seed_call(part.index, node.text)
            return self._called(node, want, arguments)

    def _called(self, node: Compiled, want: frozenset[str], arguments: Sequence[Any]) -> Tensor:
        """The network's output."""
        config = self.configs[node.name]
        place = f"{config.kind}.{node.name}"
        with of_component(config, place):
            result: Tensor = self._module(node.name, want)(*arguments)
        self._refuse_other_shape(node, config, place, arguments, result)
        return result

    def _refuse_other_shape(
        self, node: Compiled, config: NetworkComponent | Op, place: str, arguments: Sequence[Any], result: Any
    ) -> None:
        """At an expression's first call its value must be of the shape that was announced."""
        if node.text not in self._seen:
            refuse_other_shape(config, place, arguments, result)
            self._seen.add(node.text)

    def lent(self, compiled: Arguments) -> Iterator[tuple[NetworkComponent, str, nn.Module]]:
        """(config, place, module) of the networks that a loss calls by itself."""
        for name in compiled.networks.values():
            yield self.configs[name], f"{self.configs[name].kind}.{name}", self.networks[name]

    def _module(self, name: str, want: frozenset[str]) -> nn.Module:
        return self.wrapped[name] if name in want else self.networks[name]

    def _signal(self, node: Compiled, want: frozenset[str], part: Part) -> Tensor:
        need = want & node.below
        known = part.signals.get(node.name)
        if known is not None and not need:
            return known.value.detach()
        if known is not None and self._usable(known, node, need):
            return known.value
        gradient = need or self._wanted_later(node)
        with self._gradients_for(want if need else gradient):
            value: Tensor = self.value(self.compiler.signals[node.name], gradient, part)
        part.signals[node.name] = _Signal(value, gradient, self._versions(node))
        return value if need else value.detach()

    def _usable(self, known: _Signal, node: Compiled, need: frozenset[str]) -> bool:
        return need <= known.gradient and known.versions == self._versions(node)

    def _versions(self, node: Compiled) -> dict[str, int]:
        return {network: self.versions[network] for network in node.below}

    def _wanted_later(self, node: Compiled) -> frozenset[str]:
        """Networks whose gradient the next phase that touches this signal's networks will want from it."""
        if self._updates & node.below:
            return Nothing
        for updates, used in self._later:
            if updates & node.below:
                return updates & node.below if node.name in used else Nothing
        return Nothing

    @contextmanager
    def _gradients_for(self, names: frozenset[str]) -> Iterator[None]:
        before = frozenset(name for name, on in self._trainable.items() if on)
        self._require(names)
        try:
            yield
        finally:
            self._require(before)

    def _require(self, names: frozenset[str]) -> None:
        for name, parameters in self._parameters.items():
            on = name in names
            if self._trainable.get(name) != on:
                for parameter in parameters:
                    parameter.requires_grad_(on)
                self._trainable[name] = on
