"""toonforge's conformance suites on the core's own losses and feature networks, ops, optimizers and schedules."""

from __future__ import annotations

from typing import Any

from toonforge.components import Count
from toonforge.losses import BCE, L1, L2, LSGAN, FeatureL1, GradientPenalty, Hinge, TotalVariation, Wasserstein
from toonforge.nn.features import EfficientNetLite0
from toonforge.ops import Augment, Blur, Cat, Crop, Gray, Noise, Pool
from toonforge.optimizers import SGD, Adam, AdamW, RMSprop
from toonforge.recipe.expr import Expr, Network
from toonforge.schedules import Constant, Cosine, LinearDecay, MultiStep
from toonforge.testing import LossSuite, NetworkSuite, OpSuite, OptimizerSuite, ScheduleSuite

X, Y = Expr.parse("x"), Expr.parse("G(y)")
LOGITS, PICTURE = {"logits": (1, 6, 6)}, (3, 8, 8)
PAIR = {"input": PICTURE, "target": PICTURE}


class TestLSGAN(LossSuite):
    component, shapes = LSGAN(logits=X, real=True), LOGITS


class TestBCE(LossSuite):
    component, shapes = BCE(logits=X, real=False), LOGITS


class TestHinge(LossSuite):
    component, shapes = Hinge(logits=X, role="fake"), LOGITS


class TestWasserstein(LossSuite):
    component, shapes = Wasserstein(logits=X, real=True), LOGITS


class TestL1(LossSuite):
    component, shapes = L1(input=X, target=Y), PAIR


class TestL2(LossSuite):
    component, shapes = L2(input=X, target=Y), PAIR


class TestTotalVariation(LossSuite):
    component, shapes = TotalVariation(input=X, norm="l2"), {"input": PICTURE}


class TestFeatureL1(LossSuite):
    component, shapes = FeatureL1(input=X, target=Y, features=Network("V")), PAIR

    def values(self) -> dict[str, Any]:
        return {**super().values(), "features": EfficientNetLite0(weights="random", layer=2).build()}


class TestGradientPenalty(LossSuite):
    component, shapes = (
        GradientPenalty(discriminator=Network("D"), real=X, fake=Y),
        {"real": PICTURE, "fake": PICTURE},
    )
    constant = frozenset({"real", "fake"})

    def values(self) -> dict[str, Any]:
        from torch import nn

        return {**super().values(), "discriminator": nn.Conv2d(3, 1, 4)}


class TestEfficientNetLite0(NetworkSuite):
    component = EfficientNetLite0()
    inputs = ((3, 64, 64), (3, 37, 70))


class TestAugment(OpSuite):
    component, inputs = Augment(), ((3, 16, 24), ((3, 16, 16), 0.4))


class TestBlur(OpSuite):
    component, inputs = Blur(), (((3, 16, 17), 1.5), ((1, 5, 9), 0.7))


class TestCat(OpSuite):
    component, inputs = Cat(), (((3, 8, 8), (3, 8, 8)), ((3, 8, 9), (1, 8, 9), (2, 8, 9)))


class TestGray(OpSuite):
    component, inputs = Gray(), ((3, 8, 9),)


class TestPool(OpSuite):
    component, inputs = Pool(), (((3, 8, 8), 3), (3, 8, 8))


class TestNoise(OpSuite):
    component, inputs = Noise(), (((3, 8, 8), 0.1), ((1, 5, 9), 0, 2))


class TestCrop(OpSuite):
    component, inputs = Crop(), (((3, 16, 16), (3, 13, 10)),)
    constant = frozenset({2})


class TestAdam(OptimizerSuite):
    component = Adam()


class TestAdamW(OptimizerSuite):
    component = AdamW()


class TestRMSprop(OptimizerSuite):
    component = RMSprop(momentum=0.5)


class TestSGD(OptimizerSuite):
    component = SGD(momentum=0.9, weight_decay=1e-4)


class TestConstant(ScheduleSuite):
    component = Constant()


class TestLinearDecay(ScheduleSuite):
    component = LinearDecay()


class TestLinearDecayInSteps(ScheduleSuite):
    component = LinearDecay(start=Count(steps=500))


class TestMultiStep(ScheduleSuite):
    component = MultiStep()


class TestCosine(ScheduleSuite):
    component = Cosine(floor=0.1, warmup=Count(steps=20))
