"""Shards: what their index holds, how pictures are read from them, and what is said of those that will not do."""

from __future__ import annotations

import io
import logging
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from braceexpand import braceexpand
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.pictures import gradient
from tests.test_loader import batches, same
from toonforge.data import WebDataset
from toonforge.data.picture_source import PictureSource
from toonforge.data.webdataset.cache import Shard, indexes
from toonforge.data.webdataset.files import expand, shard_files
from toonforge.data.webdataset.pictures import ShardPictures, _opened
from toonforge.data.webdataset.samples import samples
from toonforge.data.webdataset.shards import ShardIndex, read_index, sample_and_ending
from toonforge.errors import DataError, FieldError, UnreadableImage
from toonforge.testing import DatasetSuite

FIELDS = {"photo": "photo.png", "cartoon": "cartoon.png"}

Member = tuple[str, bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TOONFORGE_CACHE", str(folder))
    return folder


def png(seed: int) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(gradient(20, 24, seed)).save(packed, "PNG")
    return packed.getvalue()


def tar(path: Path, members: Iterable[Member | tarfile.TarInfo], format: int = tarfile.GNU_FORMAT) -> Path:
    """A shard of members (name, bytes), or of headers without bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=format, errors="surrogateescape") as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
                continue
            name, data = member
            header = tarfile.TarInfo(name)
            header.size = len(data)
            file.addfile(header, io.BytesIO(data))
    return path


def pairs(first: int, count: int = 6) -> list[Member]:
    """Members of samples that are numbered from `first` on."""
    return [
        (f"{number:04d}.{ending}", png(number + 50 * at))
        for number in range(first, first + count)
        for at, ending in enumerate(("photo.png", "cartoon.png"))
    ]


def shards(folder: Path, count: int = 3) -> Path:
    for number in range(count):
        tar(folder / f"train-{number:02d}.tar", pairs(10 * number))
    return folder


def held(index: ShardIndex, path: Path) -> list[tuple[str, str, bytes]]:
    """(key, ending, bytes) of every member of an index, read from where it says that they lie."""
    content, found, begin = path.read_bytes(), [], 0
    for sample, end in enumerate(index.member_ends):
        for at in range(begin, end):
            data = content[index.offset[at] : index.offset[at] + index.size[at]]
            found.append((index.key(sample), index.endings[index.ending[at]], data))
        begin = end
    return found


def names_of(folder: Path, split: str = "train", **settings: Any) -> list[str]:
    data = WebDataset(**{"shards": str(folder / "*.tar"), "fields": FIELDS, "image_size": 16, **settings})
    source = data.build(split)
    return [source.name("pair", at) for at in range(source.sizes["pair"])]


class TestPairs(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        type(self).component = WebDataset(shards=str(shards(tmp_path) / "*.tar"), fields=FIELDS, image_size=16)


class TestShardsOfTheirOwn(DatasetSuite):
    @pytest.fixture(autouse=True)
    def _component(self, tmp_path: Path) -> None:
        photos = tar(tmp_path / "photos.tar", [(f"{n}.png", png(n)) for n in range(9)])
        anime = tar(tmp_path / "anime.tar", [(f"{n}.JPEG", png(n)) for n in range(5)])
        type(self).component = WebDataset(
            shards={"photo": str(photos), "anime": str(anime)},
            fields={"photo": "png", "anime": "jpg;jpeg"},
            paired=False,
            image_size=16,
        )


names = st.text(st.sampled_from("ab.é😀 /_-"), min_size=1, max_size=12) | st.text("ab.", min_size=90, max_size=300)
members = st.lists(
    st.tuples(names.filter(lambda name: not name.startswith("/")), st.binary(max_size=1500)), max_size=12
)
formats = st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])


@given(members, formats)
def test_every_member_is_found_and_read_byte_for_byte(given_members: list[Member], format: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = tar(Path(folder) / "shard.tar", given_members, format)
        with tarfile.open(path) as file:
            there = [(m.name, file.extractfile(m).read()) for m in file if m.isreg()]  # type: ignore[union-attr]
        expected = [(*sample_and_ending(name), data) for name, data in there]
        assert held(read_index(str(path), "data.shards"), path) == [member for member in expected if member[0]]


@given(names)
def test_keys_and_endings_are_those_of_the_webdataset_package(name: str) -> None:
    key, ending = webdataset.tariterators.base_plus_ext(name)
    hidden = name.rpartition("/")[2].startswith(".")
    if key is not None and not hidden and not name.startswith("__"):
        assert sample_and_ending(name) == (key, ending.lower())
    elif not name.startswith("__"):
        assert sample_and_ending(name) == ("", "")


def test_samples_are_those_that_the_webdataset_package_reads(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(2):
        with webdataset.TarWriter(str(tmp_path / f"{number}.tar")) as writer:
            for at in range(7):
                data = {ending: rng.bytes(int(rng.integers(3000))) for ending in ("photo.jpg", "cartoon.png", "txt")}
                writer.write({"__key__": f"set{number}/{at:03d}", **data})
    files = [str(tmp_path / f"{number}.tar") for number in range(2)]
    theirs = list(webdataset.WebDataset(files, shardshuffle=False))
    ours = samples("data.shards", files, {"photo": ("photo.jpg",), "cartoon": ("cartoon.jpg", "cartoon.png")})
    assert [ours["photo"].members.keys[at] for at in range(14)] == [sample["__key__"] for sample in theirs]
    for field, ending in (("photo", "photo.jpg"), ("cartoon", "cartoon.png")):
        assert [ours[field].data(at) for at in range(14)] == [sample[ending] for sample in theirs]
    assert ours["photo"].name(8) == "set1--001" and ours["photo"].where(8).endswith("1.tar: set1/001.photo.jpg")


@pytest.mark.parametrize("start", [0, 1, 4, 7])
def test_the_order_depends_neither_on_workers_nor_on_where_a_run_begins(tmp_path: Path, start: int) -> None:
    source = WebDataset(shards=str(shards(tmp_path) / "*.tar"), fields=FIELDS, image_size=16).build("train")
    whole = batches(source)
    assert same(whole[start:], batches(source, start_step=start))
    assert same(whole[start:], batches(source, start_step=start, workers=2))


def test_a_source_that_was_sent_to_another_process_reads_the_same(tmp_path: Path) -> None:
    source = WebDataset(shards=str(shards(tmp_path) / "*.tar"), fields=FIELDS, image_size=16).build("train")
    sent = pickle.loads(pickle.dumps(source))
    assert all(np.array_equal(source.item("pair", 3, None)[f], sent.item("pair", 3, None)[f]) for f in FIELDS)


def test_more_shards_move_no_sample_to_another_part(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", pairs(0, 60))
    before = {part: set(names_of(tmp_path, part, test=0.3)) for part in ("train", "validation", "test")}
    tar(tmp_path / "0.tar", pairs(100, 40))
    for part, theirs in before.items():
        assert theirs == {name for name in names_of(tmp_path, part, test=0.3) if name < "0100"}


def test_shards_of_validation_pictures_hold_nothing_out(tmp_path: Path) -> None:
    shards(tmp_path / "train")
    apart = tar(tmp_path / "held.tar", pairs(500, 2))
    settings = {"validation_shards": str(apart)}
    assert len(names_of(tmp_path / "train", **settings)) == 18
    assert names_of(tmp_path / "train", "validation", **settings) == ["0500", "0501"]
    both = WebDataset(shards=str(tmp_path / "*.tar"), fields=FIELDS, validation_shards=(str(apart),))
    with pytest.raises(DataError, match="1 shard is for training and validation"):
        both.verify()


# -- patterns


@given(st.text(st.sampled_from("ab0"), max_size=3), st.integers(0, 120), st.integers(0, 120), st.integers(1, 4))
def test_braces_mean_what_they_do_in_a_shell(text: str, first: int, last: int, width: int) -> None:
    for inside in (f"{first:0{width}d}..{last:0{width}d}", f"{text},x", f"{{{text},b}},c{{1..2}}"):
        pattern = f"{text}-{{{inside}}}/{{x,y}}.tar"
        if width == 1 or len(str(first)) == len(str(last)):  # the package pads otherwise than shells do
            assert set(expand(pattern)) == set(braceexpand(pattern))


def test_patterns_find_each_file_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards(tmp_path, 12)
    odd = tar(tmp_path / "odd {x} [1] 😀.tar", [])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    given_patterns = ("train-{08..10}.tar", "~/train-*.tar", str(tmp_path / "train-00.tar"), odd.name)
    found = [os.path.basename(file) for file in shard_files("data.shards", given_patterns)]
    rest = [f"train-{number:02d}.tar" for number in (0, 1, 2, 3, 4, 5, 6, 7, 11)]
    assert found == ["train-08.tar", "train-09.tar", "train-10.tar", *rest, odd.name]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("train-{00..11}.tar", "9 of the 12 shards of train-{00..11}.tar are missing"),
        ("other-*.tar", "there is no shard other-*.tar"),
        ("s3://bucket/{00..01}.tar", "download or mount them"),
        (".", "is a folder; write ./*.tar"),
        ("{0..9999999999999}.tar", "more than 100,000 files"),
        ("{0..99999}{0..99999}.tar", "more than 100,000 files"),
    ],
)
def test_shards_that_are_not_there_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, told: str
) -> None:
    monkeypatch.chdir(shards(tmp_path))
    with pytest.raises(DataError) as caught:
        WebDataset(shards=pattern, fields=FIELDS).verify()
    assert told in str(caught.value) and caught.value.problems[0].key == "data.shards"


# -- the cache


def test_an_index_is_made_once_and_not_beside_the_shards(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar(tmp_path / "a.tar", pairs(0))
    first = indexed(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.tar"]
    assert [file.suffix for file in (cache / "shards").iterdir()] == [".index"]
    monkeypatch.setattr("toonforge.data.webdataset.cache.read_index", refuse)
    assert held(indexed(path), path) == held(first, path)
    assert indexed(path).notes == first.notes and indexed(path).endings == first.endings


def indexed(path: Path) -> ShardIndex:
    (index,) = indexes([Shard.at(str(path))], "data.shards")
    return index


def refuse(*arguments: object) -> ShardIndex:
    raise AssertionError("the headers are read again")


def test_a_shard_that_changed_is_indexed_anew(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", pairs(0))
    indexed(path)
    tar(path, pairs(30, 2))
    assert held(indexed(path), path) == [(name[:4], name[5:], data) for name, data in pairs(30, 2)]


def test_the_index_of_a_shard_that_is_still_being_written_is_not_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar(tmp_path / "a.tar", pairs(0, 2))

    def reading(*arguments: str) -> ShardIndex:
        index = read_index(*arguments)
        tar(path, pairs(0, 6))
        return index

    with monkeypatch.context() as patch:
        patch.setattr("toonforge.data.webdataset.cache.read_index", reading)
        assert len(indexed(path).key_ends) == 2
    assert not list((cache / "shards").glob("*"))
    assert len(indexed(path).key_ends) == 6


@given(st.data())
@settings(max_examples=30)
def test_a_damaged_cache_is_made_again(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOONFORGE_CACHE", f"{folder}/cache")
        path = tar(Path(folder) / "a.tar", pairs(0, 2))
        right = held(indexed(path), path)
        (kept,) = Path(folder, "cache/shards").iterdir()
        whole = kept.read_bytes()
        kept.write_bytes(data.draw(st.sampled_from([b"", b"\0" * len(whole), whole[: len(whole) // 2], whole[:-8]])))
        assert held(indexed(path), path) == right
        assert kept.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "file"))
    assert len(indexed(tar(tmp_path / "a.tar", pairs(0))).key_ends) == 6


def test_several_processes_may_index_at_once(tmp_path: Path, cache: Path) -> None:
    shards(tmp_path, 4)
    code = f"from toonforge.data import WebDataset; data = WebDataset(shards='*.tar', fields={FIELDS}, image_size=16); "
    code += "source = data.build('train'); print([source.name('pair', at) for at in range(source.sizes['pair'])])"
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(2)]
    told = {process.communicate(timeout=120)[0].strip() for process in started}
    assert told == {str(names_of(tmp_path))}
    assert len(list((cache / "shards").iterdir())) == 4


# -- shards that are damaged, or made to do harm


@given(st.integers(0, 1), st.floats(0, 1))
def test_of_a_truncated_shard_the_samples_before_are_used(at_border: int, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = tar(Path(folder) / "a.tar", pairs(0))
        whole = held(read_index(str(path), "k"), path)
        cut = int(share * path.stat().st_size)
        cut = cut // 512 * 512 if at_border else cut
        os.truncate(path, cut)
        try:
            index = read_index(str(path), "k")
        except DataError:
            assert cut < 512
            return
        found = held(index, path)
        assert found == whole[: len(found)]
        ends = index.offset[len(found) - 1] + index.size[len(found) - 1] if found else 0
        assert len(found) == len(whole) or ends + 4096 > cut, "a member that is whole was dropped"
        assert len(found) == len(whole) or index.notes


def test_a_truncated_shard_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = shards(tmp_path) / "train-01.tar"
    for cut, told in ((3000, "it ends early; download"), (2600, "it ends early, inside 0011.photo.png; download")):
        os.truncate(path, cut)
        with caplog.at_level(logging.WARNING):
            found = names_of(tmp_path)
        assert len(found) + len(names_of(tmp_path, "validation")) == 13
        assert any(f"train-01.tar: {told}" in message for message in caplog.messages), caplog.messages


@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=40))
def test_damaged_headers_do_nothing_but_end_the_reading(damage: Sequence[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = tar(Path(folder) / "a.tar", [(f"{n}.{'x' * 120}.png", b"12345") for n in range(3)], tarfile.PAX_FORMAT)
        content = bytearray(path.read_bytes())
        for at, value in damage:
            content[at] = value
        path.write_bytes(content)
        try:
            index = read_index(str(path), "k")
        except DataError:
            return
        assert (index.size >= 0).all() and (index.offset >= 0).all()
        assert (index.offset + index.size <= len(content)).all()
        assert [file.name for file in Path(folder).iterdir()] == ["a.tar"]


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.size, made.linkname = kind, size, link
    return made


def test_hostile_members_can_do_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(png(0))
    harmless = [(f"ok/{n}.png", png(n)) for n in range(4)]
    odd = [("/etc/passwd.png", png(5)), ("../../up.png", png(6)), ("./dot.png", png(7)), ("😀/ü \n%s.png", png(8))]
    links = [
        header(f"link{n}.png", kind, link=str(secret)) for n, kind in enumerate((tarfile.SYMTYPE, tarfile.LNKTYPE))
    ]
    devices = [header(f"device{n}.png", kind) for n, kind in enumerate((tarfile.CHRTYPE, tarfile.FIFOTYPE))]
    hidden = [(".hidden.png", png(9)), ("__meta__/x.png", png(9)), ("noending", b"")]
    work = tmp_path / "work"
    path = tar(tmp_path / "evil.tar", [*harmless, *links, *devices, *odd, *hidden, ("a" * 300 + "/x.png", png(1))])
    work.mkdir()
    monkeypatch.chdir(work)
    with caplog.at_level(logging.WARNING):
        pictures = samples("data.shards", [str(path)], {"photo": ("png",)})["photo"]
    found = [pictures.name(at) for at in range(len(pictures))]
    expected = ["ok--0", "ok--1", "ok--2", "ok--3", "etc--passwd", "up", "dot", "😀--ü \n%s", "a" * 300 + "--x"]
    assert found == expected
    assert all(pictures.read(at).shape == (20, 24, 3) for at in range(len(pictures)))
    assert not list(work.iterdir()) and sorted(file.name for file in tmp_path.iterdir())[0] == "evil.tar"
    assert any("4 members are left out: links, devices" in message for message in caplog.messages)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE, tarfile.GNUTYPE_SPARSE])
@pytest.mark.parametrize("size", [2**33 - 1, 2**62])
def test_sizes_that_cannot_be_ask_for_no_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    path = tar(tmp_path / "a.tar", pairs(0, 2))
    content = path.read_bytes()
    claim = header("9999.photo.png", kind, size).tobuf(tarfile.GNU_FORMAT)
    path.write_bytes(content[: 512 * 8] + claim + content[512 * 8 :])
    index = read_index(str(path), "k")
    assert held(index, path) == held(index, path)[: len(index.ending)] and len(index.ending) <= 4
    assert (index.offset + index.size <= path.stat().st_size).all() and index.notes


def test_names_that_are_no_text_are_read_all_the_same(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", [(f"{n}\udcff.png", png(n)) for n in range(3)])
    pictures = samples("data.shards", [str(path)], {"photo": ("png",)})["photo"]
    assert pictures.name(0) == "0\\udcff" and pictures.read(2).shape == (20, 24, 3)


def test_members_in_sparse_files_are_left_out(tmp_path: Path) -> None:
    for number in (1, 2):
        with open(tmp_path / f"{number}.png", "wb") as file:
            file.seek(10_000_000 * (number - 1))
            file.write(png(number))
    subprocess.run(["tar", "-cSf", "a.tar", "1.png", "2.png"], cwd=tmp_path, check=True)
    index = read_index(str(tmp_path / "a.tar"), "k")
    assert [index.key(at) for at in range(len(index.key_ends))] == ["1"]
    assert "sparse" in index.notes[0]


@pytest.mark.parametrize(("mode", "tool"), [("w:gz", "gunzip"), ("w:bz2", "bunzip2"), ("w:xz", "unxz")])
def test_compressed_shards_are_refused_with_what_to_do(tmp_path: Path, mode: str, tool: str) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, mode) as file:  # type: ignore[call-overload]
        file.addfile(header("x.png"))
    with pytest.raises(DataError) as caught:
        WebDataset(shards=str(path), fields=FIELDS).verify()
    (problem,) = caught.value.problems
    assert "compressed" in problem.message and problem.hint == f"{tool} {path}" and problem.key == "data.shards"


def test_files_of_other_kinds_are_refused_all_at_once(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.tar").write_text("<html>not found</html>" * 50)
    (tmp_path / "empty.tar").write_text("")
    with pytest.raises(DataError) as caught:
        WebDataset(shards=str(tmp_path / "*.tar"), fields=FIELDS).verify()
    assert "is no tar file" in caught.value.problems[0].message
    assert caught.value.problems[-1].message == "4 more shards cannot be used"


# -- samples


def test_samples_without_a_field_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given_members = [m for m in pairs(0) if m[0] not in ("0002.cartoon.png", "0004.cartoon.png", "0005.photo.png")]
    tar(tmp_path / "a.tar", [*given_members, *pairs(20, 1), ("0020.photo.png", png(9))])
    with caplog.at_level(logging.WARNING):
        assert names_of(tmp_path, validation=0.4) + names_of(tmp_path, "validation", validation=0.4)
    told = " / ".join(caplog.messages)
    assert "2 of 7 samples have no cartoon.png and are left out; the first is 0002" in told
    assert "1 of 7 samples have no photo.png" in told and "1 of 7 samples have photo.png twice" in told


def test_where_no_sample_has_the_fields_those_that_are_there_are_named(tmp_path: Path) -> None:
    shards(tmp_path)
    with pytest.raises(DataError) as caught:
        WebDataset(shards=str(tmp_path / "*.tar"), fields={"photo": "photo.jpg"}).verify()
    (problem,) = caught.value.problems
    assert problem.message == "no sample in 3 shards has photo.jpg" and problem.hint == "did you mean 'photo.png'?"
    assert problem.found == "18 samples with members that end in photo.png (18), cartoon.png (18)"


def test_pictures_that_cannot_be_read_say_where_they_lie(tmp_path: Path) -> None:
    members = [("0.png", b"no picture"), ("1.png", b""), ("2.png", png(2)[:60]), ("3.png", png(3))]
    path = tar(tmp_path / "a.tar", members)
    pictures = samples("data.shards", [str(path)], {"photo": ("png",)})["photo"]
    for at in range(3):
        with pytest.raises(UnreadableImage) as caught:
            pictures.read(at)
        assert caught.value.path == f"{path}: {at}.png"
    assert pictures.read(3).shape == (20, 24, 3)


def test_a_shard_that_vanishes_or_changes_makes_its_pictures_unreadable(tmp_path: Path) -> None:
    first, second, third = (tar(tmp_path / f"{n}.tar", [(f"{n}.png", png(n))]) for n in range(3))
    pictures = samples("k", [str(tmp_path / "*.tar")], {"photo": ("png",)})["photo"]
    first.unlink()
    tar(second, pairs(0))
    assert "No such file" in reason(pictures, 0) and "has changed" in reason(pictures, 1)
    pictures.read(2)
    os.truncate(third, 600)
    assert "shorter" in reason(pictures, 2)
    first.mkdir()
    assert reason(pictures, 0)


def reason(pictures: ShardPictures, index: int) -> str:
    with pytest.raises(UnreadableImage) as caught:
        pictures.read(index)
    return caught.value.reason


def test_few_shards_are_open_at_once_and_threads_may_share_them(tmp_path: Path) -> None:
    for number in range(90):
        tar(tmp_path / f"{number:02d}.tar", [("x.png", png(number))])
    pictures = samples("k", [str(tmp_path / "*.tar")], {"photo": ("png",)})["photo"]
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(pictures.data, [number for _ in range(5) for number in range(90)]))
    assert read == [png(number) for number in range(90)] * 5
    assert _opened.cache_info().currsize <= 64
    if before:
        assert len(os.listdir("/proc/self/fd")) <= len(before) + 65


def test_a_disk_that_gives_a_little_at_a_time_is_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = samples("k", [str(tar(tmp_path / "a.tar", pairs(0, 2)))], {"photo": ("photo.png",)})["photo"]
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda file, size, offset: pread(file, min(size, 100), offset))
    assert [pictures.data(index) for index in range(2)] == [png(0), png(1)]


def test_members_are_kept_apart_on_disk_and_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def source(cache: str) -> PictureSource:
        return WebDataset(shards=f"{shards(tmp_path)}/*.tar", fields=FIELDS, image_size=16, cache=cache).build("train")

    never = batches(source("none"))
    kept = source("disk")
    assert same(batches(kept), never)
    monkeypatch.setattr("toonforge.data.webdataset.pictures.read_picture", refuse)
    assert same(batches(kept), never)


# -- recipes


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"fields": {}}, "fields"),
        ({"fields": {"my photo": "jpg"}}, "fields"),
        ({"fields": {"photo": ".jpg"}}, "fields.photo"),
        ({"fields": {"photo": "jpg; png"}}, "fields.photo"),
        ({"fields": {"photo": ""}}, "fields.photo"),
        ({"shards": ()}, "shards"),
        ({"shards": ("a.tar", "")}, "shards"),
        ({"shards": {"photo": "a.tar", "cartoon": "b.tar"}}, "shards"),
        ({"shards": {"photo": "a.tar"}, "paired": False}, "shards"),
        ({"validation_shards": ""}, "validation_shards"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], field: str) -> None:
    with pytest.raises(FieldError) as caught:
        WebDataset(**{"shards": "a.tar", "fields": FIELDS, **settings})
    assert caught.value.field == field


def test_fields_that_are_not_paired_are_groups_of_their_own(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", [m for m in pairs(0, 9) if not m[0].startswith("0003.cartoon")])
    data = WebDataset(shards=str(tmp_path / "a.tar"), fields=FIELDS, paired=False, image_size=16)
    sizes = [data.build(part).sizes for part in ("train", "validation")]
    assert {field: sum(part[field] for part in sizes) for field in FIELDS} == {"photo": 9, "cartoon": 8}


def test_a_run_from_shards_goes_on_as_if_it_had_not_stopped(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_engine_equality import CYCLEGAN
    from tests.test_resume import interrupt_at, tensors
    from toonforge import recipe as recipes
    from toonforge.train.trainer import train

    shards(tmp_path / "data")
    data = f'shards = "{tmp_path}/data/train-{{{{00..02}}}}.tar"\npaired = false\nimage_size = 16\n'
    data += 'fields = {{ photo = "photo.png", anime = "cartoon.png;cartoon.jpg" }}'
    text = CYCLEGAN.replace("tiny/pictures", "webdataset").replace("{data}", data)
    recipe = recipes.loads(text.format(train="workers = 2\ncheckpoint.every = 3"))
    assert train(recipe, folder=tmp_path / "whole", cpu=True).step == 6
    interrupt_at(monkeypatch, 3)
    assert train(recipe, folder=tmp_path / "parts", cpu=True).reason == "interrupted"
    monkeypatch.undo()
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "another cache"))
    assert train(recipe, folder=tmp_path / "parts", resume=True, cpu=True).reason == "done"
    whole, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert whole.keys() == parts.keys() and all((value == parts[key]).all() for key, value in whole.items())
