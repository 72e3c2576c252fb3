"""`cartoonize` and `smooth_edges` over folders: the filters' pictures, under names that match, whatever the files."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.pictures import fill, gradient, save
from toonforge.data import PairedFolders, read_picture, scale_short_side
from toonforge.data import cartoonize as cartoon_of
from toonforge.data import smooth_edges as smoothed
from toonforge.data.filters.cartoonize import STYLES
from toonforge.errors import DataError, ToonforgeError
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
    one, other = (read_picture(report.out / row.output) for row in report.rows)
    assert not np.array_equal(one, other)


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
