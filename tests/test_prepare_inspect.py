"""`toonforge data inspect`: what it finds, what it does not find, and that its page holds whatever files are called."""

from __future__ import annotations

import csv
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from functools import lru_cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tests.scenes import barred, gray, scene
from toonforge.cli import main
from toonforge.data.reading.picture import read_picture
from toonforge.errors import DataError, UnreadableImage
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.task import Outcome, Source
from toonforge.prepare.inspection.figures import folder_of
from toonforge.prepare.inspection.finding import FINE, LOOK, MEND, Finding, Shot, ordered, printable
from toonforge.prepare.inspection.folder import look_beside
from toonforge.prepare.inspection.measure import Measure
from toonforge.prepare.inspection.sheet import CELL, COLUMNS, GAP, MARGIN, RULE, Band, _shelves, draw_sheet
from toonforge.prepare.inspection.spread import MOST_TICKS, spreads
from toonforge.prepare.quality.bars import Bars
from toonforge.prepare.quality.judging import Limits
from toonforge.prepare.quality.measures import FIGURES
from toonforge.prepare.verbs.dedupe import Hash, dedupe
from toonforge.prepare.verbs.filter import Sort, filter_pictures
from toonforge.prepare.verbs.inspect import Inspection, default_out, inspect


def save(path: Path, picture: np.ndarray, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, **options)
    return path


