"""Steps under torch's profiler, with the calls of networks and losses labelled."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from toonforge.bench.parts import STEP, Call, Span, label
from toonforge.train.step import Training

USER = 7
"""The profiler's scope of labels: torch's `RecordScope::USER_SCOPE`."""


class Labels:
    """Whether calls are labelled now, and those that were."""

    def __init__(self) -> None:
        self.on = False
        self.calls: list[Call] = []

    def call(self, kind: str, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the function, as a call of this kind and name where they are labelled."""
        if not self.on or torch.compiler.is_compiling():
            return function(*args, **kwargs)
        first = _number()
        with record_function(label(kind, name)):
            result = function(*args, **kwargs)
        self.calls.append(Call(kind=kind, name=name, first=first, last=_number()))
        return result


def _number() -> int:
    """What the next operation with a gradient is numbered, on this thread."""
    number: int = torch._C._autograd._get_sequence_nr()
    return number


class _Labelled:
    """A loss whose calls are labelled; in everything else the loss itself."""

    def __init__(self, labels: Labels, loss: Any) -> None:
        self._labels, self._loss = labels, loss

    def __call__(self, **arguments: Any) -> Any:
        return self._labels.call("loss", "", self._loss, **arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loss, name)


def labelled_training(labels: Labels, *arguments: Any) -> Training:
    """A `Training` whose losses can be labelled."""

    class LabelledTraining(Training):
        def _loss(self, config: Any, place: str) -> Any:
            return _Labelled(labels, super()._loss(config, place))

    return LabelledTraining(*arguments)


def profiled(
    training: Training, labels: Labels, device: torch.device, steps: Sequence[Callable[[], None]]
) -> tuple[list[Span], list[Call], float]:
    """Run steps under the profiler: what it saw, the labelled calls, and the seconds that they took."""
    modules = {
        id(module): (name, module) for each in (training.networks, training.wrapped) for name, module in each.items()
    }
    before = [(module, module._compiled_call_impl) for _, module in modules.values()]
    for name, module in modules.values():
        _label(labels, name, module)
    labels.on, labels.calls = True, []
    kinds = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    try:
        with profile(activities=kinds) as profiler:
            began = time.perf_counter()
            for step in steps:
                with record_function(STEP):
                    step()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            seconds = time.perf_counter() - began
    finally:
        labels.on = False
        for module, call in before:
            module._compiled_call_impl = call
    return spans_of(profiler.events()), labels.calls, seconds


def _label(labels: Labels, name: str, module: nn.Module) -> None:
    """Label the calls of a network: neither its `forward` nor its hooks are touched, which tricks look at."""
    call = module._compiled_call_impl or module._call_impl

    def labelled(*args: Any, **kwargs: Any) -> Any:
        return labels.call("network", name, call, *args, **kwargs)

    module._compiled_call_impl = labelled


def spans_of(events: Any) -> list[Span]:
    """The profiler's events on processors, each behind the one it lies within; kernels belong to what began them."""
    found: list[Span] = []
    numbers: dict[int, int] = {}
    ours = [event for event in events if event.device_type == torch._C._autograd.DeviceType.CPU]
    for event in sorted(ours, key=_by_thread):
        parent = event.cpu_parent
        numbers[id(event)] = len(found)
        found.append(
            Span(
                name=event.name,
                parent=None if parent is None else numbers.get(id(parent)),
                seconds=max(0.0, event.self_cpu_time_total) * 1e-6,
                # Kernels are begun by operations; what a GPU says of our own labels is no further one.
                device=0.0 if event.scope == USER else sum(kernel.duration for kernel in event.kernels) * 1e-6,
                number=event.sequence_nr,
            )
        )
    return found


def _by_thread(event: Any) -> tuple[Any, ...]:
    """An event comes behind the one that it lies within, also where both take no time that can be measured."""
    return event.thread, event.time_range.start, -event.time_range.end, event.id
