"""Components made for the tests: small enough to train in milliseconds, with every kind of layer that matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from toonforge import registries
from toonforge.components import (
    Dataset,
    Discriminator,
    Generator,
    Metric,
    Op,
    OtherNetwork,
    Shape,
    component,
    param,
)
from toonforge.recipe.expr import Expr
from toonforge.registry import Provenance


@component
class TinyGenerator(Generator):
    """Two convolutions with an instance norm, and dropout if asked for."""

    width: int = param(4, doc="channels", above=0)
    norm: bool = param(True, doc="instance norm between the two convolutions")
    dropout: float = param(0.0, doc="share of dropped features", at_least=0, below=1)
    in_channels: int | None = param(None, doc="channels of the input")

    def fit(self, *inputs: Shape) -> TinyGenerator:
        import attrs

        return attrs.evolve(self, in_channels=inputs[0][0])

    def shape(self, *inputs: Shape) -> Shape:
        return (3, *inputs[0][1:])

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(self.in_channels or 3, self.width, 3, padding=1),
            nn.InstanceNorm2d(self.width) if self.norm else nn.Identity(),
            nn.Dropout(self.dropout),
            nn.LeakyReLU(0.2),
            nn.Conv2d(self.width, 3, 3, padding=1),
            nn.Tanh(),
        )


@component
class TinyColours(Generator):
    """Each pixel by itself: begins as the identity, and can become any mixture of the colours."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> nn.Module:
        layer = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            layer.weight.copy_(torch.eye(3).view(3, 3, 1, 1))
            layer.bias.zero_()  # type: ignore[union-attr]
        return layer


@component
class TinyStencil(Generator):
    """A share of its input over a picture of its own, both learnt: can end as that picture, whatever the input."""

    size: int = param(16, doc="height and width", unit="pixels", above=0)

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> nn.Module:
        return Stencil(self.size)


class Stencil(nn.Module):
    """share * input + picture."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(1))
        self.picture = nn.Parameter(torch.zeros(3, size, size))

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        return self.share * picture + self.picture


@component
class TinyTimes(Op):
    """A picture times a number."""

    arguments = (2, 2)

    def shape(self, *inputs: Shape | float) -> Shape:
        assert isinstance(inputs[0], tuple)
        return inputs[0]

    def build(self) -> Any:
        return lambda picture, factor: picture * factor


@component
class TinyDiscriminator(Discriminator):
    """Two strided convolutions."""

    width: int = param(4, doc="channels", above=0)
    norm: bool = param(False, doc="batch norm between the two convolutions")
    in_channels: int | None = param(None, doc="channels of the input")

    def fit(self, *inputs: Shape) -> TinyDiscriminator:
        import attrs

        return attrs.evolve(self, in_channels=inputs[0][0])

    def shape(self, *inputs: Shape) -> Shape:
        return (1, inputs[0][1] // 4, inputs[0][2] // 4)

    def build(self) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(self.in_channels or 3, self.width, 4, 2, 1),
            nn.BatchNorm2d(self.width) if self.norm else nn.Identity(),
            nn.LeakyReLU(0.2),
            nn.Conv2d(self.width, 1, 4, 2, 1),
        )


@component
class TinyFeatures(OtherNetwork):
    """A feature network in the place of a VGG."""

    def shape(self, *inputs: Shape) -> Shape:
        return (6, *inputs[0][1:])

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1))


class TinySource:
    """Pictures made from their index."""

    def __init__(self, groups: dict[str, tuple[str, ...]], count: int, size: int) -> None:
        self.groups, self.size = groups, size
        self.sizes = {group: count + 2 * i for i, group in enumerate(groups)}

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        noise = 0.0 if rng is None else float(rng.random()) * 0.1
        pictures: dict[str, torch.Tensor] = {}
        for number, field in enumerate(self.groups[group]):
            generator = torch.Generator().manual_seed(1000 * number + index + 7 * len(group))
            pictures[field] = (torch.rand(3, self.size, self.size, generator=generator) * 2 - 1 + noise).clamp(-1, 1)
        return pictures

    def name(self, group: str, index: int) -> str:
        return f"{group}-{index}"


@component
class TinyPictures(Dataset):
    """Random pictures: one group a field, or one group of them all."""

    fields: tuple[str, ...] = param(("photo", "anime"), doc="batch fields")
    paired: bool = param(False, doc="whether all fields are drawn together")
    count: int = param(6, doc="how many", above=0)
    size: int = param(16, doc="height and width", unit="pixels", above=0)

    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {"pair": self.fields} if self.paired else {field: (field,) for field in self.fields}

    def groups(self) -> dict[str, dict[str, Shape]]:
        return {g: dict.fromkeys(fields, (3, self.size, self.size)) for g, fields in self._groups().items()}

    def build(self, split: str) -> Any:
        return TinySource(self._groups(), self.count if split == "train" else 3, self.size)


@component
class TinyMetric(Metric):
    """Mean brightness, and a picture of it."""

    input: Expr = param(doc="pictures")

    def build(self, device: torch.device) -> BuiltTinyMetric:
        return BuiltTinyMetric()


class BuiltTinyMetric:
    """Collects means."""

    def __init__(self) -> None:
        self.means: list[float] = []

    def update(self, **tensors: torch.Tensor) -> None:
        self.means += [float(picture.mean()) for picture in tensors["input"]]

    def compute(self) -> dict[str, float]:
        return {"": sum(self.means) / len(self.means), "pictures": len(self.means)}

    def draw(self) -> Image.Image:
        return Image.new("L", (len(self.means), 1), round(127.5 + 127.5 * self.compute()[""]))


def register() -> None:
    """Add the components to this process's registries, as a plugin of the name `tiny` would."""
    who = Provenance(plugin="tiny", distribution="tests", version="0")
    for registry, name, cls in (
        (registries.generators, "tiny/generator", TinyGenerator),
        (registries.generators, "tiny/colours", TinyColours),
        (registries.generators, "tiny/stencil", TinyStencil),
        (registries.ops, "tiny/times", TinyTimes),
        (registries.discriminators, "tiny/discriminator", TinyDiscriminator),
        (registries.networks, "tiny/features", TinyFeatures),
        (registries.datasets, "tiny/pictures", TinyPictures),
        (registries.metrics, "tiny/mean", TinyMetric),
    ):
        if name not in registry:
            registry.add(name, cls, who)  # type: ignore[attr-defined]