@lru_cache(maxsize=128)
def sharp(height: int, width: int, seed: int) -> np.ndarray:
    """A scene with fine details; made once, so it cannot be written to."""
    grain = np.random.default_rng(seed).normal(0, 16, (height, width, 1))
    picture = np.clip(scene(height, width, seed) + grain, 0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def toned(seed: int, height: int = 264, width: int = 300) -> np.ndarray:
    """A sharp scene; of ten, one is dark and two are light, as in a good set of photographs."""
    picture = sharp(height, width, seed).astype(float)
    if seed % 10 == 0:
        picture *= 0.4
    elif seed % 10 in (1, 2):
        picture = 255 - (255 - picture) * 0.5
    return picture.astype(np.uint8)


def fill(folder: Path, count: int, first: int = 0, prefix: str = "", **shape: int) -> Path:
    for seed in range(first, first + count):
        save(folder / f"{prefix}{seed:03d}.jpg", toned(seed, **shape), quality=90)
    return folder


def kinds(inspection: Inspection, *severities: str) -> set[str]:
    return {finding.kind for finding in inspection.findings if finding.severity in (severities or (MEND, LOOK))}


def finding(inspection: Inspection, kind: str) -> Finding:
    (found,) = [finding for finding in inspection.findings if finding.kind == kind and finding.severity != FINE]
    return found


class Heard:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[int, int]] = {}
        self.actions: Counter[str] = Counter()

    def begin(self, what: str, total: int, done: int) -> None:
        self.begun[what] = total, done

    def advance(self, outcome: Outcome) -> None:
        self.actions[outcome.action] += 1


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder that nothing is wrong with, and where it was inspected: later calls measure only what is added."""
    root = tmp_path_factory.mktemp("clean")
    photo = fill(root / "photo", 100)
    (photo / "LICENSE").write_text("CC0", "utf-8")
    inspect(photo, root / "out")
    return photo, root / "out"


def test_a_clean_folder_has_nothing_to_mend_or_look_at(clean: tuple[Path, Path]) -> None:
    inspection = inspect(clean[0], clean[1])
    assert kinds(inspection) == set()
    assert "nothing to mend, nothing to look at" in inspection.page.read_text("utf-8")


def make_unreadable(folder: Path) -> list[Path]:
    (folder / "text.jpg").write_text("this is no picture", "utf-8")
    return [folder / "text.jpg"]


def make_empty_file(folder: Path) -> list[Path]:
    (folder / "nothing.png").write_bytes(b"")
    return [folder / "nothing.png"]


def make_truncated(folder: Path) -> list[Path]:
    data = (folder / "003.jpg").read_bytes()
    (folder / "half.jpg").write_bytes(data[: len(data) // 2])
    return [folder / "half.jpg"]


def make_dangling(folder: Path) -> list[Path]:
    (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
    return [folder / "gone.jpg"]


def make_dangling_text(folder: Path) -> list[Path]:
    (folder / "gone.txt").symlink_to(folder / "nowhere.txt")
    return [folder / "gone.txt"]


def make_small(folder: Path) -> list[Path]:
    return [save(folder / "small.png", sharp(255, 400, 900))]


def make_long(folder: Path) -> list[Path]:
    return [save(folder / "long.png", sharp(256, 800, 901))]


def make_empty(folder: Path) -> list[Path]:
    return [save(folder / "empty.png", np.full((300, 300, 3), 90, np.uint8))]


def make_black(folder: Path) -> list[Path]:
    return [save(folder / "black.png", (sharp(300, 300, 902) * 0.15).astype(np.uint8))]


def make_grey(folder: Path) -> list[Path]:
    return [save(folder / "grey.png", gray(sharp(300, 300, 903)))]


def make_blurred(folder: Path) -> list[Path]:
    blurred = Image.fromarray(scene(300, 300, 904)).filter(ImageFilter.GaussianBlur(6))
    return [save(folder / "blurred.png", np.asarray(blurred))]


def make_bars(folder: Path) -> list[Path]:
    return [save(folder / "film.png", barred(sharp(300, 400, 905), Bars(40, 40)))]


def make_copy(folder: Path) -> list[Path]:
    shutil.copy(folder / "004.jpg", folder / "deep-copy.jpg")
    return [folder / "deep-copy.jpg"]


def make_near(folder: Path) -> list[Path]:
    with Image.open(folder / "005.jpg") as picture:
        picture.resize((600, 528)).save(folder / "larger.jpg", quality=60)
    return [folder / "larger.jpg"]


def make_unread(folder: Path) -> list[Path]:
    (folder / "IMG_1.HEIC").write_bytes(b"heic")
    return [folder / "IMG_1.HEIC"]


def make_film(folder: Path) -> list[Path]:
    (folder / "holiday.mp4").write_bytes(b"mp4")
    return [folder / "holiday.mp4"]


def make_collision(folder: Path) -> list[Path]:
    return [save(folder / "006.png", sharp(300, 300, 906))]


TROUBLES = {
    "unreadable": [make_unreadable, make_empty_file, make_truncated],
    "dangling": [make_dangling, make_dangling_text],
    "small": [make_small],
    "long": [make_long],
    "empty": [make_empty],
    "black": [make_black],
    "grey": [make_grey],
    "blurred": [make_blurred],
    "bars": [make_bars],
    "duplicates": [make_copy],
    "near-duplicates": [make_near],
    "unread-format": [make_unread],
    "films": [make_film],
    "collisions": [make_collision],
}


@pytest.mark.parametrize(("kind", "make"), [(kind, make) for kind, makes in TROUBLES.items() for make in makes])
def test_a_trouble_is_found_named_and_nothing_else_is(clean: tuple[Path, Path], kind: str, make: object) -> None:
    folder, out = clean
    made = make(folder)  # type: ignore[operator]
    try:
        inspection = inspect(folder, out)
    finally:
        for path in made:
            path.unlink()
    assert kinds(inspection) == {kind}
    assert all(any(path.name in line for line in finding(inspection, kind).lines) for path in made)
    assert html.escape(made[0].name) in inspection.page.read_text("utf-8")


def test_the_verbs_it_advises_put_aside_what_it_found(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photo", 6, first=3)
    makers = (make_small, make_long, make_empty, make_black, make_grey, make_blurred, make_bars, make_copy, make_near)
    made = [path.name for make in makers for path in make(folder)]
    shutil.copy(folder / "deep-copy.jpg", folder / "another-copy.jpg")
    inspection = inspect(folder, tmp_path / "out")
    faulty = ("small", "long", "empty", "black", "grey", "blurred", "bars")
    found = {line.partition(":")[0] for kind in faulty for line in finding(inspection, kind).lines}
    filtered = filter_pictures(folder, tmp_path / "filtered")
    assert found == {row.source for row in filtered.rows if row.action == "aside"} == set(made[:7])
    groups = [
        line.split(", ") for kind in ("duplicates", "near-duplicates") for line in finding(inspection, kind).lines
    ]
    deduped = dedupe(folder, tmp_path / "deduped")
    aside = {row.source for row in deduped.rows if row.action == "aside"}
    assert sum(len(group) - 1 for group in groups) == len(aside) == 3
    assert aside <= {name for group in groups for name in group}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes are begun; for the clean folder they are."""
    monkeypatch.setattr(engine, "FEW", 100)


@pytest.mark.usefixtures("here")
def test_all_dark_few_and_without_a_licence_is_said(tmp_path: Path) -> None:
    for seed in range(20):
        save(tmp_path / "night" / f"{seed}.jpg", (sharp(264, 300, seed) * 0.45).astype(np.uint8))
    assert kinds(inspect(tmp_path / "night", tmp_path / "out")) == {"few", "few-light", "licences"}
    for seed in range(20):
        light = 255 - (255 - sharp(264, 300, seed).astype(float)) * 0.5
        save(tmp_path / "day" / f"{seed}.jpg", light.astype(np.uint8))
    inspection = inspect(tmp_path / "day", tmp_path / "out2")
    assert kinds(inspection) == {"few", "few-dark", "licences"}
    assert "none of 20 pictures is dark" in finding(inspection, "few-dark").title
    both = kinds(inspect([tmp_path / "night", tmp_path / "day"], tmp_path / "out3"))
    assert "imbalance-brightness" in both and not both & {"few-dark", "few-light"}  # said between them, once


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("count", "says"), [(1, "too few, even for a trial"), (20, "enough for a trial")])
def test_how_many_pictures_are_enough_is_said(tmp_path: Path, count: int, says: str) -> None:
    for number in range(count):
        save(tmp_path / "photo" / f"{number}.png", sharp(60, 80, number))
    assert says in finding(inspect(tmp_path / "photo", tmp_path / "out"), "few").title


