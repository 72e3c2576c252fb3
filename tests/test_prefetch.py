"""Batches on the device: all of them, in order, and the next is on its way while one is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
import pytest
import torch

from toonforge.data.loader import Batch
from toonforge.data.prefetch import Copy, CudaCopies, on_device, one_ahead
from toonforge.errors import DataError


def batch(number: int) -> Batch:
    return Batch([{"photo": torch.full((2, 3, 4, 4), number, dtype=torch.uint8)}], {str(number): "because"})


@attrs.define
class Log:
    """Copies that only write down what happens."""

    lines: list[str] = attrs.Factory(list)

    def loaded(self, count: int, error: DataError | None = None) -> Iterator[Batch]:
        for number in range(count):
            self.lines.append(f"load {number}")
            yield batch(number)
        if error is not None:
            raise error

    def begin(self, given: Batch) -> Copy:
        self.lines.append(f"begin {self._number(given)}")
        return Copy(given, None)  # type: ignore[arg-type]

    def finish(self, copy: Copy) -> Batch:
        self.lines.append(f"finish {self._number(copy.batch)}")
        return copy.batch

    def _number(self, given: Batch) -> int:
        return int(given.parts[0]["photo"].flatten()[0])


@pytest.mark.parametrize("count", range(4))
def test_every_batch_comes_once_and_in_order(count: int) -> None:
    log = Log()
    numbers = [given.skipped for given in one_ahead(log.loaded(count), log)]
    assert numbers == [{str(number): "because"} for number in range(count)]


def test_a_copy_begins_before_the_batch_before_it_is_used() -> None:
    log = Log()
    for given in one_ahead(log.loaded(3), log):
        log.lines.append(f"use {log._number(given)}")
    assert log.lines == [
        *("load 0", "begin 0", "load 1", "begin 1", "finish 0", "use 0"),
        *("load 2", "begin 2", "finish 1", "use 1"),
        *("finish 2", "use 2"),
    ]


def test_an_error_comes_after_the_batches_before_it() -> None:
    log = Log()
    error = DataError("no readable picture is left")
    batches = one_ahead(log.loaded(2, error), log)
    used = [log._number(next(batches)) for _ in range(2)]
    with pytest.raises(DataError) as caught:
        next(batches)
    assert caught.value is error
    assert used == [0, 1]


def test_on_a_cpu_batches_are_handed_through_as_they_are_asked_for() -> None:
    log = Log()
    batches = on_device(log.loaded(3), torch.device("cpu"))
    assert log.lines == []
    assert next(batches).parts[0]["photo"].dtype == torch.uint8
    assert log.lines == ["load 0"]


class FakeStream:
    """What happens on the streams of a CUDA device, in order of the calls."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def record_event(self) -> str:
        event = f"event {len(self.lines)}"
        self.lines.append(f"{self.name} records {event}")
        return event

    def wait_event(self, event: str) -> None:
        self.lines.append(f"{self.name} waits for {event}")

    def __enter__(self) -> None:
        self.lines.append(f"on {self.name}")

    def __exit__(self, *error: object) -> None:
        self.lines.append(f"off {self.name}")


def test_the_computation_waits_for_the_copy_and_memory_for_the_computation(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    computing = FakeStream("computing", lines)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: FakeStream("copying", lines))
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: stream)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)

    def to(self: torch.Tensor, device: torch.device, non_blocking: bool) -> torch.Tensor:
        lines.append(f"copy to {device}{', not waited for' if non_blocking else ''}")
        return self

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: True)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda self, stream: lines.append(f"{stream.name} uses it"))
    copies: Any = CudaCopies(torch.device("cuda", 1))
    first = copies.begin(batch(0))
    copies.begin(batch(1))
    lines.append("--")
    copies.finish(first)
    assert lines == [
        *("on copying", "copy to cuda:1, not waited for", "copying records event 2", "off copying"),
        *("on copying", "copy to cuda:1, not waited for", "copying records event 6", "off copying"),
        *("--", "computing waits for event 2", "computing uses it"),
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_only_copies_from_page_locked_memory_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, pinned: bool) -> None:
    waits: list[bool] = []

    def to(self: torch.Tensor, device: torch.device, non_blocking: bool) -> torch.Tensor:
        waits.append(not non_blocking)
        return self

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "is_pinned", lambda self: pinned)
    next(on_device([batch(0)], torch.device("mps")))
    assert waits == [not pinned]
