"""Metrics, pictures and networks for tests of measuring: small, and they count what is asked of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from tests.tiny import TinySource
from toonforge import registries
from toonforge.components import Metric, component, param
from toonforge.errors import UnreadableImage
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.registry import Provenance
from toonforge.validation.measuring import Measuring

SHAPE = (3, 16, 16)
GROUPS = {"photo": {"photo": SHAPE}, "anime": {"anime": SHAPE}}
PAIRS = {"pair": {"photo": SHAPE, "anime": SHAPE}}


class Scale(nn.Module):
    """Every value times a number that training would change."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))
        self.calls = 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return (pictures * self.factor).tanh()


class Reads(TinySource):
    """Counts reads; `broken` names items that cannot be read."""

    def __init__(
        self, groups: Mapping[str, Mapping[str, object]], count: int = 11, broken: tuple[str, ...] = ()
    ) -> None:
        super().__init__({group: tuple(fields) for group, fields in groups.items()}, count, SHAPE[1])
        self.reads: Counter[str] = Counter()
        self.broken = broken

    def item(self, group: str, index: int, rng: Any) -> dict[str, torch.Tensor]:
        self.reads[group] += 1
        if self.name(group, index) in self.broken:
            raise UnreadableImage(self.name(group, index), "made so")
        return super().item(group, index, rng)


@component
class Apart(Metric):
    """How far two sets' means lie apart: keeps what it may."""

    translated = "generated"

    generated: Expr = param(doc="translated pictures")
    reference: Expr = param(doc="others")

    def protocol(self) -> str:
        return "difference of means"

    def build(self, device: torch.device) -> BuiltApart:
        return BuiltApart()


class BuiltApart:
    """Keeps each picture's mean."""

    def __init__(self) -> None:
        self.means: dict[str, list[float]] = {}

    def update(self, **tensors: torch.Tensor) -> None:
        for key, pictures in tensors.items():
            self.means.setdefault(key, []).extend(float(picture.double().mean()) for picture in pictures)

    def compute(self) -> dict[str, float]:
        one, other = (sum(means) / len(means) if means else float("nan") for means in map(self.of, _KEYS))
        return {"": abs(one - other), "std": 0.5, "shift": one - other}

    def of(self, key: str) -> list[float]:
        return self.means.get(key, [])

    def again(self, kept: frozenset[str]) -> BuiltApart:
        fresh = BuiltApart()
        fresh.means = {key: list(values) for key, values in self.means.items() if key in kept}
        return fresh


_KEYS = ("generated", "reference")


@component
class Forgetful(Apart):
    """The same without keeping anything."""

    def build(self, device: torch.device) -> Any:
        built = BuiltApart()
        return _Plain(built)


class _Plain:
    def __init__(self, built: BuiltApart) -> None:
        self.update, self.compute = built.update, built.compute


def apart(generated: str = "G(photo)", reference: str = "anime", kind: type[Apart] = Apart) -> Apart:
    return kind(generated=Expr.parse(generated), reference=Expr.parse(reference))


def register() -> None:
    """`Apart` as the metric `tiny/apart`."""
    if "tiny/apart" not in registries.metrics:
        registries.metrics.add("tiny/apart", Apart, Provenance(plugin="tiny", distribution="tests", version="0"))


def networks(factor: float) -> dict[str, Scale]:
    """G, F, which change with training, and V, which does not."""
    return {"G": Scale(factor), "F": Scale(-factor), "V": Scale(0.5)}


def inference(nets: Mapping[str, nn.Module], signals: Mapping[str, Expr] | None = None) -> Inference:
    return Inference(nets, signals or {}, registries.ops)


def measuring(
    metrics: Mapping[str, Metric],
    source: Any = None,
    groups: Mapping[str, Mapping[str, Any]] = GROUPS,
    skipped: dict[str, str] | None = None,
    signals: Mapping[str, Expr] | None = None,
    **more: Any,
) -> Measuring:
    told = {} if skipped is None else skipped
    options = {
        "part": "validation",
        "weights": {"G": "as trained", "F": "as trained", "V": "as given"},
        "trained": ("G", "F"),
        **more,
    }
    return Measuring(
        metrics,
        source or Reads(groups),
        groups,
        Graph(networks(1.0), signals or {}),
        torch.device("cpu"),
        torch.float32,
        told.__setitem__,
        **options,
    )
