"""Which operations of torch can be computed by rows, and how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import attrs
import torch

from toonforge.use.tiled.borders import Constant, Grow, Repeat, Shuffle, Unshuffle
from toonforge.use.tiled.convolutions import Convolve, Pool, Transpose
from toonforge.use.tiled.rows import Cut, Local, Normalise, Slot, Spread
from toonforge.use.tiled.statistics import Statistics
from toonforge.use.tiled.step import Rows, Step

aten = torch.ops.aten
LIGHT = 4.0
"""What a number costs in an operation that multiplies little, counted in multiplications of a convolution."""


@attrs.frozen(eq=False)
class Recognised:
    """How an operation is computed.

    Attributes:
        gathers: statistics of the first input that the rows need, or that are the result where `rows` is None; with
            dtype and shape.
    """

    inputs: tuple[Step, ...]
    rows: Rows | None
    shape: tuple[int, ...]
    dtype: torch.dtype
    work: float = 0.0
    candidate: bool = False
    gathers: tuple[Statistics, torch.dtype, tuple[int, ...]] | None = None


Found = Recognised | Sequence[Recognised] | Step | None
"""How an operation is computed by rows: of one that yields several tensors how each is; a step where nothing changes;
None where all of its inputs are needed."""


@attrs.frozen(eq=False)
class Call:
    """One operation of a trace."""

    function: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    inputs: tuple[Step, ...]
    value: Any

    @property
    def name(self) -> str:
        """Without namespace and overload: "native_group_norm"."""
        return str(self.function).split(".")[1] if "." in str(self.function) else str(self.function)

    @property
    def overload(self) -> str:
        """What follows the name: "default"."""
        return str(self.function).split(".")[-1]

    def of_picture(self) -> bool:
        """Whether the first argument is a value with rows, and no other depends on the picture."""
        return len(self.inputs) == 1 and isinstance(self.arguments[0], Slot) and _has_rows(self.inputs[0])

    def argument(self, index: int, otherwise: Any = None) -> Any:
        """The argument at this position, or what stands for it when it was left out."""
        return self.arguments[index] if len(self.arguments) > index else otherwise

    def by(self, rows: Rows, work: float = 0.0, candidate: bool = False) -> Recognised:
        """Computed by `rows`; `work` of one row, that of a light operation when left out."""
        value = self.value[0] if isinstance(self.value, list | tuple) else self.value
        light = LIGHT * value.shape[1] * value.shape[3]
        return Recognised(self.inputs, rows, tuple(value.shape), value.dtype, work or light, candidate)


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


def _has_rows(step: Step) -> bool:
    return step.statistics is None and len(step.shape) == 4 and step.shape[0] == 1


def _local(call: Call, candidate: bool = False) -> Recognised | None:
    """Row by row, whatever is done along the other dimensions."""
    value = call.value
    if not isinstance(value, torch.Tensor) or value.ndim != 4 or value.shape[0] != 1:
        return None
    height = value.shape[2]
    heights = []
    for step in call.inputs:
        rows = step.shape[-2] if len(step.shape) > 1 else 1
        heights.append(rows if _has_rows(step) else 0)
        if rows != 1 and heights[-1] != height:
            return None
    if height not in heights:
        return None
    options = {name: item for name, item in call.options.items() if name not in ("device", "pin_memory", "layout")}
    return call.by(Local(call.function, call.arguments, options, tuple(heights), height), candidate=candidate)


def _pointwise(call: Call) -> Recognised | None:
    # Sums of two values are where residual networks branch: kept, so that no chain has to be walked twice.
    return _local(call, candidate=sum(map(_has_rows, call.inputs)) > 1)


def _same(call: Call) -> Recognised | Step | None:
    """A copy or a view: nothing changes where shape and dtype stay."""
    step = call.inputs[0]
    if tuple(call.value.shape) == step.shape and call.value.dtype == step.dtype:
        return step
    return _local(call) if call.name == "_to_copy" else None


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
    same = len({step.shape[2:3] for step in call.inputs}) == 1 and all(map(_has_rows, call.inputs))
    constants = any(isinstance(item, torch.Tensor) and item.ndim != 4 for item in call.arguments[0])
    return _local(call) if same and not constants and dim % 4 in (1, 3) else None


def _slice(call: Call) -> Recognised | Step | None:
    if not call.of_picture():
        return None
    step = call.inputs[0]
    if tuple(call.value.shape) == step.shape:
        return step
    dim = call.argument(1, 0) % 4
    if dim in (1, 3):
        return _local(call)
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
            Local(aten.slice.Tensor, (Slot(0), 1, start, start + size), {}, (step.height,), step.height),
            (1, size, *step.shape[2:]),
            step.dtype,
            LIGHT * size * step.shape[3],
        )
        for start, size in zip(starts, sizes)
    ]


def _along(call: Call) -> Recognised | None:
    """Operations along channels or columns that keep all dimensions."""
    dims = call.argument(1)
    dims = dims if isinstance(dims, list | tuple) else [dims]
    fits = call.of_picture() and all(isinstance(dim, int) and dim % 4 in (1, 3) for dim in dims)
    return _local(call) if fits else None


def _expand(call: Call) -> Recognised | Step | None:
    if not call.of_picture() or call.value.ndim != 4 or call.value.shape[:2] != call.inputs[0].shape[:2]:
        return None
    if call.inputs[0].height != 1:
        return _same(call)
    return call.by(Spread(call.value.shape[3]))


def _gathered(call: Call) -> Recognised | Sequence[Recognised] | None:
    """Means and variances over all places."""
    dims = call.argument(1)
    spread = call.name in ("var", "std", "var_mean")
    if not call.of_picture() or not isinstance(dims, list | tuple) or (spread and call.overload != "correction"):
        return _along(call)
    (step,) = call.inputs
    over = sorted(dim % 4 for dim in dims)
    over = [dim for dim in over if dim]  # one picture: there is nothing along the first dimension
    if over not in ([2, 3], [1, 2, 3]):
        return _along(call)
    channels = step.shape[1]
    groups = channels if over == [2, 3] else 1
    values = call.value if isinstance(call.value, list | tuple) else [call.value]
    kinds = {"mean": ["mean"], "sum": ["sum"], "var": ["var"], "std": ["std"], "var_mean": ["var", "mean"]}[call.name]
    correction = call.options.get("correction", 1)
    found = []
    for kind, value in zip(kinds, values):
        shape = tuple(value.shape)
        wanted = Statistics(kind, channels, groups, 1 if correction is None else correction, shape)  # type: ignore[arg-type]
        found.append(Recognised(call.inputs, None, shape, value.dtype, gathers=(wanted, value.dtype, shape)))
    return found if isinstance(call.value, list | tuple) else found[0]


def _normalised(
    call: Call, weight: Any, bias: Any, groups: int, epsilon: float, mean: Any = None, variance: Any = None
) -> Sequence[Recognised] | None:
    fixed = all(item is None or isinstance(item, torch.Tensor) for item in (weight, bias, mean, variance))
    if not call.of_picture() or not fixed:
        return None
    found = call.by(Normalise(weight, bias, mean, variance, epsilon))
    if mean is None:
        channels = call.inputs[0].shape[1]
        statistics = Statistics("norm", channels, groups)
        found = attrs.evolve(found, gathers=(statistics, torch.float64, (2, channels)))
    return [found]


def _group_norm(call: Call) -> Sequence[Recognised] | None:
    weight, bias, groups, epsilon = (call.argument(index) for index in (1, 2, 6, 7))
    return _normalised(call, weight, bias, groups, epsilon)


def _batch_norm(call: Call) -> Sequence[Recognised] | None:
    weight, bias = call.argument(1), call.argument(2)
    if call.name == "_native_batch_norm_legit_no_training":
        mean, variance, training, epsilon = call.argument(3), call.argument(4), False, call.argument(6)
    elif call.overload == "no_stats":
        mean, variance, training, epsilon = None, None, True, call.argument(5)
    else:
        mean, variance, training, epsilon = (call.argument(index) for index in (3, 4, 5, 7))
    if not call.of_picture():
        return None
    channels = call.inputs[0].shape[1]
    if training:
        return _normalised(call, weight, bias, channels, epsilon)
    return _normalised(call, weight, bias, channels, epsilon, mean, variance)


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
    **dict.fromkeys(("mean", "sum", "var", "std", "var_mean"), _gathered),
    **dict.fromkeys(("_softmax", "amax", "amin"), _along),
    "native_group_norm": _group_norm,
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training"), _batch_norm
    ),
}
"""Operations by name, and what tells how each is computed."""

POINTWISE = frozenset({"_prelu_kernel", "hardtanh", "hardswish", "hardsigmoid", "clamp_min", "clamp_max"})
"""Functions of each number that older versions of torch do not mark as such."""
