"""Kept pictures are the right ones, whoever writes, whatever was left behind, and within their room."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.pictures import fill, gradient, save
from toonforge.data import UnpairedFolders, files
from toonforge.data.cache import files as cache_files
from toonforge.data.cache.files import CachedFiles, disk_room
from toonforge.data.cache.kinds import InMemory, OnDisk, Steps, make_cache
from toonforge.data.loader import TrainLoader
from toonforge.errors import DataError
from toonforge.recipe.expr import Expr

ROOM = 10**9
KEY = ("photo", 0, ())


def whole(folder: Path) -> list[Path]:
    return [path for path in folder.glob("??/*") if not path.name.endswith(".partial")]


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_files, "_TOLD", set())


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is nearly full all the same."""
    monkeypatch.setattr(cache_files, "_SPARE", 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=40), st.integers(1, 40), st.integers(1, 40), st.integers(0, 9))
def test_what_was_kept_comes_back(tmp_path: Path, key: str, height: int, width: int, seed: int) -> None:
    picture = gradient(height, width, seed)
    CachedFiles(tmp_path, ROOM).put(key, picture[::-1])
    kept = CachedFiles(tmp_path, ROOM).get(key)
    assert kept is not None and kept.flags.writeable
    np.testing.assert_array_equal(kept, picture[::-1])
    assert CachedFiles(tmp_path, ROOM).get(key + "!") is None


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_file_is_no_picture(tmp_path: Path, data: st.DataObject) -> None:
    kept = CachedFiles(tmp_path, ROOM)
    kept.put("a", gradient(9, 7))
    (path,) = whole(tmp_path)
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    damage = data.draw(st.sampled_from(["bit", "cut", "zeros", "more"]))
    if damage == "bit":
        content[at] ^= 1 << data.draw(st.integers(0, 7))
    elif damage == "cut":
        del content[at:]
    elif damage == "zeros":  # a page that a machine without power never wrote
        content[at:] = bytes(len(content) - at)
    else:
        content += b"\0"
    unchanged = bytes(content) == path.read_bytes()
    path.write_bytes(content)
    assert (kept.get("a") is not None) == unchanged
    kept.put("a", gradient(9, 7))
    np.testing.assert_array_equal(kept.get("a"), gradient(9, 7))


def test_a_file_in_the_place_of_another_is_no_picture(tmp_path: Path) -> None:
    kept = CachedFiles(tmp_path, ROOM)
    kept.put("a", gradient(9, 7))
    (first,) = whole(tmp_path)
    kept.put("b", gradient(9, 7, seed=1))
    (second,) = set(whole(tmp_path)) - {first}
    shutil.copy(first, second)
    assert kept.get("b") is None


WRITERS = """
import sys, time
from pathlib import Path
import numpy as np
from toonforge.data.cache.files import CachedFiles
kept = CachedFiles(Path(sys.argv[1]), 10**9)
until, rounds, hits = time.time() + float(sys.argv[2]), 0, 0
while time.time() < until:
    for number in range(12):
        picture = np.full((60, 50 + number, 3), number, np.uint8)
        found = kept.get(str(number))
        if found is not None:
            assert found.shape == picture.shape and (found == number).all()
            hits += 1
        kept.put(str(number), picture)
    rounds += 1
print(rounds, hits)
"""


def test_processes_that_write_the_same_at_once_never_read_a_wrong_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITERS, str(tmp_path), "2"]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for writer in writers:
        out, _ = writer.communicate(timeout=60)
        assert writer.returncode == 0
        assert int(out.split()[1]) > 0
    assert len(whole(tmp_path)) == 12
    assert not list(tmp_path.rglob("*.partial"))


def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wait in (0.0, 0.01, 0.02):
        writer = subprocess.Popen([sys.executable, "-c", WRITERS, str(tmp_path), "60"])
        began = time.time()
        while not whole(tmp_path) and time.time() < began + 60:
            time.sleep(0.01)
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        kept = CachedFiles(tmp_path, ROOM)
        for number in range(12):
            found = kept.get(str(number))
            assert found is None or (found == number).all()
    left = tmp_path / "aa/.torn.1-2.partial"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    CachedFiles(tmp_path, ROOM).put("x", gradient())
    assert left.exists()  # another process may be writing it now
    monkeypatch.setattr(cache_files, "_STALE", -1)
    CachedFiles(tmp_path, ROOM).put("y", gradient())
    assert not left.exists()


