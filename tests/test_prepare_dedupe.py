"""`toonforge data dedupe`: what it keeps and puts aside, that it loses and changes nothing, and what it refuses."""

from __future__ import annotations

import hashlib
import random
import shutil
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from tests.scenes import Picture, gray, photo
from toonforge.cli import main
from toonforge.errors import DataError
from toonforge.prepare.duplicates.preference import ranked
from toonforge.prepare.engine import work as engine
from toonforge.prepare.engine.work import Row
from toonforge.prepare.quality.outputs import warning
from toonforge.prepare.verbs.dedupe import dedupe


def write(picture: Picture, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)
    return path


def half(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).resize((picture.shape[1] // 2, picture.shape[0] // 2)))


def soft(picture: Picture) -> Picture:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(2)))


def tree(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder but the manifest: its bytes' digest and its time."""
    files = (path for path in folder.rglob("*") if path.is_file() and "manifest" not in path.name)
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in files
    }


@pytest.fixture
def photos(tmp_path: Path, made: Path) -> Path:
    """Six scenes, two of them several times, four flat pictures and one file that is no picture."""
    return Path(shutil.copytree(made, tmp_path / "photos"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for seed in range(6):
        write(photo(seed), folder / f"scene{seed}.png")
    write(half(photo(1)), folder / "copies" / "half.png")
    write(soft(photo(1)), folder / "copies" / "soft 😀.png")
    write((photo(2) * 0.8).astype(np.uint8), folder / "copies" / "darker.JPG")
    write(np.ascontiguousarray(photo(3)[:, ::-1]), folder / "mirrored.png")
    for number, level in enumerate((0, 0, 90, 255)):
        write(np.full((300, 400, 3), level, np.uint8), folder / f"flat{number}.png")
    (folder / "text.jpg").write_text("no picture")
    return folder


def by_source(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.source: row for row in rows}


def test_every_picture_lands_in_one_place_and_no_source_changes(photos: Path, tmp_path: Path) -> None:
    before = tree(photos)
    report = dedupe(photos, tmp_path / "out")
    assert tree(photos) == before
    assert [row.source for row in report.rows] == sorted(before)
    placed = {row.output: before[row.source] for row in report.rows if row.output}
    there = tree(tmp_path / "out")
    assert (there.pop("duplicates.jpg"), there)[1] == placed
    assert report.counts == {"kept": 11, "aside": 3, "unreadable": 1}


def test_the_best_is_kept_and_the_others_say_what_they_are_near(photos: Path, tmp_path: Path) -> None:
    rows = by_source(dedupe(photos, tmp_path / "out").rows)
    for name, original in (("half.png", 1), ("soft 😀.png", 1), ("darker.JPG", 2)):
        row = rows[f"copies/{name}"]
        distance = row.figures["distance"]
        assert (row.action, row.output) == ("aside", f"aside/near-duplicate/copies/{name}")
        assert row.reason == f"near-duplicate of scene{original}.png, distance {distance}"
        assert row.figures["duplicate_of"] == f"scene{original}.png" and 0 <= int(distance) <= 6
        kept = rows[f"scene{original}.png"]
        assert (int(str(row.figures["hash"]), 16) ^ int(str(kept.figures["hash"]), 16)).bit_count() == distance
    assert all(rows[f"scene{seed}.png"].action == "kept" for seed in range(6))


def test_flat_pictures_are_no_duplicates_of_each_other(photos: Path, tmp_path: Path) -> None:
    rows = by_source(dedupe(photos, tmp_path / "out", distance=12).rows)
    for number in range(4):
        row = rows[f"flat{number}.png"]
        assert (row.action, row.reason, row.figures["hash"]) == ("kept", "too even to be compared", "")


def test_mirrored_pictures_count_where_asked(photos: Path, tmp_path: Path) -> None:
    assert by_source(dedupe(photos, tmp_path / "one").rows)["mirrored.png"].action == "kept"
    rows = by_source(dedupe(photos, tmp_path / "two", mirrored=True).rows)
    assert rows["scene3.png"].reason == "near-duplicate of mirrored.png, mirrored, distance 0"  # first by name


def best(folder: Path, *pictures: Picture) -> str:
    """Which of the pictures is kept: a, b or c."""
    for name, picture in zip("abc", pictures):
        write(picture, folder / f"{name}.png")
    (kept,) = (row.source for row in dedupe(folder, f"{folder}-out").rows if row.action == "kept")
    return kept.removesuffix(".png")


def test_larger_then_sharper_then_first_by_name(tmp_path: Path) -> None:
    assert best(tmp_path / "large", half(photo()), soft(photo()), half(soft(photo()))) == "b"
    assert best(tmp_path / "sharp", soft(photo()), photo()) == "b"
    assert best(tmp_path / "first", photo(), photo(), photo()) == "a"


def test_of_nearly_equal_sizes_the_picture_with_colour_is_kept(tmp_path: Path) -> None:
    tall, wide = photo().shape[:2]
    smaller = np.asarray(Image.fromarray(photo()).resize((round(wide * 0.8), round(tall * 0.8))))
    assert best(tmp_path / "same", gray(photo()), soft(photo())) == "b"
    assert best(tmp_path / "smaller", gray(photo()), smaller) == "b"
    assert best(tmp_path / "small", gray(photo()), half(photo())) == "a"  # a quarter of the pixels


@given(
    st.lists(
        st.tuples(st.integers(1, 4000), st.integers(1, 4000), st.floats(0, 60), st.floats(0, 9000)),
        min_size=1,
        max_size=30,
    ),
    st.randoms(),
)
def test_ranks_are_one_order_whatever_order_the_pictures_are_in(
    pictures: list[tuple[int, int, float, float]], chance: random.Random
) -> None:
    pictures = list(dict.fromkeys(pictures))
    rank = ranked(*map(np.array, zip(*pictures)))
    assert sorted(rank) == list(range(len(pictures)))
    order = chance.sample(range(len(pictures)), len(pictures))
    again = ranked(*(np.array([pictures[i][column] for i in order]) for column in range(4)))
    for (i, one), (j, other) in combinations(enumerate(order), 2):
        if key(pictures[one]) != key(pictures[other]):
            assert (again[i] < again[j]) == (rank[one] < rank[other])
    first, last = pictures[int(np.argmin(rank))], pictures[int(np.argmax(rank))]
    assert key(first) >= key(last)


def key(picture: tuple[int, int, float, float]) -> tuple[int, int, float]:
    width, height, spread, sharpness = picture
    return width * height * (2 if spread >= 3 else 1), width * height, sharpness


@pytest.mark.parametrize("verb", ["dedupe", "filter", "cartoonize", "smooth-edges", "split", "pair"])
def test_the_folder_of_another_verb_is_named(
    photos: Path, tmp_path: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "dedupe", str(photos), "-o", str(tmp_path / "one")]) == 0
    assert "wrote" not in capsys.readouterr().err
    one, copy = tmp_path / "one", tmp_path / "copy"
    for name in ("kept", "aside"):
        shutil.copytree(one / name, copy / name)
    other = [str(copy)] if verb == "pair" else ["--size", "32"] if verb in ("cartoonize", "smooth-edges") else []
    assert main(["data", verb, str(one), *other, "-o", str(tmp_path / "two")]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "wrote" in line]
    assert line == f"{one} is what `toonforge data dedupe` wrote: {one / 'kept'} holds what it kept"
    main(["data", verb, str(one / "kept"), *other, "-o", str(tmp_path / "three")])
    assert "wrote" not in capsys.readouterr().err


def test_inspect_tells_of_the_folder_of_another_verb_among_its_findings(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "dedupe", str(photos), "-o", str(tmp_path / "one")]) == 0
    capsys.readouterr()
    assert main(["data", "inspect", str(tmp_path / "one"), "-o", str(tmp_path / "two")]) == 0
    told = capsys.readouterr()
    assert "wrote" not in told.err and "“toonforge data dedupe” put aside" in " ".join(told.out.split())


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"verb": 3}', '{"verb": "split"}', "\0"])
def test_other_folders_are_not_taken_for_one_that_a_verb_sorted(tmp_path: Path, content: str) -> None:
    for name in ("kept", "aside"):
        (tmp_path / name).mkdir()
    (tmp_path / "manifest.json").write_text(content, "utf-8")
    assert warning(tmp_path) is None


