"""Whether networks compute as torch's own layers do just now, or in ways of ours that are faster."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class _Written(threading.local):
    """How many `as_written` are open in this thread."""

    count = 0


_here = _Written()


@contextmanager
def as_written() -> Iterator[None]:
    """Within it networks compute as torch's own layers do, for those who look on: traces, exports.

    In this thread alone; what other threads compute stays as it is, to the bit. Results differ in rounding alone,
    gradients too. A network that is recomputed in its backward pass must not see it opened or closed after its forward
    pass: other values would be kept, and torch refuses that with a `CheckpointError`.
    """
    _here.count += 1
    try:
        yield
    finally:
        _here.count -= 1


def may_differ(x: Tensor, weight: Tensor) -> bool:
    """Whether a convolution of (N,C,H,W) on a CPU may be computed in a way of ours just now.

    Not as part of a trace or a compilation, under autocast, or of what torch refuses: torch's own says what is wrong.
    """
    return (
        not written()
        and not torch.compiler.is_compiling()
        and x.dim() == 4
        and x.device.type == "cpu"
        and x.dtype == weight.dtype
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
    )


def in_channels_last(x: Tensor) -> bool:
    """Whether (N,C,H,W) lies pixel by pixel, and not also channel by channel, as where there is one of either."""
    return not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def written() -> bool:
    """Whether networks are to compute as torch's own layers do just now, in this thread.

    So they do for `torch.jit.trace` and within `torch.func`, which know torch's own alone.
    """
    return _here.count > 0 or is_traced() or torch._C._functorch.maybe_current_level() is not None


def is_traced() -> bool:
    """Whether `torch.jit.trace` looks on."""
    return torch._C._get_tracing_state() is not None
