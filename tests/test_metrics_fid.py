"""The Fréchet distance against scipy's matrix root and closed forms, and the metrics' handling of sets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import toonforge
from toonforge.errors import FieldError
from toonforge.metrics import FID, WeightedFID
from toonforge.metrics.extractor import Extractor, resize
from toonforge.metrics.fid import BuiltFID, BuiltWeightedFID
from toonforge.metrics.frechet import Gaussian, fitted, frechet_distance
from toonforge.metrics.kid import BuiltKID
from toonforge.recipe.expr import Expr


def features(n: int, d: int, seed: int = 0, shift: float = 0.0) -> torch.Tensor:
    """Correlated features of unequal spread, as a network's are."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator, dtype=torch.float64) / d**0.5
    spread = torch.logspace(-2, 1, d, dtype=torch.float64)
    return torch.randn(n, d, generator=generator, dtype=torch.float64) * spread @ mixing + shift


def distance(x: torch.Tensor, y: torch.Tensor) -> float:
    return frechet_distance(fitted(x), fitted(y))


def with_scipy(x: torch.Tensor, y: torch.Tensor) -> float:
    """The usual implementation: covariances, and the square root of their product."""
    a, b = x.numpy(), y.numpy()
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root))


sizes = st.integers(2, 14)


@settings(max_examples=60)
@given(m=sizes, n=sizes, d=st.integers(1, 10), shift=st.floats(-3, 3), seed=st.integers(0, 99))
def test_it_is_symmetric_finite_and_never_negative(m: int, n: int, d: int, shift: float, seed: int) -> None:
    x, y = features(m, d, seed), features(n, d, seed + 100, shift)
    there, back = distance(x, y), distance(y, x)
    assert math.isfinite(there) and there >= 0
    assert there == pytest.approx(back, rel=1e-9, abs=1e-12)


@settings(max_examples=60)
@given(n=sizes, d=st.integers(1, 10), seed=st.integers(0, 99))
def test_it_is_nothing_for_equal_sets_in_any_order(n: int, d: int, seed: int) -> None:
    x = features(n, d, seed, shift=2.0)
    scale = float(x.var(0).sum())
    assert distance(x, x) <= 1e-12 * scale
    assert distance(x, x.flip(0)) <= 1e-12 * scale
    assert distance(x, x.repeat(1, 1) + 1.0) == pytest.approx(d, rel=1e-9)  # moved as a whole: the means alone differ


@settings(max_examples=60)
@given(n=sizes, d=st.integers(1, 8), seed=st.integers(0, 99))
def test_turning_both_sets_changes_nothing_and_scaling_squares(n: int, d: int, seed: int) -> None:
    x, y = features(n, d, seed), features(n + 1, d, seed + 1, 0.5)
    turn, _ = torch.linalg.qr(torch.randn(d, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)))
    assert distance(x @ turn, y @ turn) == pytest.approx(distance(x, y), rel=1e-8, abs=1e-10)
    assert distance(3 * x, 3 * y) == pytest.approx(9 * distance(x, y), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize(("m", "n", "d"), [(40, 50, 5), (200, 90, 24), (400, 300, 64)])
def test_on_full_rank_sets_it_is_the_matrix_roots_value(m: int, n: int, d: int) -> None:
    x, y = features(m, d, 1), features(n, d, 2, 0.3)
    assert distance(x, y) == pytest.approx(with_scipy(x, y), rel=1e-6)


def test_of_diagonal_gaussians_it_is_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    means, stds = torch.randn(2, 7, generator=generator).double(), torch.rand(2, 7, generator=generator).double()
    x, y = (Gaussian(mean=mean, factor=torch.diag(std)) for mean, std in zip(means, stds))
    expected = ((means[0] - means[1]) ** 2).sum() + ((stds[0] - stds[1]) ** 2).sum()
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-12)