def test_the_sheet_is_drawn_anew_only_when_it_shows_something_else(photos: Path, tmp_path: Path) -> None:
    sheet = dedupe(photos, tmp_path / "out").out / "duplicates.jpg"
    before = sheet.stat().st_mtime_ns
    dedupe(photos, tmp_path / "out")
    assert sheet.stat().st_mtime_ns == before
    write(photo(20), photos / "a-new-one.png")  # rows of the manifest move
    dedupe(photos, tmp_path / "out")
    assert sheet.stat().st_mtime_ns != before
    sheet.write_bytes(b"torn")
    dedupe(photos, tmp_path / "out")
    with Image.open(sheet) as picture:
        assert picture.width > 700


def test_a_second_pass_over_what_was_kept_finds_nothing(photos: Path, tmp_path: Path) -> None:
    for distance in (0, 6, 12):
        first = tmp_path / f"first{distance}"
        dedupe(photos, first, distance=distance, mirrored=True)
        again = dedupe(first / "kept", tmp_path / f"second{distance}", distance=distance, mirrored=True)
        assert again.counts.keys() == {"kept"}
        assert tree(first / "kept") == tree(again.out / "kept")


def test_workers_and_the_order_of_files_change_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = dedupe(photos, tmp_path / "one")
    with monkeypatch.context() as context:
        context.setattr(engine, "FEW", 0)  # which are done without processes
        many = dedupe(photos, tmp_path / "two", workers=3)
    module = sys.modules["toonforge.prepare.verbs.dedupe"]

    listed = module.pictures_below
    monkeypatch.setattr(module, "pictures_below", lambda folder: tuple(random.Random(7).sample(listed(folder), 15)))
    shuffled = dedupe(photos, tmp_path / "three")
    assert plain.rows == many.rows == shuffled.rows
    assert tree(plain.out) | many_sheet(many.out) == tree(many.out)


