"""Scenes: every cut, dissolve and fade is found, movement is none, and the best frames are away from them."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toonforge_samples.credits import samples

from tests import films
from toonforge.prepare.films.figures import REACH, Figures, measure
from toonforge.prepare.films.film import frames_from, survey
from toonforge.prepare.films.picture import to_picture
from toonforge.prepare.films.scenes import AWAY, SHORTEST, Scene, choose, find_scenes

FPS = 25


def moving(seed: int, frames: int, height: int = 256, width: int = 342, speed: float = 1.0) -> list[np.ndarray]:
    """Pictures as high as their sharpness is measured at, so that none is scaled for it."""
    return films.scene(seed, frames, height, width, speed)


def figures_of(pictures: Sequence[np.ndarray]) -> Figures:
    return measure((i, i / FPS, picture) for i, picture in enumerate(pictures))


def cuts(scenes: Sequence[Scene]) -> list[int]:
    return [scene.first for scene in scenes]


@settings(max_examples=10)
@given(lengths=st.lists(st.integers(15, 60), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_every_cut_is_found_and_nothing_else(lengths: list[int], seed: int) -> None:
    pictures = [p for i, length in enumerate(lengths) for p in moving(seed * 10 + i, length)]
    ends = np.cumsum(lengths)
    scenes = find_scenes(figures_of(pictures))
    assert scenes == [Scene(int(end - length), int(end - 1)) for end, length in zip(ends, lengths)]


@pytest.mark.parametrize("speed", [0.2, 1.0, 2.0, 4.0, 8.0])
def test_movement_is_one_scene(speed: float) -> None:
    assert find_scenes(figures_of(moving(1, 75, speed=speed))) == [Scene(0, 74)]


@pytest.mark.parametrize("length", [12, 25, 40])
@pytest.mark.parametrize("seed", range(2))
def test_a_dissolve_parts_two_scenes_and_belongs_to_none(length: int, seed: int) -> None:
    pictures = films.dissolve(*(moving(2 * seed + i, 100, 256, 456, speed=1) for i in range(2)), length)
    figures = figures_of(pictures)
    first, second = find_scenes(figures)
    assert first.first == 0 and second.last == len(pictures) - 1
    assert first.last < 100 - length / 2 and second.first >= 100 - length / 2
    assert abs(first.last - (100 - length)) <= length / 4 + 2 and abs(second.first - 100) <= length / 4 + 2
    for scene in (first, second):
        for index in choose(figures, scene, 3):
            assert index < 100 - length or index >= 100


@pytest.mark.parametrize("title", [False, True])
def test_fades_belong_to_no_scene_and_what_is_black_is_one_of_its_own(title: bool) -> None:
    out, back = (films.fade_out(moving(seed, 75), 20) for seed in (1, 2))
    pictures = [*out, *[np.zeros_like(out[0])] * 20, *back[::-1]]
    if title:
        for picture in pictures[:70]:
            picture[50:60:2, 50:90:3] = 255
    figures = figures_of(pictures)
    first, black, last = find_scenes(figures)
    assert first.first == 0 and 50 <= first.last <= 57 and 113 <= last.first <= 120 and last.last == 169
    assert black.first >= 73 and black.last <= 97 and figures.brightness[black.first : black.last + 1].max() < 0.04
    for scene in (first, last):
        for index in choose(figures, scene, 3):
            assert figures.brightness[index] > 0.9 * figures.brightness[[0, 169]].min()


def test_a_flash_is_no_scene() -> None:
    pictures = moving(1, 80)
    pictures[40] = np.full_like(pictures[40], 255)
    scenes = find_scenes(figures_of(pictures))
    assert all(scene.short or scene.last - scene.first >= SHORTEST * FPS - 1 for scene in scenes)
    assert [scene for scene in scenes if scene.short] == [Scene(40, 40, short=True)]


def view(picture: Image.Image, motion: str, time: float) -> np.ndarray:
    """What a camera sees of a picture that it zooms into by 4 % a second, or pans over."""
    zoom, shift = (1.2 * 1.04**time, 0.0) if motion == "zoom" else (1.5, 40 * time)
    width, height = picture.width / zoom, picture.height / zoom
    left, top = (picture.width - width) / 2 + shift, (picture.height - height) / 2
    box = (left, top, left + width, top + height)
    return np.asarray(picture.resize((456, 256), Image.Resampling.BICUBIC, box))


def shots(kind: str, motion: str, length: int, count: int, seed: int) -> list[list[np.ndarray]]:
    """Photographs or drawings of the samples, each for so many frames."""
    some = [sample for sample in samples() if (sample.kind == "photo") == (kind == "photo")]
    chosen = np.random.default_rng(seed).permutation(len(some))[:count]
    pictures = [Image.open(some[i].path).convert("RGB").resize((684, 384)) for i in chosen]
    return [[view(picture, motion, i / FPS) for i in range(length)] for picture in pictures]


def of_a_film(path: Path, pictures: Sequence[np.ndarray]) -> Figures:
    """The figures of pictures that have been through a compression: it makes some frames softer than others."""
    films.film(path, pictures, number=False, options={"preset": "veryfast", "crf": "24"})
    film = survey(path)
    return measure((p, film.seconds(p), to_picture(f, None, 256)) for p, f in frames_from(path, film, 0))


def taken(figures: Figures) -> list[int]:
    return [index for scene in find_scenes(figures) if not scene.short for index in choose(figures, scene, 1)]


@pytest.mark.parametrize(
    ("kind", "motion", "length"),
    [
        ("photo", "zoom", 62),
        ("photo", "pan", 25),
        ("photo", "pan", 12),
        ("drawing", "zoom", 12),
        ("drawing", "pan", 37),
    ],
)
def test_of_every_shot_between_two_cuts_one_frame_is_taken(tmp_path: Path, kind: str, motion: str, length: int) -> None:
    pictures = [picture for shot in shots(kind, motion, length, 4, seed=0) for picture in shot]
    assert [index // length for index in taken(of_a_film(tmp_path / "a.mp4", pictures))] == [*range(4)]


@pytest.mark.parametrize(("length", "dissolve"), [(37, 20), (25, 10), (75, 20)])
def test_of_every_shot_between_two_dissolves_one_frame_is_taken(tmp_path: Path, length: int, dissolve: int) -> None:
    given = shots("photo", "zoom", length + dissolve, 3, seed=1)
    pictures = given[0]
    for shot in given[1:]:
        pictures = films.dissolve(pictures, shot, dissolve)
    found = taken(of_a_film(tmp_path / "a.mp4", pictures))
    assert [index // length for index in found] == [*range(3)]
    assert all(index % length >= dissolve for index in found[1:])


@settings(max_examples=200)
@given(data=st.data())
def test_no_shot_vanishes_whatever_looks_like_a_dissolve(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(3, 40), min_size=1, max_size=6))
    total = sum(lengths)
    starts = np.cumsum([0, *lengths[:-1]])
    change = np.full(total, 1.0, np.float32)
    change[starts[1:]] = 60
    width = st.sampled_from([0.0, 0.0, 0.2, 0.4, 0.6, 1.0])
    figures = Figures(
        position=np.arange(total),
        time=np.arange(total) / FPS,
        change=change,
        sharpness=np.array(data.draw(st.lists(st.floats(1, 100), min_size=total, max_size=total)), np.float32),
        brightness=np.full(total, 0.5, np.float32),
        blend=np.array(data.draw(st.lists(width, min_size=total, max_size=total)), np.float32),
    )
    scenes = find_scenes(figures)
    assert all(0 <= scene.first <= scene.last < total for scene in scenes)
    assert all(a.last < b.first for a, b in itertools.pairwise(scenes))
    if any(not scene.short for scene in scenes[1:]):
        for first, end in itertools.pairwise([*starts, total]):
            assert any(first <= scene.first and scene.last < end for scene in scenes)


def test_a_film_shorter_than_any_scene_is_one() -> None:
    assert find_scenes(figures_of(moving(1, 3))) == [Scene(0, 2)]
    assert find_scenes(figures_of(moving(1, 1))) == [Scene(0, 0)]


def test_a_higher_threshold_never_finds_more_cuts() -> None:
    figures = figures_of([p for i in range(5) for p in moving(i, 20 + i, speed=2 * i)])
    found = [set(cuts(find_scenes(figures, threshold))) for threshold in (1.5, 3.0, 6.0, 100.0)]
    assert all(later <= earlier for earlier, later in itertools.pairwise(found))


@settings(max_examples=40)
@given(length=st.integers(1, 300), count=st.integers(1, 12), seed=st.integers(0, 99))
def test_chosen_frames_lie_in_their_scene_in_order_and_away_from_its_cuts(length: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = rng.uniform(0.01, 0.1, length)  # a variable frame rate
    figures = figures_of([np.zeros((72, 128, 3), np.uint8)])
    figures = attrs.evolve(
        figures, time=np.cumsum(steps), sharpness=rng.uniform(0, 9, length), position=np.arange(length)
    )
    scene = Scene(length // 4, length - 1)
    chosen = choose(figures, scene, count)
    assert 1 <= len(chosen) <= count and chosen == sorted({*chosen})
    assert all(scene.first <= index <= scene.last for index in chosen)
    times = figures.time
    if times[scene.last] - times[scene.first] > 6 * AWAY and len(chosen) == count:
        assert times[chosen[0]] - times[scene.first] >= AWAY / 2 and times[scene.last] - times[chosen[-1]] >= AWAY / 2


def test_a_blurred_frame_in_the_middle_is_not_chosen() -> None:
    pictures = moving(1, 51)
    for i in range(18, 33):
        pictures[i] = films.blurred(pictures[i])
    [chosen] = choose(figures_of(pictures), Scene(0, 50), 1)
    assert 15 <= chosen < 18 or 33 <= chosen <= 35


def test_a_blurred_moment_does_not_part_a_scene() -> None:
    pictures = moving(3, 100, 256, 456, speed=2)
    pictures[45:55] = map(films.blurred, pictures[45:55])
    assert find_scenes(figures_of(pictures)) == [Scene(0, 99)]


@pytest.mark.parametrize("part", [(0, 110), (30, 150), (20, 130)])
def test_figures_of_a_piece_are_those_of_the_whole_away_from_its_ends(part: tuple[int, int]) -> None:
    pictures = films.dissolve(moving(1, 90), moving(2, 90), 30)
    whole = figures_of(pictures)
    begin, end = part
    piece = measure((i, i / FPS, pictures[i]) for i in range(begin, end))
    for name in ("position", "time", "change", "sharpness", "brightness", "blend"):
        lead = int(REACH * FPS) + 1
        inner = slice(lead, end - begin - lead)
        assert (getattr(piece, name)[inner] == getattr(whole, name)[begin:end][inner]).all()


def test_memory_does_not_grow_with_the_film() -> None:
    def peak(frames: int) -> int:
        def many() -> Iterator[tuple[int, float, np.ndarray]]:
            for i in range(frames):
                yield i, i / FPS, np.full((90, 160, 3), i % 200, np.uint8)

        tracemalloc.start()
        measure(many())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(50)
    assert peak(250) - peak(100) < 150 * 1000  # figures of 150 frames; one of them as a picture has 43,200 bytes
