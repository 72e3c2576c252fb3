"""Films: every frame is found by its position, whatever the container; what is no film says so."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests import films, pictures, videos
from toonforge.errors import DataError, UnreadableImage
from toonforge.prepare.films.film import frames_from, opened, survey
from toonforge.prepare.films.finding import find_films
from toonforge.prepare.films.picture import to_picture

FRAMES = 90
KINDS = {
    "a.mp4": {"codec": "libx264"},
    "b.mkv": {"codec": "libx264"},
    "c.ts": {"codec": "libx264"},
    "d.avi": {"codec": "libx264"},
    "e.avi": {"codec": "mpeg4"},
    "f.mpg": {"codec": "mpeg2video"},
    "g.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "h.mov": {"codec": "prores", "pixels": "yuv422p10le"},
    "i.h264": {"codec": "libx264"},
    "k.wmv": {"codec": "wmv2"},
    "l.flv": {"codec": "libx264"},
}
"""Time stamps from 0 and from elsewhere, indices and none, B-frames, and files without time stamps."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of each kind: 90 frames, key frames every 20."""
    made = tmp_path_factory.mktemp("films")
    for name, kind in KINDS.items():
        films.film(made / name, films.scene(1, FRAMES), gop_size=20, **kind)
    return made


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=st.integers(0, FRAMES - 1))
def test_decoding_begins_at_any_frame_and_leaves_none_out(folder: Path, name: str, first: int) -> None:
    film = survey(folder / name)
    assert len(film.positions) == FRAMES
    found = [
        (position, films.number_of(to_picture(frame, None)))
        for (position, frame), _ in zip(frames_from(folder / name, film, int(film.positions[first])), range(5))
    ]
    assert found == [(film.positions[i], i) for i in range(first, min(first + 5, FRAMES))]


@pytest.mark.parametrize("name", KINDS)
def test_times_begin_with_0_and_are_those_of_the_frames(folder: Path, name: str) -> None:
    film = survey(folder / name)
    assert [film.seconds(p) for p in film.positions] == pytest.approx([i / 25 for i in range(FRAMES)], abs=0.0011)
    assert not film.remarks or name == "h.mov"


def test_a_variable_frame_rate_is_kept(tmp_path: Path) -> None:
    steps = np.random.default_rng(0).choice([20, 33, 120, 400], 40)
    times = np.cumsum(steps).tolist()
    film = survey(films.film(tmp_path / "a.mkv", films.scene(0, 40), times=times))
    assert [film.seconds(p) for p in film.positions] == pytest.approx([(t - times[0]) / 1000 for t in times])


