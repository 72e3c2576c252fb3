"""Components with one fault each, for the suites to find, and the sound ones that they are made from. No torch here."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from toonforge import registries
from toonforge.components import (
    Component,
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Op,
    Optimizer,
    Schedule,
    Shape,
    changed,
    component,
    param,
)
from toonforge.data import Synthetic
from toonforge.errors import DataError, ShapeError
from toonforge.recipe.expr import Expr
from toonforge.registry import Provenance

T = TypeVar("T", bound=Component)
CLAIMS: dict[str, dict[str, Any]] = {
    "sometimes": {"evaluation": "sometimes"},
    "claims-to-detach": {"detaches": True},
    "takes-more": {"arguments": (1, 2)},
    "unknown-field": {"together": ("input", "target", "other")},
    "upside-down": {"lower_is_better": False},
    "apart": {"together": ()},
}
"""What a fault says of itself in its class."""
WHO = Provenance(plugin="planted", distribution="tests", version="0")


def register(cls: type[T], name: str) -> type[T]:
    """The class, in its kind's registry."""
    registry: Any = registries.plugins.registries[cls.kind]
    if name not in registry:
        registry.add(name, cls, WHO)
    return registry[name]  # type: ignore[no-any-return]


@functools.cache
def faulty(base: type[T], fault: str) -> type[T]:
    """A component like `base` with a fault."""
    body = {"fault": fault, "__doc__": "One with a fault.", "__module__": base.__module__, **CLAIMS.get(fault, {})}
    return register(component(type("Faulty", (base,), body)), f"planted/{fault}")


@component
class Net(Generator):
    """A convolution; the fault is in the module or beside it."""

    fault: ClassVar[str] = ""

    width: int = param(4, doc="channels", unit="channels", at_least=1, at_most=64)

    def fit(self, *inputs: Shape) -> Net:
        return changed(self, width=self.width + 1) if self.fault == "grows" else self

    def shape(self, *inputs: Shape) -> Shape:
        channels, height, width = inputs[0]
        if channels != 3 and self.fault != "three-channels":
            raise ShapeError("expected RGB pictures")
        return (channels, height, width - 1 if self.fault in ("shape", "smaller") else width)

    def build(self) -> Any:
        from tests.planted_networks import Network

        return Network(self.width, self.fault)


