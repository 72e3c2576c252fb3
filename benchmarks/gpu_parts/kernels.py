"""Where a device's time goes: what it computed by kind, and when it computed nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import torch

KINDS: tuple[tuple[str, str], ...] = (
    ("optimizer and averages", r"adam|multi_tensor|foreach|lerp|fused_(sgd|adagrad)"),
    ("convolutions", r"conv|fprop|dgrad|wgrad|winograd|cudnn.*(gemm|xmma)|xmma|mkldnn"),
    ("norms", r"norm|welford|bn_(fw|bw)|batch_norm|moments"),
    ("matrix products", r"gemm|gemv|cutlass|cublas|addmm|matmul|\bmm\b"),
    ("padding", r"pad"),
    ("copies and layouts", r"memcpy|memset|copy|nchw|nhwc|concat|\bcat\b|catarray|transpose|clone|contiguous"),
    ("sums", r"reduce|sum|mean"),
    ("elementwise", r"elementwise|vectorized|relu|tanh|sigmoid|dropout|bernoulli|add|mul|div|fill|zero|loss|triton"),
)
"""Kind -> what its kernels' names contain; the first that fits counts."""
OTHER = "other"


@attrs.frozen
class Work:
    """Something that the device did: name, begin and end in seconds."""

    name: str
    begin: float
    end: float


def kind_of(name: str) -> str:
    """Which kind of work a kernel's name stands for."""
    lowered = name.lower()
    return next((kind for kind, pattern in KINDS if re.search(pattern, lowered)), OTHER)


def by_kind(work: Iterable[Work]) -> dict[str, float]:
    """Seconds by kind, the most first."""
    found: dict[str, float] = {}
    for one in work:
        kind = kind_of(one.name)
        found[kind] = found.get(kind, 0.0) + one.end - one.begin
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def busy(work: Iterable[Work]) -> float:
    """Seconds in which at least one piece of work was being done."""
    total, until = 0.0, float("-inf")
    for one in sorted(work, key=lambda one: one.begin):
        if one.end > until:
            total += one.end - max(one.begin, until)
            until = one.end
    return total


def watched(steps: Callable[[], None], device: torch.device) -> tuple[list[Work], float]:
    """What the device did during `steps`, which waits for it at the end, and the seconds from the first to the last."""
    from torch.profiler import ProfilerActivity, profile

    on_cpu = device.type == "cpu"
    with profile(activities=[ProfilerActivity.CPU if on_cpu else ProfilerActivity.CUDA]) as seen:
        steps()
    events = seen.events() or ()
    kept = [event for event in events if _is_work(event, on_cpu)]
    work = [Work(event.name, event.time_range.start / 1e6, event.time_range.end / 1e6) for event in kept]
    return work, span(work)


def span(work: Sequence[Work]) -> float:
    """Seconds from the first begin to the last end."""
    return max((one.end for one in work), default=0.0) - min((one.begin for one in work), default=0.0)


def _is_work(event: Any, on_cpu: bool) -> bool:
    """On a GPU its kernels and copies, on a CPU the operations that are no part of others."""
    if on_cpu:
        above = event.cpu_parent
        return event.name.startswith("aten::") and not (above is not None and above.name.startswith("aten::"))
    # Ranges that somebody named lie over the kernels in them.
    return "CUDA" in str(event.device_type) and not getattr(event, "is_user_annotation", False)


def shares(work: Sequence[Work], steps: int, seconds: float) -> list[tuple[str, float, float]]:
    """(kind, milliseconds a step, share of the whole), and what is left in which the device did nothing.

    Args:
        seconds: from the first work to the last.
    """
    rows = [(kind, 1e3 * each / steps, each / seconds) for kind, each in by_kind(work).items()]
    idle = max(0.0, seconds - busy(work))
    return [*rows, ("nothing to do (gaps)", 1e3 * idle / steps, idle / seconds)]
