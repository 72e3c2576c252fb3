"""A translated film has the frames, the times, the sound and the titles of the film, and the colours of the model."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import films, videos
from tests.videos import NEGATIVE, SAME, with_sound
from toonforge.use.look import Look
from toonforge.use.video import film as translation
from toonforge.use.video import reading, translate_video
from toonforge.use.video.writing import ENCODERS

FRAMES = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two tracks of sound, as telephones and cameras make them."""
    path = tmp_path_factory.mktemp("video") / "film.mp4"
    titles = {"title": "Ein schöner Tag", "artist": "Zoë"}
    return with_sound(path, films.scene(1, FRAMES), sound=("aac", "aac"), metadata=titles)


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".m4v"])
def test_frames_times_and_sound_are_those_of_the_film(film: Path, tmp_path: Path, ending: str) -> None:
    outcome = translate_video(SAME, film, tmp_path / f"out{ending}")
    assert videos.numbers(outcome.target) == [*range(FRAMES)]
    assert videos.times(outcome.target) == videos.times(film)
    for track in (0, 1):
        assert videos.packets(outcome.target, track) == videos.packets(film, track)
    assert (outcome.frames, outcome.seconds, outcome.size) == (FRAMES, FRAMES / 25, (160, 120))
    assert not outcome.notes and not outcome.damage and not outcome.stopped


def test_frames_and_sound_keep_their_times_where_sound_begins_before_0(film: Path, tmp_path: Path) -> None:
    """As that of MP4 does, with what its decoder needs to settle."""
    out = translate_video(SAME, film, tmp_path / "out.mkv").target
    sound, before = videos.packets(out), videos.packets(film)
    assert [data for _, data in sound] == [data for _, data in before]
    assert before[0][0] < -0.02
    assert [time for time, _ in sound] == pytest.approx([time for time, _ in before], abs=1e-3)
    assert videos.times(out) == pytest.approx(videos.times(film), abs=1e-6)


def test_the_film_keeps_titles_languages_and_chapters(film: Path, tmp_path: Path) -> None:
    chaptered = tmp_path / "chaptered.mp4"
    with av.open(str(film)) as given_, av.open(str(chaptered), "w") as out:
        added = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in given_.streams}
        for index, stream in added.items():
            stream.metadata.update(given_.streams[index].metadata)
        out.metadata.update({"title": given_.metadata["title"], "artist": given_.metadata["artist"]})
        chapter = {"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {"title": "Morgen"}}
        out.set_chapters([chapter])
        for packet in given_.demux():
            if packet.dts is not None:
                packet.stream = added[packet.stream_index]
                out.mux(packet)
    outcome = translate_video(SAME, chaptered, tmp_path / "out.mp4")
    with av.open(str(outcome.target)) as out:
        assert (out.metadata["title"], out.metadata["artist"]) == ("Ein schöner Tag", "Zoë")
        assert [stream.language for stream in out.streams.audio] == ["ger", "eng"]
        assert [chapter["metadata"]["title"] for chapter in out.chapters()] == ["Morgen"]


@pytest.mark.parametrize(("ending", "codec"), [(".mp4", "h264"), (".mkv", "h264"), (".webm", "vp9")])
def test_each_frame_is_translated_and_finished(film: Path, tmp_path: Path, ending: str, codec: str) -> None:
    out = translate_video(NEGATIVE, film, tmp_path / f"out{ending}").target
    half = translate_video(NEGATIVE, film, tmp_path / f"half{ending}", look=Look(strength=0.5)).target
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    for before, after, between in zip(videos.pictures(film), videos.pictures(out), videos.pictures(half)):
        assert np.abs(255.0 - before - after).mean() < 3
        assert np.abs(127.5 - between).mean() < 3


def test_sound_that_a_container_does_not_take_is_encoded_anew_and_said(film: Path, tmp_path: Path) -> None:
    outcome = translate_video(SAME, film, tmp_path / "out.webm")
    assert outcome.notes[0] == "sound track 1 encoded anew: webm does not take aac"
    for track in (0, 1):
        hertz, seconds = videos.pitch(outcome.target, track)
        assert hertz == pytest.approx(440 * (1 + track), abs=2)
        assert seconds == pytest.approx(FRAMES / 25, abs=0.05)
    with av.open(str(outcome.target)) as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams.audio] == ["opus", "opus"]
        assert [stream.language for stream in container.streams.audio] == ["ger", "eng"]


