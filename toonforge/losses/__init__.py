"""The generic losses. A method's own losses live in its plugin."""

from toonforge.losses.adversarial import BCE, LSGAN, Hinge, Wasserstein
from toonforge.losses.networks import FeatureL1, GradientPenalty
from toonforge.losses.pixels import L1, L2, TotalVariation

__all__ = ["BCE", "L1", "L2", "LSGAN", "FeatureL1", "GradientPenalty", "Hinge", "TotalVariation", "Wasserstein"]
