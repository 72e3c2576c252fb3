"""Every metric against an independent implementation on the same features or pictures, and what its value must obey."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.linalg
import scipy.signal
import torch
from PIL import Image, ImageFilter

from toonforge.components import Metric
from toonforge.metrics import FID, KID, LPIPS, PSNR, SSIM, ContentPreservation, CosineDissimilarity, WeightedFID
from toonforge.metrics.frechet import fitted, frechet_distance
from toonforge.metrics.mmd import polynomial_mmd
from toonforge.nn.torchvision_guard import beside_torchvision
from toonforge.recipe.expr import Expr

CPU = torch.device("cpu")
X = Expr.parse("x")
SAMPLES = Path(__file__).parent.parent / "plugins/samples/src/toonforge_samples/pictures/train"
Array = npt.NDArray[np.float64]


def measured(config: Metric, **tensors: torch.Tensor) -> Mapping[str, float]:
    built = config.build(CPU)
    built.update(**tensors)
    return built.compute()


def pairs(count: int = 4, side: int = 40, channels: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures with large and small shapes, and noisy ones beside them; some values lie beyond [-1, 1]."""
    generator = torch.Generator().manual_seed(5)
    coarse = torch.rand(count, channels, 5, 5, generator=generator) * 2.4 - 1.2
    x = torch.nn.functional.interpolate(coarse, (side, side), mode="bicubic")
    return x, x * 0.9 + 0.2 * torch.randn(x.shape, generator=generator)


# -- distances of sets, on the features of sample pictures ------------------------------------------------------------


@cache
def photos(count: int, side: int = 64) -> list[Image.Image]:
    files = sorted((SAMPLES / "photo").iterdir())[:count]
    pictures = []
    for file in files:
        with Image.open(file) as picture:
            pictures.append(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS))
    return pictures


def tensor(pictures: list[Image.Image]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(np.asarray(picture).copy()) for picture in pictures]).permute(
        0, 3, 1, 2
    ).float().div(127.5).sub(1)  # fmt: skip


@cache
def features() -> tuple[torch.Tensor, torch.Tensor]:
    """The packaged network's features of two halves of the photographs, float64."""
    extract = FID(generated=X, reference=X, size=64).extractor(CPU)
    found = extract(tensor(photos(56))).double()
    return found[::2], found[1::2]


