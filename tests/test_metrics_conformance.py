"""toonforge's conformance suites on the core's own metrics."""

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
from toonforge.testing import ComponentSuite, MetricSuite

X, Y = Expr.parse("G(x)"), Expr.parse("y")


class TestKID(MetricSuite):
    component = KID(generated=X, reference=Y)


class TestFID(ComponentSuite):
    component = FID(generated=X, reference=Y, features="inception", weights="path/to/weights.pth", size=299)


class TestFIDOnTheDefaultFeatures(MetricSuite):
    component = FID(generated=X, reference=Y)


class TestWeightedFID(MetricSuite):
    component = WeightedFID(generated=X, target=Y, input=Y, target_weight=0.5)


class TestContentPreservation(MetricSuite):
    component = ContentPreservation(input=Y, output=X, size=128)


class TestLPIPS(ComponentSuite):
    component = LPIPS(input=X, target=Y, net="vgg", trunk="path/to/trunk.pth")


class TestPSNR(MetricSuite):
    component = PSNR(input=X, target=Y)


class TestSSIM(MetricSuite):
    component = SSIM(input=X, target=Y)


class TestPixelL1(MetricSuite):
    component = PixelL1(input=X, target=Y)


class TestCosineDissimilarity(MetricSuite):
    component = CosineDissimilarity(input=X, target=Y)


class TestClassifierGap(ComponentSuite):
    component = ClassifierGap(input=X, target=Y, crop="none")


class TestFourier(MetricSuite):
    component = Fourier(input=Y, output=X)
