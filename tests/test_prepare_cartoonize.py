"""`cartoonize` and `smooth_edges` over folders: the filters' pictures, under names that match, whatever the files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import fill, gradient, save
from toonforge.data import PairedFolders, read_picture, scale_short_side
from toonforge.data import cartoonize as cartoon_of
from toonforge.data import smooth_edges as smoothed
from toonforge.data.files import item_name
from toonforge.data.filters.cartoonize import STYLES
from toonforge.errors import DataError, ToonforgeError
from toonforge.prepare.engine.work import Report
from toonforge.prepare.pairing.matching import match
from toonforge.prepare.verbs import names
from toonforge.prepare.verbs.cartoonize import Cartoonize, cartoonize
from toonforge.prepare.verbs.smooth_edges import smooth_edges


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    save(tmp_path / "photos/large.png", 60, 90)
    save(tmp_path / "photos/summer/tall.PNG", 90, 50, seed=3)
    save(tmp_path / "photos/small.png", 20, 30, seed=5)
    return tmp_path / "photos"


def test_each_is_the_filters_picture_of_the_scaled_photograph(photos: Path, tmp_path: Path) -> None:
    report = cartoonize(photos, tmp_path / "out", styles="classic", size=40)
    assert {row.source: row.output for row in report.rows} == {
        "large.png": "large.png",
        "small.png": "small.png",
        "summer/tall.PNG": "summer/tall.png",
    }
    for row in report.rows:
        photo = read_picture(photos / row.source)
        scaled = photo if min(photo.shape[:2]) <= 40 else scale_short_side(photo, 40)  # never up
        drawn = read_picture(report.out / row.output)
        assert np.array_equal(drawn, cartoon_of(scaled, "classic"))
        assert dict(row.figures) == {"style": "classic", "width": drawn.shape[1], "height": drawn.shape[0]}


def test_full_size_is_kept(photos: Path, tmp_path: Path) -> None:
    report = cartoonize(photos, tmp_path / "out", size=None)
    for row in report.rows:
        assert np.array_equal(read_picture(report.out / row.output), cartoon_of(read_picture(photos / row.source)))


def test_smoothed_edges_are_the_filters(photos: Path, tmp_path: Path) -> None:
    report = smooth_edges(photos, tmp_path / "out", low=20, high=40, kernel=3, size=None)
    for row in report.rows:
        picture = read_picture(photos / row.source)
        expected = smoothed(picture, low=20, high=40, size=3)
        assert np.array_equal(read_picture(report.out / row.output), expected)
        assert row.figures["smoothed"] == round(float((picture != expected).any(-1).mean()), 4)
    assert any(row.figures["smoothed"] for row in report.rows)


@pytest.mark.parametrize(("format", "exact"), [("png", True), ("webp", True), ("jpg", False)])
def test_formats(photos: Path, tmp_path: Path, format: str, exact: bool) -> None:
    report = cartoonize(photos, tmp_path / "out", styles="poster", format=format)
    for row in report.rows:
        assert row.output.endswith(f".{format}")
        drawn, expected = read_picture(report.out / row.output), cartoon_of(read_picture(photos / row.source), "poster")
        if exact:
            assert np.array_equal(drawn, expected)
        else:
            assert np.abs(drawn.astype(int) - expected).mean() < 8


def test_a_files_name_and_the_seed_draw_its_style() -> None:
    task = Cartoonize(styles=("classic", "soft", "sketch"), seed=0, size=None, format="png")
    names = [f"summer/picture{number}.jpg" for number in range(600)]
    styles = [task.style(name) for name in names]
    assert min(Counter(styles).values()) > 150 and len(set(styles)) == 3
    assert [task.style(name.replace(".jpg", ".PNG")) for name in names] == styles
    other = Cartoonize(styles=task.styles, seed=1, size=None, format="png")
    assert [other.style(name) for name in names] != styles


def test_files_that_are_added_move_no_style(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", 6)
    both = ("poster", "sketch")
    before = {row.source: row for row in cartoonize(photos, tmp_path / "out", styles=both).rows}
    assert {row.figures["style"] for row in before.values()} == set(both)
    fill(photos, 3, prefix="another")
    after = {row.source: row for row in cartoonize(photos, tmp_path / "out", styles=both).rows}
    assert len(after) == 9 and {name: after[name] for name in before} == before


def test_photographs_and_cartoons_are_pairs(tmp_path: Path) -> None:
    photos = fill(tmp_path / "photos", 4)
    fill(photos / "summer", 4, ending=".JPG")
    out = cartoonize(photos, tmp_path / "out", format="webp").out
    PairedFolders(fields={"photo": photos, "cartoon": out}, image_size=16).verify()


def test_one_name_with_two_endings_gives_two_cartoons(tmp_path: Path) -> None:
    save(tmp_path / "photos/beach.jpg")
    save(tmp_path / "photos/beach.png", seed=3)
    report = cartoonize(tmp_path / "photos", tmp_path / "out", size=None)
    assert [row.output for row in report.rows] == ["beach.jpg.png", "beach.png.png"]
    reason = "cannot be paired: beach.jpg and beach.png have one name, their endings aside; rename it"
    assert [row.reason for row in report.rows] == [reason] * 2
    one, other = (read_picture(report.out / row.output) for row in report.rows)
    assert not np.array_equal(one, other)
    (tmp_path / "photos/beach.png").rename(tmp_path / "photos/sea.png")
    rows = [
        row for row in cartoonize(tmp_path / "photos", tmp_path / "out", size=None).rows if row.source != "beach.png"
    ]
    assert [(row.output, row.reason) for row in rows] == [("beach.png", ""), ("sea.png", "")]


@pytest.mark.parametrize("verb", [cartoonize, smooth_edges])
def test_whatever_is_written_without_a_reason_is_a_pair(tmp_path: Path, verb: Callable[..., Report]) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    alone = ["UPPER.JPG", "Upper.PNG", "upper.webp", "sub/Deep.png", "Sub/deep.jpg", "one.two.jpg", "e.jpg.jpg"]
    twice = ["anim.gif", "anim.webp", "same.jpg", "same.png", "SUB/x.png", "SUB/x.jpg", "Sub--y.png", "Sub/y.png"]
    for number, name in enumerate([*alone, *twice, "e\u0301.png", "\xe9.jpg"]):
        save(photos / name, seed=number)
    report = verb(photos, out)
    assert {row.source for row in report.rows if not row.reason} == {*alone}
    assert len({row.output for row in report.rows}) == len(report.rows)
    sides = [{item_name(getattr(row, side)) for row in report.rows if not row.reason} for side in ("source", "output")]
    assert sides[0] == sides[1]
    found = match([photos, out])
    assert {item.files[0].name.removeprefix("photos/") for item in found.items} >= {*alone}
    assert list(verb(photos, out).rows) == list(report.rows)


def test_names_that_differ_in_case_alone_are_kept_apart_where_the_disk_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "photos/UPPER.jpg")
    save(tmp_path / "photos/Upper.png", seed=3)
    save(tmp_path / "photos/else.png", seed=4)
    monkeypatch.setattr("toonforge.prepare.verbs.names._tells_case_apart", lambda folder: False)
    report = cartoonize(tmp_path / "photos", tmp_path / "out")
    assert [row.output for row in report.rows] == ["UPPER.jpg.png", "Upper.png.png", "else.png"]
    reasons = [row.reason for row in report.rows]
    assert reasons[0] == reasons[1] and reasons[2] == ""
    assert "UPPER.jpg and Upper.png have one name on a disk that takes upper for lower case" in reasons[0]


def test_a_name_that_a_folder_has_is_no_pair(tmp_path: Path) -> None:
    save(tmp_path / "photos/x.jpg")
    save(tmp_path / "photos/x.png/y.jpg", seed=3)
    rows = cartoonize(tmp_path / "photos", tmp_path / "out").rows
    assert [(row.output, bool(row.reason)) for row in rows] == [("x.jpg.png", True), ("x.png/y.png", False)]


def test_the_disk_is_asked_without_leaving_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert names._tells_case_apart(tmp_path / "not/yet/there") == (
        not (tmp_path.parent / tmp_path.name.upper()).exists()
    )
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("os.path.exists", lambda path: True)
    assert not names._tells_case_apart(tmp_path)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)
    assert not names._tells_case_apart(tmp_path)


def fail(**how: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_odd_files_become_cartoons_or_are_named(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(gradient()).convert("CMYK").save(photos / "cmyk.jpg")
    Image.fromarray(gradient()).convert("P").save(photos / "palette.gif")
    Image.fromarray(gradient()).convert("RGBA").save(photos / "alpha.png")
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(photos / "sixteen.png")
    Image.new("RGB", (1, 1)).save(photos / "one.png")
    (photos / "empty.jpg").write_bytes(b"")
    (photos / "cut.jpg").write_bytes((photos / "cmyk.jpg").read_bytes()[:400])
    for verb in (cartoonize, smooth_edges):
        report = verb(photos, tmp_path / verb.__name__)
        assert report.counts == {"written": 5, "unreadable": 2}
        assert [row.source for row in report.rows if row.action == "unreadable"] == ["cut.jpg", "empty.jpg"]


def test_the_sources_are_only_read(photos: Path, tmp_path: Path) -> None:
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in photos.rglob("*.*")}
    cartoonize(photos, tmp_path / "out", size=30)
    smooth_edges(photos, tmp_path / "smooth", size=30)
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in photos.rglob("*.*")} == before


def test_the_manifest_has_the_figures(photos: Path, tmp_path: Path) -> None:
    out = cartoonize(photos, tmp_path / "out", styles=["bold"]).out
    with (out / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["style"] for row in rows] == ["bold"] * 3 and rows[0]["width"] == "90"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"styles": "clasic"}, "did you mean 'classic'"),
        ({"styles": ()}, "unknown style"),
        ({"size": 0}, "at least 1"),
        ({"format": "tiff"}, "png, jpg, webp"),
    ],
)
def test_what_will_not_do_is_refused(photos: Path, tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        cartoonize(photos, tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("options", [{"kernel": 4}, {"kernel": 99}, {"low": 50, "high": 20}, {"low": -1}])
def test_thresholds_that_will_not_do_are_refused(photos: Path, tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(DataError, match="will not do"):
        smooth_edges(photos, tmp_path / "out", **options)  # type: ignore[arg-type]


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for folder, message in (("photos", "holds no pictures"), ("absent", "does not exist")):
        with pytest.raises(DataError, match=message):
            cartoonize(tmp_path / folder, tmp_path / "out")


def test_without_opencv_it_says_what_to_install(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.extras.find_spec", lambda module: None)
    with pytest.raises(ToonforgeError, match="filters"):
        cartoonize(photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("style", STYLES)
def test_every_style_can_be_asked_for(photos: Path, tmp_path: Path, style: str) -> None:
    report = cartoonize(photos, tmp_path / "out", styles=style, size=24)
    assert {row.figures["style"] for row in report.rows} == {style}
