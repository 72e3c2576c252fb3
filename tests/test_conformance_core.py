"""toonforge's conformance suites on the core's own losses and feature network."""

from __future__ import annotations

from typing import Any

from toonforge.losses import BCE, L1, L2, LSGAN, FeatureL1, GradientPenalty, Hinge, TotalVariation, Wasserstein
from toonforge.nn.features import EfficientNetLite0
from toonforge.recipe.expr import Expr, Network
from toonforge.testing import LossSuite, NetworkSuite

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
