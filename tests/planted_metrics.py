"""Metrics with one fault each, for the suites to find, and the sound ones that they are made from. No torch here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from toonforge.components import Metric, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.recipe.expr import Expr


@component
class Difference(Metric):
    """Mean absolute difference."""

    fault: ClassVar[str] = ""
    together = ("input", "target")

    input: Expr = param(doc="translated pictures")
    target: Expr = param(doc="what they should be")

    def protocol(self) -> str:
        return "" if self.fault == "silent" else "mean absolute difference"

    def check(self, **shapes: Shape) -> None:
        if self.fault == "refuses":
            raise ShapeError("input must be a picture of another planet")

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        return ["few pictures"] if self.fault == "lists" else ()  # type: ignore[return-value]

    def build(self, device: Any) -> Any:
        return BuiltDifference(self.fault)


class BuiltDifference:
    """Sums of pictures, or means of batches."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.values: list[float] = []

    def update(self, input: Any, target: Any) -> None:
        each = (input - target).abs().flatten(1).mean(1).tolist()
        if self.fault == "contrast":
            each = ((input - target).abs().flatten(1).mean(1) / target.flatten(1).std(1)).tolist()
        if self.fault == "python-contrast":
            each = [value / float(one.std()) for value, one in zip(each, target, strict=True)]
        self.values += [sum(each) / len(each)] if self.fault == "batches" else each
        if self.fault == "in-place":
            input.zero_()

    def compute(self) -> dict[str, float]:
        if self.fault == "random":
            import torch

            self.values.append(float(torch.rand(())))
        return {"mean" if self.fault == "headless" else "": sum(self.values) / len(self.values)}

    def draw(self) -> Any:
        return "a picture" if self.fault == "draws-text" else None


@component
class Gap(Metric):
    """Difference of two means, of sets that need not be measured together."""

    fault: ClassVar[str] = ""

    input: Expr = param(doc="translated pictures")
    real: Expr = param(doc="real pictures")

    def protocol(self) -> str:
        return "difference of means"

    def build(self, device: Any) -> Any:
        return BuiltGap(self.fault, {})


class BuiltGap:
    """Means of pictures by field."""

    def __init__(self, fault: str, means: dict[str, list[float]]) -> None:
        self.fault, self.means = fault, means

    def update(self, **tensors: Any) -> None:
        for name, pictures in tensors.items():
            self.means.setdefault(name, []).extend(pictures.double().flatten(1).mean(1).tolist())

    def compute(self) -> dict[str, float]:
        input, real = (sum(means) / len(means) for means in (self.means["input"], self.means["real"]))
        return {"": abs(input - real)}

    def again(self, kept: frozenset[str]) -> BuiltGap:
        share = 1 if self.fault == "forgets" else None
        return BuiltGap(self.fault, {name: means[:share] for name, means in self.means.items() if name in kept})
