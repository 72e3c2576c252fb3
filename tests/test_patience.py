"""Pictures that cannot be read just now are tried again; whatever happens, batches are a function of the order alone."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.data.batch import Batch
from toonforge.data.loader import TrainLoader
from toonforge.data.order import Order
from toonforge.data.reading import again
from toonforge.data.reading.again import WAITS, Retried, may_pass, read_again
from toonforge.data.reading.picture import read_picture
from toonforge.errors import DataError, UnreadableImage

PASSING = ("EIO", "ESTALE", "EAGAIN", "ETIMEDOUT", "ENFILE", "EMFILE", "ENOMEM", "ENETDOWN", "ECONNRESET")
LASTING = ("ENOENT", "EACCES", "EPERM", "ELOOP", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ENODEV")


def system(name: str) -> OSError:
    number = getattr(errno, name)
    return OSError(number, os.strerror(number))


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits between tries, which take no time."""
    waits: list[float] = []
    monkeypatch.setattr(again, "time", SimpleNamespace(sleep=waits.append))
    return waits


class Troubled:
    """Pictures drawn from the global streams, of which some fail: index -> the errors of its first reads."""

    def __init__(self, count: int, troubles: dict[int, Sequence[Exception]] | None = None) -> None:
        self.sizes = {"photo": count}
        self.left = {index: list(errors) for index, errors in (troubles or {}).items()}
        self.reads: Counter[int] = Counter()

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        assert rng is not None
        self.reads[index] += 1
        drawn = [index, torch.rand(()).item(), np.random.rand(), random.random(), rng.random()]
        if self.left.get(index):
            raise self.left[index].pop(0)
        return {"photo": torch.tensor(drawn, dtype=torch.float64)}

    def name(self, group: str, index: int) -> str:
        return f"{group}-{index}"


def batches(source: Any, **given: Any) -> list[Batch]:
    return list(TrainLoader(source, **{"seed": 3, "batch_size": 4, "total_steps": 6, **given}))


def values(found: Sequence[Batch]) -> list[list[float]]:
    return [row for batch in found for part in batch.parts for row in part["photo"].tolist()]


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("start", [0, 2, 5])
def test_what_a_data_set_draws_from_global_streams_is_the_same_after_a_resume(workers: int, start: int) -> None:
    whole = values(batches(Troubled(9)))
    torch.rand(7), np.random.rand(3), random.random()
    assert values(batches(Troubled(9), start_step=start, workers=workers)) == whole[4 * start :]
    assert len({tuple(row[1:]) for row in whole}) == len(whole)


def test_what_a_data_set_draws_does_not_depend_on_processes_and_parts() -> None:
    whole = values(batches(Troubled(9)))
    shares = [values(batches(Troubled(9), rank=rank, processes=2)) for rank in (0, 1)]
    assert sorted(whole) == sorted(shares[0] + shares[1])
    assert values(batches(Troubled(9), parts=2)) == whole


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, 8), st.integers(1, len(WAITS)), max_size=4))
def test_pictures_that_are_read_at_a_later_try_change_nothing(failures: dict[int, int]) -> None:
    waits: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(again, "time", SimpleNamespace(sleep=waits.append))
        found = batches(Troubled(9, {index: [system("EIO")] * times for index, times in failures.items()}))
    assert values(found) == values(batches(Troubled(9)))
    assert not any(batch.skipped or batch.passing for batch in found)
    retried = {path: how for batch in found for path, how in batch.retried.items()}
    assert retried == {
        f"photo-{index}": Retried(os.strerror(errno.EIO), times + 1) for index, times in failures.items()
    }
    assert sum(waits) == pytest.approx(sum(sum(WAITS[:times]) for times in failures.values()))


