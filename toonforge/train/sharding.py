"""Refuses what would cut networks into pieces: FSDP, DeepSpeed and their like take one network and one optimizer.

A step here updates several networks in turns, each frozen while another learns, and evaluates one within another.
Needs no torch, so that it can be asked before that is loaded.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from toonforge.errors import Problem, RunError

KINDS = {
    "ACCELERATE_USE_FSDP": "FSDP",
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism configuration",
}
"""Variable that `accelerate launch` sets, by its options or its configuration file -> what it asks for."""
BACKEND = "ACCELERATE_DYNAMO_BACKEND"


def refuse_sharding(environment: Mapping[str, str] = os.environ) -> None:
    """Raise `RunError` where Accelerate was told to cut networks into pieces, or to compile them."""
    for name, kind in KINDS.items():
        if environment.get(name, "").lower() in ("1", "true", "yes"):
            raise _refused(kind, f"{name}={environment[name]}")
    backend = environment.get(BACKEND, "no")
    if backend.lower() not in ("", "no"):
        raise RunError(
            Problem(
                message="networks are compiled where the recipe says so, not by accelerate launch",
                found=f"{BACKEND}={backend}",
                expected="no --dynamo_backend, and none in Accelerate's configuration",
                hint='write train.speed = ["compile"]; toonforge bench tells whether it pays',
            )
        )


def refuse_kind(kind: str) -> None:
    """The same for an `Accelerator` that was made elsewhere. `kind`: its `distributed_type`."""
    found = {"FSDP": "FSDP", "DEEPSPEED": "DeepSpeed", "MEGATRON_LM": "Megatron-LM"}.get(kind)
    if found is not None:
        raise _refused(found, f"an Accelerator of the type {kind}")


def _refused(kind: str, found: str) -> RunError:
    return RunError(
        Problem(
            message=f"{kind} cannot train several networks against each other",
            found=found,
            expected="every network whole on every device; gradients are averaged over the processes",
            hint="start with toonforge run … --processes N, or set this off in accelerate launch or its configuration; "
            'what saves memory: train.recompute, train.accumulate, train.precision = "bf16", a smaller image_size',
        )
    )