def many_sheet(out: Path) -> dict[str, tuple[str, int]]:
    return {name: what for name, what in tree(out).items() if name == "duplicates.jpg"}


def test_again_does_nothing_and_more_pictures_are_compared_with_all(photos: Path, tmp_path: Path) -> None:
    first = dedupe(photos, tmp_path / "out")
    written = tree(tmp_path / "out")
    assert dedupe(photos, tmp_path / "out").rows == first.rows
    assert tree(tmp_path / "out") == written
    write(np.asarray(Image.fromarray(photo(4)).resize((768, 576))), photos / "larger.png")
    (photos / "scene1.png").unlink()
    rows = by_source(dedupe(photos, tmp_path / "out", prune=True).rows)
    assert rows["scene4.png"].output == "aside/near-duplicate/scene4.png"  # it was kept before
    assert rows["copies/soft 😀.png"].output == "kept/copies/soft 😀.png"  # what it was a duplicate of has gone
    assert rows["copies/half.png"].figures["duplicate_of"] == "copies/soft 😀.png"
    there = set(tree(tmp_path / "out")) - {"duplicates.jpg"}
    assert there == {row.output for row in rows.values() if row.output}
    fresh = dedupe(photos, tmp_path / "fresh")
    assert by_source(fresh.rows) == rows


def test_a_picture_whose_file_is_gone_is_still_compared_and_put_aside(tmp_path: Path) -> None:
    write(photo(), tmp_path / "in" / "small.png")
    out = dedupe(tmp_path / "in").out
    bytes_before = (out / "kept/small.png").read_bytes()
    (tmp_path / "in" / "small.png").unlink()
    write(np.asarray(Image.fromarray(photo()).resize((768, 576))), tmp_path / "in" / "large.png")
    report = dedupe(tmp_path / "in")
    assert report.gone == ("small.png",) and report.counts == {"kept": 1, "aside": 1}
    assert (out / "aside/near-duplicate/small.png").read_bytes() == bytes_before
    assert not (out / "kept/small.png").exists() and (out / "duplicates.jpg").is_file()
    pruned = dedupe(tmp_path / "in", prune=True)
    assert [row.source for row in pruned.rows] == ["large.png"] and not (out / "aside").exists()


