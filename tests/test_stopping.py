"""Stopping: what is waited for can be left at once, all processes stop before the same step, nothing is left running."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from toonforge.train import insisting, reader, stopping
from toonforge.train.stopping import Stopped, Stopping

HANGS = 600.0


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Stopping:
    monkeypatch.setattr(stopping, "MOMENT", 0.0)
    monkeypatch.setattr(reader, "GRACE", 0.1)
    return Stopping(lambda: None)


def signal_soon(number: signal.Signals = signal.SIGTERM, seconds: float = 0.1) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), number)).start()


# -- one process ----------------------------------------------------------------------------------------------------


@given(st.lists(st.one_of(st.none(), st.integers(), st.text()), max_size=20))
def test_batches_come_as_they_are_and_in_their_order(batches: list[Any]) -> None:
    assert list(Stopping(lambda: None).waiting(batches)) == batches


def test_a_batch_is_read_when_it_is_asked_for_and_not_before(ours: Stopping) -> None:
    read: list[int] = []

    def batches() -> Iterator[int]:
        for number in range(3):
            read.append(number)
            yield number

    for number in ours.waiting(batches()):
        time.sleep(0.05)
        assert read == [*range(number + 1)]


def test_what_reading_raises_is_raised_where_it_is_waited_for(ours: Stopping) -> None:
    def batches() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(ours.waiting(batches()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_first_signal_ends_waiting_for_a_read_that_hangs(ours: Stopping, number: signal.Signals) -> None:
    over = threading.Event()
    before = signal.signal(number, signal.SIG_DFL)  # the tests may run under nohup, where SIGHUP is ignored

    def batches() -> Iterator[int]:
        yield 1
        over.wait(HANGS)

    in_the_end = threading.Timer(60, over.set)
    in_the_end.start()
    with ours.caught():
        waiting = ours.waiting(batches())
        assert next(waiting) == 1
        signal_soon(number)
        with pytest.raises(Stopped):
            next(waiting)
    signal.signal(number, before)
    assert ours.asked and not over.is_set()
    in_the_end.cancel()
    over.set()


def test_a_run_that_was_asked_reads_no_further(ours: Stopping) -> None:
    read: list[int] = []
    ours.asked = True
    with pytest.raises(Stopped):
        next(ours.waiting(read.append(1) or number for number in range(3)))
    assert read == []
    with pytest.raises(Stopped):
        ours.check()
    assert ours.agreed()


def test_what_nobody_asked_goes_on(ours: Stopping) -> None:
    ours.check()
    assert not ours.agreed()


class Hangs(Dataset[int]):
    """Its second item never comes."""

    def __getitem__(self, index: int) -> int:
        if index:
            time.sleep(HANGS)
        return index


def ignore_signals(worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def test_processes_that_hang_while_they_load_end_with_the_waiting(
    ours: Stopping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "GRACE", 0.3)
    before = {*multiprocessing.active_children()}
    loader = DataLoader(
        Hangs(),
        batch_size=None,
        sampler=range(4),
        num_workers=2,
        worker_init_fn=ignore_signals,
        generator=torch.Generator(),
    )
    with ours.caught():
        waiting = ours.waiting(loader)
        assert next(waiting) == 0
        signal_soon()
        with pytest.raises(Stopped):
            next(waiting)
    deadline = time.monotonic() + 60
    while (left := {*multiprocessing.active_children()} - before) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        process.kill()
    assert not left


def test_a_long_wait_is_told(ours: Stopping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "LONG", 0.05)
    over, told = threading.Event(), []

    def slow(seconds: float) -> None:
        told.append(seconds)
        if len(told) == 2:
            over.set()

    def batches() -> Iterator[int]:
        over.wait(HANGS)
        yield 1

    assert list(ours.waiting(batches(), slow)) == [1]
    assert len(told) >= 2 and told[0] < told[1]


def test_a_hang_up_that_is_ignored_stays_so(ours: Stopping) -> None:
    """As where a run was started with `nohup`."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ours.caught():
            signal.raise_signal(signal.SIGHUP)
            assert not ours.asked
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_process_that_was_forked_off_is_not_asked(ours: Stopping) -> None:
    with ours.caught():
        child = os.fork()
        if child == 0:
            signal.raise_signal(signal.SIGINT)
            os._exit(0 if not ours.asked else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not ours.asked


# -- a second one, where Python cannot heed it ------------------------------------------------------------------------


def hang_in_the_system(seconds: list[float], moment: float, hangs_for: float) -> None:
    """Signals come, and the main thread is in a call that it does not come back from."""
    insisting.LEAVES = 0.1
    stopping.MOMENT = moment
    hangs = Stopping(lambda: None)
    hangs._ask = lambda number, frame: None  # type: ignore[method-assign]

    def interrupt() -> None:
        for pause in seconds:  # at least as long, however busy the machine is
            time.sleep(pause)
            os.kill(os.getpid(), signal.SIGINT)

    with hangs.caught():
        threading.Thread(target=interrupt).start()
        time.sleep(hangs_for)
    os._exit(77)


@pytest.mark.parametrize(
    ("seconds", "moment", "code"),
    [([0.1], 0.05, 77), ([0.1, 0.3], 0.05, 130), ([0.1, 0.2, 0.2], 60.0, 77)],
    ids=["one", "two", "within a moment"],
)
def test_a_second_request_ends_a_process_that_does_not_heed_it(seconds: list[float], moment: float, code: int) -> None:
    """The copies of one request do not: a save may take longer than they leave it."""
    process = multiprocessing.get_context("fork").Process(
        target=hang_in_the_system, args=(seconds, moment, 1.0 if code == 77 else HANGS), daemon=True
    )
    process.start()
    process.join(60)
    assert process.exitcode == code


# -- several processes ------------------------------------------------------------------------------------------------


def train(rank: int, folder: Path, hangs: bool, asked: int, count: int) -> None:
    """Counts steps; the last process is asked at a step, and then waits for a batch that may never come."""
    torch.set_num_threads(1)
    reader.GRACE = 0.1
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=2)
    each = Stopping(lambda: None)
    assert not each.agreed()
    done = 0

    def batches() -> Iterator[int]:
        for number in range(count):
            if rank == 1 and number == asked:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(HANGS if hangs else 0.0)
            time.sleep(0.002 * rank)
            yield number

    try:
        with each.caught():
            for _ in each.waiting(batches(), news=range):
                done += 1
                torch.distributed.all_reduce(torch.ones(1))  # as a step does: it waits for the others
        end = "done"
    except Stopped:
        end = "stopped"
    (folder / f"{rank}.txt").write_text(f"{end} {done} {each.asked}", "utf-8")
    os._exit(0)


@pytest.mark.parametrize(
    ("hangs", "asked", "expected"),
    [
        (True, 5, {"stopped 5"}),
        (False, 5, {"stopped 5", "stopped 6"}),
        (False, 99, {"done 12"}),
        (True, 0, {"stopped 0"}),
    ],
    ids=["hangs", "asked", "never", "first"],
)
def test_all_processes_stop_before_the_same_step(tmp_path: Path, hangs: bool, asked: int, expected: set[str]) -> None:
    context = multiprocessing.get_context("fork")
    started = [context.Process(target=train, args=(rank, tmp_path, hangs, asked, 12)) for rank in (0, 1)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        process.kill()
    said = [(tmp_path / f"{rank}.txt").read_text("utf-8").rpartition(" ") for rank in (0, 1)]
    assert said[0][0] == said[1][0] and said[0][0] in expected
    assert [each for _, _, each in said] == ["False", str(asked < 12)]