@component
class Judge(Discriminator):
    """A convolution down to half of the size."""

    fault: ClassVar[str] = ""

    def shape(self, *inputs: Shape) -> Shape:
        if inputs[0][0] != 3:
            raise ShapeError("expected RGB pictures")
        return (1, inputs[0][1] // 2, inputs[0][2] // 2)

    def build(self) -> Any:
        from torch import nn

        layer = nn.Conv2d(3, 1, 4, 2, 1)
        return nn.Sequential(layer, nn.Sigmoid()) if self.fault == "sigmoid" else layer


@component
class Rate(Schedule):
    """From 1 down to 0."""

    fault: ClassVar[str] = ""
    calls: ClassVar[list[int]] = []

    def factor(self, step: int, total: int, steps_per_epoch: int) -> float:
        if self.fault == "zero":
            return 0.0
        if self.fault == "climbs":
            return 1 - step / 500
        if self.fault == "counts":
            self.calls.append(step)
            return 1 / len(self.calls)
        return 1 - step / total


@component
class Squares(Loss):
    """Mean of squares, in several wrong ways."""

    fault: ClassVar[str] = ""
    draws: ClassVar[bool] = False

    input: Expr = param(doc="a picture")

    def check(self, **shapes: Shape) -> None:
        if self.fault == "refuses":
            raise ShapeError("input must be a picture of another planet")

    def build(self) -> Any:
        import torch

        seen: list[float] = []

        def loss(input: torch.Tensor) -> torch.Tensor:
            if self.fault == "sum":
                return input.square().sum()
            if self.fault == "detached":
                return (input * input.detach()).mean()
            if self.fault == "root":
                return input.square().flatten(1).sum(1).sqrt().mean()
            if self.fault == "counts":
                return (input > 0).to(input.dtype).mean()
            if self.fault == "vector":
                return input.square().flatten(1).mean(1)
            if self.fault == "number":
                return float(input.detach().square().mean())  # type: ignore[return-value]
            if self.fault == "cut":
                return input.detach().square().mean()
            if self.fault == "remembers":
                seen.append(float(input.detach().square().mean()))
                return input.square().mean() + len(seen)
            if self.fault == "draws":
                return input.square().mean() + 0 * torch.rand(())
            return input.square().mean() * (2 if self.fault == "formula" else 1)

        return loss


class Source:
    """A made-up data set's items, in several wrong ways."""

    def __init__(self, inner: Any, fault: str) -> None:
        self.inner, self.fault, self.sizes = inner, fault, inner.sizes
        if fault == "lambda":
            self.opened = lambda: None

    @property
    def draws_alone(self) -> bool:
        return self.fault == "claims"

    def item(self, group: str, index: int, rng: Any) -> Mapping[str, Any]:
        import numpy as np

        item = self.inner.item(group, index, rng)
        if self.fault == "third" and index == 2 and rng is None:
            return {name: picture[:, 1:] for name, picture in item.items()}
        if self.fault == "breaks" and index == 2 and rng is None:
            raise IndexError("list index out of range")
        if self.fault == "global" and rng is not None:
            return {name: picture.flip(-1) if np.random.rand() < 0.5 else picture for name, picture in item.items()}
        if self.fault == "claims":
            np.random.rand()
        if self.fault == "flips":
            return {name: picture.flip(-1) for name, picture in item.items()}
        if self.fault == "range":
            return {name: picture.float() for name, picture in item.items()}
        return item  # type: ignore[no-any-return]

    def where(self, group: str, index: int) -> Mapping[str, str]:
        field = "other" if self.fault == "unknown-place" else group
        return {field: os.path.relpath(__file__) if self.fault == "relative" else f"/pictures/{index}.png"}

    def name(self, group: str, index: int) -> str:
        if self.fault == "unsteady":
            return f"{id(self)}-{index}"
        return str(index) if self.fault == "shared" else str(self.inner.name(group, index))


class NarrowSource(Source):
    """One that draws otherwise where fields are left out."""

    def only(self, fields: frozenset[str]) -> Source:
        return Source(self.inner, "flips")


@component
class Pictures(Dataset):
    """Made-up pictures."""

    fault: ClassVar[str] = ""

    @property
    def splits(self) -> tuple[str, ...]:
        return ("train", "validation", "test") if self.fault == "same-test" else ("train", "validation")

    def preparation(self, split: str) -> str:
        return "cut\nand scaled" if self.fault == "chatty" else "cut to 16x16"

    def verify(self) -> None:
        if self.fault == "missing":
            raise DataError("no pictures are there")

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        return Synthetic(image_size=17 if self.fault == "announced" else 16).groups()

    def build(self, split: str) -> Source:
        cls = NarrowSource if self.fault == "narrows" else Source
        return cls(Synthetic(image_size=16).build("train" if split == "test" else split), self.fault)


@component
class Fade(Op):
    """A picture times a half, or a mean of what came before."""

    fault: ClassVar[str] = ""

    def shape(self, *inputs: Shape | float) -> Shape:
        if not isinstance(inputs[0], tuple) and self.fault != "takes-numbers":
            raise ShapeError("argument 1 of fade must be a tensor")
        return (1,) if self.fault == "announces" else inputs[0]  # type: ignore[return-value]

    def build(self) -> Any:
        return (KeepingFading if self.fault.endswith("-state") else Fading)(self.fault)


class Fading:
    """Half of the picture."""

    def __init__(self, fault: str) -> None:
        self.fault, self.last = fault, 0.0

    def __call__(self, x: Any) -> Any:
        if self.fault in ("remembers", "plain-state", "lost-state"):
            self.last = 0.5 * self.last + float(x.detach().mean())
            return x / 2 + self.last
        if self.fault in ("global-numpy", "own-numpy"):
            import numpy as np

            return x * (np.random if self.fault == "global-numpy" else np.random.default_rng()).uniform()
        if self.fault == "cut":
            return x.detach() / 2
        if self.fault == "breaks":
            raise RuntimeError("broken")
        if self.fault == "root":
            return x + (0 * x).sqrt()
        if self.fault == "norm":
            return x / x.square().mean().sqrt()
        if self.fault == "flat-root":
            return x + (x - x.flip(-1)).square().sqrt()
        return (x / 2).double() if self.fault == "dtype" else x / 2


class KeepingFading(Fading):
    """One whose state no checkpoint can hold, or that does not take it back."""

    def state_dict(self) -> dict[str, Any]:
        import torch

        return {"last": self.last if self.fault == "plain-state" else torch.tensor(self.last)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


@component
class Steps(Optimizer):
    """Plain gradient descent."""

    fault: ClassVar[str] = ""

    lr: float = param(0.01, doc="learning rate", above=0)

    def build(self, parameters: Any) -> Any:
        from tests.planted_networks import Descent

        return Descent(parameters, self.lr, self.fault)
