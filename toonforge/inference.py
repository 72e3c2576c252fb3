"""Evaluates expressions outside training: no gradients, no pools, no noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from toonforge.blame import built, of_component, refuse_no_tensor
from toonforge.components import NetworkComponent, Op
from toonforge.deprecation import quietly
from toonforge.recipe.expr import Call, Expr, Name, Node, Number
from toonforge.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn


class Inference:
    """Evaluates expressions over networks in evaluation mode.

    Args:
        networks: the modules that expressions call.
        signals: expressions by name that others may use.
        ops: where the names of ops are looked up.
        configs: of networks: an error that comes out of one of these names it.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        signals: Mapping[str, Expr],
        ops: Registry[Op],
        configs: Mapping[str, NetworkComponent] | None = None,
    ) -> None:
        self.networks, self.signals, self.registry, self.configs = networks, signals, ops, configs or {}
        self._ops: dict[str, tuple[Op, Callable[..., Tensor] | None]] = {}

    def __call__(self, expr: Expr, fields: Mapping[str, Tensor]) -> Tensor:
        """The expression's value for a batch of fields."""
        return self.values([expr], fields)[0]

    def values(self, exprs: Iterable[Expr], fields: Mapping[str, Tensor]) -> list[Tensor]:
        """Several expressions' values for one batch: what they share is computed once."""
        import torch

        memo: dict[str, Any] = {}
        with torch.inference_mode(), evaluation_mode(self.networks.values()):
            return [self._value(expr.root, fields, memo) for expr in exprs]

    def value(self, expr: Expr, fields: Mapping[str, Tensor]) -> Any:
        """An expression's value with the networks as they are: neither their mode nor gradients are switched."""
        return self._value(expr.root, fields, {})

    def _value(self, node: Node, fields: Mapping[str, Tensor], memo: dict[str, Any]) -> Any:
        if isinstance(node, Number):
            return node.value
        text = str(node)
        if text not in memo:
            memo[text] = self._name(node, fields, memo) if isinstance(node, Name) else self._call(node, fields, memo)
        return memo[text]

    def _name(self, node: Name, fields: Mapping[str, Tensor], memo: dict[str, Any]) -> Any:
        signal = self.signals.get(node.name)
        return fields[node.name] if signal is None else self._value(signal.root, fields, memo)

    def _call(self, node: Call, fields: Mapping[str, Tensor], memo: dict[str, Any]) -> Any:
        if node.function not in self.networks:
            config, op = self._op(node.function)
            if op is None:
                return self._value(node.arguments[0], fields, memo)
            arguments = [self._value(argument, fields, memo) for argument in node.arguments]
            with of_component(config, str(node)):
                result = op(*arguments)
            refuse_no_tensor(config, str(node), result)
            return result
        values = [self._value(argument, fields, memo) for argument in node.arguments]
        known = self.configs.get(node.function)
        with nullcontext() if known is None else of_component(known, f"{known.kind}.{node.function}"):
            return self.networks[node.function](*values)

    def _op(self, name: str) -> tuple[Op, Callable[..., Tensor] | None]:
        """The op, and its function, or None for one that is an identity outside training."""
        if name not in self._ops:
            config = quietly(self.registry[name])
            self._ops[name] = config, None if config.evaluation == "identity" else built(config, name)
        return self._ops[name]


@contextmanager
def evaluation_mode(modules: Any) -> Any:
    """Switch modules to evaluation mode, and each back to what it was."""
    before = [(module, module.training) for module in modules]
    for module, _ in before:
        module.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.train(training)