def test_of_two_points_each_it_is_worked_out_by_hand() -> None:
    # {-1, 1} on the first axis, {-2, 2} on the second: variances 2 and 8, uncorrelated, so nothing is taken off.
    x = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    y = torch.tensor([[0.0, -2.0], [0.0, 2.0]])
    assert distance(x, y) == pytest.approx(10)
    # {-2, 2} on the first axis as well: (sqrt 8 - sqrt 2)^2.
    assert distance(x, y.flip(1)) == pytest.approx(2)


@pytest.mark.parametrize(("m", "n"), [(5, 6), (5, 80), (80, 6)])
def test_fewer_pictures_than_features_agree_with_the_eigenvalues(m: int, n: int) -> None:
    """Rank-deficient covariances, where the matrix root is unsound: through symmetric eigenvalues instead."""
    d = 30
    x, y = features(m, d, 3), features(n, d, 4, 0.2)
    cov_x, cov_y = torch.cov(x.T), torch.cov(y.T)
    values, vectors = torch.linalg.eigh(cov_x)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    # Eigenvalues that are 0 come out as round-off, whose root would be large.
    inner = torch.linalg.eigvalsh(root @ cov_y @ root)
    trace = inner[inner > 1e-12 * inner.max()].sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + cov_x.trace() + cov_y.trace() - 2 * trace
    assert distance(x, y) == pytest.approx(float(expected), rel=1e-6)


def test_a_fit_has_the_covariance_and_no_more_rows_than_needed() -> None:
    for n, rows in ((4, 4), (9, 6)):
        x = features(n, 6, 5)
        gaussian = fitted(x)
        assert gaussian.factor.shape == (rows, 6)
        assert torch.allclose(gaussian.factor.T @ gaussian.factor, torch.cov(x.T))
        assert torch.allclose(gaussian.mean, x.mean(0))


def test_fewer_pictures_of_one_distribution_lie_farther_apart() -> None:
    def mean_of(n: int) -> float:
        drawn = torch.randn(2 * n, 16, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
        return distance(drawn[:n], drawn[n:])

    values = [mean_of(n) for n in (8, 32, 128, 2048)]
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e200])
def test_features_that_are_not_finite_give_nan(value: float) -> None:
    x = features(4, 3)
    broken = x.clone()
    broken[1, 2] = value
    broken[2, 2] = -value
    assert math.isnan(distance(broken, x) if value != 1e200 else distance(broken, broken))


def test_sets_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        fitted(torch.zeros(1, 3))
    with pytest.raises(ValueError, match="one dimension"):
        distance(features(4, 3), features(4, 5))


