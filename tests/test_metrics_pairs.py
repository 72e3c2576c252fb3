"""Cosine dissimilarity: against numpy, its range, and what it does not see."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.metrics import PSNR, SSIM, CosineDissimilarity
from toonforge.metrics.cosine import BuiltCosineDissimilarity
from toonforge.recipe.expr import Expr


def built() -> BuiltCosineDissimilarity:
    return CosineDissimilarity(input=Expr.parse("G(cartoon)"), target=Expr.parse("photo")).build(torch.device("cpu"))


def value(x: torch.Tensor, y: torch.Tensor) -> float:
    metric = built()
    metric.update(input=x, target=y)
    return metric.compute()[""]


def pictures(count: int, seed: int = 0, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def reference(x: torch.Tensor, y: torch.Tensor) -> float:
    values = []
    for a, b in zip((x.double().numpy() + 1) / 2, (y.double().numpy() + 1) / 2, strict=True):
        a, b = a.ravel(), b.ravel()
        values.append(1 - sum(a * b) / (math.sqrt(sum(a * a)) * math.sqrt(sum(b * b))))
    return float(np.mean(values))


def test_it_is_one_minus_the_cosine_of_pixels_between_0_and_1_mean_over_pictures() -> None:
    x, y = pictures(5), pictures(5, seed=1)
    assert value(x, y) == pytest.approx(reference(x, y), abs=1e-12)
    assert value(x, y) != pytest.approx(value(x[:2], y[:2]))


@settings(max_examples=50)
@given(seed=st.integers(0, 10_000), bright=st.floats(0.01, 1.0))
def test_it_lies_between_0_and_1_is_symmetric_and_blind_to_brightness(seed: int, bright: float) -> None:
    x, y = pictures(2, seed), pictures(2, seed + 1)
    assert 0 <= value(x, y) <= 1
    assert value(x, y) == pytest.approx(value(y, x), abs=1e-12)
    darker = (x + 1) * bright - 1
    assert value(x, darker) == pytest.approx(0, abs=1e-6)


def test_equal_pictures_differ_by_0_and_disjoint_ones_by_1() -> None:
    x = pictures(3)
    assert value(x, x) == pytest.approx(0, abs=1e-12)
    red, green = -torch.ones(1, 3, 4, 4), -torch.ones(1, 3, 4, 4)
    red[:, 0], green[:, 1] = 1, 1
    assert value(red, green) == 1


def test_a_black_picture_is_0_from_another_and_1_from_any_other() -> None:
    black, gray = -torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4)
    assert value(black, black) == 0
    assert value(black, gray) == value(gray, black) == 1


def test_every_picture_counts_alike_however_they_arrive() -> None:
    x, y = pictures(7), pictures(7, seed=1)
    metric = built()
    for a, b in zip(x.split(2), y.split(2), strict=True):
        metric.update(input=a, target=b)
    assert metric.compute()[""] == pytest.approx(value(x, y), abs=1e-12)


def test_without_pictures_it_is_nan() -> None:
    assert math.isnan(built().compute()[""])


@pytest.mark.parametrize("metric", [PSNR, SSIM])
def test_batches_of_any_size_and_values_out_of_range_count_as_pictures_of_files_do(
    metric: type[PSNR | SSIM],
) -> None:
    """The mean is over pictures, and values beyond [-1, 1] are clamped to it."""
    x, y = 1.5 * pictures(5, side=16), pictures(5, seed=1, side=16)
    x[3:] = y[3:] + 0.1 * x[3:]
    config = metric(input=Expr.parse("G(cartoon)"), target=Expr.parse("photo"))
    uneven, clamped = config.build(torch.device("cpu")), config.build(torch.device("cpu"))
    for a, b in zip(x.split([4, 1]), y.split([4, 1]), strict=True):
        uneven.update(input=a, target=b)
    for a, b in zip(x.clamp(-1, 1), y, strict=True):
        clamped.update(input=a[None], target=b[None])
    assert uneven.compute()[""] == pytest.approx(clamped.compute()[""], abs=1e-9)


def test_half_precision_pictures_are_measured_in_double() -> None:
    x = pictures(2).bfloat16()
    assert value(x, x) == pytest.approx(0, abs=1e-12)


def test_the_protocol_is_the_formula() -> None:
    text = CosineDissimilarity(input=Expr.parse("x"), target=Expr.parse("y")).protocol()
    assert "1 - x.y / (|x| |y|)" in text
    assert "[0, 1]" in text
