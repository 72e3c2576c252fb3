"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

import torch
from toonforge_unit import KL, Decoder, Encoder, MultiScale, Perceptual, Step

from toonforge.components import Count
from toonforge.recipe.expr import Expr
from toonforge.testing import DiscriminatorSuite, LossSuite, NetworkSuite, PluginSuite, RecipeSuite, ScheduleSuite


class TestPlugin(PluginSuite):
    plugin = "unit"


class TestEncoder(NetworkSuite):
    component = Encoder()
    inputs = ((3, 32, 32), (3, 33, 50), (3, 1, 7))


class TestDecoder(NetworkSuite):
    component = Decoder()
    inputs = ((16, 8, 8), (16, 2, 5))


class TestMultiScale(DiscriminatorSuite):
    component = MultiScale()
    inputs = (((3, 64, 64), 0), ((3, 64, 64), 1), ((3, 64, 64), 2), ((6, 70, 90), 2))


def centred(x: torch.Tensor) -> torch.Tensor:
    """Instance norm written out."""
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / ((x - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


class TestKL(LossSuite):
    component, shapes = KL(mean=Expr.parse("mean")), {"mean": (8, 4, 4)}
    reference = staticmethod(lambda mean: (mean**2).sum() / mean.numel())


class TestPerceptual(LossSuite):
    component = Perceptual(input=Expr.parse("V(fake)"), target=Expr.parse("V(real)"))
    shapes = {"input": (8, 4, 4), "target": (8, 4, 4)}
    reference = staticmethod(lambda input, target: ((centred(input) - centred(target)) ** 2).mean())


class TestStep(ScheduleSuite):
    component = Step()


class TestStepInEpochs(ScheduleSuite):
    component = Step(every=Count(epochs=0.001), gamma=0.9)


class TestUnit(RecipeSuite):
    recipe = "unit/unit"


class TestUnitWithAPerceptualTerm(RecipeSuite):
    recipe = "unit/perceptual"
    overrides = ('networks.V.weights="random"',)