def test_a_picture_that_fails_at_every_try_is_skipped_for_this_time_only(slept: list[float]) -> None:
    tries = len(WAITS) + 1
    source = Troubled(4, {2: [MemoryError()] * (tries + 1)})
    found = batches(source, total_steps=5)
    bad = [bool(batch.passing) for batch in found]
    assert bad == [True, True, False, False, False], "the second time it failed as well, the third it was read"
    assert [set(batch.skipped) for batch in found[:2]] == [{"photo-2"}] * 2
    assert found[0].skipped["photo-2"] == f"not enough memory (in {tries} tries)"
    assert slept == list(WAITS), "patience is spent once, not each time"
    order = Order(source.sizes, 4, 3)
    number = next(n for n in range(4) if order.draws(n)["photo"].index == 2)
    stands_in = next(order.replacements("photo", number))
    assert found[0].parts[0]["photo"][number, 0] == stands_in
    assert [row[0] for row in values(found[2:])].count(2.0) == 3


def test_a_picture_that_is_damaged_is_never_read_again(slept: list[float]) -> None:
    source = Troubled(4, {2: [UnreadableImage("two", "cut short")]})
    found = batches(source)
    assert source.reads[2] == 1 and not slept
    assert all(batch.skipped == {"two": "cut short"} and not batch.passing for batch in found)


def test_a_disk_that_is_away_is_waited_for_once_and_then_told_of(slept: list[float]) -> None:
    source = Troubled(500, {index: [system("ESTALE")] * 99 for index in range(500)})
    with pytest.raises(DataError, match="no readable picture is left") as caught:
        batches(source)
    assert slept == list(WAITS) and sum(slept) < 10
    (problem,) = caught.value.problems
    assert problem.found is not None and "Stale file handle" in problem.found
    assert problem.hint is not None and "--resume" in problem.hint


@pytest.mark.parametrize("name", PASSING)
def test_what_the_system_says_may_pass_is_tried_again(name: str, slept: list[float]) -> None:
    tries = iter([system(name), system(name)])

    def read() -> int:
        for error in tries:
            raise error
        return 5

    told: dict[str, Retried] = {}
    assert read_again(read, lambda: "where", told.__setitem__, WAITS) == 5
    assert told == {"where": Retried(os.strerror(getattr(errno, name)), 3)} and slept == list(WAITS[:2])


@pytest.mark.parametrize(
    "error", [*map(system, LASTING), ValueError("a bug"), UnreadableImage("one", "damaged")], ids=repr
)
def test_what_lasts_is_said_at_once(error: Exception, slept: list[float]) -> None:
    def read() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        read_again(read, lambda: "where", pytest.fail, WAITS)
    assert caught.value is error and not slept


@pytest.mark.parametrize("name", [*PASSING, *LASTING])
def test_reading_a_file_tells_what_may_pass_from_what_lasts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*ignored: Any, **more: Any) -> None:
        raise system(name)

    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setattr("toonforge.data.reading.picture.open", fail, raising=False)
    with pytest.raises(UnreadableImage) as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.passing == (name in PASSING) == may_pass(caught.value)


def test_no_memory_for_decoding_is_not_held_against_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    def fail(*ignored: Any) -> None:
        raise MemoryError

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr("toonforge.data.reading.picture.read_any", fail)
    with pytest.raises(UnreadableImage, match="not enough memory") as caught:
        read_picture(tmp_path / "a.png")
    assert caught.value.passing


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_loader_knows_what_it_reads(tmp_path: Path, workers: int) -> None:
    slow = Order({"photo": 9}, 1, 3).draws(2)["photo"].index

    class Slow(Troubled):
        def item(self, group: str, index: int, rng: Any) -> dict[str, torch.Tensor]:
            while index == slow and not (tmp_path / "go").exists():
                time.sleep(0.01)
            return super().item(group, index, rng)

    loader = TrainLoader(Slow(9), seed=3, batch_size=1, total_steps=4, workers=workers)
    assert loader.reading is None
    iterator = iter(loader)
    next(iterator), next(iterator)
    waits = threading.Thread(target=next, args=(iterator,))
    waits.start()
    until = time.monotonic() + 60
    while loader.reading != f"photo-{slow}" and time.monotonic() < until:
        time.sleep(0.01)
    assert loader.reading == f"photo-{slow}"
    (tmp_path / "go").touch()
    waits.join()
    assert len(list(iterator)) == 1
