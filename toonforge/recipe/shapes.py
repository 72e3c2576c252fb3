"""Shapes of all expressions before any tensor exists; networks are completed with the channels they get."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from toonforge.components import Loss, Metric, NetworkComponent, Shape, expressions
from toonforge.deprecation import quietly
from toonforge.errors import FieldError, ShapeError
from toonforge.recipe.expr import Call, Expr, Name, Node, Number
from toonforge.recipe.limits import refuse_absurd, shown
from toonforge.recipe.model import Recipe
from toonforge.recipe.report import Report, written
from toonforge.recipe.scanner import Path
from toonforge.recipe.tree import dotted
from toonforge.registries import ops


class _Refused(Exception):
    """Something below has been reported already."""


class Shapes:
    """Infers shapes and fits networks as it meets their calls.

    Args:
        recipe: with legal names and no cycle among `order`.
        fields: batch field -> shape of one sample.
        order: signals, each after those it needs.
        wrong: expression texts with unknown names: left out.
        report: takes the problems.
    """

    def __init__(
        self, recipe: Recipe, fields: Mapping[str, Shape], order: list[str], wrong: set[str], report: Report
    ) -> None:
        self.recipe, self.report, self.wrong = recipe, report, wrong
        self.values: dict[str, Shape] = dict(fields)
        self.modules: dict[str, NetworkComponent] = dict(recipe.modules)
        self.fitted: dict[str, tuple[tuple[int, ...], str, Path]] = {}
        self.known: dict[str, Shape | None] = {}
        for name in order:
            shape = self.of(recipe.signals[name], ("signals", name))
            if shape is not None:
                self.values[name] = shape

    def infer(self) -> None:
        """Go through every expression, then ask every loss and metric whether its shapes go together."""
        for path, expr in written(self.recipe):
            if path[0] != "signals":
                self.of(expr, path)
        for phase_name, phase in self.recipe.phases.items():
            for loss_name, term in phase.losses.items():
                self._check(term.loss, ("phases", phase_name, "losses", loss_name))
        for metric_name, metric in self.recipe.metrics.items():
            self._check(metric, ("metrics", metric_name))
        for name, expr in self.recipe.translations.items():
            shape = self.known.get(expr.text)
            if shape is not None and (len(shape) != 3 or shape[0] not in (1, 3)):
                expected = "a picture: 1 or 3 channels, height, width"
                self.report.add(("translations", name), "not a picture", found=shown(shape), expected=expected)

    def _check(self, component: Loss | Metric, path: Path) -> None:
        shapes = {key: self.known.get(expr.text) for key, expr in expressions(component).items()}
        if all(shape is not None for shape in shapes.values()):
            with_shapes: dict[str, Any] = shapes
            text = ", ".join(f"{key} {shown(shape)}" for key, shape in with_shapes.items())
            self._ask(partial(component.check, **with_shapes), path, text)

    def of(self, expr: Expr, path: Path) -> Shape | None:
        """The expression's shape; None once what is wrong with it has been reported."""
        if expr.text in self.wrong:
            return None
        if expr.text not in self.known:
            try:
                self.known[expr.text] = self._node(expr.root, path)
            except _Refused:
                self.known[expr.text] = None
        return self.known[expr.text]

    def _node(self, node: Node, path: Path) -> Any:
        if isinstance(node, Number):
            return node.value
        if isinstance(node, Name):
            if node.name not in self.values:
                raise _Refused
            return self.values[node.name]
        inputs = [self._node(argument, path) for argument in node.arguments]
        if node.function in self.modules:
            return self._network(node, inputs, path)
        op = quietly(ops[node.function])
        return self._shape(node, op.shape, inputs, path)

    def _network(self, call: Call, inputs: list[Any], path: Path) -> Shape:
        name = call.function
        tensors = [shape for shape in inputs if isinstance(shape, tuple)]
        channels = tuple(shape[0] for shape in tensors if shape)
        if name not in self.fitted:
            found = ", ".join(map(shown, tensors))
            self.fitted[name] = (channels, str(call), path)
            self.modules[name] = self._ask(partial(self.modules[name].fit, *tensors), path, found, str(call))
        first, text, other = self.fitted[name]
        if channels != first:
            self.report.add(
                path,
                f"{name} is called with different channels",
                found=f"{_channels(channels)} in {call}",
                expected=f"{_channels(first)} as in {text} at {dotted(other)}",
                hint="one network takes one number of channels: declare a second network",
            )
            raise _Refused
        return self._shape(call, self.modules[name].shape, inputs, path)

    def _shape(self, call: Call, function: Callable[..., Shape], inputs: list[Any], path: Path) -> Shape:
        found = ", ".join(map(shown, inputs))
        try:
            inspect.signature(function).bind(*inputs)
        except TypeError:
            message = f"{call.function} does not take {len(inputs)} argument{'s' if len(inputs) != 1 else ''}"
            self.report.add(path, message, found=str(call))
            raise _Refused from None
        numbers = any(not isinstance(value, tuple) for value in inputs)
        hint = f"perhaps {call.function} takes no number there" if numbers else None

        def sized() -> Shape:
            shape = tuple(function(*inputs))
            refuse_absurd(shape)
            return shape

        known: Shape = self._ask(sized, path, found, str(call), hint)
        return known

    def _ask(
        self, question: Callable[[], Any], path: Path, found: str, call: str | None = None, hint: str | None = None
    ) -> Any:
        prefix = f"{call}: " if call is not None else ""
        try:
            return question()
        except ShapeError as error:
            self.report.add(path, f"{prefix}{error}", found=found)
        except FieldError as error:
            self.report.add(path, f"{prefix}{error}", found=found, hint=error.hint)
        except Exception as error:  # a component's own code, given shapes its author did not think of
            reason = f"{type(error).__name__}: {error}"
            self.report.add(path, f"{prefix}cannot tell the shape ({reason})", found=found, hint=hint)
        if call is not None:
            raise _Refused
        return None


def _channels(channels: tuple[int, ...]) -> str:
    return " and ".join(map(str, channels)) + (" channel" if channels == (1,) else " channels")
