"""Lists and tables of pictures: what they yield, how they are split, and what is said of those not in order."""

from __future__ import annotations

import csv
import json
import random
import re
import tracemalloc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import fill, save
from toonforge.data import ListedPictures, PairedFolders
from toonforge.data.split import SPLITS
from toonforge.data.tables import read_table
from toonforge.data.wanted import Wanted
from toonforge.errors import DataError, FieldError, UnreadableImage
from toonforge.testing import DatasetSuite

FIELDS = {"photo": "photo", "toon": "drawing"}


def table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])
    return path


def pairs(root: Path, count: int = 9) -> Path:
    """Two folders, and a table of the pairs in a third."""
    fill(root / "photo", count)
    fill(root / "toon", count, ending=".bmp")
    rows = [(f"../photo/picture{n:02d}.png", "x", f"../toon/picture{n:02d}.bmp") for n in range(count)]
    return table(root / "lists" / "pairs.csv", ("photo", "note", "drawing"), rows)


def listed(file: Path, **settings: Any) -> ListedPictures:
    return ListedPictures(**{"file": str(file), "fields": FIELDS, "image_size": 16, "validation": 0.3, **settings})


class TestListed(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        type(self).component = listed(pairs(tmp_path))


class TestListedApart(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        type(self).component = listed(pairs(tmp_path), paired=False)


class TestTextList(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        files = sorted(fill(tmp_path / "photo", 9).iterdir())
        (tmp_path / "photos.txt").write_text("\n".join(f"photo/{file.name}" for file in files), "utf-8")
        type(self).component = listed(tmp_path / "photos.txt", fields={"photo": "path"})


class TestListedParts(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        fill(tmp_path / "photo", 4)
        parts = ("train", "validation", "train", "")
        rows = [(f"photo/picture{n:02d}.png", part) for n, part in enumerate(parts)]
        file = table(tmp_path / "photos.tsv", ("photo", "part"), rows, "\t")
        type(self).component = listed(file, fields={"photo": "photo"}, part_column="part")


def names(source: Any, group: str = "pair") -> list[str]:
    return [source.name(group, index) for index in range(source.sizes[group])]


def test_a_table_of_pairs_yields_the_pictures_of_the_same_pairs_in_folders(tmp_path: Path) -> None:
    table_of_pairs = listed(pairs(tmp_path), folders={"toon": str(tmp_path / "toon")})
    table(
        tmp_path / "lists" / "pairs.csv",
        ("photo", "drawing"),
        [(tmp_path / "photo" / f"picture{n:02d}.png", f"picture{n:02d}.bmp") for n in range(9)],
    )
    folders = PairedFolders(
        fields={"photo": str(tmp_path / "photo"), "toon": str(tmp_path / "toon")}, image_size=16, validation=0.3
    )
    every: dict[str, tuple[torch.Tensor, ...]] = {}
    for data, seen in ((table_of_pairs, {}), (folders, every)):
        for split in ("train", "validation"):
            source = data.build(split)
            for index, name in enumerate(names(source)):
                item = source.item("pair", index, None)
                seen[name.rpartition("--")[2]] = (item["photo"], item["toon"])
        assert len(seen) == 9
        assert all(torch.equal(a, b) for name in every for a, b in zip(seen[name], every[name]))


def test_fields_that_are_not_paired_keep_rows_in_which_the_others_are_empty(tmp_path: Path) -> None:
    fill(tmp_path / "a", 5)
    rows = [(f"a/picture{n:02d}.png" if n < 5 else "", f"a/picture{n % 5:02d}.png" if n % 2 else "") for n in range(10)]
    file = table(tmp_path / "t.csv", ("photo", "drawing"), rows)
    apart, together = listed(file, paired=False), listed(file, validation=0.5)
    sizes = {field: sum(apart.build(s).sizes[field] for s in ("train", "validation")) for field in FIELDS}
    assert sizes == {"photo": 5, "toon": 5}
    assert sum(together.build(s).sizes["pair"] for s in ("train", "validation")) == 2  # rows 1 and 3


def test_only_rows_with_the_wanted_value_are_used(tmp_path: Path) -> None:
    fill(tmp_path, 8)
    rows = [(f"picture{n:02d}.png", "kept" if n % 2 else "aside") for n in range(8)]
    file = table(tmp_path / "manifest.csv", ("output", "action"), rows)
    data = listed(file, fields={"photo": "output"}, where={"action": "kept"})
    found = {name for split in ("train", "validation") for name in names(data.build(split), "photo")}
    assert found == {f"picture{n:02d}" for n in range(1, 8, 2)}


def test_a_column_of_parts_decides_and_an_empty_one_leaves_out(tmp_path: Path) -> None:
    fill(tmp_path, 9)
    parts = ["train", "validation", "test"] * 3
    parts[4] = ""
    file = table(tmp_path / "t.csv", ("f", "part"), [(f"picture{n:02d}.png", part) for n, part in enumerate(parts)])
    data = listed(file, fields={"photo": "f"}, part_column="part")
    data.verify()
    for split in SPLITS:
        expected = [f"picture{n:02d}" for n, part in enumerate(parts) if part == split]
        assert names(data.build(split), "photo") == expected
    with pytest.raises(ValueError, match="unknown split"):
        data.build("dev")


def test_adding_rows_moves_none_of_the_others(tmp_path: Path) -> None:
    rows = [(f"some/{n}.png", f"{n}.png") for n in range(60)]
    file = table(tmp_path / "t.csv", ("photo", "drawing"), rows[:40])
    before = {split: set(names(listed(file).build(split))) for split in ("train", "validation")}
    random.Random(0).shuffle(rows)
    table(file, ("photo", "drawing"), rows)
    for split, kept in before.items():
        assert kept and kept <= set(names(listed(file).build(split)))


words = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"), min_size=1)


@given(
    rows=st.lists(st.tuples(words, words), min_size=1, max_size=20),
    delimiter=st.sampled_from([".csv,", ".CSV;", ".tsv\t"]),
    mark=st.booleans(),
    text=st.booleans(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    mark: bool,
    text: bool,
) -> None:
    if text:
        file = tmp_path_factory.mktemp("lists") / "t.txt"
        file.write_text(("\ufeff" if mark else "") + "\r\n\n".join(first for first, _ in rows), "utf-8", newline="")
        assert list(read_table(file, Wanted(columns={"path": "k"})).columns["path"]) == [first for first, _ in rows]
        return
    file = table(tmp_path_factory.mktemp("lists") / f"t{delimiter[:-1]}", ("a", "b"), rows, delimiter[-1])
    if mark:
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    read = read_table(file, Wanted(columns={"b": "k", "a": "k"})).columns
    assert list(zip(read["a"], read["b"])) == rows


def test_names_that_are_no_utf8_lead_to_their_files(tmp_path: Path) -> None:
    name = b"caf\xe9.png".decode("utf-8", "surrogateescape")
    save(tmp_path / "a.png").rename(tmp_path / name)
    fill(tmp_path, 3)
    lines = [b"caf\xe9.png", *(f"picture{n:02d}.png".encode() for n in range(3))]
    (tmp_path / "t.txt").write_bytes(b"\n".join(lines) + b"\n")
    data = listed(tmp_path / "t.txt", fields={"photo": "path"})
    sources = [data.build(split) for split in ("train", "validation")]
    assert sorted(name for source in sources for name in names(source, "photo"))[0] == r"caf\udce9"
    for source in sources:
        for index in range(source.sizes["photo"]):
            source.item("photo", index, None)


def test_what_leads_out_of_the_folder_is_no_part_of_a_name(tmp_path: Path) -> None:
    lines = ["../b/x.png", "/c//d/./y.jpg", "z.png"]
    (tmp_path / "t.txt").write_text("\n".join(lines), "utf-8")
    data = listed(tmp_path / "t.txt", fields={"photo": "path"})
    found = {name for split in ("train", "validation") for name in names(data.build(split), "photo")}
    assert found == {"b--x", "c--d--y", "z"}


def test_a_picture_that_is_gone_is_refused_by_itself(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    file = table(tmp_path / "t.csv", ("f",), [("gone.png",), *((f"picture{n:02d}.png",) for n in range(3))])
    data = listed(file, fields={"photo": "f"}, validation=0.1)
    data.verify()
    for split in ("train", "validation"):
        source = data.build(split)
        if "gone" in names(source, "photo"):
            with pytest.raises(UnreadableImage, match="missing"):
                source.item("photo", names(source, "photo").index("gone"), None)


def test_a_long_list_takes_little_more_memory_than_its_paths(tmp_path: Path) -> None:
    count = 40_000
    with (tmp_path / "t.csv").open("w", encoding="utf-8") as file:
        file.write("photo,drawing,part\n")
        file.writelines(f"photo/{n:09d}.jpg,drawing/{n:09d}.png,train\n" for n in range(count))
    wanted = Wanted(columns={"photo": "k", "drawing": "k"}, part_column="part")
    tracemalloc.start()
    read = read_table(tmp_path / "t.csv", wanted)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(read.columns["photo"]) == count
    assert peak / count < 200


BAD = [
    ("a,b\nx.png,y.png\n", {}, r"t.csv:1: data.fields.photo: there is no column 'photo'"),
    ("photos,drawing\nx,y\n", {}, r"did you mean 'photos'"),
    ("photo,photo,drawing\nx,y,z\n", {}, r"2 columns are called 'photo'"),
    ("photo,drawing\nx.png,y.png\nx.png\n", {}, r"t.csv:3: the row does not fit the header\n.*1 cell\n.*2 cells"),
    ('photo,drawing\nx.png,"y.png\n', {}, r"t.csv:2: the table cannot be read: unexpected end of data"),
    ("", {}, r"data.file: the table .* is empty"),
    ("photo,drawing\n", {}, r"lists no pictures"),
    (
        "photo,drawing,part\nx,y,trian\n",
        {"part_column": "part"},
        r"t.csv:2: data.part_column: .*\n.*'trian'\n.*\n.*'train'",
    ),
    ("photo,drawing,part\nx,y,train\n", {"part_column": "part"}, r"no row of .* is for validation"),
    ("photo,drawing\nx,y\n", {"part_column": "part"}, r"data.part_column: there is no column 'part'"),
    ("photo,drawing\nx,y\n", {"where": {"action": "kept"}}, r"data.where.action: there is no column 'action'"),
    ("photo,drawing\n" + "a,b\nc,d\ne,f\n", {}, r"data.fields.photo: the pictures that .* names are not there"),
    ("photo,drawing\nx\0,y\n", {}, r"t.csv:2: the list is not text in UTF-8"),
]


@pytest.mark.parametrize(("text", "settings", "message"), BAD, ids=[case[2] for case in BAD])
def test_a_table_that_will_not_do_is_told_with_its_line(
    tmp_path: Path, text: str, settings: dict[str, Any], message: str
) -> None:
    (tmp_path / "t.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=message):
        listed(tmp_path / "t.csv", **settings).verify()


def test_several_bad_rows_are_told_at_once(tmp_path: Path) -> None:
    file = table(tmp_path / "t.csv", ("photo", "drawing"), [("x",)] * 9)
    with pytest.raises(DataError) as caught:
        listed(file).verify()
    assert [str(problem.where).rpartition(":")[2] for problem in caught.value.problems] == ["2", "3", "4", "5", "6"]


def test_where_no_row_has_a_wanted_value_those_that_there_are_are_told(tmp_path: Path) -> None:
    fill(tmp_path, 4)
    rows = [(f"picture{n:02d}.png", "kept" if n % 2 else "aside", str(n)) for n in range(4)]
    file = table(tmp_path / "manifest.csv", ("output", "action", "number"), [*rows, ("", "unreadable", "9")])
    cases: list[tuple[dict[str, str], str]] = [
        ({"action": "keep"}, r"data.where.action: no row of .* has 'keep' in .*\n.*'aside', 'kept'.*\n.*'kept'"),
        ({"number": "x"}, r"data.where.number: .*\n.*'0', '1', '2', '3', '9'$"),
        ({"action": "kept", "number": "0"}, r"data.where: no row .* 'kept' in .* and '0' in .*\n.*each in other rows"),
        ({"action": "unreadable"}, r"data.fields.photo: no row of .* has 'output' filled\n.*1 row, each"),
    ]
    for where, message in cases:
        with pytest.raises(DataError, match=message) as caught:
            listed(file, fields={"photo": "output"}, where=where).verify()
        assert len(caught.value.problems) == 1


def test_what_a_verb_has_read_is_looked_for_in_its_folder(tmp_path: Path) -> None:
    fill(tmp_path / "films" / "photos", 9)
    for name, start in (("kept", ""), ("pairs", "photos/")):
        rows = [(f"{start}picture{n:02d}.png",) for n in range(9)]
        file = table(tmp_path / name / "manifest.csv", ("source",), rows)
        (tmp_path / name / "manifest.json").write_text(json.dumps({"source": str(tmp_path / "films" / "photos")}))
        folder = tmp_path / "films" if start else tmp_path / "films" / "photos"
        with pytest.raises(DataError, match="are not there") as caught:
            listed(file, fields={"photo": "source"}).verify()
        (problem,) = caught.value.problems  # once, though each part misses its own
        assert problem.hint is not None and f'folders = {{ photo = "{folder}" }}' in problem.hint
        listed(file, fields={"photo": "source"}, folders={"photo": str(folder)}).verify()
    for broken in ("", "[]", '{"source": 3}', '{"source": "nowhere"}'):
        (tmp_path / "kept" / "manifest.json").write_text(broken)
        with pytest.raises(DataError) as caught:
            listed(tmp_path / "kept" / "manifest.csv", fields={"photo": "source"}).verify()
        assert caught.value.problems[0].hint is None


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("webdataset", "photos-000.tar: night/0001.jpg"),
        ("side-by-side", "/data/both/1.png (1 of 2 across)"),
        ("hugging-face", "/data/set, train, row 7, pair.photo"),
    ],
)
def test_the_data_csv_of_pictures_that_are_no_files_is_recognised(tmp_path: Path, kind: str, cell: str) -> None:
    file = table(tmp_path / "data.csv", ("part", "photo"), [("train", cell), ("validation", cell)])
    with pytest.raises(
        DataError, match=rf"data.csv names no files\n[^\n]*{re.escape(cell)}\n.*\n.*\"{kind}\""
    ) as caught:
        listed(file, fields={"photo": "photo"}, part_column="part").verify()
    assert len(caught.value.problems) == 1


def test_a_list_that_is_no_text_or_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("photo,drawing\nx,y\n".encode("utf-16"))
    with pytest.raises(DataError, match="not text in UTF-8"):
        listed(tmp_path / "t.csv").verify()
    (tmp_path / "t.txt").write_bytes("x.png\n".encode("utf-16"))
    with pytest.raises(DataError, match="not text in UTF-8"):
        listed(tmp_path / "t.txt", fields={"photo": "path"}).verify()
    with pytest.raises(DataError, match=r"data.file: .* does not exist"):
        listed(tmp_path / "missing.csv").verify()
    with pytest.raises(DataError, match=r"data.file: .* cannot be read"):
        listed(tmp_path).verify()
    (tmp_path / "t.txt").write_text("x.png\n", "utf-8")
    with pytest.raises(DataError, match=r"has one column, called 'path'"):
        listed(tmp_path / "t.txt", fields={"photo": "photo"}).verify()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"fields": {}}, "fields"),
        ({"fields": {"a photo": "photo"}}, "fields"),
        ({"folders": {"cartoon": "x"}}, "folders"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, settings: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        listed(tmp_path / "t.csv", **settings)
    assert caught.value.field == field


def test_a_picture_in_several_rows_is_in_one_part(tmp_path: Path) -> None:
    """A photograph may have several drawings."""
    fill(tmp_path, 6)
    rows = [(f"picture{n // 2:02d}.png", f"picture{n:02d}.png") for n in range(6)]
    data = listed(table(tmp_path / "t.csv", ("photo", "drawing"), rows))
    train, validation = data.build("train"), data.build("validation")
    assert train.sizes["pair"] + validation.sizes["pair"] == 6
    assert not set(names(train)) & set(names(validation))
    assert np.all([names(train).count(name) == 2 for name in names(train)])
