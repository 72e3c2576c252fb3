"""Models of one number each, for tests of the page: what a translation must be is then known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from toonforge import registries
from toonforge.components import Generator, Shape, component
from toonforge.recipe.expr import Expr
from toonforge.registry import Provenance
from toonforge.use.demo.offered import offer
from toonforge.use.demo.work import Offered
from toonforge.weights.model_file import Part, write_model


@component
class Times(Generator):
    """A picture times a number."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> torch.nn.Module:
        return Scaled()


class Scaled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if min(x.shape[-2:]) < 4:
            raise ValueError("pictures of less than 4 pixels a side are too small")
        return x * self.scale


def register() -> None:
    if "demo-tests/times" not in registries.generators:
        who = Provenance(plugin="demo-tests", distribution="tests", version="0")
        registries.generators.add("demo-tests/times", Times, who)


def model_file(path: Path, scale: float = -1.0, *, card: Mapping[str, str] = {}, back: bool = False) -> Path:
    """A model file that translates to anime (and back, to photo)."""
    register()
    parts = {"G": Part(config=Times(), state={"scale": torch.tensor([scale])})}
    translations = {"anime": Expr.parse("G(photo)")} | ({"photo": Expr.parse("G(anime)")} if back else {})
    write_model(path, parts, translations=translations, recipe=path.stem, image_size=32, step=500, card=card)
    return path


def offered_models(folder: Path) -> list[Offered]:
    """Two models, "negative" and "half", in both directions each."""
    torch.set_num_threads(1)
    scales = {"negative": -1.0, "half": 0.5}
    return offer([model_file(folder / f"{name}.safetensors", scale, back=True) for name, scale in scales.items()])
