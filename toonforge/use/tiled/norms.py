"""Which operations take statistics of the whole picture, and how these are gathered by rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import torch

from toonforge.use.tiled.operation import Call, Found, Recognised, by_same_rows
from toonforge.use.tiled.rows import Normalise
from toonforge.use.tiled.statistics import Statistics


def along(call: Call) -> Recognised | None:
    """Operations along channels or columns that keep all dimensions."""
    dims = call.argument(1)
    dims = dims if isinstance(dims, list | tuple) else [dims]
    fits = call.of_picture() and all(isinstance(dim, int) and dim % 4 in (1, 3) for dim in dims)
    return by_same_rows(call) if fits else None


def gathered(call: Call) -> Found:
    """Means and variances over all places."""
    dims = call.argument(1)
    spread = call.name in ("var", "std", "var_mean")
    if not call.of_picture() or not isinstance(dims, list | tuple) or (spread and call.overload != "correction"):
        return along(call)
    (step,) = call.inputs
    over = sorted(dim % 4 for dim in dims)
    over = [dim for dim in over if dim]  # one picture: there is nothing along the first dimension
    if over not in ([2, 3], [1, 2, 3]):
        return along(call)
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


def group_norm(call: Call) -> Found:
    """Group and layer norm."""
    weight, bias, groups, epsilon = (call.argument(index) for index in (1, 2, 6, 7))
    return _normalised(call, weight, bias, groups, epsilon)


def batch_norm(call: Call) -> Found:
    """Batch norm, and instance norm, which is that of one picture."""
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
