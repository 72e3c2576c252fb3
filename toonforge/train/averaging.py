"""Gradients that are averaged over the processes: in which backward pass, and whether they were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from toonforge.errors import Problem, RunError
from toonforge.train.phases import PlannedPhase


def no_sync(wrapped: Mapping[str, nn.Module], several: bool) -> list[AbstractContextManager[None]]:
    """Contexts for the forward passes before several backward passes: none of them asks for gradients to be averaged.

    A signal may be evaluated in one phase and receive its gradient in a later one. If its last part asked already
    then, the first part's backward pass would be the one that is averaged, and the last part's would not be.
    """
    return [] if not several else [m.no_sync() for m in wrapped.values() if isinstance(m, DistributedDataParallel)]


def average_next(wrapped: Iterable[nn.Module]) -> None:
    """Make the next backward pass average gradients over the processes, whenever its forward pass was made."""
    for module in wrapped:
        if isinstance(module, DistributedDataParallel):
            module.reducer.prepare_for_backward([])


def is_averaged(wrapped: nn.Module) -> bool:
    """Whether no parameter's gradient is still waited for, before all are averaged over the processes."""
    if isinstance(wrapped, DistributedDataParallel):
        try:
            wrapped._check_reducer_finalized()  # type: ignore[no-untyped-call]
        except RuntimeError:
            return False
    return True


def refuse_in_part(
    phase: PlannedPhase, networks: Mapping[str, nn.Module], wrapped: Mapping[str, nn.Module], split: bool
) -> None:
    """Raise `RunError` where a phase gave not all of what it updates a gradient, or where that was not averaged.

    Parameters without a gradient keep a whole network's gradient from being averaged over the processes.

    Args:
        split: whether the phase's losses were differentiated in groups (the trick split-backward).
    """
    for name in phase.phase.updates:
        idle = [key for key, parameter in networks[name].named_parameters() if parameter.grad is None]
        if idle:
            more = f" and {len(idle) - 3} more" if len(idle) > 3 else ""
            raise RunError(
                Problem(
                    message="several processes cannot train a network in part",
                    key=f"phases.{phase.name}.updates",
                    found=f"{name}, of which the losses do not reach {', '.join(idle[:3])}{more}",
                    expected="losses that reach every parameter of what the phase updates",
                    hint="train in one process, or make networks of their own of what is trained apart",
                )
            )
        if split and not is_averaged(wrapped[name]):
            raise RunError(
                Problem(
                    message="a network's gradients were not averaged over the processes",
                    key="train.speed",
                    found=f"split-backward, and {name}, of which the last losses of phases.{phase.name} do not "
                    "reach every parameter",
                    hint="leave split-backward out: list the other tricks",
                )
            )
