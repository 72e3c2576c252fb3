"""The Fourier metric against loops written out, against cases known on paper, and its picture."""

from __future__ import annotations

import cmath
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge import extras
from toonforge.components import DrawsPicture
from toonforge.errors import ShapeError, ToonforgeError
from toonforge.metrics import Fourier, spectrum
from toonforge.metrics.fourier import BuiltFourier
from toonforge.recipe.expr import Expr
from toonforge.testing.components import ComponentSuite

SIZES = [(8, 8), (7, 7), (6, 9), (9, 6), (5, 12), (1, 4)]
sides = st.integers(2, 40)


class TestFourier(ComponentSuite):
    component = Fourier(input=Expr.parse("photo"), output=Expr.parse("G(photo)"))


def by_hand(f: np.ndarray) -> dict[tuple[int, int], complex]:
    """Equation 9 as printed, for frequencies -M/2 <= u < M/2 and likewise v: F by (u, v)."""
    m, n = f.shape
    return {
        (u, v): sum(f[a, b] * cmath.exp(-2j * math.pi * (a * u / m + b * v / n)) for a in range(m) for b in range(n))
        / math.sqrt(m * n)
        for u in range(-(m // 2), (m + 1) // 2)
        for v in range(-(n // 2), (n + 1) // 2)
    }


def numbers_by_hand(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """The metric's definition with loops over frequencies, for pairs of (input, output) lumas."""
    levels: list[dict[int, list[float]]] = [{}, {}]
    shares: list[list[float]] = [[], []]
    for pair in pairs:
        for side, f in enumerate(pair):
            in_ring: dict[int, list[float]] = {}
            total = high = 0.0
            for (u, v), value in by_hand(f).items():
                if (u, v) == (0, 0):
                    continue
                squared = (u / f.shape[0]) ** 2 + (v / f.shape[1]) ** 2
                total += abs(value) ** 2
                high += abs(value) ** 2 * (squared > 1 / 16)
                ring = next(k for k in range(46) if squared <= ((k + 1) / 64) ** 2 + 1e-12)
                in_ring.setdefault(ring, []).append(abs(value) ** 2)
            for ring, powers in in_ring.items():
                levels[side].setdefault(ring, []).append(10 * math.log10(max(sum(powers) / len(powers), 1e-6)))
            shares[side].append(high / total)
    common = sorted(levels[0].keys() & levels[1].keys())
    gaps = [abs(np.mean(levels[1][ring]) - np.mean(levels[0][ring])) for ring in common]
    return {"": np.mean(gaps), "input_high": np.mean(shares[0]), "output_high": np.mean(shares[1])}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def cosine(height: int, width: int, u: float, v: float, amplitude: float = 1.0) -> torch.Tensor:
    """A wave of u cycles over the height and v over the width: 1,1,H,W."""
    rows, columns = torch.arange(height).double()[:, None] / height, torch.arange(width).double()[None] / width
    return (amplitude * torch.cos(2 * math.pi * (u * rows + v * columns)))[None, None]


def measured(*pairs: tuple[torch.Tensor, torch.Tensor]) -> BuiltFourier:
    built = BuiltFourier("photo", "G(photo)")
    for before, after in pairs:
        built.update(input=before, output=after)
    return built


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_power_is_equation_9_squared_with_the_zero_frequency_in_the_middle(height: int, width: int) -> None:
    f = noise(1, height, width)
    power = spectrum.power(f)[0]
    for (u, v), value in by_hand(f[0].numpy()).items():
        assert float(power[u + height // 2, v + width // 2]) == pytest.approx(abs(value) ** 2, abs=1e-9)


@settings(max_examples=30)
@given(height=sides, width=sides, seed=st.integers(0, 99))
def test_energy_is_kept(height: int, width: int, seed: int) -> None:
    f = noise(2, height, width, seed=seed)
    power = spectrum.power(f)
    assert torch.allclose(power.sum((1, 2)), f.square().sum((1, 2)))
    where = spectrum.rings(height, width)
    assert int(where.counts.sum()) == height * width - 1
    rings = (spectrum.profile(power).nan_to_num() * where.counts).sum(1)
    assert torch.allclose(rings + power[:, height // 2, width // 2], f.square().sum((1, 2)))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_numbers_are_those_of_loops_over_frequencies(height: int, width: int) -> None:
    pairs = [(noise(3, height, width, seed=i), noise(3, height, width, seed=i + 50)) for i in range(2)]
    weights = np.array([0.299, 0.587, 0.114])
    lumas = [tuple(np.tensordot(weights, picture.numpy(), 1) for picture in pair) for pair in pairs]
    built = measured((torch.stack([pairs[0][0], pairs[1][0]]), torch.stack([pairs[0][1], pairs[1][1]])))
    assert built.compute() == pytest.approx(numbers_by_hand(lumas), abs=1e-6)  # type: ignore[arg-type]


def test_pictures_of_several_sizes_share_their_rings() -> None:
    pairs = [(noise(height, width, seed=height), noise(height, width, seed=width + 50)) for height, width in SIZES[:4]]
    built = measured(*((a[None, None], b[None, None]) for a, b in pairs))
    assert built.compute() == pytest.approx(numbers_by_hand([(a.numpy(), b.numpy()) for a, b in pairs]), abs=1e-6)


@pytest.mark.parametrize(
    ("height", "width", "u", "v"), [(64, 64, 0, 8), (64, 64, 8, 0), (48, 96, 6, 12), (63, 65, 9, 0), (40, 40, 20, 20)]
)
def test_a_cosine_lies_in_the_ring_of_its_frequency(height: int, width: int, u: int, v: int) -> None:
    power = spectrum.power(cosine(height, width, u, v)[:, 0])
    frequency = math.hypot(u / height, v / width)
    profile = spectrum.profile(power)[0]
    ring = int(profile.nan_to_num().argmax())
    assert ring * spectrum.RING < frequency <= (ring + 1) * spectrum.RING + 1e-12
    others = profile.clone()
    others[ring] = 0
    assert float(others.nan_to_num().max()) < 1e-20
    cells = spectrum.plane(power)[0]
    row, column = divmod(int(cells.argmax()), spectrum.CELLS)
    # Where a picture has fewer frequencies than the plane has cells, each fills the cells nearest to it.
    assert abs(abs(row - 64) / 128 - u / height) <= 1 / (2 * min(height, 128)) + 1e-12
    assert abs(abs(column - 64) / 128 - v / width) <= 1 / (2 * min(width, 128)) + 1e-12


def test_half_the_nyquist_frequency_itself_is_not_high() -> None:
    shares = [float(spectrum.high_share(spectrum.power(cosine(64, 64, 0, v)[:, 0]))) for v in (1, 16, 17, 32)]
    assert shares == pytest.approx([0, 0, 1, 1])


def test_the_high_share_of_two_waves_is_the_square_of_their_amplitudes() -> None:
    both = cosine(64, 64, 0, 4, amplitude=3.0) + cosine(64, 64, 0, 24)
    assert float(spectrum.high_share(spectrum.power(both[:, 0]))) == pytest.approx(1 / 10)


def test_white_noise_has_a_flat_profile_of_its_variance() -> None:
    values = torch.randn(64, 128, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    profile = spectrum.profile(spectrum.power(values)).mean(0)
    # Powers of one ring are exponentially distributed, and each comes twice since the signal is real.
    error = (2 / (64 * spectrum.rings(128, 96).counts)).sqrt()
    assert float(((profile - 1) / error).abs().max()) < 4
    built = measured((values[:32, None], values[32:, None]))
    assert built.compute()[""] < 0.5


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_scaling_a_picture_shifts_its_levels(factor: float) -> None:
    before = noise(2, 3, 33, 48)
    results = measured((before, factor * before)).compute()
    assert results[""] == pytest.approx(abs(20 * math.log10(factor)), abs=1e-9)
    assert results["input_high"] == pytest.approx(results["output_high"], abs=1e-12)


@settings(max_examples=20)
@given(height=sides, width=sides, level=st.floats(-0.5, 0.5))
def test_an_untouched_picture_has_no_distance_and_brightness_does_not_count(
    height: int, width: int, level: float
) -> None:
    before = noise(1, 3, height, width)
    assert measured((before, before)).compute()[""] == 0
    assert measured((before, before + level)).compute()[""] == pytest.approx(0, abs=1e-6)


def test_smoothing_takes_the_high_frequencies_away() -> None:
    before = noise(2, 3, 48, 48)
    after = torch.nn.functional.avg_pool2d(before, 3, 1, 1)
    results = measured((before, after)).compute()
    assert results["output_high"] < 0.6 * results["input_high"]
    assert results[""] > 3


def test_a_picture_of_one_colour_has_no_high_frequencies() -> None:
    results = measured((noise(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.3))).compute()
    assert results["output_high"] == 0
    assert all(math.isfinite(value) for value in results.values())


def test_the_order_of_batches_does_not_matter() -> None:
    before, after = noise(5, 3, 20, 30), noise(5, 3, 20, 30, seed=1)
    at_once = measured((before, after))
    one_by_one = measured(*((before[i : i + 1], after[i : i + 1]) for i in (3, 0, 4, 1, 2)))
    assert at_once.compute() == pytest.approx(dict(one_by_one.compute()), rel=1e-12)
    assert np.array_equal(np.asarray(at_once.draw()), np.asarray(one_by_one.draw()))


@settings(max_examples=30)
@given(height=st.integers(1, 300), width=st.integers(1, 300))
def test_every_cell_of_the_shared_plane_is_a_mean_of_near_frequencies(height: int, width: int) -> None:
    rows = spectrum.plane(torch.ones(1, height, width, dtype=torch.float64))
    assert torch.allclose(rows, torch.ones_like(rows))
    dot = torch.zeros(1, height, width, dtype=torch.float64)
    dot[0, height // 2, width // 2] = 1
    assert float(spectrum.plane(dot)[0, 64, 64]) > 0


def test_a_plane_of_the_shared_size_is_untouched() -> None:
    power = noise(2, 128, 128).square()
    assert torch.equal(spectrum.plane(power), power)


def test_the_plane_keeps_directions() -> None:
    """A wave along the rows shows above and below the middle; one along the columns to its sides."""
    for u, v in ((8, 0), (0, 8)):
        cells = spectrum.plane(spectrum.power(cosine(64, 64, u, v)[:, 0]))[0]
        assert float(cells[64 + 2 * u, 64 + 2 * v]) > 0.9 * float(cells.max())
        assert float(cells[64 + 2 * v, 64 + 2 * u]) < 1e-9 * float(cells.max())


def test_the_picture_shows_both_and_warns_of_nothing() -> None:
    built = measured(
        (noise(2, 3, 40, 52), 0.3 * noise(2, 3, 40, 52, seed=1)), (noise(1, 3, 31, 20), noise(1, 3, 31, 20))
    )
    assert isinstance(built, DrawsPicture)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = built.draw()
    assert picture is not None
    assert (picture.mode, picture.size) == ("RGB", (1240, 860))
    same = measured((noise(2, 3, 40, 52), noise(2, 3, 40, 52))).draw()
    assert np.asarray(picture).std() > 10
    assert not np.array_equal(np.asarray(picture), np.asarray(same))


@pytest.mark.parametrize("picture", [torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 1, 1), torch.rand(1, 3, 2, 3)])
def test_even_degenerate_pictures_are_drawn(picture: torch.Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measured((picture, picture)).draw() is not None


def test_drawing_leaves_matplotlibs_global_state_alone() -> None:
    import subprocess
    import sys

    code = (
        "import sys, torch; from toonforge.metrics.fourier import BuiltFourier; b = BuiltFourier(); "
        "b.update(input=torch.rand(1, 3, 9, 9), output=torch.rand(1, 3, 9, 9)); b.draw(); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_pictures_there_is_no_number_and_no_picture() -> None:
    built = BuiltFourier()
    assert [math.isnan(value) for value in built.compute().values()] == [True] * 3
    assert built.draw() is None


def test_other_than_pictures_are_refused() -> None:
    with pytest.raises(ShapeError, match="output must be a picture of 1 or 3 channels, found 1280"):
        TestFourier.component.check(input=(3, 8, 8), output=(1280, 8, 8))
    TestFourier.component.check(input=(3, 8, 8), output=(1, 16, 9))


def test_the_protocol_names_units_and_floor() -> None:
    text = TestFourier.component.protocol()
    assert all(word in text for word in ("dB", "1/4 cycles/pixel", "luma", "rings"))
    assert TestFourier.component.lower_is_better is None


def test_a_missing_matplotlib_is_told_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ToonforgeError, match=r'pip install "toonforge\[plots\]"'):
        TestFourier.component.build(torch.device("cpu"))
