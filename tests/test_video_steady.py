"""Flicker is taken out; movement, edges and cuts are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toonforge_samples.credits import samples

from tests import films, videos
from tests.videos import Fake
from toonforge.use.video import translate_video
from toonforge.use.video.flow import Flow
from toonforge.use.video.steady import Steadier, warping_error

HEIGHT, WIDTH = 144, 216


def photo(number: int) -> np.ndarray:
    path = [sample.path for sample in samples() if sample.kind == "photo"][number]
    return np.asarray(Image.open(path).convert("RGB").resize((2 * WIDTH, 2 * HEIGHT), Image.Resampling.LANCZOS))


def panned(number: int = 3, frames: int = 14, noise: float = 3.0) -> list[np.ndarray]:
    """A photograph over which a camera moves and zooms, with the noise of its sensor."""
    rng, picture, made = np.random.default_rng(number), photo(number), []
    for i in range(frames):
        zoom = 1 + 0.002 * i
        matrix = np.array([[zoom, 0, -20 - 1.5 * i], [0, zoom, -30 - 0.4 * i]], np.float32)
        moved = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR).astype(np.float32)
        made.append(np.clip(moved + rng.normal(0, noise, moved.shape), 0, 255).round().astype(np.uint8))
    return made


def flickering(frames: list[np.ndarray]) -> list[np.ndarray]:
    """As a network does that sees each frame alone: spots of colour that come and go, and grain."""
    rng, made = np.random.default_rng(7), []
    for frame in frames:
        spots = cv2.resize(rng.normal(0, 12, (8, 12, 3)).astype(np.float32), (WIDTH, HEIGHT))
        made.append(np.clip(frame + spots + rng.normal(0, 6, frame.shape), 0, 255).round().astype(np.uint8))
    return made


def steadied(frames: list[np.ndarray], made: list[np.ndarray], steady: float) -> list[np.ndarray]:
    steadier = Steadier(steady)
    return [steadier.next(given, output) for given, output in zip(frames, made)]


def test_the_more_steadiness_the_less_flicker_and_none_is_none() -> None:
    frames = panned()
    made = flickering(frames)
    errors = [warping_error(frames, steadied(frames, made, steady)) for steady in (0.0, 0.5, 1.0)]
    assert errors[0] == warping_error(frames, made) > 10
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.3 * errors[0]
    assert all((a == b).all() for a, b in zip(steadied(frames, made, 0.0), made))


def test_what_is_steadied_comes_nearer_to_what_does_not_flicker() -> None:
    frames = panned(noise=0.0)
    made = flickering(frames)
    result = steadied(frames, made, 1.0)

    def off(pictures: list[np.ndarray]) -> float:
        return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(pictures[7:], frames[7:])]))

    assert off(result) < 0.65 * off(made)


def test_steadying_what_does_not_flicker_keeps_it_sharp() -> None:
    frames = panned(noise=0.0)

    def sharp(picture: np.ndarray) -> float:
        return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())

    assert sharp(steadied(frames, frames, 1.0)[-1]) > 0.75 * sharp(frames[-1])
    still = [frames[0]] * 6
    assert (steadied(still, still, 1.0)[-1] == frames[0]).all()


@settings(max_examples=5)
@given(speed=st.integers(-9, 9), radius=st.integers(12, 40))
def test_a_moving_edge_leaves_no_ghost(speed: int, radius: int) -> None:
    background = cv2.resize(photo(3), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    frames = []
    for i in range(10):
        frame = background.copy()
        cv2.circle(frame, (WIDTH // 2 + speed * (i - 5), HEIGHT // 2), radius, (250, 240, 40), -1)
        frames.append(frame)
    for output, frame in zip(steadied(frames, [255 - frame for frame in frames], 1.0), frames):
        off = np.abs(output.astype(int) - (255 - frame.astype(int)))
        assert off.mean() < 1.5 and (off.max(axis=2) > 40).mean() < 0.005


def test_nothing_of_a_scene_is_seen_in_the_next() -> None:
    frames = [*panned(3, 4), *panned(5, 4)]
    made = [255 - frame for frame in frames]
    result = steadied(frames, made, 1.0)
    assert (result[4] == made[4]).all()
    assert not (result[3] == made[3]).all()


def test_movement_is_found_where_it_is_known() -> None:
    flow = Flow()
    frames = films.scene(1, 2, HEIGHT, WIDTH, speed=3.0)
    assert flow.next(frames[0]) is None
    movement = flow.next(frames[1])
    assert movement is not None and not movement.cut
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    moved = movement.where - np.stack([columns, rows], axis=2)
    assert np.median(moved[:, :, 0]) == pytest.approx(3, abs=0.2)
    assert np.median(moved[:, :, 1]) == pytest.approx(0, abs=0.2)
    assert np.median(movement.trust[:, 8:-8]) > 0.8


@pytest.mark.parametrize("speed", [3.0, 6.0])
def test_what_was_outside_the_picture_is_not_trusted(speed: float) -> None:
    """Streaks along the movement look the same where the edge is drawn on."""
    rows = np.random.default_rng(0).integers(40, 216, (HEIGHT, 1, 3), dtype=np.uint8)
    frames = [
        np.clip(picture // 8 + rows, 0, 255).astype(np.uint8) for picture in films.scene(1, 2, HEIGHT, WIDTH, speed)
    ]
    flow = Flow()
    flow.next(frames[0])
    movement = flow.next(frames[1])
    assert movement is not None
    outside = (movement.where[:, :, 0] > WIDTH - 1) | (movement.where[:, :, 0] < 0)
    assert outside.sum() > HEIGHT
    assert (movement.trust[outside] == 0).all()


def test_a_film_is_steadied_frame_by_frame_whatever_its_batches(tmp_path: Path) -> None:
    frames = panned(frames=8)
    source = films.film(tmp_path / "a.mkv", frames, codec="ffv1", pixels="bgr0", number=False)

    def model() -> Fake:
        generator = torch.Generator().manual_seed(0)

        def grain(pictures: torch.Tensor) -> torch.Tensor:
            noise = [torch.randn(1, 3, 1, 1, generator=generator) for _ in pictures]
            return (pictures + 0.1 * torch.cat(noise)).clamp(-1, 1)

        return Fake(grain)

    errors = {}
    for steady, batch in ((0.0, 1), (1.0, 1), (1.0, 3)):
        out = translate_video(model(), source, tmp_path / "o.mp4", steady=steady, batch=batch, force=True).target
        errors[steady, batch] = warping_error(frames, videos.pictures(out))
    assert errors[1.0, 1] == errors[1.0, 3] < 0.4 * errors[0.0, 1]
