"""Properties of the measures: what changes nothing, what they must tell apart, and figures that can be worked out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageFilter

from tests.scenes import Picture, barred, gray, jpeg, scene, sepia
from toonforge.data.transforms import scale_short_side
from toonforge.prepare.quality.bars import Bars, letterbox
from toonforge.prepare.quality.measures import (
    FIGURES,
    brightness,
    colour_spread,
    colourfulness,
    contrast,
    face_ratio,
    measured,
    sharpness,
)

MEASURES = (brightness, contrast, colourfulness, colour_spread, sharpness)


# Of all measures


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("turned", [np.fliplr, np.flipud], ids=["mirrored", "upside down"])
def test_a_mirrored_picture_measures_the_same(measure, turned) -> None:  # type: ignore[no-untyped-def]
    picture = scene(300, 411)
    assert measure(np.ascontiguousarray(turned(picture))) == pytest.approx(measure(picture), rel=0.02)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("short", [256, 700, 1200])
def test_size_hardly_matters(measure, short: int) -> None:  # type: ignore[no-untyped-def]
    picture = scene(512, 640)
    assert measure(scale_short_side(picture, short)) == pytest.approx(measure(picture), rel=0.06)


@given(arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))))
@settings(max_examples=60)
def test_every_picture_has_finite_figures_in_their_ranges(picture: Picture) -> None:
    figures = measured(picture)
    assert tuple(figures) == FIGURES
    assert all(np.isfinite(value) and value >= 0 for value in figures.values())
    assert figures["brightness"] <= 1.0001 and figures["contrast"] <= 0.5001 and figures["colourfulness"] < 263


@given(st.tuples(*[st.integers(0, 255)] * 3))
@settings(max_examples=20)
def test_a_flat_picture_has_no_contrast_no_edges_and_no_bars(colour: tuple[int, int, int]) -> None:
    picture = np.full((40, 50, 3), colour, np.uint8)
    assert contrast(picture) == pytest.approx(0, abs=1e-4)
    assert sharpness(picture) == pytest.approx(0, abs=1e-3)
    assert not letterbox(picture)
    assert brightness(picture) == pytest.approx(np.dot(colour, [0.299, 0.587, 0.114]) / 255, abs=1e-4)


# Brightness, contrast, colour, sharpness


def test_figures_that_can_be_worked_out() -> None:
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    assert (brightness(halves), contrast(halves)) == (pytest.approx(0.5), pytest.approx(0.5))
    assert colourfulness(halves) == 0
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 255
    assert colourfulness(red) == pytest.approx(0.3 * np.hypot(255, 127.5), rel=1e-5)  # no deviation, only a mean


def test_grey_and_toned_pictures_have_little_colour_spread_and_coloured_ones_much() -> None:
    for seed in range(5):
        picture = scene(seed=seed)
        for toned in (gray(picture), sepia(picture)):
            assert colour_spread(toned) < 1
            assert colour_spread(jpeg(toned)) < 3
        assert colour_spread(picture) > 8
        assert colour_spread(jpeg(picture)) > 8
        assert colourfulness(sepia(picture)) > 15  # so colourfulness would not tell


def test_the_noise_of_a_grey_photograph_is_no_colour() -> None:
    noise = np.random.default_rng(0).normal(0, 8, scene().shape)
    assert colour_spread(np.clip(gray(scene()) + noise, 0, 255).astype(np.uint8)) < 1.5


def test_a_bold_drawing_in_one_colour_is_no_toned_picture() -> None:
    drawing = np.full((256, 256, 3), 255, np.uint8)
    drawing[60:200, 60:200] = (220, 20, 20)
    drawing[50:60, 50:210] = drawing[200:210, 50:210] = 0
    assert colour_spread(drawing) > 8


@pytest.mark.parametrize("radius", [1, 2, 4])
def test_blur_lowers_sharpness(radius: int) -> None:
    picture = scene()
    blurred = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)))
    more = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius + 1)))
    assert sharpness(more) < sharpness(blurred) < sharpness(picture)


@pytest.mark.parametrize("times", [2, 3, 4, 6, 9, 12])
def test_sharpness_of_a_large_picture_is_that_of_the_picture_scaled_plainly(times: int) -> None:
    """Worked out anew, by the mask of the Laplacian over the picture as Pillow alone scales it."""
    sharp = np.clip(scene(256, 300) + np.random.default_rng(0).normal(0, 16, (256, 300, 3)), 0, 255).astype(np.uint8)
    large = Image.fromarray(sharp).resize((300 * times, 256 * times), Image.Resampling.LANCZOS)
    luma = np.asarray(large.resize((300, 256), Image.Resampling.BICUBIC)) @ np.array([0.299, 0.587, 0.114])
    edges = np.lib.stride_tricks.sliding_window_view(luma, (3, 3)) * np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    assert sharpness(np.asarray(large)) == pytest.approx(edges.sum((-1, -2)).var(), rel=0.04)


def test_a_picture_that_was_enlarged_is_not_sharp() -> None:
    assert sharpness(scale_short_side(scale_short_side(scene(), 48), 512)) < sharpness(scene()) / 4


# Bars

widths = st.integers(8, 60)


@given(widths, widths, st.booleans(), st.sampled_from([(0, 0, 0), (16, 16, 16), (250, 250, 250), (30, 200, 90)]))
@settings(max_examples=40)
def test_bars_are_found_to_the_pixel(first: int, last: int, upright: bool, colour: tuple[int, int, int]) -> None:
    bars = Bars(left=first, right=last) if upright else Bars(top=first, bottom=last)
    picture = barred(scene(), bars, colour)
    found = letterbox(picture)
    assert found == bars
    assert np.array_equal(found.cut(picture), scene())
    assert not letterbox(found.cut(picture))
    assert found.share(picture) == pytest.approx(1 - scene().size / picture.size)


@given(st.tuples(widths, widths, widths, widths))
@settings(max_examples=20)
def test_a_frame_is_found_all_around_and_mirrors_with_its_picture(sides: tuple[int, int, int, int]) -> None:
    bars = Bars(*sides)
    picture = barred(scene(), bars, (245, 240, 230))
    assert letterbox(picture) == bars
    assert letterbox(picture[:, ::-1]) == Bars(bars.top, bars.bottom, bars.right, bars.left)
    assert letterbox(picture[::-1]) == Bars(bars.bottom, bars.top, bars.left, bars.right)


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_jpeg_hides_no_bar(quality: int) -> None:
    found = letterbox(jpeg(barred(scene(), Bars(top=37, bottom=37)), quality))
    assert abs(found.top - 37) <= 2 and abs(found.bottom - 37) <= 2 and not found.left and not found.right


def night_sky() -> Picture:
    picture = np.zeros((288, 384, 3), np.uint8)
    rng = np.random.default_rng(0)
    picture[rng.integers(30, 288, 200), rng.integers(0, 384, 200)] = 255
    picture[230:, 100:180] = 60
    return picture


def drawing_on_white() -> Picture:
    picture = np.full((288, 288, 3), 255, np.uint8)
    y, x = np.mgrid[:288, :288]
    picture[(y - 144) ** 2 + (x - 144) ** 2 < 110**2] = (200, 120, 60)
    return picture


def sky_that_fades() -> Picture:
    lines = np.linspace(20, 230, 288)[:, None, None] * np.ones((1, 384, 3))
    return lines.astype(np.uint8)


def flat_sky_over_the_sea() -> Picture:
    picture = scene()
    picture[:90] = (120, 190, 240)
    return picture


@pytest.mark.parametrize(
    "make", [scene, night_sky, drawing_on_white, sky_that_fades, flat_sky_over_the_sea], ids=lambda f: f.__name__
)
def test_flat_borders_of_a_scene_are_no_bars(make) -> None:  # type: ignore[no-untyped-def]
    assert not letterbox(make())
    assert not letterbox(jpeg(make()))


def test_the_sample_pictures_have_no_bars_and_nearly_all_have_colour() -> None:
    from importlib.resources import files

    from toonforge.data.reading.picture import list_pictures, read_picture

    pictures = [read_picture(path) for path in list_pictures(str(files("toonforge_samples") / "pictures"))]
    assert len(pictures) > 100
    assert not any(letterbox(picture) for picture in pictures)
    colours = sorted(colour_spread(picture) for picture in pictures)
    assert colours[2] > 3 and max(colour_spread(gray(picture)) for picture in pictures) < 0.1


# Faces


def test_a_face_is_measured_against_the_short_side() -> None:
    picture = np.zeros((100, 300, 3), np.uint8)
    assert face_ratio(picture, lambda _: (10, 20, 60, 70)) == 0.5
    assert face_ratio(picture, lambda _: None) == 0
    assert face_ratio(picture, lambda _: (0, 0, 101, 101)) == 1