def test_films_without_sound_and_of_other_kinds_become_mp4(tmp_path: Path) -> None:
    for name, codec in (("a.avi", "mpeg4"), ("a.ts", "libx264"), ("a.mpg", "mpeg2video")):
        source = films.film(tmp_path / name, films.scene(2, 12), codec=codec)
        out = translate_video(SAME, source, tmp_path / f"{name}.mp4").target
        assert videos.numbers(out) == [*range(12)]
        assert videos.times(out) == pytest.approx([i / 25 for i in range(13)], abs=1e-3)


def test_subtitles_are_copied_or_named(film: Path, tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nGuten Tag\n", "utf-8")
    titled = tmp_path / "titled.mkv"
    with av.open(str(film)) as given_, av.open(str(tmp_path / "a.srt")) as lines, av.open(str(titled), "w") as out:
        frames_ = out.add_stream_from_template(given_.streams.video[0], opaque=True)
        texts = out.add_stream_from_template(lines.streams[0])
        for packet, to in [(p, frames_) for p in given_.demux(video=0)] + [(p, texts) for p in lines.demux()]:
            if packet.dts is not None:
                packet.stream = to
                out.mux(packet)
    kept = translate_video(SAME, titled, tmp_path / "kept.mkv")
    assert not kept.notes
    assert videos.packets(kept.target, kind="subtitles") == videos.packets(titled, kind="subtitles")
    left = translate_video(SAME, titled, tmp_path / "left.mp4")
    assert left.notes == ("subtitles 1 (subrip) left out: mp4 does not take them",)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(gaps=st.lists(st.integers(40, 400), min_size=3, max_size=12), late=st.integers(0, 700), batch=st.integers(1, 5))
def test_every_time_of_a_variable_frame_rate_is_kept(tmp_path: Path, gaps: list[int], late: int, batch: int) -> None:
    when = [late + sum(gaps[:i]) for i in range(len(gaps) + 1)]
    source = films.film(tmp_path / "a.mp4", films.scene(3, len(when), 48, 64), times=when, options={"bf": "0"})
    out = translate_video(SAME, source, tmp_path / "out.mp4", batch=batch, force=True).target
    assert videos.times(out)[:-1] == pytest.approx([time / 1000 for time in when], abs=1e-6)
    assert videos.times(out) == videos.times(source)
    assert videos.length(out) == videos.length(source)


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_a_film_whose_frames_are_stored_out_of_order_is_not_longer(tmp_path: Path, ending: str) -> None:
    """What such a file says of how long single frames are shown is wrong."""
    source = films.film(tmp_path / "a.mp4", films.scene(3, 7, 48, 64), times=[0, 40, 440, 480, 780, 790, 800])
    outcome = translate_video(SAME, source, tmp_path / f"out{ending}")
    assert videos.length(outcome.target) == videos.length(source) == outcome.seconds == 0.84


def test_frames_that_begin_after_the_sound_do_so_in_the_translation(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "a.mp4", films.scene(1, 20), late=Fraction(1, 2))
    outcome = translate_video(SAME, source, tmp_path / "out.mp4")
    out = outcome.target
    assert videos.times(out) == videos.times(source)
    assert videos.times(out)[0] == 0.5 and videos.packets(out) == videos.packets(source)
    assert outcome.seconds == pytest.approx(20 / 25)


def test_sound_that_is_stored_before_all_frames_is_not_held(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, held = tmp_path / "a.mkv", []
    at_once = {"max_interleave_delta": "1"}
    with av.open(str(film)) as given_, av.open(str(source), "w", container_options=at_once) as out:
        added = {stream.index: out.add_stream_from_template(stream, opaque=True) for stream in given_.streams}
        stored = [packet for packet in given_.demux() if packet.dts is not None]
        for packet in sorted(stored, key=lambda packet: packet.stream_index == 0):
            packet.stream = added[packet.stream_index]
            out.mux(packet)
    monkeypatch.setattr(reading, "SOUND", 1)
    monkeypatch.setattr(translation, "EARLY", 3)
    chained = translation._chained
    monkeypatch.setattr(
        translation, "_chained", lambda early, later: (held.append(len(early)), chained(early, later))[1]
    )
    outcome = translate_video(SAME, source, tmp_path / "out.mkv")
    assert held == [3]
    assert videos.numbers(outcome.target) == [*range(FRAMES)]
    assert videos.times(outcome.target) == pytest.approx(videos.times(source), abs=1e-6)
    for track in (0, 1):
        assert videos.packets(outcome.target, track) == videos.packets(source, track)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_films_of_telephones_come_out_upright(tmp_path: Path, turns: int) -> None:
    plain = films.scene(3, 6)
    source = videos.turned(films.film(tmp_path / "a.mp4", plain, number=False), turns)
    outcome = translate_video(SAME, source, tmp_path / "out.mp4")
    expected = np.rot90(plain[0], turns)
    assert outcome.size == (expected.shape[1], expected.shape[0])
    first = videos.frames(outcome.target)[0]
    assert first.rotation == 0
    assert np.abs(first.to_ndarray(format="rgb24").astype(float) - expected).mean() < 4


@pytest.mark.parametrize(("ending", "size"), [(".mp4", (162, 122)), (".webm", (161, 121))])
def test_odd_sizes_are_kept_or_lose_nothing(tmp_path: Path, ending: str, size: tuple[int, int]) -> None:
    source = films.film(tmp_path / "a.mkv", films.scene(2, 4, 121, 161), codec="ffv1", pixels="bgr0")
    outcome = translate_video(SAME, source, tmp_path / f"out{ending}")
    assert outcome.size == size
    assert any("161x121 became 162x122" in note for note in outcome.notes) == (ending == ".mp4")
    for before, after in zip(videos.pictures(source), videos.pictures(outcome.target)):
        assert after.shape == (size[1], size[0], 3)
        assert np.abs(before.astype(float) - after[:121, :161]).mean() < 4


def test_pixels_come_out_square(tmp_path: Path) -> None:
    source = films.film(tmp_path / "a.mkv", films.scene(3, 5), sample_aspect_ratio=Fraction(2, 1))
    outcome = translate_video(SAME, source, tmp_path / "out.mkv")
    assert outcome.size == (320, 120) and "not square (2)" in outcome.notes[0]


def test_a_build_without_h264_writes_mpeg4(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, "mp4", ("a-codec-of-nobody", "mpeg4"))
    out = translate_video(SAME, film, tmp_path / "out.mp4").target
    assert videos.times(out) == pytest.approx(videos.times(film), abs=1e-4)
    assert videos.numbers(out) == [*range(FRAMES)]
    assert max(np.abs(a.astype(float) - b).mean() for a, b in zip(videos.pictures(film), videos.pictures(out))) < 4


def test_progress_and_notes_are_told_as_they_come(film: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    notes: list[str] = []
    outcome = translate_video(
        SAME, film, tmp_path / "out.webm", batch=4, progress=lambda *at: seen.append(at), note=notes.append
    )
    assert [total for _, total in seen] == [FRAMES] * len(seen)
    assert [done for done, _ in seen] == [*range(4, FRAMES, 4), FRAMES]
    assert tuple(notes) == outcome.notes
