"""A traced network as steps that can be computed by rows, or whole where they have to be."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import torch

from toonforge.use.tiled.operation import Recognised
from toonforge.use.tiled.recognise import recognise
from toonforge.use.tiled.rows import Slot, filled
from toonforge.use.tiled.step import NotInParts, Step
from toonforge.use.tiled.trace import Trace, bytes_of


@attrs.frozen(eq=False)
class Steps:
    """A network's steps.

    Attributes:
        pictures: the inputs, which are no part of `all`.
        all: each after those that it reads.
        output: the last one.
    """

    pictures: tuple[Step, ...]
    all: tuple[Step, ...]
    output: Step


def steps_of(trace: Trace, state: Mapping[str, torch.Tensor]) -> Steps:
    """Read a trace; what depends on no picture is computed at once.

    Args:
        state: parameters and buffers by name.

    Raises:
        NotInParts: an operation that is not known to be computed in parts yields what cannot be told from a picture.
    """
    return _Reader(trace, state).read()


class _Reader:
    """Reads a trace once."""

    def __init__(self, trace: Trace, state: Mapping[str, torch.Tensor]) -> None:
        self.trace, self.state = trace, state
        self.values: dict[torch.fx.Node, Any] = {}
        self.steps: list[Step] = []
        self.pictures: list[Step] = []

    def read(self) -> Steps:
        placeholders = 0
        output: Any = None
        for node in self.trace.graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, placeholders)
                placeholders += 1
            elif node.op == "get_attr":
                self.values[node] = getattr(self.trace.module, str(node.target)).detach()
            elif node.op == "output":
                (found,) = node.args
                output = self.values[found[0] if isinstance(found, list | tuple) else found]
            else:
                self._operation(node)
        if not isinstance(output, Step) or len(output.shape) != 4:
            raise NotInParts("its output does not depend on the picture")
        return Steps(tuple(self.pictures), tuple(self.steps), output)

    def _placeholder(self, node: torch.fx.Node, index: int) -> None:
        if index < len(self.trace.names):
            self.values[node] = self.state[self.trace.names[index]].detach().cpu()
            return
        value = node.meta["val"]
        if value.ndim != 4 or value.shape[0] != 1:
            raise NotInParts(f"an input is {list(value.shape)}, not one picture")
        step = Step(node.name, (), tuple(value.shape), value.dtype, bytes_of(value))
        self.pictures.append(step)
        self.values[node] = step

    def _operation(self, node: torch.fx.Node) -> None:
        if node.target is operator.getitem and isinstance(self.values[node.args[0]], tuple | list):  # type: ignore[index]
            self.values[node] = self.values[node.args[0]][node.args[1]]  # type: ignore[index]
            return
        inputs: list[Step] = []

        def slotted(value: Any) -> Any:
            if isinstance(value, torch.fx.Node):
                value = self.values[value]
            if isinstance(value, Step):
                if value not in inputs:
                    inputs.append(value)
                return Slot(inputs.index(value))
            if isinstance(value, list | tuple) and not isinstance(value, torch.Size):
                return type(value)(slotted(item) for item in value)
            return value

        arguments: tuple[Any, ...] = slotted(node.args)
        options: dict[str, Any] = {name: slotted(value) for name, value in node.kwargs.items()}
        function: Callable[..., Any] = node.target  # type: ignore[assignment]
        if not inputs:
            self.values[node] = function(*arguments, **options)
            return
        found = recognise(function, arguments, options, inputs, node.meta.get("val"))
        if found is None:
            self.values[node] = self._whole(node, function, arguments, options, inputs)
        elif isinstance(found, Step):
            self.values[node] = found
        else:
            self.values[node] = self._recognised(node, found)

    def _recognised(self, node: torch.fx.Node, found: Recognised | Sequence[Recognised]) -> Any:
        if isinstance(found, Recognised):
            return self._add(node.name, found)
        return _Parts([self._add(f"{node.name}_{number}", item) for number, item in enumerate(found)])

    def _add(self, name: str, found: Recognised) -> Step:
        inputs = found.inputs
        if found.gathers is not None:
            gathered, dtype, shape = found.gathers
            statistics = Step(f"{name}_statistics", inputs[:1], shape, dtype, 0, statistics=gathered)
            self.steps.append(statistics)
            if found.rows is None:
                return statistics
            inputs = (*inputs, statistics)
        size = torch.Size(found.shape).numel() * found.dtype.itemsize
        step = Step(name, inputs, found.shape, found.dtype, size, rows=found.rows, work=found.work)
        step.candidate = found.candidate
        self.steps.append(step)
        return step

    def _whole(
        self, node: torch.fx.Node, function: Callable[..., Any], arguments: Any, options: Any, inputs: list[Step]
    ) -> Any:
        value = node.meta.get("val")

        def run(*given: Any) -> Any:
            return function(*filled(arguments, given), **{name: filled(item, given) for name, item in options.items()})

        first = value[0] if isinstance(value, list | tuple) else value
        if not isinstance(first, torch.Tensor):
            raise NotInParts(f"{function} yields no tensor")
        step = Step(node.name, tuple(inputs), tuple(first.shape), first.dtype, bytes_of(value), run=run)
        self.steps.append(step)
        return step


class _Parts(list[Step]):
    """The values of an operation that yields several."""
