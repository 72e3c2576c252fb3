"""`toonforge data pair`: what belongs together is brought together, and the rest is named with a reason."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import fill, gradient, save
from toonforge.cli import main
from toonforge.cli.data.bar import Bar
from toonforge.data import ListedPictures, PairedFolders, SideBySide
from toonforge.data.reading.picture import read_picture
from toonforge.errors import DataError
from toonforge.prepare.pairing.matching import labels, match, plain
from toonforge.prepare.verbs.pair import pair


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, the manifest's own aside."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("manifest."))
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def folders(root: Path, count: int = 6) -> tuple[Path, Path]:
    photo, toon = root / "photo", root / "toon"
    for number in range(count):
        save(photo / f"sub{number % 2}" / f"{number}.png", seed=number)
        save(toon / f"sub{number % 2}" / f"{number}.bmp", seed=number + 50)
    return photo, toon


def test_pairs_are_copied_unchanged_under_equal_names_and_the_sources_are_only_read(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    before = tree(photo), tree(toon)
    report = pair(photo, toon, tmp_path / "out")
    out = tree(tmp_path / "out")
    assert (tree(photo), tree(toon)) == before
    assert out == {
        **{f"photo/{name}": data for name, data in before[0].items()},
        **{f"toon/{name}": data for name, data in before[1].items()},
    }
    data = PairedFolders(fields={side: str(tmp_path / "out" / side) for side in ("photo", "toon")}, image_size=16)
    data.verify()
    assert [(row.figures["photo"], row.figures["toon"]) for row in report.rows] == [
        (f"photo/sub{n % 2}/{n}.png", f"toon/sub{n % 2}/{n}.bmp") for n in (0, 2, 4, 1, 3, 5)
    ]
    assert report.counts == {"written": 6} and report.written == 12
    for row in report.rows:  # true of both files
        assert row.output == row.figures["photo"] and row.bytes == (tmp_path / row.source).stat().st_size
        other = tmp_path / str(row.figures["toon"])
        assert row.figures["matched"] == f"{row.figures['toon']} ({size_and_time(other)})"


def size_and_time(file: Path) -> str:
    return f"{file.stat().st_size} bytes, {file.stat().st_mtime_ns}"


def test_a_manifest_trains_as_its_folders_do(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    out = pair(photo, toon, tmp_path / "out", link=True).out
    assert (out / "photo" / "sub0" / "0.png").stat().st_ino == (photo / "sub0" / "0.png").stat().st_ino
    listed = ListedPictures(
        file=str(out / "manifest.csv"), fields={"photo": "photo", "toon": "toon"}, image_size=16, validation=0.3
    )
    listed.verify()
    sizes = [listed.build(part).sizes["pair"] for part in ("train", "validation")]
    assert sum(sizes) == 6 and min(sizes) > 0
    item = listed.build("train").item("pair", 0, None)
    assert not torch.equal(item["photo"], item["toon"])


@pytest.mark.parametrize("side_by_side", [False, True])
def test_a_manifest_finds_files_whose_names_hold_control_characters(tmp_path: Path, side_by_side: bool) -> None:
    odd = ["a\nb", "c\rd", "e\r\nf", "\tg", " h ", "i\x0bj\x0c\x1c", "k\x85l\u2028m", '"n', "o, p"]
    for number, name in enumerate(odd):
        save(tmp_path / "photo" / f"{name}.png", seed=number)
        save(tmp_path / "toon" / f"{name}.png", seed=number + 50)
    report = pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "out", side_by_side=side_by_side)
    assert report.counts == {"written": len(odd)}
    fields = {"photo": "output"} if side_by_side else {"photo": "photo", "toon": "toon"}
    listed = ListedPictures(file=str(report.out / "manifest.csv"), fields=fields, image_size=16, validation=0.2)
    listed.verify()
    assert sum(sum(listed.build(part).sizes.values()) for part in ("train", "validation")) == len(odd)


@pytest.mark.parametrize("letters", ["x", "ä"])
def test_pairs_are_packed_under_names_as_long_as_the_disk_takes(tmp_path: Path, letters: str) -> None:
    name = letters * (251 // len(letters.encode())) + ".png"
    for side in ("photo", "toon"):
        save(tmp_path / side / name)
    assert pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "out", side_by_side=True).counts == {"written": 1}
    assert Image.open(tmp_path / "out" / name).size == (60, 20)


def test_a_set_packed_side_by_side_yields_the_pixels_of_the_same_files_in_two_folders(tmp_path: Path) -> None:
    for number in range(10):
        save(tmp_path / "photo" / "sub" / f"{number}.png", 40, 52, number)
        save(tmp_path / "toon" / "sub" / f"{number}.png", 40, 52, number + 50)
    report = pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "packed", side_by_side=True)
    assert report.counts == {"written": 10}
    shares = {"image_size": 16, "validation": 0.3, "test": 0.2}
    packed = SideBySide(folder=str(tmp_path / "packed"), fields=("photo", "toon"), **shares)
    apart = PairedFolders(fields={side: str(tmp_path / side) for side in ("photo", "toon")}, **shares)
    for split in ("train", "validation", "test"):
        ours, theirs = packed.build(split), apart.build(split)
        assert ours.sizes == theirs.sizes
        for index in range(ours.sizes["pair"]):
            assert ours.name("pair", index) == theirs.name("pair", index)
            for seed in range(3):
                one, other = (s.item("pair", index, np.random.default_rng(seed)) for s in (ours, theirs))
                assert all(torch.equal(one[field], other[field]) for field in ("photo", "toon"))


def test_side_by_side_the_second_is_scaled_to_the_size_of_the_first(tmp_path: Path) -> None:
    save(tmp_path / "photo" / "a.jpg", 20, 30)
    save(tmp_path / "toon" / "a.png", 40, 60)
    pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "out", side_by_side=True)
    joined = read_picture(tmp_path / "out" / "a.png")
    assert joined.shape == (20, 60, 3)
    assert np.array_equal(joined[:, :30], read_picture(tmp_path / "photo" / "a.jpg"))
    small = np.asarray(Image.fromarray(gradient(40, 60)).resize((30, 20), Image.Resampling.BICUBIC))
    assert np.array_equal(joined[:, 30:], small)


def test_what_cannot_be_paired_is_put_down_with_its_reason(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    save(photo / "alone.png")
    save(toon / "single.png")
    save(photo / "two.png")
    save(photo / "two.jpg")
    save(toon / "two.png")
    save(photo / "wide.png", 20, 60)
    save(toon / "wide.png", 20, 62)
    save(photo / "nearly.png", 100, 300)
    save(toon / "nearly.png", 100, 305)
    save(photo / "torn.png")
    (toon / "torn.png").write_bytes((photo / "torn.png").read_bytes()[:70])
    (photo / "empty.png").write_bytes(b"")
    save(toon / "empty.png")
    for side_by_side in (False, True):
        report = pair(photo, toon, tmp_path / f"out{side_by_side}", side_by_side=side_by_side)
        found = {row.source: (row.action, row.reason) for row in report.rows if row.action != "written"}
        assert found.pop("photo/torn.png")[1].startswith("toon/torn.png: ")
        assert found == {
            "photo/alone.png": ("unmatched", "no picture named 'alone' in toon"),
            "toon/single.png": ("unmatched", "no picture named 'single' in photo"),
            **dict.fromkeys(
                ("photo/two.png", "photo/two.jpg", "toon/two.png"),
                ("ambiguous", "photo/two.jpg and photo/two.png have one name, their endings aside"),
            ),
            "photo/wide.png": ("misfit", "60x20 and 62x20: the aspects 3.00 and 3.10 differ by more than 2%"),
            "photo/empty.png": ("unreadable", "the file is empty"),
        }
        stems = {Path(name).stem for name in tree(report.out)}
        assert stems == {"nearly", *map(str, range(6))}
    data = PairedFolders(fields={side: str(tmp_path / "outFalse" / side) for side in ("photo", "toon")}, image_size=16)
    for part in ("train", "validation"):
        source = data.build(part)
        for index in range(source.sizes["pair"]):
            source.item("pair", index, None)  # takes every pair


def test_endings_are_stripped_before_names_are_matched(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "shots" / "day" / f"{number}_photo.png")
        save(tmp_path / "art" / "day" / f"{number}_final_cartoon.jpg")
    save(tmp_path / "shots" / "_photo.png")
    with pytest.raises(DataError, match=r"(?s)has the name of one of the other.*--strip") as caught:
        pair(tmp_path / "shots", tmp_path / "art", tmp_path / "out")
    assert "shots/_photo.png and art/day/0_final_cartoon.jpg" in str(caught.value)
    save(tmp_path / "art" / "_photo.png")
    strip = ("_cartoon", "_photo", "_final_cartoon")
    report = pair(tmp_path / "shots", tmp_path / "art", tmp_path / "out", strip=strip)
    assert set(tree(report.out)) == {
        *(f"shots/day/{n}.png" for n in range(3)),
        *(f"art/day/{n}.jpg" for n in range(3)),
        "shots/_photo.png",
        "art/_photo.png",
    }


@given(st.text(min_size=1, max_size=9), st.lists(st.text(max_size=3), max_size=4))
def test_stripping_takes_one_ending_and_never_all(name: str, endings: list[str]) -> None:
    left = plain(name, endings)
    assert name.startswith(left) and left
    assert name[len(left) :] in ("", *endings)


def test_letters_composed_or_not_match_and_letter_case_where_asked(tmp_path: Path) -> None:
    save(tmp_path / "photo" / f"{unicodedata.normalize('NFC', 'é')}.png")
    save(tmp_path / "toon" / f"{unicodedata.normalize('NFD', 'é')}.png")
    save(tmp_path / "photo" / "Beach.PNG")
    save(tmp_path / "toon" / "beach.jpeg")
    assert len(match((tmp_path / "photo", tmp_path / "toon")).items) == 1
    report = pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "out", ignore_case=True)
    assert set(tree(report.out)) == {"photo/é.png", "toon/é.png", "photo/Beach.PNG", "toon/Beach.jpeg"}


def test_odd_names_are_paired(tmp_path: Path) -> None:
    for side in ("photo", "toon"):
        for name in ("🙂 a b.png", "back\\slash.png", 'comma,"q".png', "caf\udce9.png"):
            save(tmp_path / side / "x.png").rename(tmp_path / side / name)
    report = pair(tmp_path / "photo", tmp_path / "toon", tmp_path / "out")
    assert report.counts == {"written": 4}
    names = {side: {Path(name).name for name in tree(tmp_path / "out" / side)} for side in ("photo", "toon")}
    assert names["photo"] == names["toon"] and len(names["photo"]) == 4


sets = st.sets(st.integers(0, 9), min_size=1, max_size=6)


@settings(max_examples=20)
@given(photos=st.tuples(sets, sets), toons=st.tuples(sets, sets), changed=sets, side_by_side=st.booleans())
def test_going_on_gives_what_beginning_anew_gives(
    tmp_path_factory: pytest.TempPathFactory,
    photos: tuple[set[int], set[int]],
    toons: tuple[set[int], set[int]],
    changed: set[int],
    side_by_side: bool,
) -> None:
    root = tmp_path_factory.mktemp("pair")
    for time in range(2):
        for side, numbers in (("photo", photos), ("toon", toons)):
            shutil.rmtree(root / side, ignore_errors=True)
            for number in numbers[time] | {99}:  # 99: something always matches
                if time and number in changed and side == "toon":
                    save(root / side / f"{number}.png", 16, 24 if number % 2 else 90, number)
                else:
                    save(root / side / f"{number}.png", 16, 24, number)
        report = pair(root / "photo", root / "toon", root / "out", side_by_side=side_by_side, prune=True)
    anew = pair(root / "photo", root / "toon", root / "anew", side_by_side=side_by_side)
    assert tree(root / "out") == tree(root / "anew")
    assert report.rows == anew.rows


def test_only_what_changed_is_done_again(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    done: list[Any] = []

    class Progress:
        def begin(self, what: str, total: int, done: int) -> None:
            pass

        def advance(self, outcome: Any) -> None:
            done.append(outcome.output)

    pair(photo, toon, tmp_path / "out")
    pair(photo, toon, tmp_path / "out", progress=Progress())
    assert not done
    save(toon / "sub1" / "3.bmp", seed=77)
    pair(photo, toon, tmp_path / "out", progress=Progress())
    assert done == ["photo/sub1/3.png"]
    assert (tmp_path / "out" / "toon" / "sub1" / "3.bmp").read_bytes() == (toon / "sub1" / "3.bmp").read_bytes()
    (tmp_path / "out" / "toon" / "sub0" / "0.bmp").unlink()  # by the user: it is made again
    pair(photo, toon, tmp_path / "out")
    assert (tmp_path / "out" / "toon" / "sub0" / "0.bmp").exists()


def test_pairs_that_lost_a_file_stay_until_they_are_pruned(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    save(toon / "alone.png")
    pair(photo, toon, tmp_path / "out")
    before = tree(tmp_path / "out")
    (photo / "sub0" / "0.png").unlink()
    (toon / "sub0" / "2.bmp").unlink()
    (photo / "sub1" / "1.png").unlink()
    (toon / "sub1" / "1.bmp").unlink()
    lost = ("photo/sub0/0.png", "photo/sub0/2.png", "photo/sub1/1.png")
    for _ in range(2):
        report = pair(photo, toon, tmp_path / "out")
        assert tree(tmp_path / "out") == before and report.gone == lost
        assert report.counts == {"written": 6, "unmatched": 2}  # toon/alone.png, and toon/sub0/0.bmp
    save(photo / "sub0" / "0.jpg")  # in place of the one that is gone
    report = pair(photo, toon, tmp_path / "out")
    assert report.gone == lost[1:] and tree(tmp_path / "out").keys() == {
        *(before.keys() - {"photo/sub0/0.png"}),
        "photo/sub0/0.jpg",
    }
    pruned = pair(photo, toon, tmp_path / "out", prune=True)
    anew = pair(photo, toon, tmp_path / "anew")
    assert pruned.gone == () and pruned.rows == anew.rows and tree(tmp_path / "out") == tree(tmp_path / "anew")


def test_paths_may_be_text_and_out_may_be_left_out(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    assert pair(str(photo), str(toon)).out == tmp_path / "photo-toon-pairs"
    assert pair(photo, toon, str(tmp_path / "out")).counts == {"written": 6}


def test_names_are_told_as_paths(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    save(photo / "b" / "1_photo.png")
    save(photo / "a" / "x.png")
    save(photo / "a--x.png")
    save(toon / "a" / "x.png")
    reasons = {row.source: row.reason for row in pair(photo, toon, strip=["_photo"]).rows if row.reason}
    assert reasons.pop("photo/b/1_photo.png") == "no picture named 'b/1' in toon"
    assert set(reasons) == {"photo/a/x.png", "photo/a--x.png", "toon/a/x.png"}
    (reason,) = set(reasons.values())
    assert "photo/a--x.png and photo/a/x.png have one name" in reason and "/ counts as --" in reason


def test_stopped_it_counts_pairs_as_the_bar_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, toon = folders(tmp_path)
    advance, done = Bar.advance, []

    def stopping(bar: Bar, outcome: Any) -> None:
        advance(bar, outcome)
        done.append(outcome)
        if len(done) == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Bar, "advance", stopping)
    assert main(["data", "pair", str(photo), str(toon)]) == 130
    assert "stopped after 2 of 6 pairs" in capsys.readouterr().err


def test_other_settings_and_folders_of_something_else_are_refused(tmp_path: Path) -> None:
    photo, toon = folders(tmp_path)
    out = pair(photo, toon, tmp_path / "out").out
    for changed in ({"side_by_side": True}, {"strip": ("_x",)}, {"ignore_case": True}, {"link": True}):
        with pytest.raises(DataError, match=f"(?s)other settings.*{next(iter(changed))}.*--force"):
            pair(photo, toon, out, **changed)
    pair(photo, toon, out, side_by_side=True, force=True)
    assert set(tree(out)) == {f"sub{n % 2}/{n}.png" for n in range(6)}
    for other in (photo / "out", toon / "out", toon, tmp_path):
        with pytest.raises(DataError):
            pair(photo, toon, other)
    with pytest.raises(DataError, match="given twice"):
        pair(photo, photo, tmp_path / "twice")
    with pytest.raises(DataError, match="does not exist"):
        pair(photo, tmp_path / "missing", tmp_path / "twice")


def test_labels_are_names_and_more_of_the_path_where_they_are_the_same(tmp_path: Path) -> None:
    assert labels([tmp_path / "a" / "photo", tmp_path / "toon"]) == ("photo", "toon")
    assert labels([tmp_path / "a" / "x", tmp_path / "b" / "X", tmp_path / "a" / "y"]) == ("a-x", "b-X", "a-y")


def test_the_command_tells_how_many_pairs_there_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photos", 4)
    fill(tmp_path / "toons", 3)
    assert main(["data", "pair", "photos", "toons"]) == 0
    out = capsys.readouterr().out
    assert "pairs: 3" in out and "photos/picture03.png: no picture named 'picture03' in toons" in out
    assert len(tree(tmp_path / "photos-toons-pairs")) == 6
    assert main(["data", "pair", "photos", "toons", "--side-by-side", "--link"]) == 2
    assert main(["data", "pair", "photos", "toons", "-o", "packed", "--side-by-side"]) == 0
    assert len(tree(tmp_path / "packed")) == 3


def test_nothing_of_it_imports_torch(tmp_path: Path) -> None:
    folders(tmp_path, 20)
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from toonforge.cli import main\n"
        "code = main(['data', 'pair', 'photo', 'toon', '--side-by-side', '--workers', '2'])\n"
        "sys.exit(code or int('torch' in sys.modules or 'cv2' in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", program, str(Path.cwd())], cwd=tmp_path, check=True)
