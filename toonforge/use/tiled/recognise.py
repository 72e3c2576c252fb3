"""Which operations of torch can be computed by rows, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from toonforge.use.tiled.borders import Constant, Grow, Repeat, Shuffle, Unshuffle
from toonforge.use.tiled.convolutions import Convolve, Pool, Transpose
from toonforge.use.tiled.norms import along, batch_norm, gathered, group_norm
from toonforge.use.tiled.operation import LIGHT, Call, Found, Recognised, by_same_rows, has_rows
from toonforge.use.tiled.rows import Cut, Local, Slot, Spread
from toonforge.use.tiled.step import Rows, Step


def recognise(function: Callable[..., Any], arguments: Any, options: Any, inputs: Sequence[Step], value: Any) -> Found:
    """How an operation is computed by rows; None for one that takes its inputs whole.

    A step where the operation changes nothing.
    """
    call = Call(function, arguments, options, tuple(inputs), value)
    if call.name in READERS:
        found: Found = READERS[call.name](call)
        return found
    if torch.Tag.pointwise in getattr(function, "tags", ()) or call.name in POINTWISE:
        return _pointwise(call)
    return None


def _pointwise(call: Call) -> Recognised | None:
    # Sums of two values are where residual networks branch: kept, so that no chain has to be walked twice.
    return by_same_rows(call, candidate=sum(map(has_rows, call.inputs)) > 1)


def _same(call: Call) -> Recognised | Step | None:
    """A copy or a view: nothing changes where shape and dtype stay."""
    step = call.inputs[0]
    if tuple(call.value.shape) == step.shape and call.value.dtype == step.dtype:
        return step
    return by_same_rows(call) if call.name == "_to_copy" else None


def _convolution(call: Call) -> Recognised | None:
    weight, bias = call.argument(1), call.argument(2)
    if not call.of_picture() or not isinstance(weight, torch.Tensor) or weight.ndim != 4:
        return None
    stride, padding, dilation, transposed, more, groups = call.arguments[3:9]
    height, width = call.inputs[0].shape[2:]
    stride, padding, dilation, more = ((*item, *item)[:2] for item in (stride, padding, dilation, more))
    if not transposed:
        rows: Rows = Convolve(weight, bias, height, stride, padding, dilation, groups)
        work = weight.numel() * call.value.shape[3]
    else:
        if stride[0] > dilation[0] * (weight.shape[2] - 1) + 1:
            return None
        rows = Transpose(weight, bias, height, stride, padding, dilation, more, groups)
        work = weight.numel() * width * height / call.value.shape[2]
    return call.by(rows, work, candidate=True)


def _padding(call: Call) -> Recognised | None:
    sides = (*call.argument(1), 0, 0)[:4]
    if not call.of_picture() or len(call.argument(1)) > 4:
        return None
    height = call.inputs[0].shape[2]
    if call.name == "constant_pad_nd":
        return call.by(Constant(sides, call.argument(2, 0), height))
    if min(sides) < 0:
        return None
    return call.by(Repeat("reflect" if call.name == "reflection_pad2d" else "replicate", sides, height))


def _growing(call: Call) -> Recognised | None:
    mode: Literal["nearest", "bilinear"] = "bilinear" if "bilinear" in call.name else "nearest"
    if not call.of_picture() or (mode == "bilinear" and call.argument(2)):
        return None
    before, after = call.inputs[0].shape[2:], tuple(call.value.shape[2:])
    times = (after[0] // before[0], after[1] // before[1])
    exact = all(out == size * factor and factor & (factor - 1) == 0 for out, size, factor in zip(after, before, times))
    rest = call.arguments[3:] if mode == "bilinear" else call.arguments[2:]
    given = [scale for item in rest for scale in (item if isinstance(item, list | tuple) else (item,))]
    if not exact or any(scale is not None and scale not in times for scale in given):
        return None
    return call.by(Grow(mode, times, before[0]))


def _shuffle(call: Call) -> Recognised | None:
    if not call.of_picture():
        return None
    kind = Shuffle if call.name == "pixel_shuffle" else Unshuffle
    return call.by(kind(call.argument(1)))


def _pool(call: Call) -> Found:
    kernel = call.argument(1)
    kernel, stride, padding = (
        (*item, *item)[:2] for item in (kernel, call.argument(2) or kernel, call.argument(3, [0]))
    )
    average = call.name == "avg_pool2d"
    dilation = (1, 1) if average else ((*call.argument(4, [1]), *call.argument(4, [1]))[:2])
    if not call.of_picture() or any(padding) or call.argument(4 if average else 5, False):
        return None
    if average and call.argument(6) is not None:
        return None
    return _first(call, call.by(Pool(average, kernel, stride, dilation)))


def _first(call: Call, found: Recognised) -> Recognised | Sequence[Recognised]:
    """Of an operation that yields several tensors the first, which alone is known here."""
    return [found] if isinstance(call.value, list | tuple) else found


def _cat(call: Call) -> Recognised | None:
    dim = call.argument(1, 0)
    same = len({step.shape[2:3] for step in call.inputs}) == 1 and all(map(has_rows, call.inputs))
    constants = any(isinstance(item, torch.Tensor) and item.ndim != 4 for item in call.arguments[0])
    return by_same_rows(call) if same and not constants and dim % 4 in (1, 3) else None


def _slice(call: Call) -> Recognised | Step | None:
    if not call.of_picture():
        return None
    step = call.inputs[0]
    if tuple(call.value.shape) == step.shape:
        return step
    dim = call.argument(1, 0) % 4
    if dim in (1, 3):
        return by_same_rows(call)
    start, stride = call.argument(2) or 0, call.argument(4, 1)
    if dim != 2 or stride != 1:
        return None
    start = min(max(start + (step.height if start < 0 else 0), 0), step.height)
    return call.by(Cut(start))


def _split(call: Call) -> Recognised | Sequence[Recognised] | None:
    dim, sizes = call.argument(2, 0), call.argument(1)
    if not call.of_picture() or dim % 4 != 1:
        return None
    (step,) = call.inputs
    sizes = [part.shape[1] for part in call.value]
    starts = [sum(sizes[:number]) for number in range(len(sizes))]
    return [
        Recognised(
            call.inputs,
            Local(torch.ops.aten.slice.Tensor, (Slot(0), 1, start, start + size), {}, (step.height,), step.height),
            (1, size, *step.shape[2:]),
            step.dtype,
            LIGHT * size * step.shape[3],
        )
        for start, size in zip(starts, sizes)
    ]


def _expand(call: Call) -> Recognised | Step | None:
    if not call.of_picture() or call.value.ndim != 4 or call.value.shape[:2] != call.inputs[0].shape[:2]:
        return None
    if call.inputs[0].height != 1:
        return _same(call)
    return call.by(Spread(call.value.shape[3]))


READERS: dict[str, Callable[[Call], Found]] = {
    **dict.fromkeys(
        ("view", "reshape", "_unsafe_view", "clone", "alias", "detach", "contiguous", "_to_copy", "lift_fresh_copy"),
        _same,
    ),
    "convolution": _convolution,
    **dict.fromkeys(("reflection_pad2d", "replication_pad2d", "constant_pad_nd"), _padding),
    **dict.fromkeys(("upsample_nearest2d", "upsample_bilinear2d"), _growing),
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), _shuffle),
    **dict.fromkeys(("avg_pool2d", "max_pool2d_with_indices"), _pool),
    "cat": _cat,
    "slice": _slice,
    **dict.fromkeys(("split", "split_with_sizes"), _split),
    "expand": _expand,
    **dict.fromkeys(("mean", "sum", "var", "std", "var_mean"), gathered),
    **dict.fromkeys(("_softmax", "amax", "amin"), along),
    "native_group_norm": group_norm,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"), batch_norm
    ),
}
"""Operations by name, and what tells how each is computed."""

POINTWISE = frozenset({"_prelu_kernel", "hardtanh", "hardswish", "hardsigmoid", "clamp_min", "clamp_max"})
"""Functions of each number that older versions of torch do not mark as such."""
