"""`toonforge data split`: parts as the data sets make them, that stay what they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pictures import fill, save
from toonforge.cli import main
from toonforge.data import ListedPictures, PairedFolders, UnpairedFolders
from toonforge.data.split import SPLITS
from toonforge.errors import DataError
from toonforge.prepare.verbs.split import parsed_shares, split


class Count:
    """A progress that notes how many files were done."""

    def __init__(self) -> None:
        self.done = 0

    def begin(self, what: str, total: int, done: int) -> None:
        pass

    def advance(self, outcome: object) -> None:
        self.done += 1


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, the manifest's own aside."""
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("manifest."))
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(f): (f.read_bytes(), f.stat().st_mtime_ns) for f in sorted(folder.rglob("*")) if f.is_file()}


def files(root: Path, names: Sequence[str]) -> Path:
    """A folder of files that are told apart by what they hold; splitting decodes none of them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    return root


def numbered(root: Path, numbers: Sequence[int], ending: str = ".png") -> Path:
    return files(root, [f"{'sub/' * (n % 3 == 0)}{n:03d}{ending}" for n in numbers])


@pytest.mark.parametrize(("shares", "seed"), [("60/20/20", 0), ("60/20/20", 7), ("0.9/0.1/0", 1), ("66.6/0/33.4", 2)])
def test_the_verb_and_the_data_sets_agree(tmp_path: Path, shares: str, seed: int) -> None:
    source = numbered(tmp_path / "photos", range(40))
    (source / "sub" / "caf\u00e9.JPG").write_bytes(b"composed")
    (source / "sub" / "cafe\u0301 x.JPG").write_bytes(b"decomposed")
    _, validation, test = parsed_shares(shares)
    report = split(source, tmp_path / "out", shares, seed=seed)
    part_of = {row.source: str(row.figures["part"]) for row in report.rows}
    assert len(part_of) == 42 and report.parts == {p: list(part_of.values()).count(p) for p in report.parts}
    if not validation:
        assert set(report.parts) == {"train", "test"}
        return
    data = UnpairedFolders(fields={"photo": str(source)}, validation=validation, test=test, split_seed=seed)
    for part in SPLITS if test else SPLITS[:2]:
        group = data.build(part).groups["photo"]["photo"]
        theirs = {Path(group.where(index)).relative_to(source).as_posix() for index in range(len(group))}
        assert theirs == {name for name, ours in part_of.items() if ours == part}
        assert {
            Path(file).relative_to(part).as_posix() for file in tree(tmp_path / "out") if file.startswith(part)
        } == theirs


def test_files_are_copied_unchanged_and_the_source_is_only_read(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(20))
    before = contents(source)
    report = split(source, tmp_path / "out")
    assert contents(source) == before
    copied = tree(tmp_path / "out")
    assert {Path(*Path(name).parts[1:]).as_posix(): data for name, data in copied.items()} == tree(source)
    assert len(copied) == 20 and report.counts == {"written": 20}
    for row in report.rows:
        assert row.output == f"{row.figures['part']}/{row.source}" == row.figures["picture"]
        ours, theirs = (tmp_path / "out" / row.output).stat(), (source / row.source).stat()
        assert ours.st_mtime_ns == theirs.st_mtime_ns and ours.st_ino != theirs.st_ino


def test_links_take_no_room(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(5))
    for row in split(source, tmp_path / "out", link=True).rows:
        assert (tmp_path / "out" / row.output).stat().st_ino == (source / row.source).stat().st_ino


def test_further_files_move_none_of_the_old_and_only_they_are_copied(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(30))
    split(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    numbered(source, range(30, 50))
    progress = Count()
    report = split(source, tmp_path / "out", progress=progress)
    assert progress.done == 20 and not report.moved
    assert before.items() <= tree(tmp_path / "out").items()
    assert len(report.rows) == 50


def test_where_a_part_would_be_empty_files_may_move_and_it_is_said(tmp_path: Path) -> None:
    moves = 0
    for seed in range(12):
        source = numbered(tmp_path / f"photos{seed}", range(3))
        out = tmp_path / f"out{seed}"
        first = split(source, out, seed=seed)
        numbered(source, range(3, 12))
        report = split(source, out, seed=seed)
        anew = split(source, tmp_path / f"anew{seed}", seed=seed)
        assert tree(out) == tree(tmp_path / f"anew{seed}")
        was, now = ({row.source: row.figures["part"] for row in r.rows} for r in (first, anew))
        assert report.moved == {name: (was[name], now[name]) for name in was if was[name] != now[name]}
        assert not split(source, out, seed=seed).moved
        moves += len(report.moved)
    assert moves  # else nothing was tested


names = st.sets(st.integers(0, 12), min_size=3, max_size=8)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=names, after=names, changed=names, list_only=st.booleans(), several=st.booleans())
def test_going_on_gives_what_beginning_anew_gives(
    tmp_path_factory: pytest.TempPathFactory,
    before: set[int],
    after: set[int],
    changed: set[int],
    list_only: bool,
    several: bool,
) -> None:
    root = tmp_path_factory.mktemp("split")
    source, other = numbered(root / "photos", sorted(before)), numbered(root / "toons", range(13), ".jpg")
    folders = [source, other] if several else source
    split(folders, root / "out", list_only=list_only)
    shutil.rmtree(source)
    numbered(source, sorted(after))
    for number in changed & after:
        file = next(source.rglob(f"{number:03d}.png"))
        file.write_bytes(b"changed")
        if several:
            next(other.rglob(f"{number:03d}.jpg")).write_bytes(b"changed too")
    on = split(folders, root / "out", list_only=list_only, prune=True)
    anew = split(folders, root / "anew", list_only=list_only)
    assert tree(root / "out") == tree(root / "anew")
    assert on.rows == anew.rows and on.parts == anew.parts


def test_pictures_whose_files_are_gone_stay_until_they_are_pruned(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(30))
    split(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    for file in sorted(source.rglob("*.png"))[:3]:
        file.unlink()
    report = split(source, tmp_path / "out")
    assert tree(tmp_path / "out") == before and len(report.gone) == 3 and sum(report.parts.values()) == 30
    split(source, tmp_path / "out", prune=True)
    split(source, tmp_path / "anew")
    assert tree(tmp_path / "out") == tree(tmp_path / "anew")


def test_a_list_has_no_rows_of_files_that_are_gone(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(30))
    split(source, list_only=True)
    next(source.rglob("*.png")).unlink()
    report = split(source, list_only=True)
    assert report.out == tmp_path / "photos-split" and len(report.rows) == 29 and report.gone == ()


def test_paths_may_be_text_and_shares_numbers(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(30))
    report = split(str(source), str(tmp_path / "out"), shares=[80, 10, 10])
    assert split([str(source)], tmp_path / "out", "80/10/10").rows == report.rows
    assert parsed_shares((0.6, 0.2, 0.2)) == parsed_shares("60/20/20")
    for wrong in ([60, 20], [60, 20, 10], 60, [None, 1, 2]):
        with pytest.raises(DataError, match="these shares will not do") as caught:
            split(source, tmp_path / "wrong", shares=wrong)  # type: ignore[arg-type]
        assert "--shares" not in str(caught.value)


def test_several_folders_are_parted_as_one_by_name(tmp_path: Path) -> None:
    fill(tmp_path / "pairs" / "photo" / "sub", 12)
    fill(tmp_path / "pairs" / "cartoon" / "sub", 12, ending=".BMP")
    save(tmp_path / "pairs" / "photo" / "alone.png")
    folders = [tmp_path / "pairs" / "photo", tmp_path / "pairs" / "cartoon"]
    out = tmp_path / "out"
    report = split(folders, out)
    assert report.columns == ("photo", "cartoon")
    assert (
        report.counts == {"written": 12, "unmatched": 1} and report.written == 24 and sum(report.parts.values()) == 12
    )
    (alone,) = [row for row in report.rows if row.action == "unmatched"]
    assert (alone.source, alone.output) == ("photo/alone.png", "") and "no picture named 'alone'" in alone.reason
    for part in SPLITS:
        parted = [sorted(p.stem for p in (out / part / label).rglob("*.*")) for label in report.columns]
        assert parted[0] == parted[1] and len(parted[0]) == report.parts[part]
    trained = PairedFolders(
        fields={"photo": str(out / "train" / "photo"), "cartoon": str(out / "train" / "cartoon")},
        validation_fields={"photo": str(out / "validation" / "photo"), "cartoon": str(out / "validation" / "cartoon")},
    )
    trained.verify()
    assert trained.build("train").sizes["pair"] == report.parts["train"]
    (folders[0] / "alone.png").unlink()
    same = PairedFolders(fields={"photo": str(folders[0]), "cartoon": str(folders[1])}, validation=0.2, test=0.2)
    for part in SPLITS:
        assert same.build(part).sizes["pair"] == report.parts[part]


def test_a_folder_whose_name_is_a_column_of_the_manifest_gets_another_column(tmp_path: Path) -> None:
    for name in ("source", "part"):
        numbered(tmp_path / name, range(6))
    assert split([tmp_path / "source", tmp_path / "part"], tmp_path / "out").columns == (
        "source_picture",
        "part_picture",
    )


def test_folders_of_one_name_are_told_apart_by_those_above(tmp_path: Path) -> None:
    for name in ("photo", "cartoon"):
        numbered(tmp_path / name / "images", range(6))
    report = split([tmp_path / "photo" / "images", tmp_path / "cartoon" / "images"], tmp_path / "out")
    assert report.columns == ("photo-images", "cartoon-images")


@pytest.mark.parametrize("link", [False, True])
def test_a_list_trains_as_the_copies_do(tmp_path: Path, link: bool) -> None:
    fill(tmp_path / "photos" / "sub", 15)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")  # paths in the list hold from where it really lies
    listed, copied = split(tmp_path / "photos", tmp_path / "out", list_only=True), None
    assert tree(tmp_path / "elsewhere") == {} and listed.counts == {"listed": 15}
    copied = split(tmp_path / "photos", tmp_path / "copies", link=link)
    assert listed.parts == copied.parts
    settings = {"fields": {"photo": "picture"}, "part_column": "part", "image_size": 16}
    lists = [ListedPictures(file=str(folder / "manifest.csv"), **settings) for folder in (listed.out, copied.out)]
    for part in SPLITS:
        read = [data.build(part) for data in lists]
        for index in range(listed.parts[part]):
            one, other = (source.item("photo", index, None)["photo"] for source in read)
            assert (one == other).all()
    lists[0].verify()


def test_a_list_of_several_folders_has_a_row_a_pair(tmp_path: Path) -> None:
    for name in ("photo", "cartoon"):
        fill(tmp_path / name, 8)
    out = split([tmp_path / "photo", tmp_path / "cartoon"], tmp_path / "out", list_only=True).out
    fields = {"photo": "photo", "cartoon": "cartoon"}
    data = ListedPictures(file=str(out / "manifest.csv"), fields=fields, part_column="part", image_size=16)
    source = data.build("train")
    for index in range(source.sizes["pair"]):
        item = source.item("pair", index, None)
        assert (item["photo"] == item["cartoon"]).all()


@pytest.mark.parametrize("list_only", [False, True])
def test_a_manifest_finds_files_whose_names_hold_control_characters(tmp_path: Path, list_only: bool) -> None:
    odd = ["a\nb.png", "c\rd.png", "e\r\nf.png", "\tg.png", " h .png", "i\x0bj\x0c\x1c.png", "k\x85l\u2028m.png"]
    for number, name in enumerate(odd):
        save(tmp_path / "photos" / name, seed=number)
    report = split(tmp_path / "photos", tmp_path / "out", list_only=list_only)
    table, fields = str(report.out / "manifest.csv"), {"photo": "picture"}
    data = ListedPictures(file=table, fields=fields, part_column="part", image_size=16)
    data.verify()
    assert sum(sum(data.build(part).sizes.values()) for part in SPLITS) == len(odd)
    item = data.build("train").item("photo", 0, None)["photo"]
    assert item.shape == (3, 16, 16)


def test_any_name_is_split_and_none_is_lost(tmp_path: Path) -> None:
    odd = ["🙂 a b.PNG", "back\\slash.png", 'comma,"quote".png', "new\nline.png", "caf\udce9.png", "--.png"]
    source = files(tmp_path / "photos", odd)
    report = split(source, tmp_path / "out")
    assert sorted(tree(tmp_path / "out").values()) == sorted(tree(source).values())
    progress = Count()
    assert split(source, tmp_path / "out", progress=progress).rows == report.rows and progress.done == 0


@pytest.mark.parametrize("list_only", [False, True])
def test_a_file_that_cannot_be_read_is_put_down_and_tried_again(tmp_path: Path, list_only: bool) -> None:
    source = numbered(tmp_path / "photos", range(6))
    (source / "dangling.png").symlink_to(tmp_path / "later.png")
    for name in ("photo", "toon"):
        shutil.copytree(source, tmp_path / name, symlinks=name == "toon", ignore=shutil.ignore_patterns("dangling*"))
    save(tmp_path / "photo" / "dangling.png")
    (tmp_path / "toon" / "dangling.png").symlink_to(tmp_path / "later.png")
    for folders in (source, [tmp_path / "photo", tmp_path / "toon"]):
        out = tmp_path / f"out{isinstance(folders, list)}"
        report = split(folders, out, list_only=list_only)
        assert report.counts["unreadable"] == 1
        assert not [name for name in tree(out) if "dangling" in name]
    save(tmp_path / "later.png")
    assert "unreadable" not in split(source, tmp_path / "outFalse", list_only=list_only).counts


def test_other_settings_are_refused_and_force_begins_anew(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(12))
    out = split(source, tmp_path / "out").out
    before = tree(out)
    for changed in ({"seed": 1}, {"shares": "80/20/0"}, {"list_only": True}, {"link": True}):
        with pytest.raises(DataError, match=f"(?s)other settings.*{next(iter(changed))}.*--force"):
            split(source, out, **changed)
    assert tree(out) == before
    split(source, out, "0.6/0.2/0.2")  # the same shares
    split(source, out, seed=1, force=True)
    split(source, tmp_path / "anew", seed=1)
    assert tree(out) == tree(tmp_path / "anew") != before


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    source, other = numbered(tmp_path / "photos", range(12)), numbered(tmp_path / "toons", range(12))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine", "utf-8")
    for out in (tmp_path / "mine", source, source / "out", other / "out", tmp_path):
        with pytest.raises(DataError):
            split([source, other], out)
    assert not (other / "out").exists() and (tmp_path / "mine" / "precious.txt").exists()


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ("60/20", "three numbers"),
        ("60/20/20/0", "three numbers"),
        ("a/b/c", "three numbers"),
        ("nan/20/20", "three numbers"),
        ("120/-20/0", "three numbers"),
        ("60/20/10", "sum is 100"),
        ("0/50/50", "greater than 0"),
        ("", "three numbers"),
    ],
)
def test_shares_that_will_not_do_are_refused(shares: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parsed_shares(shares)


@given(st.integers(1, 100), st.integers(0, 99))
def test_shares_in_a_hundred_are_the_numbers_of_a_recipe(train: int, validation: int) -> None:
    if train + validation > 100:
        train, validation = 100 - validation, validation
    test = 100 - train - validation
    expected = tuple(float(f"0.{n:02d}") if n < 100 else 1.0 for n in (train, validation, test))
    assert parsed_shares(f"{train}/{validation}/{test}") == expected


def test_too_few_files_and_folders_that_will_not_do_are_refused(tmp_path: Path) -> None:
    source = numbered(tmp_path / "photos", range(2))
    with pytest.raises(DataError, match="too few pictures"):
        split(source, tmp_path / "out")
    with pytest.raises(DataError, match="does not exist"):
        split(tmp_path / "missing", tmp_path / "out")
    with pytest.raises(DataError, match="given twice"):
        split([source, source], tmp_path / "out")
    files(tmp_path / "toons", ["x.png", "y.png"])
    with pytest.raises(DataError, match=r"too few pictures of one name in all folders"):
        split([source, tmp_path / "toons"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def run(capsys: pytest.CaptureFixture[str], *words: Any) -> tuple[int, str, str]:
    code = main([str(word) for word in ("data", *words)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_says_what_is_where_and_how_to_train_from_a_list(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "pairs" / "photo", 10)
    fill(tmp_path / "pairs" / "cartoon", 10)
    code, out, _ = run(capsys, "split", "pairs/photo", "pairs/cartoon", "--list-only")
    assert code == 0 and "parts: train " in out
    recipe = out.partition("[data]\n")[2].splitlines()[:4]
    import tomli

    data = tomli.loads("\n".join(recipe))
    assert data.pop("type") == "listed"
    ListedPictures(**data).verify()
    code, out, _ = run(capsys, "split", "pairs/photo")
    assert code == 0 and (tmp_path / "pairs" / "photo-split" / "train").is_dir()
    code, _, err = run(capsys, "split", "pairs/photo", "--shares", "1/2/3")
    assert code == 2 and "these shares will not do" in err and "sum is 100" in err


def test_nothing_of_it_imports_torch(tmp_path: Path) -> None:
    numbered(tmp_path / "photos", range(40))
    program = (
        "import sys; from toonforge.cli import main\n"
        "code = main(['data', 'split', 'photos', '--workers', '2'])\n"
        "sys.exit(code or int('torch' in sys.modules or 'cv2' in sys.modules))"
    )
    path = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True)
