"""What an expression depends on: networks, signals and data fields, followed through signals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from toonforge.components import expressions, network_names
from toonforge.recipe.expr import Call, Expr, Name, Node
from toonforge.recipe.model import Phase, Recipe
from toonforge.registries import ops


class Graph:
    """The dependencies of a recipe's expressions.

    Args:
        networks: names of the recipe's networks.
        signals: the recipe's signals, free of cycles.
    """

    def __init__(self, networks: Collection[str], signals: Mapping[str, Expr]) -> None:
        self.networks = frozenset(networks)
        self.signals = signals
        self._below: dict[str, frozenset[str]] = {}
        self._named: dict[str, frozenset[str]] = {}
        self._reached: dict[str, frozenset[str]] = {}

    def signals_of(self, expr: Expr) -> frozenset[str]:
        """Signals that the expression names, and those that these name in turn."""
        return frozenset().union(*(self._named_by(name) for name in set(expr.names()) & self.signals.keys()))

    def _named_by(self, signal: str) -> frozenset[str]:
        """The signal and those that it names in turn; each is followed once, however many expressions ask."""
        if signal not in self._named:
            found = {signal}
            waiting = [signal]
            while waiting:
                for name in self.signals[waiting.pop()].names():
                    if name in self._named:
                        found |= self._named[name]
                    elif name in self.signals and name not in found:
                        found.add(name)
                        waiting.append(name)
            self._named[signal] = frozenset(found)
        return self._named[signal]

    def _parts(self, expr: Expr) -> Iterator[Expr]:
        yield expr
        for name in self.signals_of(expr):
            yield self.signals[name]

    def calls_of(self, expr: Expr) -> frozenset[str]:
        """Networks and ops that the expression calls, directly or through signals."""
        return frozenset(call.function for part in self._parts(expr) for call in part.calls())

    def networks_below(self, expr: Expr) -> frozenset[str]:
        """Networks that the expression calls, directly or through signals."""
        if expr.text not in self._below:
            self._below[expr.text] = self.calls_of(expr) & self.networks
        return self._below[expr.text]

    def fields_of(self, expr: Expr) -> frozenset[str]:
        """Batch fields that the expression needs, directly or through signals."""
        return frozenset(name for part in self._parts(expr) for name in part.names() if name not in self.signals)

    def expressions_of(self, phase: Phase) -> list[Expr]:
        """The expressions of the phase's losses, in the order written; losses of weight 0 are left out."""
        return [expr for term in phase.losses.values() if term.weight != 0 for expr in expressions(term.loss).values()]

    def trained_fields(self, phases: Mapping[str, Phase]) -> frozenset[str]:
        """Batch fields that the losses of any phase need: an epoch is one of theirs."""
        exprs = [expr for phase in phases.values() for expr in self.expressions_of(phase)]
        return frozenset().union(*map(self.fields_of, exprs))

    def signals_used(self, phase: Phase) -> frozenset[str]:
        """Signals that the phase's losses need."""
        return frozenset().union(*(self.signals_of(expr) for expr in self.expressions_of(phase)))

    def reached_by(self, phase: Phase) -> frozenset[str]:
        """Networks that a gradient of the phase's losses reaches, those named by `Network` fields included."""
        direct = {
            name for term in phase.losses.values() if term.weight != 0 for name in network_names(term.loss).values()
        }
        return frozenset(direct).union(*(self._gradient_reaches(expr.root) for expr in self.expressions_of(phase)))

    def _gradient_reaches(self, node: Node) -> frozenset[str]:
        """Networks that a gradient of the node's value reaches: none below an op that detaches."""
        if isinstance(node, Name) and node.name in self.signals:
            if node.name not in self._reached:  # a signal that names another twice would double the work at each step
                self._reached[node.name] = self._gradient_reaches(self.signals[node.name].root)
            return self._reached[node.name]
        if not isinstance(node, Call):
            return frozenset()
        if node.function not in self.networks and node.function in ops and ops[node.function].detaches:
            return frozenset()
        own = frozenset({node.function}) & self.networks
        return own.union(*(self._gradient_reaches(argument) for argument in node.arguments))


def averaged(recipe: Recipe) -> tuple[str, ...]:
    """Networks of which a run with `train.ema` keeps a moving average, in the recipe's order.

    The generators; and of [networks] what a phase trains and a translation calls: encoders and decoders.
    """
    graph = Graph(recipe.modules, recipe.signals)
    called = frozenset().union(*map(graph.networks_below, recipe.translations.values()))
    trained = {name for phase in recipe.phases.values() for name in phase.updates}
    return (*recipe.generators, *(name for name in recipe.networks if name in called & trained))