def test_stopped_in_the_second_pass_it_goes_on(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["toonforge.prepare.verbs.dedupe"]

    expected = dedupe(photos, tmp_path / "whole")
    place, placed = module.place, []

    def stopping(source: Path, target: Path, link: bool) -> None:
        if "aside" in target.parts and len(placed) == 1:
            raise KeyboardInterrupt
        placed.extend([target] if "aside" in target.parts else [])
        place(source, target, link)

    monkeypatch.setattr(module, "place", stopping)
    assert dedupe(photos, tmp_path / "out").stopped
    monkeypatch.setattr(module, "place", place)
    report = dedupe(photos, tmp_path / "out")
    assert not report.stopped and report.rows == expected.rows
    assert tree(tmp_path / "out").keys() == tree(tmp_path / "whole").keys()


def test_several_folders_are_compared_with_each_other(tmp_path: Path) -> None:
    write(photo(), tmp_path / "flickr" / "photos" / "a.png")
    write(half(photo()), tmp_path / "own" / "photos" / "a.png")
    write(photo(1), tmp_path / "own" / "photos" / "b.png")
    folders = [tmp_path / "flickr" / "photos", tmp_path / "own" / "photos"]
    report = dedupe(folders, tmp_path / "out")
    assert dedupe(folders[::-1], tmp_path / "out").rows == report.rows
    assert {row.source: row.output for row in report.rows} == {
        "flickr-photos/a.png": "kept/flickr-photos/a.png",
        "own-photos/a.png": "aside/near-duplicate/own-photos/a.png",
        "own-photos/b.png": "kept/own-photos/b.png",
    }
    with pytest.raises(DataError, match="sources"):
        dedupe(tmp_path / "flickr" / "photos", tmp_path / "out")


def test_without_duplicates_there_is_no_sheet(tmp_path: Path) -> None:
    for seed in range(3):
        write(photo(seed), tmp_path / "in" / f"{seed}.png")
    write(half(photo()), tmp_path / "in" / "half.png")
    assert (dedupe(tmp_path / "in", tmp_path / "out").out / "duplicates.jpg").is_file()
    (tmp_path / "in" / "half.png").unlink()
    assert not (dedupe(tmp_path / "in", tmp_path / "out", prune=True).out / "duplicates.jpg").exists()


def test_the_sheet_is_cut_where_there_are_many_groups_and_long_ones(tmp_path: Path) -> None:
    from toonforge.prepare.duplicates.sheet import Member, draw_sheet

    path = write(photo(), tmp_path / "a.png")

    def member(name: str, distance: int) -> Member:
        return Member(name=name, line=2, path=path, size="384x288", modified=0, distance=distance)

    groups = [(member(f"{i}.png", 0), tuple(member(f"{i}-{j}.png", j) for j in range(i % 9 + 1))) for i in range(90)]
    draw_sheet(groups, tmp_path / "sheet.jpg")
    draw_sheet(groups[:1], tmp_path / "small.jpg")
    with Image.open(tmp_path / "sheet.jpg") as sheet, Image.open(tmp_path / "small.jpg") as small:
        assert sheet.width < 2000 and small.height < sheet.height < 4000


# What is refused


@pytest.mark.parametrize("distance", [-1, 13])
def test_a_distance_out_of_range_is_refused(photos: Path, tmp_path: Path, distance: int) -> None:
    with pytest.raises(DataError, match="0 to 12"):
        dedupe(photos, tmp_path / "out", distance=distance)
    assert not (tmp_path / "out").exists()


def test_folders_that_overlap_are_refused(photos: Path, tmp_path: Path) -> None:
    for folders in ([photos, photos], [photos, photos / "copies"], [photos / "copies", photos], []):
        with pytest.raises(DataError):
            dedupe(folders, tmp_path / "out")
    write(photo(), tmp_path / "more" / "a.png")
    for out in (tmp_path / "more" / "out", photos / "out", tmp_path):
        with pytest.raises(DataError, match="the folder to write to"):
            dedupe([photos, tmp_path / "more"], out)


def test_the_command_tells_where_the_groups_are_drawn(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "dedupe", str(photos), "--distance", "4"]) == 0
    told = capsys.readouterr().out
    assert "14 pictures in" in told and "near-duplicate of scene1.png" in told
    assert "photos-deduped/duplicates.jpg" in told
    assert main(["data", "dedupe", str(photos), "--distance", "6"]) == 2
    assert "--force" in capsys.readouterr().err
    assert main(["data", "dedupe", str(photos), "--distance", "6", "--force"]) == 0


def test_several_folders_need_a_place_to_write_to(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "dedupe", str(photos), str(photos / "copies")]) == 2
    error = capsys.readouterr().err
    assert "-o" in error and "Traceback" not in error
