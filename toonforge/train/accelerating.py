"""The Accelerator of a run: its device, its precision, its processes, and how they wait for each other."""

from __future__ import annotations

import inspect
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs
from torch.nn.parallel import DistributedDataParallel

from toonforge.errors import Problem, RunError
from toonforge.recipe.model import Recipe
from toonforge.speed.tricks import Situation
from toonforge.train.meeting import join
from toonforge.train.process import in_group
from toonforge.train.sharding import refuse_sharding

PATIENCE = timedelta(hours=12)
"""How long processes wait for each other. The main one draws, measures and writes alone, and measuring many pictures
takes longer than the ten minutes after which NCCL would give up. A process that fails is no reason to wait: whatever
started them ends the others."""


def make_accelerator(precision: str, cpu: bool = False) -> Accelerator:
    """The Accelerator of a run: Accelerate's own gradient accumulation stays off, ours is in the step."""
    refuse_sharding()
    # Accelerate remembers a process's first precision and device, and refuses a later run that wants others. It also
    # remembers that a process was alone, and would let each of those that have joined since train for itself.
    count = torch.distributed.get_world_size() if in_group() else None
    AcceleratorState._reset_state(reset_partial_state=PartialState._shared_state.get("num_processes") != count)
    keywords = DistributedDataParallelKwargs(broadcast_buffers=False)
    # Accelerate knows only the old name of the buffers' keyword, and takes no subclass of its own handler.
    keywords.to_kwargs = data_parallel_keywords
    # Told explicitly, since with several processes and no accelerator it would let each of them train alone.
    cpu = cpu or not has_accelerator()
    join(PATIENCE, cpu)
    return Accelerator(
        mixed_precision="bf16" if precision == "bf16" else "no",
        cpu=cpu or None,
        kwargs_handlers=[keywords, InitProcessGroupKwargs(timeout=PATIENCE)],
    )


def several_as_one(count: int) -> RunError:
    """The error for a recipe of several processes that is trained in one, as from Python."""
    return RunError(
        Problem(
            message="the recipe wants several processes, but this one would train alone",
            key="train.processes",
            found=f"train.processes = {count}, in one process",
            hint=f"start it with: toonforge run … --processes {count}, or torchrun --nproc-per-node {count} SCRIPT; or "
            "train in one with train.processes = 1",
        )
    )


def has_accelerator() -> bool:
    """Whether torch finds anything faster than the CPU."""
    return any(module.is_available() for module in (torch.cuda, torch.xpu, torch.backends.mps))


def data_parallel_keywords() -> dict[str, bool]:
    """What every network's distributed wrapper is told: buffers stay each process's own; all parameters are used."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    buffers = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    return {buffers: False, "find_unused_parameters": False}


def situation(recipe: Recipe, accelerator: Accelerator) -> Situation:
    """What decides about tricks of speed."""
    train = recipe.train
    return Situation(
        device=accelerator.device.type,
        precision=train.precision,
        processes=accelerator.num_processes,
        clip=train.clip is not None,
    )