@pytest.mark.parametrize("verb", ["dedupe", "filter"])
def test_what_a_verb_put_aside_is_not_to_be_read_again(tmp_path: Path, verb: str) -> None:
    folder = fill(tmp_path / "photo", 4, first=3)
    make_grey(folder)
    shutil.copy(folder / "004.jpg", folder / "copy.jpg")
    out = (dedupe if verb == "dedupe" else filter_pictures)(folder, tmp_path / "sorted").out
    found = finding(inspect(out, tmp_path / "out"), "sorted-out")
    assert found.severity == MEND and f"data {verb}" in found.title
    assert found.command == f"toonforge data inspect {out / 'kept'}"
    for fine in (out / "kept", folder):
        assert "sorted-out" not in kinds(inspect(fine, tmp_path / f"{fine.name}-out"))


@pytest.mark.parametrize(
    "name", ["LICENSE.txt", "Credits.md", "readme", "pictures.csv", "../LICENCE", "../../CREDITS.csv"]
)
def test_whatever_tells_licences_is_named(tmp_path: Path, name: str) -> None:
    folder = fill(tmp_path / "set" / "train" / "photo", 2)
    file = folder / name
    file.write_text("file,title,Licence\n1.jpg,one,CC0\n", "utf-8")
    (folder / "other.csv").write_text("file,title\n", "utf-8")
    inspection = inspect(folder, tmp_path / "out")
    assert "licences" not in kinds(inspection)
    (told,) = [finding for finding in inspection.findings if finding.kind == "licences"]
    assert name in told.title and "other.csv" not in told.title
    assert name in inspection.page.read_text("utf-8")


def test_a_readme_above_the_folder_is_about_something_else(tmp_path: Path) -> None:
    folder = fill(tmp_path / "home" / "photo", 2)
    (folder.parent / "README.md").write_text("my project", "utf-8")
    assert "licences" in kinds(inspect(folder, tmp_path / "out"))


