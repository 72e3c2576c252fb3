"""Curves of many points made small without changing how they look: the least and the greatest of each bucket stay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

LIMIT = 2000
"""Points that a curve may have in a page: a chart has fewer columns of pixels."""
DIGITS = 5


def curve(steps: Sequence[int], values: Sequence[float], limit: int = LIMIT) -> dict[str, Any]:
    """The points of a curve for charts.js.

    Returns:
        `x` and `y`; where there are more than `limit`, only the least and the greatest value of each of `limit / 2`
        buckets of equally many points, the ends, and one point of each run of nan (None, a gap); then also `mean`: the
        middle step and the mean of each bucket, which smoothing works on.
    """
    x, y = np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float64)
    y = np.where(np.isfinite(y), y, np.nan)
    if len(x) <= limit:
        return {"x": x.tolist(), "y": rounded(y)}
    buckets = max(1, limit // 2)
    size = math.ceil(len(x) / buckets)
    places = np.minimum(np.arange(math.ceil(len(x) / size) * size), len(x) - 1).reshape(-1, size)
    cells = y[places]
    gap = np.isnan(cells)
    kept = np.concatenate(
        [
            [0, len(x) - 1],
            _of(places, np.where(gap, np.inf, cells).argmin(axis=1)),
            _of(places, np.where(gap, -np.inf, cells).argmax(axis=1)),
            _of(places, gap.argmax(axis=1))[gap.any(axis=1)],
        ]
    )
    kept = np.unique(kept)
    count = (~gap).sum(axis=1)
    means = np.where(count > 0, np.where(gap, 0.0, cells).sum(axis=1) / np.maximum(count, 1), np.nan)
    middle = x[places[:, size // 2]]
    return {"x": x[kept].tolist(), "y": rounded(y[kept]), "mean": [middle.tolist(), rounded(means)]}


def _of(places: np.ndarray[Any, Any], columns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    chosen: np.ndarray[Any, Any] = places[np.arange(len(places)), columns]
    return chosen


def rounded(values: np.ndarray[Any, Any] | Sequence[float]) -> list[float | None]:
    """With five significant digits; None for nan."""
    return [None if not math.isfinite(value) else float(f"{value:.{DIGITS}g}") for value in map(float, values)]


def columns(rows: Iterable[tuple[int, Mapping[str, float]]]) -> dict[str, tuple[list[int], list[float]]]:
    """Key -> the steps at which it was logged, and its values; in one pass, since rows may be many."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for step, row in rows:
        for key, value in row.items():
            if key not in found:
                found[key] = [], []
            steps, values = found[key]
            steps.append(step)
            values.append(value)
    return found


NOTHING: tuple[list[int], list[float]] = [], []
"""The column of a key that was never logged."""
