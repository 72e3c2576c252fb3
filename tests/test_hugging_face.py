"""Data sets of the library `datasets`: what they yield, how rows are split, and what is said of those that will not do."""

from __future__ import annotations

import io
import logging
import os
import pickle
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets.exceptions import DatasetNotFoundError
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import fill, gradient, save
from tests.test_loader import batches, same
from tests.test_processes import ROOT
from toonforge.data import HuggingFace
from toonforge.data.hugging_face.columns import row_names
from toonforge.data.hugging_face.rows import Rows
from toonforge.data.pictures import Texts
from toonforge.errors import DataError, FieldError, ToonforgeError, UnreadableImage
from toonforge.testing import DatasetSuite

PAIR = {"photo": "photo", "cartoon": "cartoon"}
PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(autouse=True)
def _a_cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("datasets"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    datasets.disable_progress_bars()


def png(seed: int) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(gradient(20, 24, seed)).save(packed, "PNG")
    return packed.getvalue()


def parquet(path: Path, rows: Sequence[int] = range(9), **columns: Any) -> Path:
    """A Parquet file of pairs with bytes inside, as `push_to_hub` writes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "photo": pa.array([{"bytes": png(row), "path": f"p{row}.png"} for row in rows], PICTURE),
        "cartoon": pa.array([{"bytes": png(row + 50), "path": None} for row in rows], PICTURE),
        "inside": pa.array([{"photo": {"bytes": png(row), "path": None}, "n": row} for row in rows]),
        "raw": pa.array([png(row) for row in rows], pa.large_binary()),
        "film": [f"film{row % 4}" for row in rows],
        "number": list(rows),
        "several": [[{"bytes": png(row), "path": None}] for row in rows],
    }
    pq.write_table(pa.table({**table, **columns}), path)
    return path


def settings(path: Path | str, **more: Any) -> HuggingFace:
    return HuggingFace(**{"path": str(path), "fields": PAIR, "image_size": 16, "validation": 0.3, **more})


def names_of(data: HuggingFace, split: str = "train") -> list[str]:
    source = data.build(split)
    return [source.name("pair", at) for at in range(source.sizes["pair"])]


def every_name(data: HuggingFace) -> list[str]:
    return sorted(names_of(data) + names_of(data, "validation"))


class TestPairs(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        parquet(tmp_path / "data/train-00000-of-00002.parquet")
        parquet(tmp_path / "data/train-00001-of-00002.parquet", range(20, 25))
        type(self).component = settings(tmp_path)


class TestFolderOfPictures(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        fill(tmp_path / "train", 9)
        type(self).component = settings(tmp_path, fields={"photo": "image"})


class TestGroupsOfTheirOwn(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        path = parquet(tmp_path / "a.parquet")
        type(self).component = settings(path, fields={"photo": "inside.photo", "anime": "raw"}, paired=False)


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=20), st.data())
def test_bytes_come_out_as_they_went_in(contents: list[bytes], data: st.DataObject) -> None:
    pictures = pa.array([{"bytes": content, "path": None} for content in contents], PICTURE)
    table = datasets.Dataset(pa.table({"photo": pictures, "deep": pa.array([{"x": c} for c in contents])}))
    order = data.draw(st.permutations(range(len(contents))))
    names = row_names(table, ("photo",), None, None)
    for column in (("photo",), ("deep", "x")):
        rows = Rows(table.select(order), column, names, "table").only(np.arange(len(contents))[::-1])
        assert [rows._cell(at)[0].as_py() for at in range(len(rows))] == [contents[at] for at in order][::-1]


@pytest.mark.parametrize("start", [0, 1, 4, 7])
def test_the_order_depends_neither_on_workers_nor_on_where_a_run_begins(tmp_path: Path, start: int) -> None:
    source = settings(parquet(tmp_path / "a.parquet")).build("train")
    whole = batches(source)
    assert same(whole[start:], batches(source, start_step=start))
    assert same(whole[start:], batches(source, start_step=start, workers=2))


def test_a_source_that_was_sent_to_another_process_reads_the_same(tmp_path: Path) -> None:
    source = settings(parquet(tmp_path / "a.parquet")).build("train")
    sent = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) < 20_000, "the table is mapped anew, not sent"
    assert all(np.array_equal(source.item("pair", 3, None)[f], sent.item("pair", 3, None)[f]) for f in PAIR)


@pytest.mark.parametrize("column", ["photo", "inside.photo", "raw"])
def test_pictures_are_decoded_as_files_are(tmp_path: Path, column: str) -> None:
    data = settings(parquet(tmp_path / "a.parquet"), fields={"photo": column}, validation_split="train")
    pictures = data.build("validation").groups["photo"]["photo"]
    assert all(np.array_equal(pictures.read(at), gradient(20, 24, at)) for at in range(9))


# -- where sets lie


def test_a_folder_with_metadata_may_hold_pairs(tmp_path: Path) -> None:
    for number in range(6):
        Image.fromarray(gradient(seed=number)).save(tmp_path / f"p{number}.jpg")
        Image.fromarray(gradient(seed=number + 9)).save(tmp_path / f"c{number}.png")
    lines = ["photo_file_name,cartoon_file_name", *(f"p{n}.jpg,c{n}.png" for n in range(6))]
    (tmp_path / "metadata.csv").write_text("\n".join(lines))
    data = settings(tmp_path)
    data.verify()
    assert every_name(data) == [f"p{n}" for n in range(6)]
    pictures = data.build("train").groups["pair"]
    assert pictures["photo"].version(0) != pictures["cartoon"].version(0)
    assert f"{tmp_path}/p" in pictures["photo"].version(0)


def test_stars_name_the_files_that_are_read_whatever_a_readme_says(tmp_path: Path) -> None:
    parquet(tmp_path / "a [1]/x1.parquet", range(3))
    parquet(tmp_path / "a [1]/x2.parquet", range(3, 6))
    parquet(tmp_path / "a [1]/y.parquet", range(6, 9))
    card = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: y.parquet\n---\n"
    (tmp_path / "a [1]/README.md").write_text(card)
    assert every_name(settings(tmp_path / "a [[]1]/x*.parquet")) == [f"p{n}" for n in range(6)]
    assert every_name(settings(tmp_path / "a [1]/x2.parquet")) == ["p3", "p4", "p5"]


def test_sets_that_were_saved_are_read_as_they_are(tmp_path: Path) -> None:
    table = datasets.Dataset.from_parquet(str(parquet(tmp_path / "a.parquet")))
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": table, "held": table.select(range(3))}).save_to_disk(tmp_path / "several")
    assert len(every_name(settings(tmp_path / "one"))) == 9
    assert names_of(settings(tmp_path / "several", validation_split="held"), "validation") == ["p0", "p1", "p2"]
    with pytest.raises(DataError) as caught:
        settings(tmp_path / "several", split="test").build("train")
    assert caught.value.problems[0].expected == "train, held" and caught.value.problems[0].key == "data.split"


def test_a_split_of_the_set_may_be_for_validation(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet")
    parquet(tmp_path / "validation.parquet", range(20, 23))
    data = settings(tmp_path, validation_split="validation", test=0.3)
    assert names_of(data, "validation") == ["p20", "p21", "p22"]
    assert sorted(names_of(data) + names_of(data, "test")) == [f"p{n}" for n in range(9)]
    assert len(every_name(settings(tmp_path, split="train[:4]"))) == 4


# -- names of rows


def test_rows_are_named_after_their_pictures_wherever_the_set_lies(tmp_path: Path) -> None:
    for root in ("here", "moved/there"):
        fill(tmp_path / root / "a", 6)
        fill(tmp_path / root / "b", 6, ending=".jpg")
    one, two = (settings(tmp_path / root, fields={"photo": "image"}) for root in ("here", "moved/there"))
    found = [
        sorted(source.name("photo", at) for at in range(source.sizes["photo"])) for source in map(built, (one, two))
    ]
    assert found[0] == found[1] and {name[:10] for name in found[0]} <= {"a--picture", "b--picture"}
    hub = "/home/me/.cache/huggingface/hub/datasets--user--set/snapshots/0123abc/train/1.png"
    table = datasets.Dataset(pa.table({"photo": pa.array([{"bytes": None, "path": hub}], PICTURE)}))
    assert list(row_names(table, ("photo",), None, None)) == ["train--1"]


def built(data: HuggingFace) -> Any:
    return data.build("train")


def test_rows_that_are_put_in_between_move_no_picture_that_has_a_path(tmp_path: Path) -> None:
    before = names_of(settings(parquet(tmp_path / "a.parquet", range(0, 60, 2))), "validation")
    after = names_of(settings(parquet(tmp_path / "b.parquet", range(60))), "validation")
    assert set(before) == {name for name in after if int(name[1:]) % 2 == 0}


def test_without_paths_of_their_own_rows_are_numbered(tmp_path: Path) -> None:
    rows = [f"row-{n}" for n in range(9)]
    assert every_name(settings(parquet(tmp_path / "a.parquet"), fields={"x": "cartoon", "y": "photo"})) == rows
    same_path = pa.array([{"bytes": png(row), "path": "image.png"} for row in range(9)], PICTURE)
    assert every_name(settings(parquet(tmp_path / "b.parquet", photo=same_path))) == rows
    no_path = pa.array([{"bytes": png(row)} for row in range(9)])
    assert every_name(settings(parquet(tmp_path / "c.parquet", photo=no_path))) == rows


def test_rows_of_one_key_stay_together(tmp_path: Path) -> None:
    data = settings(parquet(tmp_path / "a.parquet", range(40)), key="film")
    parts = [set(names_of(data, part)) for part in ("train", "validation")]
    assert parts[0] | parts[1] == {f"film{n}" for n in range(4)} and not parts[0] & parts[1]
    assert "3" in every_name(settings(tmp_path / "a.parquet", key="number"))


# -- pictures that will not do


def test_broken_cells_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    cells = [
        {"bytes": b"no picture", "path": "0.png"},
        None,
        {"bytes": None, "path": None},
        {"bytes": None, "path": str(tmp_path / "gone.png")},
        {"bytes": b"", "path": None},
        {"bytes": png(5)[:60], "path": None},
        {"bytes": png(6), "path": None},
    ]
    path = parquet(tmp_path / "a.parquet", range(7), photo=pa.array(cells, PICTURE))
    data = settings(path, fields={"photo": "photo"}, validation_split="train")
    pictures = data.build("validation").groups["photo"]["photo"]
    reasons = {}
    for at in range(6):
        with pytest.raises(UnreadableImage) as caught:
            pictures.read(at)
        reasons[caught.value.path] = caught.value.reason
        assert pictures.version(at) is not None
    place = f"{path}, train, row"
    assert set(reasons) == {*(f"{place} {at}, photo" for at in (0, 1, 2, 4, 5)), str(tmp_path / "gone.png")}
    assert reasons[f"{place} 1, photo"] == reasons[f"{place} 2, photo"] == "the cell is empty"
    assert pictures.read(6).shape == (20, 24, 3)


@pytest.mark.parametrize(
    ("fields", "message", "said"),
    [
        ({"photo": "phota"}, "there is no column 'phota'", "did you mean 'photo'?"),
        ({"photo": "inside.phot"}, "there is no column 'inside.phot'", "did you mean 'inside.photo'?"),
        ({"photo": "several"}, "the column 'several' holds no pictures", "List("),
        ({"photo": "inside"}, "the column 'inside' holds no pictures", "inside.photo"),
        ({"photo": "film"}, "the column 'film' holds no pictures", 'the data set "listed"'),
        ({"photo": "number"}, "the column 'number' holds no pictures", "int64"),
    ],
)
def test_columns_that_hold_no_pictures_are_refused(
    tmp_path: Path, fields: dict[str, str], message: str, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        settings(parquet(tmp_path / "a.parquet"), fields=fields).build("train")
    (problem,) = caught.value.problems
    assert problem.message == message and problem.key == "data.fields.photo" and said in str(problem)


@pytest.mark.parametrize(("key", "told"), [("film name", "is missing"), ("photo", "not a column of keys")])
def test_keys_that_will_not_do_are_refused(tmp_path: Path, key: str, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        settings(parquet(tmp_path / "a.parquet"), key=key).build("train")
    assert caught.value.problems[0].key == "data.key"


def test_columns_of_parquet_files_are_looked_for_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    parquet(tmp_path / "data/a.parquet")
    settings(tmp_path, fields={"photo": "inside.photo"}, key="film").verify()
    with pytest.raises(DataError) as caught:
        settings(tmp_path, fields={"photo": "phota"}, key="filn").verify()
    assert [(problem.key, problem.hint) for problem in caught.value.problems] == [
        ("data.fields.photo", "did you mean 'photo'?"),
        ("data.key", "did you mean 'film'?"),
    ]
    settings("user/set").verify()


def refuse(*arguments: object, **options: object) -> datasets.Dataset:
    raise AssertionError("the set is loaded")


@pytest.mark.parametrize(
    ("made", "path", "more", "key", "told"),
    [
        (None, "nowhere", {}, "path", "there is no"),
        (None, "a/b/c", {}, "path", 'or a name on the hub such as "user/set"'),
        (None, "*.parquet", {}, "path", "there is no"),
        ("folder/", "folder", {}, "path", "is empty"),
        ("folder/notes.md", "folder", {}, "path", "holds no data files"),
        ("folder [1]/x.png", "folder [1]", {}, "path", "rename the folder"),
        ("a.csv", "a.csv", {}, "path", "is no Parquet file"),
        ("a.parquet", "a.parquet", {}, "path", "cannot be loaded"),
        ("good.parquet", "good.parquet", {"split": "held"}, "split", "has no split 'held'"),
        ("good.parquet", "good.parquet", {"validation_split": "held"}, "validation_split", "has no split 'held'"),
        ("good/a.parquet", "good", {"name": "small"}, "name", "no such configuration"),
        ("good.parquet", "good.parquet", {"revision": "main"}, "revision", "have no revisions"),
    ],
)
def test_sets_that_will_not_do_are_refused_in_one_message(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: str | None,
    path: str,
    more: dict[str, str],
    key: str,
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if made is not None and made.endswith("/"):
        Path(made).mkdir()
    elif made is not None and made.startswith("good"):
        parquet(tmp_path / made)
    elif made is not None:
        Path(made).parent.mkdir(exist_ok=True)
        Path(made).write_text("PAR1 but no more")
    with pytest.raises(DataError) as caught:
        settings(path, **more).build("validation")
    (problem,) = caught.value.problems
    assert problem.key == f"data.{key}" and told in str(problem)


def test_too_few_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="too few pictures"):
        settings(parquet(tmp_path / "a.parquet", range(1))).build("train")
    with pytest.raises(DataError, match=r"has no split 'train\[:0\]'"):
        settings(parquet(tmp_path / "b.parquet"), split="train[:0]").build("train")
    none = datasets.Dataset.from_parquet(str(tmp_path / "b.parquet")).select([])
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, **options: none)
    with pytest.raises(DataError, match="has no rows"):
        settings(tmp_path / "b.parquet").build("train")


@pytest.mark.parametrize(("more", "field"), [({"fields": {}}, "fields"), ({"path": ""}, "path")])
def test_settings_that_cannot_be_are_refused(more: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        HuggingFace(**{"path": "user/set", "fields": PAIR, **more})
    assert caught.value.field == field


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.extras.find_spec", lambda module: None)
    for act in (settings("user/set").verify, lambda: settings("user/set").build("train")):
        with pytest.raises(ToonforgeError) as caught:
            act()
        (problem,) = caught.value.problems
        assert problem.message == 'the data set "hugging-face" needs the package datasets, which is not installed'
        assert problem.hint == 'pip install "toonforge[hugging-face]"'


# -- the hub


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.data.hugging_face.place.check_reachable", lambda name: None)


def test_names_on_the_hub_are_loaded_as_they_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reachable: None
) -> None:
    table = datasets.Dataset.from_parquet(str(parquet(tmp_path / "a.parquet"))).shuffle(seed=1)
    asked = []

    def load(*arguments: object, **options: object) -> datasets.Dataset:
        asked.append((arguments, options))
        return table

    monkeypatch.setattr(datasets, "load_dataset", load)
    data = settings("user/set", name="small", revision="0123abc")
    assert every_name(data) == [f"p{n}" for n in range(9)]
    assert asked[0] == (("user/set", "small"), {"revision": "0123abc", "split": "train"})
    source = data.build("train")
    pictures = source.groups["pair"]["photo"]
    assert all(
        np.array_equal(pictures.read(at), gradient(20, 24, int(pictures.name(at)[1:]))) for at in range(len(pictures))
    )
    assert pictures.where(0).startswith("user/set, train, row ")


def test_a_set_that_is_private_or_gated_says_how_to_log_in(monkeypatch: pytest.MonkeyPatch, reachable: None) -> None:
    def load(*arguments: object, **options: object) -> datasets.Dataset:
        raise DatasetNotFoundError("Dataset 'user/set' is a gated dataset on the Hub.")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(DataError) as caught:
        settings("user/set").build("train")
    (problem,) = caught.value.problems
    assert problem.message == "the Hugging Face hub does not give user/set" and "HF_TOKEN" in str(problem.hint)
    assert "gated" in str(problem.found)


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "the Hugging Face hub cannot be reached"),
        ({"HF_ENDPOINT": "http://no-such-host.invalid"}, "the Hugging Face hub cannot be reached"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
    ],
)
def test_without_a_network_there_is_one_message_within_seconds(tmp_path: Path, env: dict[str, str], told: str) -> None:
    code = "from toonforge.data import HuggingFace\nfrom toonforge.errors import DataError\nimport time\n"
    code += f"began = time.monotonic()\ntry: HuggingFace(path='user/set', fields={PAIR!r}).build('train')\n"
    code += "except DataError as error: print(error, '|', time.monotonic() - began)"
    without = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**without, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **env},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0 and time.monotonic() - began < 60, done.stderr
    text, _, seconds = done.stdout.rpartition("|")
    assert told in text and "user/set is no folder here" in text and float(seconds) < 10
    assert "Retry" not in done.stderr


def test_local_sets_ask_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def connect(*arguments: object) -> None:
        raise AssertionError("a connection is made")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)
    fill(tmp_path / "pictures", 4)
    assert len(every_name(settings(parquet(tmp_path / "tables/a.parquet")))) == 9
    settings(tmp_path / "tables").build("train")
    settings(tmp_path / "pictures", fields={"photo": "image"}).build("train")


@pytest.mark.parametrize("disabled", [False, True])
def test_local_sets_show_no_bars_and_the_hubs_are_left_on(
    tmp_path: Path, disabled: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "pictures", 30)  # so many are counted while they are found
    (datasets.disable_progress_bars if disabled else datasets.enable_progress_bars)()
    try:
        settings(tmp_path / "pictures", fields={"photo": "image"}).build("train")
        assert datasets.are_progress_bars_disabled() == disabled
    finally:
        datasets.enable_progress_bars()
    assert capfd.readouterr().err == ""


def listing(paths: Sequence[str]) -> datasets.Dataset:
    """A table of pictures without bytes."""
    return datasets.Dataset(pa.table({"photo": pa.array([{"bytes": None, "path": p} for p in paths], PICTURE)}))


def test_a_picture_in_a_file_is_found_below_its_set_wherever_the_run_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "a.png", seed=3)
    save(tmp_path / "elsewhere/a.png", seed=4)
    paths = ["a.png", "gone.png", str(tmp_path / "a.png")]
    rows = Rows(listing(paths), ("photo",), Texts("abc"), "set", [tmp_path])
    monkeypatch.chdir(tmp_path / "elsewhere")
    status = os.stat(tmp_path / "a.png")
    assert rows.version(0) == rows.version(2) == f"{tmp_path / 'a.png'}:{status.st_size}:{status.st_mtime_ns}"
    assert rows.version(1) == str(tmp_path / "gone.png")
    assert np.array_equal(rows.read(0), rows.read(2))
    with pytest.raises(UnreadableImage, match="the file is missing"):
        rows.read(1)


def test_a_table_makes_no_run_read_files_outside_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("set2/secret.png", "secret.png", "here/secret.png"):
        save(tmp_path / place)
    monkeypatch.chdir(tmp_path / "here")
    absolute = str(tmp_path / "secret.png")
    paths = [absolute, "../secret.png", "../set2/secret.png", "x/../../secret.png", "/etc/hostname", "secret.png"]
    cells = pa.array([{"bytes": None, "path": path} for path in paths], PICTURE)
    parquet(tmp_path / "set/a.parquet", range(len(paths)), photo=cells)
    for path in ("set", "set/a.parquet", "set/*.parquet"):
        data = settings(tmp_path / path, fields={"photo": "photo"}, validation_split="train")
        pictures = data.build("validation").groups["photo"]["photo"]
        for index, given_path in enumerate(paths):
            with pytest.raises(UnreadableImage) as caught:
                pictures.read(index)
            if given_path == "secret.png":
                assert caught.value.reason == "the file is missing, or a link that leads nowhere"
                continue
            assert caught.value.reason == f"{given_path} lies outside of the set's folder"
            with pytest.raises(UnreadableImage):
                pictures.version(index)


def test_a_set_behind_a_link_is_read_and_an_archive_is_to_be_unpacked(tmp_path: Path) -> None:
    fill(tmp_path / "pictures", 5)
    (tmp_path / "link").symlink_to(tmp_path / "pictures")
    (tmp_path / "packed").mkdir()
    shutil.make_archive(str(tmp_path / "packed/all"), "zip", tmp_path / "pictures")
    read, packed = (
        settings(tmp_path / name, fields={"photo": "image"}).build("train").groups["photo"]["photo"]
        for name in ("link", "packed")
    )
    assert all(read.read(index).shape == (24, 32, 3) for index in range(len(read)))
    with pytest.raises(UnreadableImage, match="unpack the archive"):
        packed.read(0)


# -- the cache of pictures


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("kept")
def test_rows_and_columns_are_kept_apart_on_disk_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = parquet(tmp_path / "a.parquet")
    never = batches(settings(path, cache="none").build("train"))
    assert same(batches(settings(path, cache="disk").build("train")), never)
    monkeypatch.setattr("toonforge.data.hugging_face.rows.read_picture", refuse)
    assert same(batches(settings(path, cache="disk").build("train")), never)


@pytest.mark.usefixtures("kept")
def test_a_table_that_changed_is_decoded_again(tmp_path: Path) -> None:
    for rows in (range(9), range(20, 29)):
        path = parquet(tmp_path / "a.parquet", rows)
        os.utime(path, (rows[0], rows[0]))
        assert same(*(batches(settings(path, cache=cache).build("train")) for cache in ("disk", "none")))


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("cache", ["none", "memory", "disk"])
def test_a_row_that_the_disk_does_not_give_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.setattr("toonforge.data.loader.WAITS", (0.0,))
    source = settings(parquet(tmp_path / "a.parquet"), fields={"photo": "photo"}, cache=cache).build("train")
    rows = source.groups["photo"]["photo"]
    original = datasets.Dataset.__getitem__

    def failing(table: datasets.Dataset, row: int) -> Any:
        if row == rows.rows[2]:
            raise OSError(5, "Input/output error")
        return original(table, row)

    monkeypatch.setattr(datasets.Dataset, "__getitem__", failing)
    skipped = {where: reason for batch in batches(source) for where, reason in batch.skipped.items()}
    assert skipped == {rows.where(2): "[Errno 5] Input/output error"}


def test_neither_checking_nor_loading_needs_torch(tmp_path: Path) -> None:
    parquet(tmp_path / "a.parquet")
    code = "import sys\nfrom toonforge.data.hugging_face.component import HuggingFace\n"
    code += f"data = HuggingFace(path={str(tmp_path)!r}, fields={PAIR!r})\n"
    code += "assert 'datasets' not in sys.modules and 'pyarrow' not in sys.modules\ndata.verify()\n"
    code += "assert 'torch' not in sys.modules and 'datasets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env={**os.environ, "HF_HOME": str(tmp_path)})


def test_a_run_goes_on_as_if_it_had_not_stopped(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.test_engine_equality import PIX2PIX
    from tests.test_resume import interrupt_at, tensors
    from toonforge import recipe as recipes
    from toonforge.train.trainer import train

    broken = pa.array([{"bytes": b"no picture" if n == 4 else png(n), "path": f"p{n}.png"} for n in range(9)], PICTURE)
    parquet(tmp_path / "data/train.parquet", photo=broken)
    data = f'path = "{tmp_path}/data"\nimage_size = 16\nfields = {{{{ photo = "photo", cartoon = "cartoon" }}}}'
    text = PIX2PIX.replace("tiny/pictures", "hugging-face").replace("{data}", data)
    recipe = recipes.loads(text.format(train="workers = 2\ncheckpoint.every = 3"))
    with caplog.at_level(logging.WARNING):
        whole = train(recipe, folder=tmp_path / "whole", cpu=True)
    assert whole.step == 6 and len(whole.skipped) == 1
    interrupt_at(monkeypatch, 3)
    assert train(recipe, folder=tmp_path / "parts", cpu=True).reason == "interrupted"
    monkeypatch.undo()
    assert train(recipe, folder=tmp_path / "parts", resume=True, cpu=True).reason == "done"
    one, two = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert one.keys() == two.keys() and all((value == two[key]).all() for key, value in one.items())
