"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from typing import Any, ClassVar

from toonforge_animegan import Colour, InvertedResnet, PatchGAN, Shift, Style

from toonforge.recipe.expr import Expr
from toonforge.testing import DiscriminatorSuite, GeneratorSuite, LossSuite, OpSuite, PluginSuite, RecipeSuite


class TestPlugin(PluginSuite):
    plugin = "animegan"


class TestInvertedResnet(GeneratorSuite):
    component = InvertedResnet()


class TestResidualInvertedResnet(GeneratorSuite):
    component = InvertedResnet(norm="none", residual=True, interpolation="nearest", padding="zero")


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()


class TestPlainPatchGAN(DiscriminatorSuite):
    component = PatchGAN(norm="instance-affine", spectral_norm=False)


class TestStyle(LossSuite):
    component = Style(input=Expr.parse("V(fake)"), target=Expr.parse("V(gray(anime))"))
    shapes: ClassVar[dict[str, Any]] = {"input": (4, 5, 6), "target": (4, 7, 3)}


class TestColour(LossSuite):
    component = Colour(input=Expr.parse("fake"), target=Expr.parse("photo"))
    shapes: ClassVar[dict[str, Any]] = {"input": (3, 5, 6), "target": (3, 5, 6)}


class TestShift(OpSuite):
    component = Shift()
    inputs: ClassVar[Any] = [((3, 5, 6), -4.5, -8.5, 13.0)]


class TestHayao(RecipeSuite):
    recipe = "animegan/hayao"


class TestPaprika(RecipeSuite):
    recipe = "animegan/paprika"


class TestShinkai(RecipeSuite):
    recipe = "animegan/shinkai"
