"""The unbiased polynomial MMD behind KID (Binkowski et al., 2018), with its standard error."""

from __future__ import annotations

import math

import attrs
import torch

ROWS = 1024
DEGREE = 3


@attrs.frozen(kw_only=True)
class MMD:
    """An estimate and how sure it is.

    Attributes:
        value: squared MMD; unbiased, so it may fall below 0 for equal distributions.
        std: standard error: how far another draw of as many pictures would typically move `value`.
    """

    value: float
    std: float


def polynomial_kernel(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """(x y^T / d + 1)^3 of features (m,d) and (n,d): (m,n) in float64."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** DEGREE


def polynomial_mmd(x: torch.Tensor, y: torch.Tensor) -> MMD:
    """Squared MMD of two sets of features (m,d) and (n,d), m and n at least 2, over the whole sets.

    No subsets are drawn: kernel sums are taken in blocks of rows, so that memory stays small for any size. The
    standard error is the jackknife's (each picture left out in turn), exact in what it repeats and without randomness.
    Both are nan where features are not finite: a training that diverged is measured, not ended.

    Raises:
        ValueError: fewer than two rows in a set, or different d.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(f"two sets of at least two features of one length, found {tuple(x.shape)}, {tuple(y.shape)}")
    m, n = len(x), len(y)
    x, y = x.double(), y.double()
    within_x, within_y = _sums(x, x, own=False)[0], _sums(y, y, own=False)[0]  # m and n
    between_x, between_y = _sums(x, y)  # m and n
    sum_x, sum_y, sum_xy = within_x.sum(), within_y.sum(), between_x.sum()
    mean_x, mean_y = sum_x / (m * (m - 1)), sum_y / (n * (n - 1))
    value = mean_x + mean_y - 2 * sum_xy / (m * n)
    variance = torch.zeros((), dtype=torch.float64)
    if m > 2:
        without = (sum_x - 2 * within_x) / ((m - 1) * (m - 2)) + mean_y - 2 * (sum_xy - between_x) / ((m - 1) * n)
        variance = variance + (m - 1) * without.var(correction=0)
    if n > 2:
        without = mean_x + (sum_y - 2 * within_y) / ((n - 1) * (n - 2)) - 2 * (sum_xy - between_y) / (m * (n - 1))
        variance = variance + (n - 1) * without.var(correction=0)
    if not value.isfinite():
        return MMD(value=math.nan, std=math.nan)
    return MMD(value=float(value), std=float(variance.sqrt()))


def _sums(x: torch.Tensor, y: torch.Tensor, own: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Sums of the kernel matrix's rows and of its columns; without its diagonal where `own` is false."""
    rows, columns = [], y.new_zeros(len(y))
    for start in range(0, len(x), ROWS):
        kernel = polynomial_kernel(x[start : start + ROWS], y)
        if not own:
            kernel.diagonal(offset=start).zero_()
        rows.append(kernel.sum(1))
        columns += kernel.sum(0)
    return torch.cat(rows), columns
