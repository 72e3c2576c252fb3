"""Colours do not shift: what a model leaves as it is comes out in the same numbers, and they are told to mean the same."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests import films, videos
from tests.videos import SAME
from toonforge.use.video import translate_video

BARS = [
    (255, 255, 255),
    (255, 255, 0),
    (0, 255, 255),
    (0, 255, 0),
    (255, 0, 255),
    (255, 0, 0),
    (0, 0, 255),
    (16, 16, 16),
]


def bars(path: Path, height: int, matrix: int | None, full: bool, pixels: str = "yuv420p") -> Path:
    """Colour bars, 24 pixels wide; they say which colours they have unless the matrix is None."""
    picture = np.repeat(np.repeat(np.array(BARS, np.uint8)[None], 24, axis=1), height, axis=0)
    space = {1: "ITU709", 6: "ITU601", None: "ITU709" if height > 576 else "ITU601"}[matrix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], pixels
        if matrix is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
            stream.codec_context.color_primaries = stream.codec_context.color_trc = matrix
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
                format=pixels, dst_colorspace=space, dst_color_range=2 if full else 1
            )
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def planes(path: Path) -> np.ndarray:
    """Luma and chroma as they are stored, in the middle of each bar."""
    frame = videos.frames(path)[1]
    stored = [np.asarray(plane).reshape(plane.height, plane.line_size)[:, : plane.width] for plane in frame.planes]
    luma, *chroma = (plane[plane.shape[0] // 2].astype(int) for plane in stored)
    return np.array([luma[12::24], *(plane[6::12] for plane in chroma)])


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
@pytest.mark.parametrize(
    ("height", "matrix", "full"), [(240, 6, False), (240, 1, True), (720, 1, False), (720, 6, True)]
)
def test_stored_colours_and_what_is_said_of_them_are_kept(
    tmp_path: Path, height: int, matrix: int, full: bool, ending: str
) -> None:
    source = bars(tmp_path / "a.mp4", height, matrix, full)
    out = translate_video(SAME, source, tmp_path / f"out{ending}").target
    assert np.abs(planes(out) - planes(source)).max() <= 3
    frame = videos.frames(out)[0]
    assert (frame.colorspace, frame.color_range) == (matrix, 2 if full else 1)
    if ending == ".mp4":
        assert (frame.color_primaries, frame.color_trc) == (matrix, matrix)


@pytest.mark.parametrize("height", [240, 720])
def test_colours_that_nobody_named_are_named_as_players_take_them(tmp_path: Path, height: int) -> None:
    source = bars(tmp_path / "a.mp4", height, None, False)
    out = translate_video(SAME, source, tmp_path / "out.mp4").target
    assert np.abs(planes(out) - planes(source)).max() <= 3
    assert videos.frames(out)[0].colorspace == (1 if height == 720 else 6)


def test_the_colours_of_rgb_come_out(tmp_path: Path) -> None:
    source = films.film(tmp_path / "a.mkv", films.scene(5, 4), codec="ffv1", pixels="bgr0")
    out = translate_video(SAME, source, tmp_path / "out.mp4").target
    assert np.abs(videos.pictures(source)[2].astype(float) - videos.pictures(out)[2]).mean() < 4


def test_more_bits_high_dynamic_range_and_half_frames_are_said(tmp_path: Path) -> None:
    deep = films.film(tmp_path / "a.mkv", films.scene(1, 3), pixels="yuv420p10le")
    assert translate_video(SAME, deep, tmp_path / "a.mp4").notes == ("from 10 bits a colour to 8",)
    bright = films.film(
        tmp_path / "b.mkv", films.scene(1, 3), pixels="yuv420p10le", color_trc=16, color_primaries=9, colorspace=9
    )
    outcome = translate_video(SAME, bright, tmp_path / "b.mp4")
    assert outcome.notes[0].startswith("HDR (PQ) stays so, but in 8 bits")
    frame = videos.frames(outcome.target)[0]
    assert (frame.color_trc, frame.color_primaries, frame.colorspace) == (16, 9, 9)
    halves = films.film(tmp_path / "c.mkv", films.scene(1, 5), options={"flags": "+ildct+ilme"})
    tells = int(av.__version__.split(".")[0]) >= 18
    assert any("combed edges" in note for note in translate_video(SAME, halves, tmp_path / "c.mp4").notes) == tells
