"""Training batches: the same for any start, any number of processes and any number of workers."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.utils.data import get_worker_info

from tests.pictures import fill
from toonforge.data import PictureSource, UnpairedFolders
from toonforge.data.loader import Batch, TrainLoader
from toonforge.data.order import Order
from toonforge.data.workers import Workers, died
from toonforge.errors import DataError, RunError

ROOT = Path(__file__).parent.parent
RESUME = "toonforge run runs/a --resume"


def source_in(root: Path) -> PictureSource:
    """Nine photographs and five cartoons of which the second and fourth cannot be read."""
    fill(root / "photo", 9)
    fill(root / "anime", 5)
    for number in (1, 3):
        (root / f"anime/picture0{number}.png").write_text("no picture")
    fields = {field: str(root / field) for field in ("photo", "anime")}
    return UnpairedFolders(fields=fields, validation_fields=fields, image_size=16).build("train")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> PictureSource:
    return source_in(tmp_path_factory.mktemp("pictures"))


def batches(source: PictureSource, **settings: Any) -> list[Batch]:
    return list(TrainLoader(source, **{"seed": 3, "batch_size": 4, "total_steps": 7, "parts": 2, **settings}))


def same(one: list[Batch], two: list[Batch]) -> bool:
    return len(one) == len(two) and all(
        a.skipped == b.skipped
        and all(x.keys() == y.keys() and all(torch.equal(x[k], y[k]) for k in x) for x, y in zip(a.parts, b.parts))
        and len(a.parts) == len(b.parts)
        for a, b in zip(one, two)
    )


def test_batches_have_the_announced_form(source: PictureSource) -> None:
    whole = batches(source)
    assert len(whole) == len(TrainLoader(source, seed=3, batch_size=4, total_steps=7)) == 7
    for batch in whole:
        assert [list(part) for part in batch.parts] == [["photo", "anime"]] * 2
        assert all(value.shape == (2, 3, 16, 16) for part in batch.parts for value in part.values())


@pytest.mark.parametrize("start", [1, 3, 6, 7])
def test_a_fresh_loader_goes_on_as_an_uninterrupted_one(source: PictureSource, start: int) -> None:
    assert same(batches(source)[start:], batches(source, start_step=start))


def test_the_shares_of_two_processes_make_the_batch_of_one(source: PictureSource) -> None:
    shares = [batches(source, rank=rank, processes=2) for rank in (0, 1)]
    for whole, one, two in zip(batches(source), *shares):
        for part, first, second in zip(whole.parts, one.parts, two.parts):
            for field, value in part.items():
                assert torch.equal(value, torch.cat([first[field], second[field]]))
        assert whole.skipped == {**one.skipped, **two.skipped}


def test_parts_cut_the_same_batch(source: PictureSource) -> None:
    for whole, cut in zip(batches(source, parts=1), batches(source, parts=2)):
        for field, value in whole.parts[0].items():
            assert torch.equal(value, torch.cat([part[field] for part in cut.parts]))


def test_workers_change_nothing(source: PictureSource) -> None:
    here = batches(source)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    assert same(here, batches(source, workers=2))
    assert torch.equal(torch.get_rng_state(), before), "loading must leave the global random state alone"


class Fixed:
    """A source of one group of given tensors."""

    def __init__(self, *values: torch.Tensor) -> None:
        self.values = values
        self.sizes = {"photo": len(values)}

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        return {"photo": self.values[index]}

    def name(self, group: str, index: int) -> str:
        return str(index)


@pytest.mark.parametrize(
    ("like", "strides"),
    [
        (torch.zeros(5, 4, 3, dtype=torch.uint8).permute(2, 0, 1), (60, 1, 12, 3)),
        (torch.zeros(3, 5, 4, dtype=torch.uint8), (60, 20, 4, 1)),
        (torch.zeros(3, 5, 4), (60, 20, 4, 1)),
        (torch.zeros(7, 5), (35, 5, 1)),
        (torch.zeros(()), (1,)),
    ],
    ids=["colours together", "planes", "floats", "tables", "numbers"],
)
def test_a_batch_lies_in_memory_as_its_items_do(like: torch.Tensor, strides: tuple[int, ...]) -> None:
    values = [like + number for number in range(4)]
    (batch,) = TrainLoader(Fixed(*values), seed=0, batch_size=4, total_steps=1)
    stacked = batch.parts[0]["photo"]
    assert stacked.stride() == strides and stacked.dtype == like.dtype
    order = Order({"photo": 4}, 4, 0)
    assert torch.equal(stacked, torch.stack([values[order.draws(number)["photo"].index] for number in range(4)]))


def test_a_batch_is_no_part_of_the_pictures_it_was_made_of(source: PictureSource) -> None:
    whole = batches(source)
    for batch in whole:
        for part in batch.parts:
            for value in part.values():
                value.zero_()
    assert not same(batches(source), whole)


def test_items_of_other_sizes_are_an_error_not_repeated() -> None:
    uneven = Fixed(torch.zeros(3, 4, 4), torch.zeros(1, 4, 4))
    with pytest.raises(ValueError, match="for one field"):
        list(TrainLoader(uneven, seed=0, batch_size=2, total_steps=1))


def test_another_seed_gives_other_batches(source: PictureSource) -> None:
    assert not same(batches(source), batches(source, seed=4))


def test_unreadable_pictures_are_replaced_by_the_next_and_named(source: PictureSource) -> None:
    order = Order(source.sizes, 4, 3)
    skipped = {}
    for batch in batches(source):
        skipped.update(batch.skipped)
    assert {Path(path).name for path in skipped} == {"picture01.png", "picture03.png"}
    assert all("no picture of a known kind" in reason for reason in skipped.values())
    number = next(n for n in range(28) if order.draws(n)["anime"].index == 1)
    stands_in = next(index for index in order.replacements("anime", number) if index not in (1, 3))
    draw = order.draws(number)["anime"]
    batch = batches(source, parts=1)[number // 4]
    expected = source.item("anime", stands_in, draw.generator())["anime"]
    assert torch.equal(batch.parts[0]["anime"][number % 4], expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_nothing_readable_is_an_error_that_names_one(tmp_path: Path, workers: int) -> None:
    source = source_in(tmp_path)
    for file in (tmp_path / "anime").iterdir():
        file.write_bytes(b"")
    with pytest.raises(DataError, match="no readable picture is left among 'anime'") as caught:
        batches(source, workers=workers)
    (problem,) = caught.value.problems
    assert problem.found is not None
    assert "5 that cannot be read" in problem.found
    assert "the file is empty" in problem.found


def test_a_batch_may_be_larger_than_the_set(source: PictureSource) -> None:
    loader = TrainLoader(source, seed=0, batch_size=20, total_steps=2)
    assert loader.steps_per_epoch == 1
    assert [batch.parts[0]["anime"].shape[0] for batch in loader] == [20, 20]


def test_a_batch_that_cannot_be_cut_evenly_is_refused(source: PictureSource) -> None:
    with pytest.raises(DataError, match="cut evenly"):
        TrainLoader(source, seed=0, batch_size=6, total_steps=1, processes=2, parts=2)


class Deadly(Fixed):
    """A source of which one item ends the worker that reads it, or never comes."""

    def __init__(self, how: str) -> None:
        super().__init__(*(torch.full((), float(number)) for number in range(8)))
        self.how = how

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        if index == 5 and get_worker_info() is not None:
            if self.how == "hangs":
                time.sleep(3600)
            os.kill(os.getpid(), getattr(signal, self.how))
        return super().item(group, index, rng)


def started() -> set[BaseProcess]:
    return {*multiprocessing.active_children()}


def test_a_worker_that_is_killed_is_one_error_between_two_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    # Torch looks for dead workers every five seconds.
    monkeypatch.setattr("torch.utils.data.dataloader._MultiProcessingDataLoaderIter._try_get_data.__defaults__", (0.1,))
    before, order = started(), Order({"photo": 8}, 1, 0)
    good = next(number for number in range(8) if order.draws(number)["photo"].index == 5)
    loaded = []
    with pytest.raises(RunError) as caught:
        loaded += iter(TrainLoader(Deadly("SIGKILL"), seed=0, batch_size=1, total_steps=8, workers=2, resume=RESUME))
    (problem,) = caught.value.problems
    assert problem.message == "a process that loads pictures was killed (signal 9, SIGKILL) while it read 5"
    assert problem.key == "train.workers" and problem.hint is not None
    assert "memory runs short" in problem.hint and problem.hint.endswith(f": {RESUME} --set train.workers=1")
    assert started() == before, "no worker is left"
    came = [float(batch.parts[0]["photo"]) for batch in loaded]
    assert came == [float(order.draws(number)["photo"].index) for number in range(good)][: len(came)]


@pytest.mark.parametrize("error", [EOFError(), ConnectionResetError("reset by peer")])
def test_a_worker_whose_connection_ends_before_it_does_is_that_error_too(error: Exception) -> None:
    class Ending:
        pid, asked = 7, 0

        @property
        def exitcode(self) -> int | None:
            self.asked += 1
            return -signal.SIGKILL if self.asked > 3 else None

    def batches() -> Iterator[Any]:
        raise error
        yield

    workers = object.__new__(Workers)
    workers._reading, workers._resume, workers._batches = lambda number: "a.png", RESUME, batches()
    workers.processes = [SimpleNamespace(pid=6, exitcode=None), Ending()]  # type: ignore[list-item]
    with pytest.raises(RunError, match=r"was killed \(signal 9, SIGKILL\) while it read a\.png"):
        next(workers)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-signal.SIGKILL, ("was killed (signal 9, SIGKILL)", "memory runs short", f": {RESUME} --set train.workers=2")),
        (-signal.SIGBUS, ("was killed (signal 7, SIGBUS)", "/dev/shm", f": {RESUME} --set train.workers=2")),
        (-signal.SIGSEGV, ("was killed (signal 11, SIGSEGV)", "a library crashed")),
        (-63, ("was killed (signal 63", "a library crashed")),
        (3, ("ended with exit code 3", "a library crashed")),
    ],
)
def test_each_way_to_die_has_a_hint_of_its_own(code: int, words: tuple[str, ...]) -> None:
    text = str(died(SimpleNamespace(exitcode=code, pid=7), 4, "a.png", RESUME))  # type: ignore[arg-type]
    assert all(part in text for part in (*words, "while it read a.png", "process 7, one of 4", f": {RESUME}")), text


def test_a_worker_that_hangs_does_not_keep_anyone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.data.workers.GRACE", 0.1)
    before = started()
    iterator = iter(TrainLoader(Deadly("hangs"), seed=0, batch_size=1, total_steps=8, workers=2))
    next(iterator)
    began = time.monotonic()
    del iterator
    assert time.monotonic() - began < 30 and started() == before


def test_workers_that_cannot_be_started_are_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*ignored: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr("multiprocessing.process.BaseProcess.start", fail)
    with pytest.raises(RunError, match="the 2 processes that load pictures cannot be started") as caught:
        next(iter(TrainLoader(Fixed(torch.zeros(())), seed=0, batch_size=1, total_steps=1, workers=2)))
    assert "--set train.workers=1" in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_workers_leave_when_the_training_process_is_killed() -> None:
    """Also where torch's own watch took another for the training, which was gone before the watch began."""
    code = (
        "import torch.utils.data._utils.worker as w; w.ManagerWatchdog.is_alive = lambda self: True\n"
        "import torch, time, multiprocessing as m; from tests.test_loader import Fixed, TrainLoader\n"
        "torch.utils.data._utils.worker.MP_STATUS_CHECK_INTERVAL = 0.2\n"
        "batches = iter(TrainLoader(Fixed(torch.zeros(())), seed=0, batch_size=1, total_steps=9, workers=2))\n"
        "next(batches); print(*(p.pid for p in m.active_children()), flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        workers = list(map(int, process.stdout.readline().split()))
        assert len(workers) == 2 and all(map(runs, workers))
        process.kill()
        until = time.monotonic() + 60
        while any(map(runs, workers)) and time.monotonic() < until:
            time.sleep(0.1)
        stay = [*filter(runs, workers)]
        for worker in stay:
            os.kill(worker, signal.SIGKILL)
        assert not stay


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which nobody but its parent can remove."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
