"""toonforge's conformance suite on the core's own metrics."""

from __future__ import annotations

from toonforge.metrics import (
    FID,
    KID,
    LPIPS,
    PSNR,
    SSIM,
    ClassifierGap,
    ContentPreservation,
    CosineDissimilarity,
    Fourier,
    PixelL1,
    WeightedFID,
)
from toonforge.recipe.expr import Expr
from toonforge.testing.components import ComponentSuite

X, Y = Expr.parse("G(x)"), Expr.parse("y")


class TestKID(ComponentSuite):
    component = KID(generated=X, reference=Y)


class TestFID(ComponentSuite):
    component = FID(generated=X, reference=Y, features="inception", weights="path/to/weights.pth", size=299)


class TestWeightedFID(ComponentSuite):
    component = WeightedFID(generated=X, target=Y, input=Y, target_weight=0.5)


class TestContentPreservation(ComponentSuite):
    component = ContentPreservation(input=Y, output=X, size=128)


class TestLPIPS(ComponentSuite):
    component = LPIPS(input=X, target=Y, net="vgg", trunk="path/to/trunk.pth")


class TestPSNR(ComponentSuite):
    component = PSNR(input=X, target=Y)


class TestSSIM(ComponentSuite):
    component = SSIM(input=X, target=Y)


class TestPixelL1(ComponentSuite):
    component = PixelL1(input=X, target=Y)


class TestCosineDissimilarity(ComponentSuite):
    component = CosineDissimilarity(input=X, target=Y)


class TestClassifierGap(ComponentSuite):
    component = ClassifierGap(input=X, target=Y, crop="none")


class TestFourier(ComponentSuite):
    component = Fourier(input=Y, output=X)