def narrow(count: int, d: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """More features than dimensions, so that covariances have full rank."""
    generator = torch.Generator().manual_seed(count)
    mixing = torch.randn(d, d, generator=generator).double()
    x = torch.randn(count, d, generator=generator).double() @ mixing
    return x, torch.randn(count + 9, d, generator=generator).double() @ mixing * 1.2 + 0.3


def fid_of(x: torch.Tensor, y: torch.Tensor) -> float:
    return frechet_distance(fitted(x), fitted(y))


def with_torch_fidelity(x: torch.Tensor, y: torch.Tensor) -> float:
    theirs = beside_torchvision("torch_fidelity.metric_fid")
    statistics = (theirs.fid_features_to_statistics(features) for features in (x, y))
    return float(theirs.fid_statistics_to_metric(*statistics, verbose=False)[theirs.KEY_METRIC_FID])


def with_a_matrix_root(x: torch.Tensor, y: torch.Tensor) -> float:
    cov_x, cov_y = (np.cov(features.numpy(), rowvar=False) for features in (x, y))
    difference = (x.mean(0) - y.mean(0)).numpy()
    root = scipy.linalg.sqrtm(cov_x @ cov_y)
    return float(difference @ difference + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(root).real)


@pytest.mark.parametrize("count", [40, 300])
def test_fid_is_torch_fidelitys_and_the_matrix_roots_above_full_rank(count: int) -> None:
    x, y = narrow(count)
    assert fid_of(x, y) == pytest.approx(with_torch_fidelity(x, y), rel=1e-6)
    assert fid_of(x, y) == pytest.approx(with_a_matrix_root(x, y), rel=1e-6)


def test_fid_of_real_features_is_torch_fidelitys_where_the_pictures_suffice() -> None:
    x, y = (features[:, :20] for features in features())
    assert fid_of(x, y) == pytest.approx(with_torch_fidelity(x, y), rel=1e-6)


def test_fid_below_full_rank_is_torch_fidelitys_up_to_its_round_off() -> None:
    x, y = features()
    assert len(x) < x.shape[1]
    assert fid_of(x, y) == pytest.approx(with_torch_fidelity(x, y), rel=1e-5)


@pytest.mark.parametrize("on", ["features of photographs", "more features than dimensions"])
def test_kid_is_torch_fidelitys_for_one_subset_that_is_the_whole_set(on: str) -> None:
    x, y = features() if on == "features of photographs" else narrow(50)
    n = min(len(x), len(y))
    theirs = beside_torchvision("torch_fidelity.metric_kid")
    expected = theirs.kid_features_to_metric(x[:n], y[:n], kid_subsets=1, kid_subset_size=n, verbose=False)
    value = polynomial_mmd(x[:n], y[:n]).value
    assert value == pytest.approx(expected[theirs.KEY_METRIC_KID_MEAN], rel=1e-6)


def test_weighted_fid_is_0_8_and_0_2_of_torch_fidelitys() -> None:
    photo = tensor(photos(36, 32))
    made, target, source = photo[:12], photo[12:24], photo[24:]
    built = WeightedFID(generated=X, target=X, input=X, size=32).build(CPU)
    built.extractor = lambda pictures: pictures.mean((2, 3))  # 3 numbers a picture: full rank
    built.update(generated=made, target=target, input=source)
    small = [pictures.mean((2, 3)).double() for pictures in (made, target, source)]
    expected = 0.8 * with_torch_fidelity(small[0], small[1]) + 0.2 * with_torch_fidelity(small[0], small[2])
    assert built.compute()[""] == pytest.approx(expected, rel=1e-6)


def test_a_set_is_at_no_distance_from_itself() -> None:
    x, y = features()
    assert fid_of(x, x) == pytest.approx(0, abs=1e-9 * fid_of(x, y))
    # KID is unbiased: that a picture meets itself only between the sets takes it below 0 by what their kernels lack of
    # it, and by nothing where each picture is its own only neighbour.
    kernel = (x @ x.T / x.shape[1] + 1) ** 3
    n = len(x)
    by_hand = 2 * (kernel.sum() - kernel.trace()) / (n * (n - 1)) - 2 * kernel.sum() / n**2
    assert polynomial_mmd(x, x).value == pytest.approx(float(by_hand), rel=1e-9)
    assert polynomial_mmd(x, x).value < 0


def test_two_halves_of_one_kind_are_nearer_than_two_kinds() -> None:
    x, y = features()
    cartoons = [
        Image.open(file).convert("RGB").resize((64, 64)) for file in sorted((SAMPLES / "cartoon").iterdir())[:28]
    ]
    other = FID(generated=X, reference=X, size=64).extractor(CPU)(tensor(cartoons)).double()
    assert fid_of(x, y) < fid_of(x, other)
    halves, kinds = polynomial_mmd(x, y), polynomial_mmd(x, other)
    assert abs(halves.value) < 3 * halves.std
    assert kinds.value > 3 * kinds.std


def noisy(pictures: list[Image.Image], amount: float) -> torch.Tensor:
    values = tensor(pictures)
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    return (values + amount * noise).clamp(-1, 1)


def blurred(pictures: list[Image.Image], radius: float) -> torch.Tensor:
    return tensor([picture.filter(ImageFilter.GaussianBlur(radius)) for picture in pictures])


@pytest.mark.parametrize(
    ("damage", "amounts"), [(noisy, (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)), (blurred, (0.0, 0.5, 1.0, 2.0, 4.0, 8.0))]
)
def test_more_damage_takes_pictures_farther_from_what_they_were(damage: Any, amounts: tuple[float, ...]) -> None:
    real = photos(24, 96)
    values: dict[str, list[float]] = {"fid": [], "kid": [], "content": []}
    reference = tensor(real)
    shared = FID(generated=X, reference=X, size=96).extractor(CPU)
    for amount in amounts:
        broken = damage(real, amount)
        for name, config in {"fid": FID, "kid": KID}.items():
            values[name].append(
                measured(config(generated=X, reference=X, size=96), generated=broken, reference=reference)[""]
            )
        config = ContentPreservation(input=X, output=X, size=96)
        values["content"].append(-measured(config, input=reference, output=broken)[""])
    assert len(shared._known) == 2  # the real pictures and the last damaged ones: those before are forgotten
    for name, found in values.items():
        assert all(a < b for a, b in pairwise(found)), (name, found)


# -- distances of pairs ----------------------------------------------------------------------------------------------


def unit(pictures: torch.Tensor) -> Array:
    return (np.clip(pictures.double().numpy(), -1, 1) + 1) / 2


def test_psnr_is_the_formula_in_numpy() -> None:
    x, y = pairs()
    errors = [float(((a - b) ** 2).mean()) for a, b in zip(unit(x), unit(y), strict=True)]
    expected = np.mean([10 * math.log10(1 / error) for error in errors])
    assert measured(PSNR(input=X, target=X), input=x, target=y)[""] == pytest.approx(expected, rel=1e-6)


def test_psnr_at_its_ends() -> None:
    black, white = -torch.ones(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    psnr = PSNR(input=X, target=X)
    assert measured(psnr, input=black, target=white)[""] == pytest.approx(0, abs=1e-6)
    assert measured(psnr, input=black, target=black + 2 / 255)[""] == pytest.approx(20 * math.log10(255), rel=1e-6)
    assert measured(psnr, input=white, target=white)[""] == 100


def ssim_by_hand(x: Array, y: Array) -> float:
    """Wang et al.'s formula with Gaussian windows that lie within the picture, one channel at a time."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2

    def window(values: Array) -> Array:
        return np.asarray(scipy.signal.correlate(values, weights, mode="valid", method="direct"))

    values = []
    for a, b in zip(x, y, strict=True):
        for p, q in zip(a, b, strict=True):
            mean_p, mean_q = window(p), window(q)
            var_p, var_q = window(p * p) - mean_p**2, window(q * q) - mean_q**2
            covariance = window(p * q) - mean_p * mean_q
            c1, c2 = 0.01**2, 0.03**2
            similarity = ((2 * mean_p * mean_q + c1) * (2 * covariance + c2)) / (
                (mean_p**2 + mean_q**2 + c1) * (var_p + var_q + c2)
            )
            values.append(similarity.mean())
    return float(np.mean(values))


@pytest.mark.parametrize(("side", "channels"), [(40, 3), (23, 1), (11, 3)])
def test_ssim_is_the_papers_formula_whatever_torchmetrics_does_at_borders(side: int, channels: int) -> None:
    x, y = pairs(3, side, channels)
    expected = ssim_by_hand(unit(x), unit(y))
    assert measured(SSIM(input=X, target=X), input=x, target=y)[""] == pytest.approx(expected, rel=1e-6)


def test_ssim_of_equal_pictures_is_1_and_of_negatives_low() -> None:
    x, _ = pairs()
    ssim = SSIM(input=X, target=X)
    assert measured(ssim, input=x, target=x)[""] == pytest.approx(1, abs=1e-12)
    assert measured(ssim, input=x, target=-x)[""] < 0.3


def made_up_trunk(net: str, path: Path) -> None:
    """torchvision's network with weights drawn for the test, in a file."""
    builder = {"alex": "alexnet", "vgg": "vgg16", "squeeze": "squeezenet1_1"}[net]
    torch.manual_seed(4)
    with torch.device("meta"):
        features = getattr(beside_torchvision("torchvision.models"), builder)().features
    state = {f"features.{key}": torch.randn(value.shape) * 0.05 for key, value in features.state_dict().items()}
    torch.save({**state, "classifier.1.bias": torch.zeros(3)}, path)


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_lpips_is_the_packages_with_the_same_trunk(net: Any, tmp_path: Path) -> None:
    made_up_trunk(net, tmp_path / "trunk.pth")
    state = torch.load(tmp_path / "trunk.pth", weights_only=True)
    package = beside_torchvision("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = package.LPIPS(net=net, pnet_rand=True, verbose=False)  # with its own heads, loaded its own way
    own = {key: state[f"features.{key.split('.', 1)[1]}"] for key in theirs.net.state_dict()}
    theirs.net.load_state_dict(own)
    x, y = pairs()
    with torch.no_grad():
        expected = float(theirs(x.clamp(-1, 1), y.clamp(-1, 1)).double().mean())
    found = measured(LPIPS(input=X, target=X, net=net, trunk=str(tmp_path / "trunk.pth")), input=x, target=y)[""]
    assert found > 0
    assert found == pytest.approx(expected, rel=1e-6)


def test_cosine_dissimilarity_is_scipys() -> None:
    from scipy.spatial.distance import cosine

    x, y = (pictures.clamp(-1, 1) for pictures in pairs())
    expected = np.mean([cosine(a.ravel(), b.ravel()) for a, b in zip(unit(x), unit(y), strict=True)])
    found = measured(CosineDissimilarity(input=X, target=X), input=x, target=y)[""]
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_content_preservation_is_scipys_cosine_of_the_features() -> None:
    from scipy.spatial.distance import cosine

    photo = photos(6)
    x, y = tensor(photo), blurred(photo, 2.0)
    config = ContentPreservation(input=X, output=X, size=64)
    a, b = (config.extractor(CPU)(pictures).double().numpy() for pictures in (x, y))
    expected = np.mean([1 - cosine(one, other) for one, other in zip(a, b, strict=True)])
    assert measured(config, input=x, output=y)[""] == pytest.approx(float(expected), rel=1e-6)
    assert measured(config, input=x, output=x.clone())[""] == pytest.approx(1, abs=1e-12)
