"""PSNR, SSIM and LPIPS: what their values obey however pictures arrive, what they refuse, and their weights' files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.components import BuiltMetric
from toonforge.errors import ShapeError, ToonforgeError
from toonforge.metrics import LPIPS, PSNR, SSIM
from toonforge.metrics.lpips import BuiltLPIPS
from toonforge.metrics.pairs import PairMetric
from toonforge.recipe.expr import Expr

CPU = torch.device("cpu")
X = Expr.parse("x")


def pictures(count: int, seed: int = 0, side: int = 32) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def perceptual() -> BuiltLPIPS:
    """LPIPS with a random trunk, which is shared as long as this lives."""
    return LPIPS(input=X, target=X, net="squeeze", trunk="random").build(CPU)


@pytest.fixture(params=[PSNR, SSIM, LPIPS])
def config(request: pytest.FixtureRequest, perceptual: BuiltLPIPS) -> PairMetric:
    more = {"net": "squeeze", "trunk": "random"} if request.param is LPIPS else {}
    return request.param(input=X, target=X, **more)  # type: ignore[no-any-return]


def value(built: BuiltMetric, *batches: tuple[torch.Tensor, torch.Tensor]) -> float:
    for x, y in batches:
        built.update(input=x, target=y)
    (found,) = built.compute().values()
    return found


def test_every_picture_counts_alike_however_they_arrive(config: PairMetric) -> None:
    x, y = pictures(5), pictures(5, 1)
    y[:2] = 0.9 * x[:2]  # some pairs are much nearer than others: a mean over batches would differ
    alone = [value(config.build(CPU), (a[None], b[None])) for a, b in zip(x, y, strict=True)]
    expected = pytest.approx(sum(alone) / 5, rel=1e-5)
    assert value(config.build(CPU), (x, y)) == expected
    assert value(config.build(CPU), (x[:4], y[:4]), (x[4:], y[4:])) == expected
    assert max(alone) > 1.2 * min(alone)


def test_it_is_symmetric_and_clamps_what_no_file_can_hold(config: PairMetric) -> None:
    x, y = 1.4 * pictures(3), 1.4 * pictures(3, 1)
    there = value(config.build(CPU), (x, y))
    assert value(config.build(CPU), (y, x)) == pytest.approx(there, rel=1e-6)
    assert value(config.build(CPU), (x.clamp(-1, 1), y.clamp(-1, 1))) == there


def test_without_pictures_it_is_nan_and_says_why(config: PairMetric) -> None:
    assert math.isnan(value(config.build(CPU)))
    assert config.cautions({"input": 0, "target": 0}) == ("nan: no pair of pictures arrived",)


def test_pictures_that_diverged_give_nan_and_end_nothing(config: PairMetric) -> None:
    assert math.isnan(value(config.build(CPU), (torch.full((2, 3, 32, 32), math.nan), pictures(2))))


def test_half_precision_pictures_are_measured_in_full(config: PairMetric) -> None:
    x, y = pictures(2).bfloat16(), pictures(2, 1).bfloat16()
    assert value(config.build(CPU), (x, y)) == value(config.build(CPU), (x.float(), y.float()))


@settings(max_examples=30)
@given(seed=st.integers(0, 1000), amount=st.floats(0.01, 0.3))
def test_more_noise_is_worse(seed: int, amount: float) -> None:
    x = pictures(1, seed, 16) * 0.5
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed + 1))
    for config in (PSNR(input=X, target=X), SSIM(input=X, target=X)):
        assert value(config.build(CPU), (x, x + amount * noise)) > value(
            config.build(CPU), (x, x + 1.5 * amount * noise)
        )


def test_lpips_of_equal_pictures_is_0_and_grows_with_noise(perceptual: BuiltLPIPS) -> None:
    def lpips(x: torch.Tensor, y: torch.Tensor) -> float:
        return value(BuiltLPIPS(perceptual.network, CPU), (x, y))

    x, noise = pictures(2) * 0.5, pictures(2, 1)
    values = [lpips(x, x + amount * noise) for amount in (0.0, 0.05, 0.1, 0.2, 0.4)]
    assert values[0] == 0
    assert values == sorted(values) and len(set(values)) == len(values)


def test_lpips_is_frozen_in_evaluation_shared_and_silent(
    perceptual: BuiltLPIPS, capfd: pytest.CaptureFixture[str]
) -> None:
    network: Any = perceptual.network
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert LPIPS(input=X, target=X, net="squeeze", trunk="random").build(CPU).network is network
    assert LPIPS(input=X, target=X, net="alex", trunk="random").build(CPU).network is not network
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_a_trunk_file_that_does_not_fit_names_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(ToonforgeError) as caught:
        LPIPS(input=X, target=X, net="alex", trunk=str(path)).build(CPU)
    (problem,) = caught.value.problems
    assert problem.key == "trunk"
    assert "features.0.weight of 64x3x3x3 in the place of 64x3x11x11, no features.0.bias" in str(problem.found)
    path.write_text("no weights")
    with pytest.raises(ToonforgeError, match=r"trunk\.pth cannot be read as weights") as caught:
        LPIPS(input=X, target=X, net="alex", trunk=str(path)).build(CPU)
    assert caught.value.problems[0].key == "trunk"


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_the_smallest_picture_of_lpips_is_the_smallest_its_network_takes(net: Any) -> None:
    config = LPIPS(input=X, target=X, net=net, trunk="random")
    smallest = {"alex": 31, "vgg": 16, "squeeze": 17}[net]
    config.check(input=(3, smallest, smallest), target=(3, smallest, smallest))
    with pytest.raises(ShapeError, match=f"{smallest}x{smallest} or more"):
        config.check(input=(3, smallest - 1, 64), target=(3, smallest - 1, 64))
    built = config.build(CPU)
    assert math.isfinite(value(built, (pictures(1, 0, smallest), pictures(1, 1, smallest))))
    with pytest.raises(RuntimeError):
        built.update(input=pictures(1, 0, smallest - 1), target=pictures(1, 1, smallest - 1))


def test_shapes_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ShapeError, match="one shape"):
        PSNR(input=X, target=X).check(input=(3, 8, 8), target=(3, 8, 9))
    PSNR(input=X, target=X).check(input=(1, 2, 2), target=(1, 2, 2))
    with pytest.raises(ShapeError, match="at least 11x11, found 10x64"):
        SSIM(input=X, target=X).check(input=(3, 10, 64), target=(3, 10, 64))
    with pytest.raises(ShapeError, match="RGB"):
        LPIPS(input=X, target=X).check(input=(1, 64, 64), target=(1, 64, 64))
