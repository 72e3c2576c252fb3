"""The core's own components, registered through the same hooks as a plugin's, under bare names."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge import losses, ops, optimizers, schedules
from toonforge.components import Loss, Op, Optimizer, Schedule
from toonforge.plugins.hookspecs import hookimpl


@hookimpl
def toonforge_losses() -> Mapping[str, type[Loss]]:
    """Losses that no single method owns."""
    return {
        "bce": losses.BCE,
        "feature-l1": losses.FeatureL1,
        "gradient-penalty": losses.GradientPenalty,
        "hinge": losses.Hinge,
        "l1": losses.L1,
        "l2": losses.L2,
        "lsgan": losses.LSGAN,
        "tv": losses.TotalVariation,
        "wasserstein": losses.Wasserstein,
    }


@hookimpl
def toonforge_ops() -> Mapping[str, type[Op]]:
    """What expressions may call."""
    return {"cat": ops.Cat, "gray": ops.Gray, "noise": ops.Noise, "pool": ops.Pool}


@hookimpl
def toonforge_optimizers() -> Mapping[str, type[Optimizer]]:
    """Torch's optimizers."""
    return {
        "adam": optimizers.Adam,
        "adamw": optimizers.AdamW,
        "rmsprop": optimizers.RMSprop,
        "sgd": optimizers.SGD,
    }


@hookimpl
def toonforge_schedules() -> Mapping[str, type[Schedule]]:
    """Learning rates over time."""
    return {
        "constant": schedules.Constant,
        "cosine": schedules.Cosine,
        "linear-decay": schedules.LinearDecay,
        "multi-step": schedules.MultiStep,
    }
