"""Small components for tests of the recipe language: no torch, nothing to build."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

from toonforge.components import (
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Metric,
    Op,
    OtherNetwork,
    Shape,
    component,
    param,
)
from toonforge.errors import FieldError, Problem, RecipeError, ShapeError
from toonforge.plugins.hookspecs import hookimpl
from toonforge.plugins.loader import PluginRecord
from toonforge.recipe import loads
from toonforge.recipe.expr import Expr, Network
from toonforge.registries import plugins

BASE = Path(__file__).parent / "data" / "base.toml"
"""A whole recipe of the components below; `t/base` as a packaged recipe."""

TEXT = BASE.read_text(encoding="utf-8")


def register() -> None:
    """Add what this module supplies to this process's registries, as a plugin of the name `t`."""
    plugins.load()
    if all(record.name != "t" for record in plugins.records):
        record = PluginRecord(name="t", distribution="tests", version="0", target=__name__, status="good")
        plugins.records.append(plugins._register(sys.modules[__name__], record, namespace="t/"))


def problems(text: str | bytes, *overrides: str) -> list[Problem]:
    """What is wrong with a recipe; none is an error of the test."""
    try:
        loads(text, "r.toml", overrides)
    except RecipeError as error:
        return list(error.problems)
    raise AssertionError("the recipe is accepted")


def problem(text: str | bytes, *overrides: str) -> Problem:
    """The one thing that is wrong with a recipe."""
    found = problems(text, *overrides)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def changed(*pairs: tuple[str, str]) -> str:
    """The base recipe's text with each first text replaced by the second."""
    text = TEXT
    for old, new in pairs:
        assert text.count(old) == 1, (old, text.count(old))
        text = text.replace(old, new)
    return text


def line_of(part: str, text: str = TEXT) -> int:
    """The line on which `part` stands first."""
    return text[: text.index(part)].count("\n") + 1


@component
class Folders(Dataset):
    """Pictures in folders, one a field."""

    fields: Mapping[str, str] = param(doc="field -> folder")
    image_size: int = param(64, doc="side of the square", unit="pixels", at_least=1)
    validation: float = param(0.1, doc="share kept back", at_least=0, below=1)
    flip: bool = param(True, doc="mirror half of the pictures")
    root: Path | None = param(None, doc="where the folders lie")

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """One group a field."""
        return {name: {name: (3, self.image_size, self.image_size)} for name in self.fields}


@component
class Gen(Generator):
    """Keeps the size; takes sizes that 4 divides; one number after the picture is allowed."""

    blocks: int = param(9, doc="residual blocks", at_least=1, tiny=1)
    width: int = param(64, doc="channels of the first layer", at_least=1, tiny=4)
    dropout: float = param(0.0, doc="share of features dropped", at_least=0, below=1)
    norm: Literal["instance", "batch", "none"] = param("instance", doc="normalisation")
    kernels: tuple[int, ...] = param((3, 3), doc="kernel sizes", at_least=1)
    size: int | tuple[int, int] = param(1, doc="a side, or two")
    out_channels: int = param(3, doc="channels it yields", at_least=1)
    in_channels: int | None = param(None, doc="inferred", at_least=1)

    def __attrs_post_init__(self) -> None:
        if self.norm == "none" and self.dropout > 0:
            raise FieldError("dropout", self.dropout, "0 without a norm", "choose a norm")

    def fit(self, *inputs: Shape) -> Gen:
        """Takes the channels of the first input."""
        if self.in_channels not in (None, inputs[0][0]):
            raise ShapeError(f"in_channels is {self.in_channels}, the input has {inputs[0][0]}")
        return attrs.evolve(self, in_channels=inputs[0][0])

    def shape(self, picture: Shape, code: float = 0) -> Shape:  # type: ignore[override]
        """The picture's size."""
        _, height, width = picture
        if height % 4 or width % 4:
            raise ShapeError(f"{height}x{width} is no multiple of 4")
        return (self.out_channels, height, width)


@component
class Disc(Discriminator):
    """Patches of an eighth of the size."""

    layers: int = param(3, doc="strided layers", at_least=1)
    in_channels: int | None = param(None, doc="inferred", at_least=1)

    def fit(self, *inputs: Shape) -> Disc:
        """Takes the channels of the first input."""
        return attrs.evolve(self, in_channels=inputs[0][0])

    def shape(self, *inputs: Shape) -> Shape:
        """One logit a patch."""
        ((_, height, width),) = inputs
        return (1, height // 8, width // 8)


@component
class Features(OtherNetwork):
    """A feature network."""

    def shape(self, *inputs: Shape) -> Shape:
        """A vector."""
        return (16,)


@component
class Penalty(Loss):
    """Takes a network itself."""

    critic: Network = param(doc="the network to penalise")
    real: Expr = param(doc="where")


@component
class Distance(Loss):
    """Between two tensors of one shape."""

    input: Expr = param(doc="one")
    target: Expr = param(doc="the other")
    extra: Expr | None = param(None, doc="a third")

    def check(self, **shapes: Shape) -> None:
        """Both shapes are the same."""
        if shapes["input"] != shapes["target"]:
            raise ShapeError("input and target differ in shape")


@component
class Judged(Loss):
    """Logits against real or fake."""

    logits: Expr = param(doc="a discriminator's output")
    real: bool = param(doc="what they should be")


@component
class Kid(Metric):
    """A distance between two sets of pictures."""

    generated: Expr = param(doc="pictures made")
    reference: Expr = param(doc="pictures to be like")


@component
class Join(Op):
    """Channels one behind another."""

    arguments = (2, None)

    def shape(self, *inputs: Shape | float) -> Shape:
        """The sum of the channels."""
        shapes = [shape for shape in inputs if isinstance(shape, tuple)]
        if len(shapes) < len(inputs):
            raise ShapeError("takes no numbers")
        return (sum(shape[0] for shape in shapes), *shapes[0][1:])


@component
class Buffer(Op):
    """Keeps the shape; a number says how many it holds."""

    arguments = (1, 2)
    evaluation = "identity"

    def shape(self, *inputs: Shape | float) -> Shape:
        """As given."""
        assert isinstance(inputs[0], tuple)
        return inputs[0]


@hookimpl
def toonforge_datasets() -> Mapping[str, type[Dataset]]:
    return {"folders": Folders}


@hookimpl
def toonforge_generators() -> Mapping[str, type[Generator]]:
    return {"gen": Gen}


@hookimpl
def toonforge_discriminators() -> Mapping[str, type[Discriminator]]:
    return {"disc": Disc}


@hookimpl
def toonforge_networks() -> Mapping[str, type[OtherNetwork]]:
    return {"features": Features}


@hookimpl
def toonforge_losses() -> Mapping[str, type[Loss]]:
    return {"penalty": Penalty, "distance": Distance, "judged": Judged}


@hookimpl
def toonforge_metrics() -> Mapping[str, type[Metric]]:
    return {"kid": Kid}


@hookimpl
def toonforge_ops() -> Mapping[str, type[Op]]:
    return {"join": Join, "buffer": Buffer}


@hookimpl
def toonforge_recipes() -> Mapping[str, Path]:
    return {"base": BASE}
