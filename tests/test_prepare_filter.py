"""`toonforge data filter`: what it keeps and puts aside, that it loses and changes nothing, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tests.scenes import Picture, barred, gray, photo, sepia
from toonforge.cli import main
from toonforge.data.reading.picture import read_picture
from toonforge.data.reading.pillow import kinds
from toonforge.errors import DataError, ToonforgeError
from toonforge.prepare import Limits
from toonforge.prepare.engine import work as engine
from toonforge.prepare.quality.bars import Bars, letterbox
from toonforge.prepare.quality.judging import Look, faults
from toonforge.prepare.verbs.filter import filter_pictures

BARS = Bars(top=40, bottom=40)
BAD: dict[str, Callable[[Picture], Picture]] = {
    "small": lambda p: np.asarray(Image.fromarray(p).resize((200, 150))),
    "long": lambda p: np.tile(p, (1, 3, 1)),
    "dark": lambda p: (p * 0.12).astype(np.uint8),
    "empty": lambda p: np.full_like(p, 200),
    "gray": sepia,
    "blurred": lambda p: np.asarray(Image.fromarray(p).filter(ImageFilter.GaussianBlur(4))),
    "letterbox": lambda p: barred(p, BARS),
}


def write(picture: Picture, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder: its bytes' digest and its time."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


@pytest.fixture
def photos(tmp_path: Path, made: Path) -> Path:
    """Two good pictures, one bad one of each kind, one that is bad in two ways, and two that cannot be read."""
    return Path(shutil.copytree(made, tmp_path / "photos"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    write(photo(), folder / "good.png")
    write(photo(1), folder / "summer holidays" / "Größe 😀.JPG")
    for name, spoil in BAD.items():
        write(spoil(photo(2)), folder / "bad" / f"{name}.png")
    write(BAD["blurred"](gray(photo(3))), folder / "two.webp")
    (folder / "bad" / "text.jpg").write_text("no picture")
    (folder / "bad" / "torn.png").write_bytes((folder / "good.png").read_bytes()[:5000])
    return folder


def test_every_picture_lands_in_one_place_and_no_source_changes(photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    report = filter_pictures(photos, tmp_path / "out")
    assert tree(photos) == before
    assert [row.source for row in report.rows] == sorted(before)
    placed = {row.output: row.source for row in report.rows if row.action in ("kept", "aside")}
    there = {name: what for name, what in tree(tmp_path / "out").items() if not name.startswith("manifest.")}
    assert there == {output: before[source] for output, source in placed.items()}  # bytes and times
    assert sum(report.counts.values()) == len(before)
    assert report.counts == {"aside": 8, "kept": 2, "unreadable": 2}


def test_each_fault_is_found_and_told_with_its_figures(photos: Path, tmp_path: Path) -> None:
    rows = {row.source: row for row in filter_pictures(photos, tmp_path / "out").rows}
    for name in BAD:
        row = rows[f"bad/{name}.png"]
        assert (row.action, row.output) == ("aside", f"aside/{name}/bad/{name}.png")
        assert row.reason.startswith(f"{name}: ") and any(char.isdigit() for char in row.reason)
    assert rows["bad/small.png"].reason.startswith("small: 200x150 pixels, short side less than 256")
    assert rows["bad/letterbox.png"].figures["bars"] == pytest.approx(80 / 368, abs=1e-4)
    both = rows["two.webp"].reason
    assert "gray: colour spread 0" in both and "; blurred: sharpness " in both and "less than 40" in both
    assert "no picture of a known kind" in rows["bad/text.jpg"].reason and rows["bad/torn.png"].reason
    assert not rows["good.png"].reason


def test_the_manifest_is_a_table_of_all_figures(photos: Path, tmp_path: Path) -> None:
    report = filter_pictures(photos, tmp_path / "out")
    with (tmp_path / "out" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["source"] for row in rows] == [row.source for row in report.rows]
    for row in rows:
        assert (row["action"] == "unreadable") == (row["sharpness"] == "")
        if row["output"]:
            assert (tmp_path / "out" / row["output"]).is_file()
    assert json.loads((tmp_path / "out" / "manifest.json").read_bytes())["settings"]["min_sharpness"] == 40


def test_limits_that_are_switched_off_find_nothing(photos: Path, tmp_path: Path) -> None:
    off = Limits(**dict.fromkeys(attrs.fields_dict(Limits), 0))
    report = filter_pictures(photos, tmp_path / "out", limits=off, letterbox="keep")
    assert report.counts == {"kept": 10, "unreadable": 2}


def test_cropping_keeps_the_picture_without_its_bars(tmp_path: Path) -> None:
    avif = ["h.avif"] if "AVIF" in kinds() else []  # before Pillow 11.3
    for name in ("a.png", "b.bmp", "c.tif", "d.webp", "e.jpg", "f.JPEG", *avif):
        write(barred(photo(), BARS), tmp_path / "in" / name)
    Image.fromarray(barred(photo(), BARS)).quantize(200).save(tmp_path / "in" / "g.gif")
    before = tree(tmp_path / "in")
    report = filter_pictures(tmp_path / "in", tmp_path / "out", letterbox="crop")
    assert report.counts == {"cropped": 7 + len(avif)} and tree(tmp_path / "in") == before
    for row in report.rows:
        assert row.output == f"kept/{row.source}" and row.reason.startswith("bars cut off, in pixels: top ")
        bars = letterbox(read_picture(tmp_path / "in" / row.source))
        assert abs(bars.top - 40) <= 1 and abs(bars.bottom - 40) <= 1
        result = read_picture(tmp_path / "out" / row.output).astype(int)
        wrong = np.abs(result - bars.cut(read_picture(tmp_path / "in" / row.source)))
        assert wrong.mean() < 3 if row.source[0] in "ef" else wrong.max() <= (3 if row.source[0] == "h" else 0)


@pytest.mark.parametrize("ending", ["jpg", "gif", "avif"])
def test_cropping_keeps_the_format_of_a_file_that_has_the_ending_of_another(tmp_path: Path, ending: str) -> None:
    picture = barred(photo(), BARS)
    (tmp_path / "in").mkdir()
    Image.fromarray(picture).save(tmp_path / "in" / f"a.{ending}", "PNG")
    (row,) = filter_pictures(tmp_path / "in", tmp_path / "out", letterbox="crop").rows
    assert row.action == "cropped"
    assert np.array_equal(read_picture(tmp_path / "out" / row.output), photo())


def test_a_picture_that_is_too_small_without_its_bars_is_small(tmp_path: Path) -> None:
    write(barred(photo()[:240], BARS), tmp_path / "in" / "a.png")
    assert (
        filter_pictures(tmp_path / "in", tmp_path / "one", letterbox="crop").rows[0].reason.startswith("small: 384x240")
    )
    assert filter_pictures(tmp_path / "in", tmp_path / "two", letterbox="keep").counts == {"kept": 1}


def test_the_number_of_workers_changes_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = filter_pictures(photos, tmp_path / "one", workers=1)
    monkeypatch.setattr(engine, "FEW", 0)  # which are done without processes
    three = filter_pictures(photos, tmp_path / "three", workers=3)
    assert one.rows == three.rows
    assert {k: v for k, v in tree(one.out).items() if k != "manifest.json"}.keys() == tree(three.out).keys() - {
        "manifest.json"
    }
    assert (one.out / "manifest.csv").read_bytes() == (three.out / "manifest.csv").read_bytes()


def test_again_does_nothing_and_what_changed_is_judged_anew(photos: Path, tmp_path: Path) -> None:
    first = filter_pictures(photos, tmp_path / "out")
    written = tree(tmp_path / "out")
    again = filter_pictures(photos, tmp_path / "out")
    assert again.rows == first.rows
    assert {k: v for k, v in tree(tmp_path / "out").items() if "manifest" not in k} == {
        k: v for k, v in written.items() if "manifest" not in k
    }
    write(BAD["dark"](photo()), photos / "good.png")
    (photos / "two.webp").unlink()
    rows = {row.source: row for row in filter_pictures(photos, tmp_path / "out", prune=True).rows}
    assert rows["good.png"].output == "aside/dark/good.png" and "two.webp" not in rows
    left = tree(tmp_path / "out")
    assert "kept/good.png" not in left and not [name for name in left if name.endswith("two.webp")]


def test_kept_pictures_whose_files_are_gone_stay_until_they_are_pruned(photos: Path) -> None:
    first = filter_pictures(photos)
    before = tree(first.out)
    (photos / "good.png").unlink()
    again = filter_pictures(photos)
    assert again.rows == first.rows and again.gone == ("good.png",)
    assert {**before, **tree(again.out)}["kept/good.png"] == before["kept/good.png"]
    assert (again.out / "kept/good.png").is_file()
    assert not (filter_pictures(photos, prune=True).out / "kept/good.png").exists()


def test_other_limits_are_refused_until_forced(photos: Path, tmp_path: Path) -> None:
    filter_pictures(photos, tmp_path / "out")
    with pytest.raises(DataError, match=r"min_side was 256, and is 100 now"):
        filter_pictures(photos, tmp_path / "out", limits=Limits(min_side=100))
    report = filter_pictures(photos, tmp_path / "out", limits=Limits(min_side=100), force=True)
    rows = {row.source: row for row in report.rows}
    assert rows["bad/small.png"].output == "kept/bad/small.png"
    assert "aside/small/bad/small.png" not in tree(tmp_path / "out")


def test_links_share_their_bytes_with_the_sources(photos: Path, tmp_path: Path) -> None:
    filter_pictures(photos, tmp_path / "out", link=True)
    assert (tmp_path / "out" / "kept" / "good.png").samefile(photos / "good.png")


# Faces


def test_faces_are_looked_for_only_where_asked(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sides = {384: (0, 0, 72, 72)}  # a quarter of the short side of 288, in pictures 384 wide
    monkeypatch.setattr(
        "toonforge.data.faces.FaceFinder", lambda: lambda picture: sides.get(picture.shape[1]), raising=True
    )
    module = sys.modules["toonforge.prepare.verbs.filter"]

    module._finder.cache_clear()
    try:
        reasons = {
            ratio: {row.source: row.reason for row in filter_pictures(photos, tmp_path / str(i), limits=limits).rows}
            for i, (ratio, limits) in enumerate(
                {"none": Limits(), "more": Limits(min_face=0.3), "less": Limits(max_face=0.2)}.items()
            )
        }
    finally:
        module._finder.cache_clear()
    assert reasons["none"]["good.png"] == ""
    assert reasons["more"]["good.png"] == "small-face: face 0.25, less than 0.3"
    assert reasons["less"]["good.png"] == "large-face: face 0.25, more than 0.2"
    assert reasons["more"]["bad/small.png"].endswith("; no-face: no frontal face found")


def test_a_face_is_measured_against_the_picture_that_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.data.faces.FaceFinder", lambda: lambda picture: (0, 0, 72, 72))
    write(barred(photo(), BARS), tmp_path / "in" / "a.png")  # 288 pixels high, 368 with its bars
    module = sys.modules["toonforge.prepare.verbs.filter"]
    module._finder.cache_clear()
    try:
        rows = {
            letterbox: filter_pictures(
                tmp_path / "in", tmp_path / letterbox, limits=Limits(min_face=0.22), letterbox=letterbox
            ).rows[0]
            for letterbox in ("crop", "keep")
        }
    finally:
        module._finder.cache_clear()
    assert (rows["crop"].action, rows["crop"].figures["face"]) == ("cropped", 0.25)
    assert rows["keep"].reason == "small-face: face 0.1957, less than 0.22"


# Judging

looks = st.builds(
    Look,
    width=st.integers(1, 2000),
    height=st.integers(1, 2000),
    brightness=st.floats(0, 1),
    contrast=st.floats(0, 0.5),
    colourfulness=st.floats(0, 200),
    colour_spread=st.floats(0, 60),
    sharpness=st.floats(0, 5000),
    bars=st.floats(0, 1),
    face=st.one_of(st.just(""), st.floats(0, 1)),
)
limits = st.builds(
    Limits,
    min_side=st.integers(0, 600),
    max_aspect=st.floats(0, 5),
    min_colour=st.floats(0, 30),
    min_sharpness=st.floats(0, 500),
    min_brightness=st.floats(0, 1),
    min_contrast=st.floats(0, 0.5),
    min_face=st.floats(0, 0.5),
    max_face=st.one_of(st.just(0.0), st.floats(0.5, 1)),
)


@given(looks, limits, st.booleans())
def test_switching_a_limit_off_takes_its_fault_away_and_no_other(look: Look, limits: Limits, bars: bool) -> None:
    found = faults(look, limits, letterboxed=bars)
    assert len({fault.name for fault in found}) == len(found)
    of = {
        "min_side": {"small"},
        "max_aspect": {"long"},
        "min_colour": {"gray"},
        "min_sharpness": {"blurred"},
        "min_brightness": {"dark"},
        "min_contrast": {"empty"},
    }
    for key, names in of.items():
        without = faults(look, attrs.evolve(limits, **{key: 0}), letterboxed=bars)
        assert without == tuple(fault for fault in found if fault.name not in names)


# What is refused


@pytest.mark.parametrize("values", [{"min_side": -1}, {"min_brightness": 1.5}, {"min_sharpness": float("nan")}])
def test_a_limit_out_of_range_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(DataError, match="out of range"):
        Limits(**values)  # type: ignore[arg-type]


def test_limits_that_no_face_can_meet_are_refused() -> None:
    with pytest.raises(DataError, match=r"0\.5 and 0\.3"):
        Limits(min_face=0.5, max_face=0.3)


def test_an_unknown_way_with_bars_is_refused(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="aside, crop, keep"):
        filter_pictures(photos, tmp_path / "out", letterbox="cut")


def test_faces_without_opencv_are_refused_before_anything_is_written(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toonforge.extras.find_spec", lambda name: None)
    with pytest.raises(ToonforgeError, match="finding faces needs OpenCV"):
        filter_pictures(photos, tmp_path / "out", limits=Limits(min_face=0.3))
    assert not (tmp_path / "out").exists()


def test_the_command_writes_beside_and_tells_what_it_did(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "filter", str(photos)]) == 0
    told = capsys.readouterr().out
    assert "aside, each by its gravest fault: gray 2, " in told
    assert "10 pictures in" in told and "kept" in told and "aside" in told and "manifest.csv" in told
    assert (photos.parent / "photos-filtered" / "kept" / "good.png").is_file()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["nowhere"], "does not exist"),
        (["photos", "-o", "photos/out"], "lies in"),
        (["photos", "-o", "."], "holds"),
        (["photos", "--min-side", "-3"], "min-side"),
        (["photos", "--letterbox", "cut"], "letterbox"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gives_code_2_and_one_message(
    photos: Path, words: list[str], hint: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos.parent)
    assert main(["data", "filter", *words]) == 2
    error = capsys.readouterr().err
    assert hint in error and "Traceback" not in error
