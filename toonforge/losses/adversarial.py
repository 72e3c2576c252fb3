"""Adversarial losses: what a discriminator's logits should be, for pictures that are to count as real or as fake.

Each judges one call of the discriminator, so that a recipe writes the sum of its terms itself and any number of
kinds of fakes (generated, edge-smoothed, shuffled pairs) can stand in it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from toonforge.components import Loss, component, param
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@component
class LSGAN(Loss):
    """Least squares: the mean of (logits - 1)^2 for real, of logits^2 for fake (Mao et al., 2017)."""

    draws = False

    logits: Expr = param(doc="what a discriminator says, any shape")
    real: bool = param(doc="whether the logits should say real (1) or fake (0)")

    @property
    def undecided(self) -> float:
        """The value for logits of 1/2, between the two targets."""
        return 0.25

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `logits`."""
        from torch.nn import functional

        target = 1.0 if self.real else 0.0

        def lsgan(logits: torch.Tensor) -> torch.Tensor:
            # torch's own functions rather than our arithmetic: bit for bit what a hand-written loop computes.
            return functional.mse_loss(logits, logits.new_full((), target).expand_as(logits))

        return lsgan


@component
class BCE(Loss):
    """The vanilla GAN's binary cross-entropy on logits; with `real = true` also the non-saturating generator loss."""

    draws = False

    logits: Expr = param(doc="what a discriminator says, any shape, before any sigmoid")
    real: bool = param(doc="whether the logits should say real (1) or fake (0)")

    @property
    def undecided(self) -> float:
        """The value for logits of 0: a probability of 1/2."""
        return math.log(2)

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `logits`."""
        from torch.nn import functional

        target = 1.0 if self.real else 0.0

        def bce(logits: torch.Tensor) -> torch.Tensor:
            return functional.binary_cross_entropy_with_logits(logits, logits.new_full((), target).expand_as(logits))

        return bce


@component
class Hinge(Loss):
    """Hinge (Lim and Ye, 2017): the discriminator's mean of max(0, 1 -+ logits), the generator's mean of -logits."""

    draws = False

    logits: Expr = param(doc="what a discriminator says, any shape")
    role: Literal["real", "fake", "generator"] = param(
        doc='"real" and "fake" are the discriminator\'s two terms, "generator" is the term of whoever made the fake'
    )

    @property
    def undecided(self) -> float | None:
        """The value of a discriminator's terms for logits of 0; a generator's term has no least value."""
        return None if self.role == "generator" else 1.0

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `logits`."""
        role = self.role

        def hinge(logits: torch.Tensor) -> torch.Tensor:
            if role == "generator":
                return -logits.mean()
            return (1.0 - logits if role == "real" else 1.0 + logits).relu().mean()

        return hinge


@component
class Wasserstein(Loss):
    """The critic's score (Arjovsky et al., 2017): the mean of -logits for real, of logits for fake.

    A generator's term is the one with `real = true` on what it made. The critic needs a `gradient-penalty` beside it.
    """

    draws = False

    logits: Expr = param(doc="what a critic says, any shape")
    real: bool = param(doc="whether the score should be high (real) or low (fake)")

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `logits`."""
        sign = -1.0 if self.real else 1.0

        def wasserstein(logits: torch.Tensor) -> torch.Tensor:
            return sign * logits.mean()

        return wasserstein
