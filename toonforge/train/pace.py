"""How fast a training is: pictures a second of its steps, and how much of their time it waited for pictures."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import attrs

if TYPE_CHECKING:
    import torch


class Device(Protocol):
    """What computes, perhaps behind the calls that ask it to."""

    def mark(self) -> None:
        """Remember all that it was asked to compute until now."""

    def idle(self) -> bool:
        """Whether all of that is done. Nothing is waited for."""


class Processor:
    """A device whose calls come back when all is done."""

    def mark(self) -> None:
        """See `Device`."""

    def idle(self) -> bool:
        """See `Device`."""
        return True


class Cuda:
    """A GPU: by an event on the stream that it computes on."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self._event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._stream = torch.cuda.current_stream(device)

    def mark(self) -> None:
        """See `Device`."""
        self._event.record(self._stream)

    def idle(self) -> bool:
        """See `Device`."""
        return bool(self._event.query())  # type: ignore[no-untyped-call]


@attrs.frozen
class Rate:
    """How fast steps were.

    Attributes:
        pictures: a second.
        waiting: share of the time, 0 to 1, in which the device had nothing to compute since the next batch was not
            there yet. Of a GPU an upper bound: it may become idle in the middle of a wait, which counts whole.
    """

    pictures: float
    waiting: float


class Pace:
    """A stopwatch that begins when it is made, after `step` steps of `pictures` each.

    Args:
        step: steps done until now.
        pictures: of one batch field in a step.
        device: what computes the steps.
    """

    def __init__(self, step: int, pictures: int, device: Device | None = None) -> None:
        self._pictures, self._device = pictures, device or Processor()
        self._step, self._then, self._waited = step, time.perf_counter(), 0.0

    def since(self, step: int) -> Rate:
        """The speed since the last time this was asked, or since the beginning."""
        now = time.perf_counter()
        seconds = max(now - self._then, 1e-9)
        rate = Rate((step - self._step) * self._pictures / seconds, min(1.0, self._waited / seconds))
        self._step, self._then, self._waited = step, now, 0.0
        return rate

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is done within it takes no time."""
        began = time.perf_counter()
        yield
        self._then += time.perf_counter() - began

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within it the next batch is waited for. This counts unless the device had something to compute all along."""
        self._device.mark()
        began = time.perf_counter()
        yield
        if self._device.idle():
            self._waited += time.perf_counter() - began


def pace_of(device: torch.device, step: int, pictures: int) -> Pace:
    """A stopwatch for steps on a device."""
    return Pace(step, pictures, Cuda(device) if device.type == "cuda" else Processor())
