"""The Fréchet distance behind FID (Heusel et al., 2017), without the square root of a matrix.

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) needs only the trace of that root. With covariances written as
S = F^T F, S1 S2 has the non-zero eigenvalues of (F1 F2^T)(F1 F2^T)^T, so the trace is the sum of the singular values of
F1 F2^T. It is never imaginary, needs no full rank, and its matrix has only as many rows and columns as there are
pictures, where they are fewer than features.
"""

from __future__ import annotations

import math

import attrs
import torch


@attrs.frozen(kw_only=True, eq=False)
class Gaussian:
    """A normal distribution in d dimensions.

    Attributes:
        mean: (d,), float64.
        factor: (k,d), float64; the covariance is factor^T factor.
    """

    mean: torch.Tensor
    factor: torch.Tensor


def fitted(features: torch.Tensor) -> Gaussian:
    """The Gaussian of features (n,d), n at least 2: their mean, and their covariance over n - 1.

    Raises:
        ValueError: fewer than two rows, or not a matrix.
    """
    if features.ndim != 2 or len(features) < 2:
        raise ValueError(f"features of at least two pictures (n,d), found {tuple(features.shape)}")
    features = features.double()
    mean = features.mean(0)
    factor = (features - mean) / math.sqrt(len(features) - 1)  # n,d
    if len(factor) > factor.shape[1]:
        # R of QR has the same R^T R with d rows only, and the covariance is never formed.
        factor = torch.linalg.qr(factor, mode="r").R  # d,d
    return Gaussian(mean=mean, factor=factor)


def frechet_distance(x: Gaussian, y: Gaussian) -> float:
    """Squared Fréchet (2-Wasserstein) distance: 0 for equal Gaussians, symmetric, never negative.

    nan where a mean or a covariance is not finite: a training that diverged is measured, not ended.

    Raises:
        ValueError: different dimensions.
    """
    if x.mean.shape != y.mean.shape:
        raise ValueError(f"Gaussians of one dimension, found {tuple(x.mean.shape)} and {tuple(y.mean.shape)}")
    between = x.factor @ y.factor.T
    if not all(part.isfinite().all() for part in (x.mean, y.mean, x.factor, y.factor, between)):
        return math.nan
    spread = x.factor.square().sum() + y.factor.square().sum() - 2 * torch.linalg.svdvals(between).sum()
    # Round-off may leave equal Gaussians a little below 0.
    return max(0.0, float((x.mean - y.mean).square().sum() + spread))