@pytest.mark.parametrize("name", ["b.mkv", "c.ts", "g.webm"])
def test_a_truncated_film_gives_its_frames_up_to_there(folder: Path, tmp_path: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    torn = tmp_path / name
    torn.write_bytes(whole[: len(whole) * 6 // 10])
    film = survey(torn)
    numbers = [films.number_of(to_picture(frame, None)) for _, frame in frames_from(torn, film, 0)]
    assert numbers[:40] == [*range(40)] and numbers == sorted(numbers)
    if name != "c.ts":  # a transport stream does not say how long it is
        assert "of 3.6 seconds" in film.remarks["truncated"]


INDEX_FIRST = {"movflags": "faststart"}


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Films of 1.6 s that say how much they hold, their index before the frames."""
    root, scene = tmp_path_factory.mktemp("short"), films.scene(1, 40)
    for name in ("a.mkv", "a.avi", "b.mp4"):
        films.film(root / name, scene, gop_size=20)
    with av.open(str(root / "b.mp4")) as given_, av.open(str(root / "a.mp4"), "w", options=INDEX_FIRST) as out:
        to = out.add_stream_from_template(given_.streams.video[0])
        for packet in given_.demux(video=0):
            if packet.dts is not None:
                packet.stream = to
                out.mux(packet)
    videos.with_sound(root / "b.mkv", scene)
    return root


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "b.mkv"])
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0.3, 1))
@example(0.93)
@example(1.0)
def test_no_frame_is_missing_without_a_word(short: Path, tmp_path: Path, name: str, share: float) -> None:
    content = (short / name).read_bytes()
    (tmp_path / name).write_bytes(content[: round(len(content) * share)])
    film = survey(tmp_path / name)
    found = len([*frames_from(tmp_path / name, film, int(film.positions[0]))])
    whole = found == len(film.positions) == 40
    assert whole or "the file ends a" in film.remarks["truncated"]
    if share == 1:
        assert whole and not film.remarks


def test_frames_that_are_said_to_come_after_the_end_are_missing(tmp_path: Path) -> None:
    path = films.film(tmp_path / "a.mp4", films.scene(1, 4))
    content = bytearray(path.read_bytes())
    at = content.index(b"stts") + 8
    content[at : at + 12] = struct.pack(">3i", 1, 4, 0x7FFFFFFF)
    path.write_bytes(content)
    film = survey(path)
    assert len(film.positions) == 1
    assert film.remarks["truncated"] == "3 of its 4 frames are to be shown after its end"


def test_damaged_packets_cost_only_their_frames(folder: Path, tmp_path: Path) -> None:
    content = bytearray((folder / "c.ts").read_bytes())
    middle = len(content) // 2 // 188 * 188
    content[middle + 8 : middle + 600] = bytes(592)
    damaged = tmp_path / "c.ts"
    damaged.write_bytes(content)
    film = survey(damaged)
    found = dict(frames_from(damaged, film, 0))
    last = int(film.positions[-1])
    assert len(found) > FRAMES // 2 and films.number_of(to_picture(found[last], None)) == FRAMES - 1


PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nfile://{}\n#EXT-X-ENDLIST\n"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"Once upon a time\n" * 100, "no film of a known kind"),
        (b"\0" * 5000, "no film of a known kind"),
        (b"ffconcat version 1.0\nfile a.mp4\n", "no film of a known kind"),
    ],
)
def test_what_is_no_film_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnreadableImage, match=reason):
        survey(tmp_path / "a.mp4")


@pytest.mark.parametrize("ending", [".png", ".jpg", ".gif", ".webp"])
def test_a_picture_is_no_film(tmp_path: Path, ending: str) -> None:
    renamed = pictures.save(tmp_path / f"a{ending}").rename(tmp_path / "a.mp4")
    with pytest.raises(UnreadableImage, match="no film"):
        survey(renamed)


def test_a_playlist_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(PLAYLIST.replace(b"{}", str(folder / "c.ts").encode()))
    with pytest.raises(UnreadableImage, match="no film"):
        survey(tmp_path / "a.mp4")


def test_a_film_with_its_index_torn_off_and_one_that_is_missing_say_so(folder: Path, tmp_path: Path) -> None:
    torn = tmp_path / "a.mp4"
    torn.write_bytes((folder / "a.mp4").read_bytes()[:20_000])
    with pytest.raises(UnreadableImage, match="torn off"):
        survey(torn)
    with pytest.raises(UnreadableImage, match="missing"):
        survey(tmp_path / "b.mp4")


def test_sound_alone_is_no_film(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(UnreadableImage, match="no moving pictures"):
        survey(tmp_path / "a.mkv")


def first_picture(path: Path, short: int | None = None) -> np.ndarray:
    film = survey(path)
    _, frame = next(frames_from(path, film, 0))
    return to_picture(frame, film.pixel, short)


def off(picture: np.ndarray, expected: np.ndarray) -> float:
    assert picture.shape == expected.shape and picture.dtype == np.uint8 and picture.flags.c_contiguous
    return float(np.abs(picture.astype(int) - expected).mean())


TURNS = {1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}
"""Quarter turns to the left -> the matrix with which a telephone says so."""


@pytest.mark.parametrize("turns", TURNS)
def test_films_of_telephones_come_out_upright(tmp_path: Path, turns: int) -> None:
    pictures_ = films.scene(3, 5)
    content = films.film(tmp_path / "a.mp4", pictures_, number=False).read_bytes()
    one, (a, b, c, d) = 1 << 16, TURNS[turns]
    before = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    after = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    place = content.index(before, content.index(b"tkhd"))
    (tmp_path / "b.mp4").write_bytes(content[:place] + after + content[place + len(before) :])
    assert off(first_picture(tmp_path / "b.mp4"), np.rot90(pictures_[0], turns)) < 4


@pytest.mark.parametrize(("pixel", "size"), [(Fraction(16, 11), (120, 233)), (Fraction(1, 2), (240, 160))])
def test_pixels_come_out_square(tmp_path: Path, pixel: Fraction, size: tuple[int, int]) -> None:
    path = films.film(tmp_path / "a.mkv", films.scene(3, 5), sample_aspect_ratio=pixel)
    assert first_picture(path).shape[:2] == size


@pytest.mark.parametrize("size", [(121, 161), (33, 47), (16, 16)])
def test_odd_sizes_come_out_whole_and_lossless_ones_unchanged(tmp_path: Path, size: tuple[int, int]) -> None:
    pictures_ = films.scene(2, 3, *size)
    path = films.film(tmp_path / "a.mkv", pictures_, codec="ffv1", pixels="bgr0", number=False)
    assert off(first_picture(path), pictures_[0]) == 0
    assert min(first_picture(path, 16).shape[:2]) == 16
    assert first_picture(path, 1000).shape == pictures_[0].shape


def test_transparent_parts_become_white(tmp_path: Path) -> None:
    rgb = films.scene(4, 1)[0]
    alpha = np.full(rgb.shape[:2], 255, np.uint8)
    alpha[:60] = 0
    path = films.film(tmp_path / "a.mov", [np.dstack([rgb, alpha])], codec="qtrle", pixels="argb", number=False)
    expected = rgb.copy()
    expected[:60] = 255
    assert off(first_picture(path), expected) == 0


@pytest.mark.parametrize(("height", "space"), [(240, "ITU601"), (720, "ITU709")])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("full", [True, False])
def test_colours_are_those_that_were_filmed(tmp_path: Path, height: int, space: str, told: bool, full: bool) -> None:
    if full and not told:
        return  # nobody can know
    colours = np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (200, 120, 40)], np.uint8)
    picture = np.repeat(np.repeat(colours[None], 64, axis=1), height, axis=0)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "yuv444p"
        if told:
            stream.codec_context.colorspace = {"ITU601": 6, "ITU709": 1}[space]
            stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame.from_ndarray(picture, "rgb24")
        frame = frame.reformat(format="yuv444p", dst_colorspace=space, dst_color_range=2 if full else 1)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert np.abs(first_picture(path)[height // 2, 32::64].astype(int) - colours).max() <= 3


def test_more_than_8_bits_and_hdr_are_said(folder: Path, tmp_path: Path) -> None:
    film = survey(folder / "h.mov")
    assert film.remarks["converted"] == "from 10 bits a colour to 8"
    assert off(first_picture(folder / "h.mov"), next(films.numbered(films.scene(1, FRAMES)))) < 5
    bright = films.film(tmp_path / "a.mkv", films.scene(1, 3), pixels="yuv420p10le", color_trc=16, color_primaries=9)
    assert "HDR (PQ)" in survey(bright).remarks["converted"]


@pytest.mark.parametrize(("name", "codec"), [("a.mpg", "mpeg2video"), ("a.mkv", "libx264")])
def test_interlaced_films_are_said(tmp_path: Path, name: str, codec: str) -> None:
    halves = {"flags": "+ildct+ilme"}
    remarks = survey(films.film(tmp_path / name, films.scene(1, 5), codec=codec, options=halves)).remarks
    tells = int(av.__version__.split(".")[0]) >= 18
    assert ("combed edges" in remarks["interlaced"]) if tells else not remarks
    assert not survey(films.film(tmp_path / name, films.scene(1, 5), codec=codec, options={})).remarks


def test_a_cover_is_not_the_film(folder: Path) -> None:
    with opened(folder / "a.mp4") as (_, stream):
        assert stream.type == "video" and stream.thread_count == 1


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    pipe, loop = tmp_path / "pipe.mp4", tmp_path / "loop.mp4"
    os.mkfifo(pipe)
    loop.symlink_to(loop)
    for path, reason in ((pipe, "no file"), (tmp_path, "no file"), (loop, "a link that leads in a circle")):
        with pytest.raises(UnreadableImage, match=reason), opened(path):
            pass


def test_pipes_in_folders_are_no_films(tmp_path: Path) -> None:
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(DataError, match="there are no films"):
        find_films([_folder_of_a_pipe(tmp_path / "pipes")])
    _, found = find_films([tmp_path])
    assert [film.name for film in found] == ["loop.mp4"]
    _, found = find_films([tmp_path / "pipe.mp4"])
    assert [film.name for film in found] == ["pipe.mp4"]


def _folder_of_a_pipe(folder: Path) -> Path:
    folder.mkdir()
    os.mkfifo(folder / "x.mp4")
    return folder