def age(path: Path, hours: float) -> None:
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))


@pytest.mark.usefixtures("roomy")
def test_the_room_is_kept_and_the_longest_unused_make_way(tmp_path: Path) -> None:
    picture = gradient(100, 100)
    first = CachedFiles(tmp_path, ROOM)
    for number in range(20):
        first.put(f"old {number}", picture)
        for path in whole(tmp_path):
            if path.stat().st_mtime > time.time() - 60:
                age(path, 100 - number)
    room = 22 * picture.nbytes
    second = CachedFiles(tmp_path, room)
    assert second.get("old 0") is not None  # and is not the longest unused any more
    for number in range(30):
        second.put(f"new {number}", picture)
        assert sum(path.stat().st_size for path in whole(tmp_path)) <= room
    third = CachedFiles(tmp_path, room)
    new = [number for number in range(30) if third.get(f"new {number}") is not None]
    old = [number for number in range(20) if third.get(f"old {number}") is not None]
    assert new == list(range(len(new))) and len(new) >= 19, "what one run keeps it does not throw out again"
    assert old == [0]


@pytest.mark.usefixtures("roomy")
def test_a_picture_larger_than_the_room_is_not_kept(tmp_path: Path) -> None:
    kept = CachedFiles(tmp_path, 1000)
    kept.put("a", gradient(100, 100))
    assert kept.get("a") is None
    assert not whole(tmp_path)


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    kept = CachedFiles(tmp_path, ROOM)
    kept.put("a", gradient())
    assert kept.get("a") is None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_a_run_says_once_that_its_disk_is_nearly_full(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    data = UnpairedFolders(fields={"photo": str(folder)}, image_size=32, cache="disk")
    sources = [data.build(split) for split in data.splits]
    assert len(warnings(caplog)) == 1  # before a worker could say so too
    for source in sources:
        source.item("photo", 0, None)
    (said,) = warnings(caplog)
    assert said.startswith("data.cache: no more pictures are kept in ")
    assert said.endswith("pictures: less than 1 GB of its disk is free")


@pytest.mark.usefixtures("roomy")
def test_a_run_says_once_that_the_room_is_used_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        kept = CachedFiles(tmp_path, 5 * gradient().nbytes)
        for number in range(9):
            kept.put(str(number), gradient(seed=number))
    (said,) = warnings(caplog)
    assert said.endswith("they take 9e-06 GB, all that TOONFORGE_CACHE_GB allows")


@pytest.mark.usefixtures("roomy")
def test_of_background_workers_the_first_warns_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for worker in (1, 0):
        monkeypatch.setattr("torch.utils.data.get_worker_info", lambda worker=worker: SimpleNamespace(id=worker))
        CachedFiles(tmp_path, 1000).put("a", gradient(100, 100))
        assert len(warnings(caplog)) == (worker == 0)


def test_a_disk_that_fails_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = CachedFiles(tmp_path, ROOM)
    kept.put("a", gradient())

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    kept.put("b", gradient())
    monkeypatch.undo()
    kept.put("c", gradient())
    assert [kept.get(key) is not None for key in "abc"] == [True, False, False]
    assert not list(tmp_path.rglob("*.partial"))
    shutil.rmtree(tmp_path)
    assert kept.get("a") is None


def test_the_folder_says_that_it_need_not_be_backed_up(tmp_path: Path) -> None:
    CachedFiles(tmp_path / "pictures", ROOM)
    assert (tmp_path / "pictures/CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "file/below"))
    with pytest.raises(DataError, match="cannot be used") as caught:
        make_cache("disk", "")
    (problem,) = caught.value.problems
    assert problem.key == "data.cache" and problem.hint is not None and "TOONFORGE_CACHE" in problem.hint


def test_the_room_on_disk_is_the_users_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOONFORGE_CACHE_GB", raising=False)
    assert disk_room() == 20 * 10**9
    monkeypatch.setenv("TOONFORGE_CACHE_GB", "0.5")
    assert disk_room() == 5 * 10**8
    for wrong in ("lots", "nan", "inf", ""):
        monkeypatch.setenv("TOONFORGE_CACHE_GB", wrong)
        with pytest.raises(DataError, match="TOONFORGE_CACHE_GB holds no number"):
            disk_room()


# -- in memory ---------------------------------------------------------------------------------------------------


def test_memory_keeps_the_first_that_fit() -> None:
    kept, made = InMemory(room=2 * gradient().nbytes), []

    def make(number: int) -> np.ndarray:
        made.append(number)
        return gradient(seed=number)

    for _ in range(2):
        for number in range(4):
            picture = kept(("photo", number, ()), str, lambda number=number: make(number))
            np.testing.assert_array_equal(picture, gradient(seed=number))
    assert made == [0, 1, 2, 3, 2, 3]


def test_of_a_larger_picture_only_the_part_is_kept() -> None:
    kept, whole = InMemory(), gradient(40, 60)
    kept(KEY, str, lambda: whole[:20])
    part = kept(KEY, str, gradient)
    np.testing.assert_array_equal(part, whole[:20])
    assert part.base is None


def test_workers_share_the_room_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = InMemory(room=8 * gradient().nbytes)
    monkeypatch.setattr("torch.utils.data.get_worker_info", lambda: type("Worker", (), {"num_workers": 4}))
    for number in range(8):
        kept(("photo", number, ()), str, gradient)
    assert kept.held == 2 * gradient().nbytes


# -- in a data set -----------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "cache"))
    return fill(tmp_path / "photo", 6, ending=".jpg", size=200)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are decoded."""
    names: list[str] = []
    original = files.read_picture

    def counting(path: str, **how: Any) -> Any:
        names.append(Path(path).name)
        return original(path, **how)

    monkeypatch.setattr(files, "read_picture", counting)
    return names


def everything(folder: Path, **how: Any) -> dict[tuple[str, int], torch.Tensor]:
    data = UnpairedFolders(fields={"photo": str(folder)}, image_size=32, **how)
    source = data.build("train")
    items = {}
    for index in range(source.sizes["photo"]):
        for field, value in source.item("photo", index, np.random.default_rng(index)).items():
            items[field, index] = value.clone()
    return items


def same(one: dict[Any, torch.Tensor], two: dict[Any, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[key], two[key]) for key in one)


FILTERED = {"toon": Expr.parse("cartoonize(photo, classic, soft)"), "smooth": Expr.parse("smooth_edges(toon)")}


@pytest.mark.parametrize("how", [{}, {"jitter": (0.9, 1.5)}, {"reduced": True}, {"filtered": FILTERED}], ids=str)
def test_every_cache_gives_the_same_items(folder: Path, how: dict[str, Any]) -> None:
    never = everything(folder, cache="none", **how)
    for cache in ("memory", "disk", "disk"):
        assert same(everything(folder, cache=cache, **how), never)


def test_later_runs_decode_nothing(folder: Path, read: list[str]) -> None:
    first = everything(folder, cache="disk")
    assert len(read) == len(first)
    assert same(everything(folder, cache="disk"), first)
    assert len(read) == len(first)
    everything(folder, cache="none")
    everything(folder, cache="none")
    assert len(read) == 3 * len(first)


def test_filters_results_are_kept_on_disk_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = everything(folder, cache="disk", filtered=FILTERED)
    broken = {"cartoonize": dict.fromkeys(("classic", "soft"), str.upper), "smooth_edges": {"": str.upper}}
    monkeypatch.setattr("toonforge.data.picture_source.FILTERS", broken)
    assert same(everything(folder, cache="disk", filtered=FILTERED), first)


def test_other_settings_are_other_pictures(folder: Path, read: list[str]) -> None:
    count = len(everything(folder, cache="disk"))
    for number, how in enumerate(({"load_size": 50}, {"reduced": True}, {"jitter": (1.0, 1.2)}), start=2):
        everything(folder, cache="disk", **how)
        assert len(read) == number * count


def test_a_changed_file_is_decoded_again(folder: Path, read: list[str]) -> None:
    before = everything(folder, cache="disk")
    read.clear()
    data = UnpairedFolders(fields={"photo": str(folder)}, image_size=32)
    changed = Path(data.build("train").groups["photo"]["photo"].where(0))
    save(changed, 200, 208, seed=77)
    after = everything(folder, cache="disk")
    assert read == [changed.name]
    assert [key for key in before if not torch.equal(before[key], after[key])] == [("photo", 0)]


@pytest.mark.parametrize(
    "library", ["toonforge", "pillow", "simplejpeg", "torch", "simplejpeg is gone", "OpenCV", "nothing"]
)
def test_pictures_that_another_version_made_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """OpenCV makes filtered pictures alone."""

    def makes(steps: Steps) -> bool:
        made = []
        OnDisk("", tmp_path, ROOM)(("photo", 0, steps), lambda: "a.png", lambda: made.append(1) or gradient())
        return bool(made)

    def version(name: str) -> str:
        if library == f"{name} is gone":
            raise PackageNotFoundError(name)
        return "0.1" if name == library else "1.0"

    steps = (("cartoonize", "classic"),)
    monkeypatch.setattr("toonforge.data.cache.kinds.version_of", lambda name: "1.0")
    assert makes(()) and makes(steps) and not makes(()) and not makes(steps)
    monkeypatch.setattr("toonforge.data.cache.kinds.version_of", version)
    if library == "toonforge":
        monkeypatch.setattr("toonforge.__version__", "0.1")
    elif library == "OpenCV":
        monkeypatch.setattr("cv2.__version__", "0.1")
    assert makes(()) == (library not in ("OpenCV", "nothing"))
    assert makes(steps) == (library != "nothing")


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path) -> None:
    versions = iter("abbb")
    kept = OnDisk("", tmp_path, ROOM)
    kept(KEY, lambda: next(versions), lambda: gradient(seed=1))
    np.testing.assert_array_equal(kept(KEY, lambda: next(versions), lambda: gradient(seed=2)), gradient(seed=2))
    np.testing.assert_array_equal(kept(KEY, lambda: "a", lambda: gradient(seed=3)), gradient(seed=3))
    np.testing.assert_array_equal(kept(KEY, lambda: "b", lambda: gradient(seed=4)), gradient(seed=2))


@pytest.mark.parametrize("cache", ["memory", "disk", "none"])
def test_workers_read_from_every_cache(folder: Path, cache: str) -> None:
    source = UnpairedFolders(fields={"photo": str(folder)}, image_size=32, cache=cache).build("train")
    batches = [
        [batch.parts[0]["photo"] for batch in TrainLoader(source, seed=0, batch_size=2, total_steps=6, workers=workers)]
        for workers in (0, 2)
    ]
    assert all(torch.equal(one, two) for one, two in zip(*batches))


def test_a_run_goes_on_with_another_cache_as_if_nothing_had_changed(
    tiny: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.test_engine_equality import PIX2PIX
    from tests.test_resume import interrupt_at, tensors
    from toonforge import recipe as recipes
    from toonforge.train.trainer import train

    fill(tmp_path / "drawn", 6, ending=".jpg", size=200)
    fields = f'{{{{ photo = "{folder}", cartoon = "{tmp_path}/drawn" }}}}'
    text = PIX2PIX.replace("tiny/pictures", "paired-folders")
    text = text.replace("{data}", f"fields = {fields}\nimage_size = 16\n{{data}}")
    memory, disk = (
        recipes.loads(text.format(data=f'cache = "{cache}"', train="checkpoint.every = 3"))
        for cache in ("memory", "disk")
    )
    assert train(memory, folder=tmp_path / "whole", cpu=True).step == 6
    interrupt_at(monkeypatch, 3)
    assert train(memory, folder=tmp_path / "parts", cpu=True).reason == "interrupted"
    monkeypatch.undo()
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "cache"))
    assert train(disk, folder=tmp_path / "parts", resume=True, cpu=True).reason == "done"
    whole_run, parts = (tensors(tmp_path / run / "checkpoints/step-000006") for run in ("whole", "parts"))
    assert whole_run.keys() == parts.keys() and all((value == parts[key]).all() for key, value in whole_run.items())
    assert whole(tmp_path / "cache/pictures")