def extractor() -> Extractor:
    """Eight features that tell pictures apart, which a deep network of random weights does not."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())
    return Extractor(torch.device("cpu"), lambda batch: 100 * network(batch).mean((2, 3)))


def pictures(*counts: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(n, 3, 40, 36, generator=generator) * 2 - 1 for n in counts]


def fid(**more: Any) -> FID:
    return FID(generated=Expr.parse("G(photo)"), reference=Expr.parse("anime"), **more)


def weighted(**more: Any) -> WeightedFID:
    values = {"generated": Expr.parse("G(cartoon)"), "target": Expr.parse("photo"), "input": Expr.parse("cartoon")}
    return WeightedFID(**(values | more))


def test_fid_does_not_depend_on_how_pictures_arrive() -> None:
    fakes, anime = pictures(5, 7)
    at_once, one_by_one = BuiltFID(extractor()), BuiltFID(extractor())
    at_once.update(generated=fakes, reference=anime)
    for picture in anime.split(1):
        one_by_one.update(reference=picture)
    for fake in fakes.split(1):
        one_by_one.update(generated=fake)
    assert at_once.compute() == pytest.approx(dict(one_by_one.compute()), rel=1e-3, abs=1e-6)


def test_fid_is_the_distance_of_the_features() -> None:
    fakes, anime = pictures(4, 6)
    built = BuiltFID(extractor())
    built.update(generated=fakes, reference=anime)
    extract = extractor()
    assert built.compute() == {"": pytest.approx(distance(extract(fakes), extract(anime)), rel=1e-9)}


@pytest.mark.parametrize("weight", [0.0, 0.8, 1.0])
def test_weighted_fid_averages_the_distances_to_target_and_input(weight: float) -> None:
    fakes, photos, cartoons = pictures(5, 4, 5)
    built = BuiltWeightedFID(extractor(), weight)
    built.update(generated=fakes, input=cartoons)
    built.update(target=photos)
    results = built.compute()
    one, other = BuiltFID(extractor()), BuiltFID(extractor())
    one.update(generated=fakes, reference=photos)
    other.update(generated=fakes, reference=cartoons)
    assert results == {
        "": pytest.approx(weight * one.compute()[""] + (1 - weight) * other.compute()[""]),
        "target": pytest.approx(one.compute()[""]),
        "input": pytest.approx(other.compute()[""]),
    }


def test_untranslated_pictures_score_their_distance_to_the_target_alone() -> None:
    photos, cartoons = pictures(4, 5)
    built = BuiltWeightedFID(extractor(), 0.8)
    built.update(generated=cartoons, input=cartoons, target=photos)
    results = built.compute()
    assert results["input"] == pytest.approx(0, abs=1e-9)
    assert results[""] == pytest.approx(0.8 * results["target"], rel=1e-9)


def test_too_few_pictures_and_missing_sets_are_nan() -> None:
    lone, several = pictures(1, 3)
    built = BuiltFID(extractor())
    assert math.isnan(built.compute()[""])
    built.update(generated=lone, reference=several)
    assert math.isnan(built.compute()[""])
    half = BuiltWeightedFID(extractor(), 0.8)
    half.update(generated=several, target=several)
    assert half.compute()["target"] == pytest.approx(0, abs=1e-9)
    assert math.isnan(half.compute()[""])


def test_a_generator_that_diverged_is_measured_as_nan() -> None:
    broken, photos = torch.full((3, 3, 32, 32), math.nan), pictures(3)[0]
    built = BuiltFID(extractor())
    built.update(generated=broken, reference=photos)
    assert math.isnan(built.compute()[""])


def test_fid_and_kid_collect_the_same_features() -> None:
    fakes, anime = pictures(3, 4)
    one, other = BuiltFID(extractor()), BuiltKID(extractor())
    for built in (one, other):
        built.update(generated=fakes, reference=anime)
    assert torch.equal(one.set("generated").features, other.set("generated").features)


def test_fid_tells_photos_from_noise_with_the_trained_features() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = resize(torch.rand(12, 3, 4, 4, generator=generator) * 2 - 1, 64)
    noise = torch.rand(6, 3, 64, 64, generator=generator) * 2 - 1
    near, far = (fid(size=64).build(torch.device("cpu")) for _ in range(2))
    near.update(reference=smooth[:6], generated=smooth[6:])
    far.update(reference=smooth[:6], generated=noise)
    assert near.compute()[""] < 0.7 * far.compute()[""]


@pytest.mark.parametrize("config", [fid(), weighted()])
def test_few_pictures_are_cautioned_of_and_as_many_as_advised_are_not(config: FID | WeightedFID) -> None:
    sets = ("generated", "reference") if isinstance(config, FID) else ("generated", "target", "input")
    assert not config.cautions(dict.fromkeys(sets, 10_000))
    (few,) = config.cautions({**dict.fromkeys(sets, 10_000), sets[1]: 9_999})
    assert "9,999 pictures is biased upwards" in few


def test_the_protocols_name_what_makes_the_numbers() -> None:
    for text in (fid().protocol(), weighted().protocol()):
        assert all(word in text for word in ("EfficientNet-Lite0", "224x224", "sha256"))
    assert weighted(target_weight=0.75).protocol().startswith("0.75 x FID to the target + 0.25 x FID to the input")


@pytest.mark.parametrize("values", [{"target_weight": 1.1}, {"target_weight": -0.1}, {"size": 8}])
def test_values_out_of_range_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(FieldError):
        weighted(**values)


def test_both_are_offered_under_bare_names() -> None:
    assert toonforge.metrics["fid"] is FID
    assert toonforge.metrics["weighted-fid"] is WeightedFID
