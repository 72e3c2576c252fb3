"""Each parameter is updated as soon as its gradient is there, and the gradient is freed at once.

A whole network's gradients then never lie in memory together, which saves a fourth of what Adam needs: weights,
gradients and two averages. The numbers are the same to the last bit, since these optimizers look at one parameter at a
time. What looks at all gradients first (clipping, averaging over processes) cannot be had this way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from toonforge.errors import Problem, RunError
from toonforge.speed.fused import begin_momentum

_ADAMS = ("Adam", "AdamW", "Adamax", "NAdam", "RAdam", "Adafactor", "Adagrad", "Adadelta")
_NAMES = (*_ADAMS, "SGD", "ASGD", "RMSprop", "Rprop")
KINDS = frozenset(kind for name in _NAMES if (kind := getattr(torch.optim, name, None)) is not None)
"""Torch's optimizers that update every parameter by itself. A subclass may do otherwise."""
CHUNK, LAUNCHES = 1 << 20, 64 << 20
"""Bytes of gradients that wait for each other, as every step of an optimizer has its price: on a CPU, and elsewhere,
where that price is higher."""


def one_by_one(optimizer: Optimizer) -> bool:
    """Whether the optimizer updates every parameter by itself."""
    hooks = [
        *getattr(optimizer, "_optimizer_step_pre_hooks", {}).values(),
        *getattr(optimizer, "_optimizer_step_post_hooks", {}).values(),
    ]
    return (
        type(optimizer) in KINDS
        and all(hook is begin_momentum for hook in hooks)  # others may look at all gradients
        and not any(group.get("differentiable") for group in optimizer.param_groups)
    )


class StepInBackward:
    """Updates parameters during backward passes.

    Args:
        optimizers: all of a training; those that do not go parameter by parameter are left alone.
        chunk: bytes of gradients that are collected before those parameters are updated.
    """

    def __init__(self, optimizers: Iterable[Optimizer], chunk: int | None = None) -> None:
        self._parameters = {o: [*_parameters(o)] for o in optimizers if one_by_one(o)}
        self._alone: dict[tuple[Optimizer, ...], list[Optimizer]] = {}
        self._phase: tuple[Optimizer, ...] = ()
        self._owner: dict[Tensor, Optimizer] = {}
        self._waiting: dict[Tensor, Optimizer] = {}
        self._done: set[Tensor] = set()
        self._bytes = 0
        parameters = {p: None for known in self._parameters.values() for p in known}
        on_cpu = all(parameter.device.type == "cpu" for parameter in parameters)
        self._chunk = chunk if chunk is not None else CHUNK if on_cpu else LAUNCHES
        for parameter in parameters:
            wanted = parameter.requires_grad
            # One that is frozen just now takes no hook.
            parameter.requires_grad_(True)
            parameter.register_post_accumulate_grad_hook(self._arrived)  # type: ignore[no-untyped-call]
            parameter.requires_grad_(wanted)

    @contextmanager
    def phase(self, optimizers: Sequence[Optimizer]) -> Iterator[None]:
        """Within it are all backward passes that a phase updates `optimizers` by, each of them once."""
        self._phase = tuple(optimizers)
        try:
            yield
        finally:
            self._phase, self._done = (), set()

    @contextmanager
    def during(self, optimizers: Sequence[Optimizer]) -> Iterator[None]:
        """Within it, a backward pass updates the parameters of `optimizers`, whose whole gradient it computes.

        Those that it cannot update have their gradients afterwards, for a step as usual: of optimizers that are not fit
        for it, that share a parameter with another one of the phase, or that have gradients already.

        Raises:
            RunError: a later backward pass of the phase reaches a parameter that was updated.
        """
        for optimizer in self._able(optimizers):
            self._owner.update(dict.fromkeys(self._parameters[optimizer], optimizer))
        try:
            yield
            self._flush()
        finally:
            self._owner, self._waiting, self._bytes = {}, {}, 0
            if not self._phase:
                self._done = set()

    def _able(self, optimizers: Sequence[Optimizer]) -> list[Optimizer]:
        # Over all of the phase, for a shared parameter's gradient may be complete for one network and not for another.
        among = tuple(dict.fromkeys((*self._phase, *optimizers)))
        if among not in self._alone:
            counts = Counter(p for optimizer in among for p in _parameters(optimizer))
            fit = [optimizer for optimizer in among if optimizer in self._parameters]
            self._alone[among] = [o for o in fit if all(counts[p] == 1 for p in self._parameters[o])]
        alone = [o for o in self._alone[among] if o in optimizers]
        return [o for o in alone if all(p.grad is None for p in self._parameters[o])]

    def _arrived(self, parameter: Tensor) -> None:
        if parameter in self._done:
            raise RunError(
                Problem(
                    message="a gradient came in several pieces, after its parameter had been updated by the first",
                    key="train.speed",
                    found="step-in-backward, and a network with a backward pass within (a reentrant checkpoint), or "
                    "one that a loss uses without being given it",
                    expected="a network whose gradient comes from one backward pass",
                    hint='leave step-in-backward out: list the other tricks, or set train.speed = "safe"',
                )
            )
        optimizer = self._owner.get(parameter)
        if optimizer is None or parameter in self._waiting:
            return
        assert parameter.grad is not None
        self._waiting[parameter] = optimizer
        self._bytes += parameter.grad.nbytes
        if self._bytes >= self._chunk:
            self._flush()

    def _flush(self) -> None:
        for optimizer in dict.fromkeys(self._waiting.values()):
            optimizer.step()
        for parameter in self._waiting:
            parameter.grad = None
        self._done.update(self._waiting)
        self._waiting, self._bytes = {}, 0


def _parameters(optimizer: Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]
