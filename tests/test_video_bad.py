"""What is no film, what is damaged, what cannot be written, and what is stopped: one message, and no half of a film."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import films, videos
from tests.videos import SAME, Fake, with_sound
from toonforge.errors import RunError, ToonforgeError
from toonforge.use.video import translate_video
from toonforge.use.video.ahead import ahead
from toonforge.use.video.reading import Film
from toonforge.use.video.translating import batch_for


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_sound(tmp_path_factory.mktemp("video") / "film.mkv", films.scene(1, 75))


def refused(source: Path, target: Path, model: Any = SAME, **arguments: Any) -> str:
    """What is said; nothing is left behind."""
    before = {path: path.read_bytes() for path in target.parent.iterdir() if path.is_file()}
    with pytest.raises(ToonforgeError) as said:
        translate_video(model, source, target, **arguments)
    assert {path: path.read_bytes() for path in target.parent.iterdir() if path.is_file()} == before
    assert "Traceback" not in str(said.value) and len(said.value.problems) == 1
    return str(said.value)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the file is empty"),
        (b"Once upon a time\n" * 99, "no film of a known kind"),
        (os.urandom(9999), "no film of a known kind"),
        (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "no film of a known kind"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    assert why in refused(tmp_path / "a.mp4", tmp_path / "out.mp4")


def test_a_film_without_frames_is_refused(film: Path, tmp_path: Path) -> None:
    with av.open(str(film)) as given, av.open(str(tmp_path / "a.mkv"), "w") as out:
        added = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in given.streams}
        for packet in given.demux(audio=0):
            if packet.dts is not None:
                packet.stream = added[packet.stream_index]
                out.mux(packet)
    assert "before its first picture" in refused(tmp_path / "a.mkv", tmp_path / "out.mp4")


@pytest.mark.parametrize("codec", ["ffv1", "vp8", "mpeg2video", "mpeg4"])
def test_frames_larger_than_any_film_are_refused_before_they_are_decoded(tmp_path: Path, codec: str) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_mux_stream(codec, rate=25, width=60_000, height=60_000)
        stream.time_base = Fraction(1, 25)
        packet = av.Packet(b"\0" * 99)
        packet.pts = packet.dts = 0
        packet.time_base, packet.is_keyframe, packet.stream = Fraction(1, 25), True, stream
        out.mux(packet)
    assert "more than 67,108,864 pixels" in refused(tmp_path / "a.mkv", tmp_path / "out.mp4")


@pytest.mark.parametrize("name", ["out.gif", "out.webp", "out.avi", "out.txt", "out"])
def test_a_target_of_another_kind_is_refused_with_the_kinds_there_are(film: Path, tmp_path: Path, name: str) -> None:
    assert ".mp4, .m4v, .mov, .mkv, .webm" in refused(film, tmp_path / name)


def test_a_target_that_is_there_stays_without_force(film: Path, tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("mine", "utf-8")
    assert "--force" in refused(film, tmp_path / "out.mp4")
    translate_video(SAME, film, tmp_path / "out.mp4", force=True)
    assert len(videos.frames(tmp_path / "out.mp4")) == 75


def test_the_film_itself_is_no_target(film: Path) -> None:
    assert "is the film itself" in refused(film, film, force=True)


def test_a_missing_film_a_folder_as_target_and_a_wrong_steadiness_are_refused(film: Path, tmp_path: Path) -> None:
    assert "is not there" in refused(tmp_path / "b.mp4", tmp_path / "out.mp4")
    (tmp_path / "c.mp4").mkdir()
    assert "c.mp4" in refused(film, tmp_path / "c.mp4", force=True)
    assert "from 0 to 1" in refused(film, tmp_path / "out.mp4", steady=1.5)


def y4m(path: Path, size: tuple[int, int], rate: str) -> Path:
    """Three grey frames, uncompressed, that claim a rate."""
    head = f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate} Ip A1:1 C420jpeg\n".encode()
    path.write_bytes(head + 3 * (b"FRAME\n" + bytes([128]) * (size[0] * size[1] * 3 // 2)))
    return path


@pytest.mark.parametrize(("size", "rate"), [((16, 16), "1:2000000000"), ((60_000, 2), "25:1")])
def test_a_film_that_an_encoder_does_not_take_is_at_fault_and_not_the_target(
    tmp_path: Path, size: tuple[int, int], rate: str
) -> None:
    said = refused(y4m(tmp_path / "a.y4m", size, rate), tmp_path / "out.mp4")
    assert "a.y4m cannot be encoded" in said and f"{size[0]}x{size[1]}" in said and "out.mp4" not in said


def test_a_link_in_a_circle_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "self.mp4").symlink_to("self.mp4")
    assert "a link that leads in a circle" in refused(tmp_path / "self.mp4", tmp_path / "out.mp4")


def test_a_full_disk_leaves_nothing_and_keeps_what_was_there(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out.mp4").write_text("mine", "utf-8")
    opened = Path.open

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def write(self, data: bytes) -> int:
            if self.file.tell() + len(data) > 20_000:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self.file.write(data))

    def smaller(path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        file = opened(path, mode, *rest, **named)
        return Full(file) if mode == "xb" else file

    monkeypatch.setattr(Path, "open", smaller)
    said = refused(film, tmp_path / "out.mp4", force=True)
    assert os.strerror(errno.ENOSPC) in said and "out.mp4 cannot be written" in said


@pytest.mark.parametrize("after", [0, 30])
def test_an_error_of_the_model_leaves_nothing(film: Path, tmp_path: Path, after: int) -> None:
    left = [after]

    def fail(pictures: torch.Tensor) -> torch.Tensor:
        left[0] -= len(pictures)
        if left[0] < 0:
            raise RunError("cannot be computed")
        return pictures

    assert "cannot be computed" in refused(film, tmp_path / "out.mp4", Fake(fail))


def test_ctrl_c_leaves_nothing_and_ends_every_thread(film: Path, tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import os, signal, sys, threading, time
        from pathlib import Path
        from tests.videos import Fake
        from toonforge.use.video import translate_video
        def slow(pictures):
            time.sleep(0.05)
            return pictures
        def begun(done, total):
            if done > 5:
                os.kill(os.getpid(), signal.SIGINT)
        try:
            translate_video(Fake(slow), sys.argv[1], sys.argv[2], batch=1, progress=begun)
        except KeyboardInterrupt:
            print("stopped", [thread.name for thread in threading.enumerate() if "toonforge" in thread.name])
    """)
    done = subprocess.run(
        [sys.executable, "-c", code, str(film), str(tmp_path / "out.mp4")],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert done.stdout == "stopped []\n", done.stderr
    assert not list(tmp_path.iterdir())


def test_whoever_asks_can_stop_it(film: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    outcome = translate_video(
        SAME,
        film,
        tmp_path / "out.mp4",
        batch=2,
        progress=lambda done, _: seen.append(done),
        stop=lambda: len(seen) > 3,
    )
    assert outcome.stopped and outcome.frames == 8 and not list(tmp_path.iterdir())


def test_a_film_that_is_torn_off_gives_its_frames_up_to_there(film: Path, tmp_path: Path) -> None:
    content = film.read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) // 2])
    outcome = translate_video(SAME, tmp_path / "a.mkv", tmp_path / "out.mp4")
    assert 20 < outcome.frames < 60
    numbers = videos.numbers(outcome.target)
    assert numbers[:20] == [*range(20)] and numbers == sorted(numbers)
    assert len(outcome.damage) == 1 and "the file ends after 1." in outcome.damage[0]


def test_an_end_that_is_missing_by_less_than_a_second_is_said(film: Path, tmp_path: Path) -> None:
    content = film.read_bytes()
    (tmp_path / "a.mkv").write_bytes(content[: len(content) * 93 // 100])
    outcome = translate_video(SAME, tmp_path / "a.mkv", tmp_path / "out.mp4")
    assert 60 < outcome.frames < 75
    assert len(outcome.damage) == 1 and outcome.damage[0].endswith(" of 3.0 seconds")


def test_damaged_frames_are_left_out_and_counted_and_the_others_keep_their_times(tmp_path: Path) -> None:
    source = films.film(tmp_path / "a.mov", films.scene(1, 30, 48, 64), codec="png", pixels="rgb24")
    content = bytearray(source.read_bytes())
    at = content.index(b"\x89PNG", len(content) // 2)
    content[at : at + 40] = bytes(40)
    source.write_bytes(content)
    outcome = translate_video(SAME, source, tmp_path / "out.mp4")
    assert outcome.frames == 29 and "1 damaged frame left out, the first at 0." in outcome.damage[0]
    for when, number in zip(videos.times(outcome.target), videos.numbers(outcome.target)):
        assert when == pytest.approx(number / 25, abs=1e-3)


@settings(max_examples=30)
@given(
    given_=st.lists(st.tuples(st.none() | st.integers(0, 300), st.integers(0, 90)), min_size=2, max_size=8),
)
def test_times_only_grow_and_where_they_jump_back_each_frame_follows_the_one_before(
    given_: list[tuple[int | None, int]],
) -> None:
    """Of frames that do not say how long they last (0), as long as one of the film's rate: 40 ms."""
    film = Film(Path("a.mkv"))
    film.unit, film.rate = Fraction(1, 1000), Fraction(25)
    found: list[tuple[int, int]] = []
    for time, lasts in given_:
        found.append(film._time(SimpleNamespace(pts=time, duration=lasts)))  # type: ignore[arg-type]
        if len(found) > 1:
            before, lasted = found[-2]
            follows = time is None or time <= before
            assert found[-1] == (before + (lasted or 40) if follows else time, lasts)
            assert found[-1][0] > before


def test_an_index_that_is_torn_off_is_said(tmp_path: Path) -> None:
    source = films.film(tmp_path / "a.mp4", films.scene(1, 20))
    source.write_bytes(source.read_bytes()[:-2000])
    assert "its index is torn off" in refused(source, tmp_path / "out.mp4")


def test_too_little_memory_means_fewer_frames_at_once(film: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def small(pictures: torch.Tensor) -> torch.Tensor:
        seen.append(len(pictures))
        if len(pictures) > 3:
            raise RunError("too large") from torch.cuda.OutOfMemoryError("out of memory")
        return pictures

    outcome = translate_video(Fake(small), film, tmp_path / "out.mp4", batch=16)
    assert videos.numbers(outcome.target) == [*range(75)]
    assert seen[:4] == [16, 8, 4, 2] and max(seen[3:]) == 2


def test_batches_are_small_on_a_cpu_and_never_empty() -> None:
    assert batch_for("cpu", 4000, 4000) == batch_for("cuda", 4000, 4000) == 1
    assert batch_for("cpu", 256, 256) < batch_for("cuda", 256, 256) <= 16


def test_an_error_ahead_comes_in_its_turn_and_what_is_unwanted_is_closed() -> None:
    closed: list[bool] = []

    def source() -> Iterator[int]:
        try:
            yield 1
            yield 2
            raise ValueError("three")
        finally:
            closed.append(True)

    results = ahead(source())
    assert [next(results), next(results)] == [1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    other = ahead(source())
    assert next(other) == 1
    other.close()
    assert closed == [True, True]