def test_what_reading_converts_is_told_and_how(tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    picture = Image.fromarray(sharp(264, 300, 1))
    folder.mkdir()
    exif = Image.Exif()
    exif[0x112] = 6
    picture.save(folder / "turned.jpg", exif=exif)
    picture.convert("CMYK").save(folder / "print.jpg")
    deep = gray(sharp(264, 300, 2))[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "deep.png")
    Image.fromarray(sharp(264, 300, 3)).convert("P").save(folder / "palette.png")
    frames = [Image.fromarray(sharp(264, 300, seed)) for seed in (4, 5)]
    frames[0].save(folder / "moving.webp", save_all=True, append_images=frames[1:])
    see_through = picture.convert("RGBA")
    see_through.putalpha(128)
    see_through.save(folder / "ghost.PNG")
    (folder / ".hidden.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("notes", "utf-8")
    inspection = inspect(folder, tmp_path / "out")
    files = {finding.kind: finding.lines for finding in inspection.findings}
    assert files["rotation"] == ("turned.jpg",)
    assert files["cmyk"] == ("print.jpg",)
    assert files["16-bit"] == ("deep.png",)
    assert files["palette"] == ("palette.png",)
    assert files["animation"] == ("moving.webp",)
    assert files["transparency"] == ("ghost.PNG",)
    assert files["upper-case"] == ("ghost.PNG",)
    assert files["strangers"] == ("notes.txt",)
    assert {"hidden", "rotation", "cmyk", "16-bit", "palette", "animation"} <= kinds(inspection, FINE)
    assert "transparency" in kinds(inspection, LOOK)  # one in six teaches white backgrounds
    (row,) = [row for row in inspection.rows if row.source == "turned.jpg"]
    assert (row.figures["width"], row.figures["height"]) == (264, 300)  # as it is read: upright


@given(
    st.tuples(st.integers(60, 700), st.integers(60, 700)),
    st.tuples(*[st.sampled_from([0, 0, 20, 60])] * 2),
    st.integers(0, 3),
    st.sampled_from(["keep", "aside", "crop"]),
)
@example((2060, 2100), (0, 0), 0, "aside")  # so large that it is averaged first
@example((2060, 2100), (200, 0), 0, "keep")
@settings(max_examples=8)
def test_inspect_gives_each_picture_the_figures_that_filter_judges_it_by(
    size: tuple[int, int], bars: tuple[int, int], seed: int, letterbox: str
) -> None:
    picture = barred(sharp(*size, seed), Bars(top=bars[0], bottom=bars[0], left=bars[1], right=bars[1]))
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.bmp", picture)
        source = Source(path.name, path)
        told = Measure()(source, path.parent).figures
        judged = Sort(limits=Limits(), letterbox=letterbox, link=False)(source, path.parent / "out").figures
        hashed = Hash(link=False)(source, path.parent / "out").figures
    assert {figure: told[figure] for figure in (*FIGURES, "bars")} == {
        figure: judged[figure] for figure in (*FIGURES, "bars")
    }
    assert told["hash"] == hashed["hash"]
    if not any(bars):
        assert told["sharpness"] == hashed["sharpness"]


EXIF = {"none": b"", "turned": b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"}
EXIF["no TIFF header"] = b"Exif\0\0" + b"\xde\xad\xbe\xef" * 8
EXIF["torn"] = EXIF["turned"][:15]
EXIF["far away"] = EXIF["turned"][:10] + b"\xff" * 20


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("exif", EXIF)
def test_every_picture_that_training_reads_is_measured_whatever_its_exif_holds(
    tmp_path: Path, exif: str, ending: str
) -> None:
    path = save(tmp_path / f"a.{ending}", sharp(30, 40, 1), **{"exif": EXIF[exif]} if ending != "tif" else {})
    outcome = Measure()(Source(path.name, path), tmp_path)
    height, width = read_picture(path).shape[:2]
    assert (outcome.figures["width"], outcome.figures["height"]) == (width, height)
    assert (outcome.figures["converted"] == "rotation") == (width < height) == (exif == "turned" and ending != "tif")


@pytest.mark.parametrize("kind", ["gif", "webp", "tif", "jpg"])
def test_every_picture_that_training_reads_is_measured_however_it_is_damaged(tmp_path: Path, kind: str) -> None:
    frames = [Image.fromarray(scene(24, 32, seed)) for seed in range(3)]
    path = tmp_path / f"a.{kind}"
    frames[0].save(path, "MPO" if kind == "jpg" else None, save_all=True, append_images=frames[1:])
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    read = 0
    for number in range(120):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), 2)] = rng.integers(0, 256, 2)
        path.write_bytes((data if number % 2 else data[: rng.integers(len(data) // 3, len(data))]).tobytes())
        try:
            height, width = read_picture(path).shape[:2]
        except UnreadableImage:
            continue
        read += 1
        figures = Measure()(Source(path.name, path), tmp_path).figures
        assert (figures["width"], figures["height"]) == (width, height)
    assert read > 5


def test_plain_pictures_are_not_called_converted(clean: tuple[Path, Path]) -> None:
    odd = {"rotation", "cmyk", "16-bit", "palette", "animation", "transparency", "upper-case", "strangers", "hidden"}
    assert not odd & kinds(inspect(*clean), FINE, LOOK, MEND)


def two(tmp_path: Path, first: Path, second: Path) -> Inspection:
    return inspect([first, second], tmp_path / "out")


def test_like_folders_are_called_alike(tmp_path: Path) -> None:
    inspection = two(tmp_path, fill(tmp_path / "photo", 8), fill(tmp_path / "cartoon", 8, first=100))
    assert kinds(inspection) == {"few", "licences"}
    assert {"imbalance-count", "imbalance-brightness", "imbalance-size", "imbalance-aspect", "duplicates-between"} <= (
        kinds(inspection, FINE)
    )


def test_an_imbalance_in_count_is_found(tmp_path: Path) -> None:
    inspection = two(tmp_path, fill(tmp_path / "photo", 12), fill(tmp_path / "cartoon", 3, first=103))
    assert "photo has 4.0 times as many" in finding(inspection, "imbalance-count").title


def test_an_imbalance_in_brightness_is_found(tmp_path: Path) -> None:
    for seed in range(8):
        light = 255 - (255 - sharp(264, 300, 100 + seed).astype(float)) * 0.6
        save(tmp_path / "cartoon" / f"c{seed}.jpg", light.astype(np.uint8))
    inspection = two(tmp_path, fill(tmp_path / "photo", 8), tmp_path / "cartoon")
    assert finding(inspection, "imbalance-brightness").title == "cartoon is brighter than photo"


@pytest.mark.usefixtures("here")
def test_dark_pictures_in_one_folder_alone_are_found_where_the_medians_agree(tmp_path: Path) -> None:
    for seed in range(20):
        factor = 0.45 if seed < 4 else 1.0
        save(tmp_path / "photo" / f"p{seed}.jpg", (sharp(264, 300, seed) * factor).astype(np.uint8))
        save(tmp_path / "cartoon" / f"c{seed}.jpg", sharp(264, 300, 100 + seed))
    found = finding(two(tmp_path, tmp_path / "photo", tmp_path / "cartoon"), "imbalance-brightness")
    assert found.title == "photo has dark pictures, cartoon has hardly any"
    assert found.command == f"toonforge data filter {tmp_path / 'photo'} --min-brightness 0.3"


def test_an_imbalance_in_size_is_found(tmp_path: Path) -> None:
    small = fill(tmp_path / "cartoon", 4, first=103, height=260, width=300)
    inspection = two(tmp_path, fill(tmp_path / "photo", 4, first=3, height=780, width=900), small)
    found = finding(inspection, "imbalance-size")
    assert "3.0 times as large" in found.title and "--min-side 390" in found.command


def test_an_imbalance_in_aspect_is_found(tmp_path: Path) -> None:
    wide = fill(tmp_path / "photo", 4, first=3, height=264, width=480)
    inspection = two(tmp_path, wide, fill(tmp_path / "cartoon", 4, first=103))
    assert finding(inspection, "imbalance-aspect").title == "pictures of photo are wider than those of cartoon"


def test_pictures_that_two_folders_share_are_found(tmp_path: Path) -> None:
    photo, cartoon = fill(tmp_path / "photo", 5, first=3), fill(tmp_path / "cartoon", 5, first=103)
    shutil.copy(photo / "004.jpg", cartoon / "same.jpg")
    with Image.open(photo / "005.jpg") as picture:
        picture.resize((600, 528)).save(cartoon / "nearly.jpg")
    inspection = two(tmp_path, photo, cartoon)
    assert finding(inspection, "duplicates-between").lines == ("photo/004.jpg = cartoon/same.jpg",)
    assert finding(inspection, "duplicates-between").severity == MEND
    near = finding(inspection, "near-duplicates-between")
    assert near.lines == ("photo/005.jpg ≈ cartoon/nearly.jpg",) and "wrong folder" in near.text


def test_what_is_made_of_the_other_folder_is_not_called_misplaced(tmp_path: Path) -> None:
    photo = fill(tmp_path / "photo", 4, first=3)
    for number, file in enumerate(sorted(photo.iterdir())):
        save(tmp_path / "cartoon" / f"drawn-{number}.png", np.asarray(Image.open(file)) // 2 + 90)
    found = finding(two(tmp_path, photo, tmp_path / "cartoon"), "near-duplicates-between")
    assert len(found.lines) == 4
    assert "wrong folder" not in found.text and "look like pairs" in found.text and "data pair" in found.advice
    other = fill(tmp_path / "other", 4, first=103)
    three = inspect([photo, tmp_path / "cartoon", other], tmp_path / "three")
    assert "As two styles" not in finding(three, "near-duplicates-between").text


def test_pairs_are_recognised_and_like_pictures_in_them_expected(tmp_path: Path) -> None:
    photo = fill(tmp_path / "photo", 4, first=3)
    for file in photo.iterdir():
        save((tmp_path / "cartoon" / file.name).with_suffix(".png"), gray(np.asarray(Image.open(file))) // 2 + 90)
    inspection = two(tmp_path, photo, tmp_path / "cartoon")
    (told,) = [finding for finding in inspection.findings if finding.kind == "pairs"]
    assert (
        told.severity == FINE
        and "all 4 names match, and their shapes agree" in told.title
        and "paired-folders" in told.text
    )
    assert not {"near-duplicates-between", "pair-aspects"} & kinds(inspection)


def test_pairs_without_a_partner_and_of_another_shape_are_found(tmp_path: Path) -> None:
    photo, cartoon = fill(tmp_path / "photo", 5, first=3), fill(tmp_path / "cartoon", 4, first=3)
    save(cartoon / "004.jpg", sharp(264, 400, 4))
    save(cartoon / "own.jpg", sharp(264, 300, 50))
    inspection = two(tmp_path, photo, cartoon)
    pairs = finding(inspection, "pairs")
    assert pairs.severity == LOOK and set(pairs.lines) == {"photo/007.jpg", "cartoon/own.jpg"}
    assert pairs.command == f"toonforge data pair {photo} {cartoon}"
    assert "4 of 5 names of photo are in cartoon, which has 5" in pairs.text
    shapes = finding(inspection, "pair-aspects")
    assert shapes.severity == MEND and shapes.lines == ("photo/004.jpg 1.14, cartoon/004.jpg 1.52",)


def test_folders_that_were_merely_numbered_are_no_pairs(tmp_path: Path) -> None:
    photo = fill(tmp_path / "photo", 4, first=3)
    for number in range(4):
        save(tmp_path / "cartoon" / f"{number + 3:03d}.png", sharp(264, 330 + 30 * number, 100 + number))
    found = finding(two(tmp_path, photo, tmp_path / "cartoon"), "pairs")
    assert "hardly the same scenes" in found.title and "unpaired-folders" in found.advice


def test_names_of_different_pictures_are_no_pairs(tmp_path: Path) -> None:
    inspection = two(tmp_path, fill(tmp_path / "photo", 4, prefix="p"), fill(tmp_path / "cartoon", 4, prefix="c"))
    assert "pairs" not in kinds(inspection, FINE, LOOK, MEND)


FILES = {
    "good.jpg": lambda path: save(path, sharp(60, 80, abs(hash(path.name)) % 1000)),
    "bad.jpg": lambda path: path.write_text("bad", "utf-8"),
    "none.png": lambda path: path.write_bytes(b""),
    "notes.txt": lambda path: path.write_text("notes", "utf-8"),
    "GOOD.PNG": lambda path: save(path, sharp(50, 50, 7)),
}


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([*FILES]), min_size=1, max_size=8), st.lists(st.sampled_from([*FILES]), max_size=5))
def test_counts_add_up_and_every_unreadable_file_is_named(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str]
) -> None:
    root = tmp_path_factory.mktemp("counts")
    folders: list[Path] = []
    for label, endings in (("one", ["good.jpg", *first]), ("two", second)):
        if any(not ending.endswith("txt") for ending in endings):
            folders.append(root / label)
            folders[-1].mkdir()
            for number, ending in enumerate(endings):
                FILES[ending](folders[-1] / f"{number}{ending}")
    inspection = inspect(folders, root / "out")
    files = [file for folder in folders for file in folder.iterdir() if not file.name.endswith("txt")]
    broken = [file for file in files if file.name.endswith(("bad.jpg", "none.png"))]
    assert len(inspection.rows) == sum(inspection.counts.values()) == len(files)
    assert inspection.counts.get("unreadable", 0) == len(broken)
    table = {line.label: line.cells for line in inspection.table}
    assert sum(map(int, table["picture files"])) == len(files)
    assert sum(map(int, table["cannot be read"])) == len(broken)
    page = inspection.page.read_text("utf-8")
    with (inspection.out / "manifest.csv").open(encoding="utf-8", newline="") as stream:
        reasons = {row["source"].rpartition("/")[2]: row["reason"] for row in csv.DictReader(stream)}
    assert all(file.name in page and reasons[file.name] for file in broken)
    read = [int(total) - int(lost) for total, lost in zip(table["picture files"], table["cannot be read"])]
    assert read == [sum(map(int, re.findall(r"(\d+) [A-Z]", cell))) for cell in table["formats"]]
    assert inspection.sheet.is_file()
    assert [finding.severity for finding in inspection.findings] == sorted(
        (finding.severity for finding in inspection.findings), key=[MEND, LOOK, FINE].index
    )


class Page(HTMLParser):
    """What stands in a page: elements, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_data(self, data: str) -> None:
        self.text += data


HOSTILE = [
    b"<script>alert(1)<script>.jpg",
    b"<img src=x onerror=alert(1)>.jpg",
    b"\"quoted\" 'twice' & co.jpg",
    "smile 😀 あ.jpg".encode(),
    "turned \u202egpj.exe.jpg".encode(),
    b"two\nlines\x1b[31m.jpg",
    b"{{ 7 * 7 }}{% raw %}.jpg",
    b"=cmd|calc.jpg",
    b"bad \xff bytes.jpg",
]


def test_the_page_takes_any_name_as_text(tmp_path: Path) -> None:
    folder = tmp_path / "<i>photo & co"
    (folder / "broken").mkdir(parents=True)
    for number, name in enumerate(HOSTILE):
        save(folder / "made.jpg", sharp(60, 80, number)).rename(folder / os.fsdecode(name))
        (folder / "broken" / os.fsdecode(name)).write_bytes(b"no picture")
    inspection = inspect(folder, tmp_path / "out")
    page = Page(inspection.page.read_text("utf-8"))
    assert inspection.counts == {"measured": len(HOSTILE), "unreadable": len(HOSTILE)}
    for row in inspection.rows:
        assert printable(row.source) in page.text, row.source
    assert page.elements["script"] == page.elements["i"] == 0
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "\x1b" not in page.text and "\u202e" not in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_folders_may_be_called_anything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [b"bad \xff bytes", b"<b>\x1b[31mred", "あ 😀".encode()]
    folders = [fill(tmp_path / os.fsdecode(name), 2, first=10 * n) for n, name in enumerate(names)]
    assert main(["data", "inspect", *map(str, folders), "-o", str(tmp_path / "out")]) == 0
    assert "\x1b" not in capsys.readouterr().out
    page = Page((tmp_path / "out" / "report.html").read_text("utf-8"))
    assert "<b>\\x1b[31mred" in page.text and "あ 😀" in page.text
    inspection = inspect(folders, tmp_path / "out")
    assert len(inspection.rows) == 6 and inspection.labels[2] == "あ 😀"


def test_the_page_stands_alone_and_can_be_used_by_everyone(clean: tuple[Path, Path]) -> None:
    inspection = inspect(*clean)
    text = inspection.page.read_text("utf-8")
    page = Page(text)
    links = [value for _, name, value in page.attributes if name in ("src", "href", "action", "srcset", "data")]
    ids = {value for _, name, value in page.attributes if name == "id"}
    assert links
    assert all(link.startswith("data:image/jpeg;base64,") or link.removeprefix("#") in ids for link in links)
    assert "http" not in text.replace("http-equiv", "") and "url(" not in text and "@import" not in text
    assert page.elements["script"] == page.elements["link"] == page.elements["iframe"] == 0
    assert page.elements["img"] == sum(name == "alt" and bool(value) for _, name, value in page.attributes)
    assert page.elements["svg"] == sum(name == "aria-label" for tag, name, _ in page.attributes if tag == "svg") > 0
    assert page.elements["h1"] == 1 and ("html", "lang", "en") in page.attributes
    assert "prefers-color-scheme: dark" in text and "width=device-width" in text
    assert page.elements["img"] <= 60 and len(text) < 2_000_000


def test_what_was_measured_is_used_again(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photo", 4)
    first = inspect(folder, tmp_path / "out")
    page = first.page.read_bytes()
    heard = Heard()
    second = inspect(folder, tmp_path / "out", progress=heard)
    assert heard.begun["inspect"] == (4, 4) and heard.actions["measured"] == 0
    assert second.rows == first.rows and second.findings == first.findings
    assert second.page.read_bytes() == page
    save(folder / "001.jpg", sharp(300, 300, 77))
    (folder / "002.jpg").unlink()
    heard = Heard()
    third = inspect(folder, tmp_path / "out", progress=heard)
    assert heard.actions["measured"] == 1
    assert {row.source for row in third.rows} == {"000.jpg", "001.jpg", "003.jpg"}
    assert {row.source: row.figures["width"] for row in third.rows}["001.jpg"] == 300


def test_a_rule_ends_where_its_pictures_end() -> None:
    sheet = draw_sheet(
        "one", [Band(title="one", groups=((Shot("a"),),))], {"a": Image.new("RGB", (90, 90), (255, 0, 0))}, {"a": 2}
    )
    rule = (np.asarray(sheet) == RULE).all(axis=2).sum(axis=1).max()
    assert rule == CELL[0]


def test_no_two_labels_under_bars_run_together(tmp_path: Path) -> None:
    """None is wider than its bars: each takes six tenths of a letter's height a letter, in the narrowest box."""
    folder = folder_of(
        "photo", tmp_path, "", look_beside(tmp_path), inspect(fill(tmp_path / "photo", 3), tmp_path / "o").rows
    )
    for measure in spreads([folder], Limits()):
        if not measure.ends:
            bar = 300 / len(measure.ticks)
            told = [(place, tick) for place, tick in enumerate(measure.ticks) if tick]
            assert len(told) <= MOST_TICKS
            for (place, one), (after, other) in pairwise(told):
                assert (after - place) * bar > (len(one) + len(other)) / 2 * 0.6 * 11.5


def test_the_source_is_left_as_it_is(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photo", 3)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()}
    inspect(folder, tmp_path / "out")
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.iterdir()} == before


def test_another_size_judges_anew_without_measuring(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photo", 3)
    assert "small" not in kinds(inspect(folder, tmp_path / "out"))
    heard = Heard()
    found = finding(inspect(folder, tmp_path / "out", min_side=512, progress=heard), "small")
    assert heard.actions["measured"] == 0 and len(found.lines) == 3 and found.command.endswith("--min-side 512")


def test_a_folder_in_which_nothing_can_be_read_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one.jpg").write_text("no", "utf-8")
    inspection = inspect(tmp_path / "bad", tmp_path / "out")
    assert kinds(inspection) == {"unreadable", "licences"}
    assert "there is none to show" in inspection.page.read_text("utf-8")
    assert main(["data", "inspect", str(tmp_path / "bad"), "-o", str(tmp_path / "out")]) == 2


def test_a_size_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        inspect(fill(tmp_path / "photo", 1), tmp_path / "out", min_side=0)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        inspect([], tmp_path / "out")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["empty"], "holds no pictures"),
        (["photo", "empty"], "holds no pictures"),
        (["missing"], "does not exist"),
        (["photo/000.jpg"], "is a file"),
        (["photo", "photo"], "given twice"),
        (["photo", "-o", "photo/out"], "lies in"),
        (["photo", "cartoon", "-o", "cartoon/out"], "lies in"),
        (["photo", "-o", "."], "holds the folder"),
        (["photo", "-o", "full"], "did not write"),
        (["photo", "--min-side", "0"], "--min-side"),
        (["photo", "."], "lies in another"),
        ([], "FOLDER"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gives_code_2_and_one_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photo", 1)
    fill(tmp_path / "cartoon", 1)
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", "utf-8")
    assert main(["data", "inspect", *words]) == 2
    captured = capsys.readouterr()
    assert says in captured.err and "Traceback" not in captured.err and captured.out == ""
    assert not (tmp_path / "cartoon" / "out").exists()


def test_the_terminal_shows_figures_findings_and_where_the_report_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    fill(tmp_path / "photo", 4)
    fill(tmp_path / "cartoon", 4, first=100)
    (tmp_path / "photo" / "bad.jpg").write_text("no", "utf-8")
    assert main(["data", "inspect", "photo", "cartoon"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"picture files +5 +4\n", out) and re.search(r"cannot be read +1 +0\n", out)
    assert "mend     photo: 1 of 5 picture files cannot be read\n           bad.jpg: " in out
    assert out.count("bad.jpg") == 1
    assert "toonforge data filter photo" in out
    assert f"report:        {Path('photo-cartoon-inspection/report.html')}" in out
    assert not [line for line in out.splitlines() if len(line) > 80]
    assert (tmp_path / "photo-cartoon-inspection" / "report.html").is_file()


def test_the_default_folder_lies_beside_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_out([Path("data/photo")]) == Path("data/photo-inspection")
    assert default_out([Path("data/photo"), Path("x/cartoon")]) == Path("data/photo-cartoon-inspection")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert default_out([Path(".")]).resolve() == tmp_path / "here-inspection"


@given(st.text())
def test_printable_text_stays_and_the_rest_is_escaped(text: str) -> None:
    shown = printable(text)
    assert all(char.isprintable() or char in "\u200c\u200d" for char in shown)
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@given(st.lists(st.lists(st.lists(st.booleans(), min_size=1, max_size=12), max_size=6), max_size=8))
def test_the_sheet_places_every_picture_once_and_keeps_groups_together(bands: list[list[list[bool]]]) -> None:
    thumbs: dict[str, Image.Image] = {}
    made: list[Band] = []
    for number, groups in enumerate(bands):
        named = []
        for group in groups:
            shots = [Shot(f"{number}-{len(named)}-{place}") for place in range(len(group))]
            thumbs |= {shot.source: Image.new("RGB", (1, 1)) for shot, there in zip(shots, group) if there}
            named.append(tuple(shots))
        made.append(Band(title=str(number), groups=tuple(named)))
    shelves = _shelves(made, thumbs)
    placed = [shot.source for shelf in shelves for laid in shelf for row in laid.rows for shot, _ in row]
    assert sorted(placed) == sorted(thumbs) and len(set(placed)) == len(placed)
    assert placed == [s.source for b in made for g in b.groups for s in g if s.source in thumbs]
    lines = {name: line for line, name in enumerate(thumbs)}
    widest = max((len(row) for shelf in shelves for laid in shelf for row in laid.rows), default=0)
    used = max((sum(laid.columns for laid in shelf) for shelf in shelves), default=0)
    width = draw_sheet("title", made, thumbs, lines).width
    assert width == 2 * MARGIN + max(2, used) * (CELL[0] + GAP) - GAP and widest <= used
    for shelf in shelves:
        assert shelf and sum(laid.columns for laid in shelf) <= COLUMNS
        assert [laid.first for laid in shelf] == [sum(laid.columns for laid in shelf[:n]) for n in range(len(shelf))]
        for laid in shelf:
            assert all(0 < len(row) <= laid.columns for row in laid.rows)
            for row in laid.rows[:-1]:
                assert not row[-1][1] or any(len(g) > laid.columns for g in laid.band.groups)


def test_what_is_said_of_two_folders_alike_is_said_once() -> None:
    one = Finding(severity=FINE, kind="a", folders=("x",), title="all is well")
    other = Finding(severity=FINE, kind="a", folders=("y",), title="all is well")
    bad = Finding(severity=MEND, kind="b", folders=("y",), title="something is not")
    assert [(f.kind, f.folders) for f in ordered([one, bad, other])] == [("b", ("y",)), ("a", ("x", "y"))]


def test_neither_the_help_nor_the_library_loads_what_it_does_not_need(tmp_path: Path) -> None:
    folder = fill(tmp_path / "photo", 2)
    script = (
        "import sys\n"
        "import toonforge.cli.data.inspect\n"
        "assert not {'torch', 'numpy', 'PIL', 'jinja2', 'rich', 'cv2'} & set(sys.modules), 'help'\n"
        "from toonforge.prepare.verbs.inspect import inspect\n"
        "inspect(sys.argv[1], sys.argv[2])\n"
        "assert not {'torch', 'cv2'} & set(sys.modules), 'library'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
