"""Torch's optimizers in one pass: parameter, gradient and averages are read and written once an update, not ten times.

On a CPU, Adam over a large network is bound by memory, and its plain loop goes through each tensor many times. The
fused kernels compute the same to the last digit or two, and keep the same state under the same names, so that
checkpoints fit both ways.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, Optimizer

KINDS: tuple[type[Optimizer], ...] = (Adam, AdamW, SGD, Adagrad)
"""Those that have a fused form. A subclass may compute otherwise, and is left as it is."""


def fuse(optimizer: Optimizer) -> str | None:
    """Let an optimizer, which has not stepped yet, use the fused kernels.

    Returns:
        Why it stays as it is, in words; None where it is fused now.
    """
    reason = _unfit(optimizer)
    if reason is None:
        for group in optimizer.param_groups:
            group["fused"] = True
        if isinstance(optimizer, SGD):
            optimizer.register_step_pre_hook(begin_momentum)
    return reason


def _unfit(optimizer: Optimizer) -> str | None:
    if type(optimizer) not in KINDS:
        return f"torch has no fused {type(optimizer).__name__}"
    for group in optimizer.param_groups:
        if group.get("fused") is not None or group.get("foreach") or group.get("differentiable"):
            return "the optimizer says itself how it computes"
        if group.get("momentum") and group.get("dampening"):
            return "with dampening, a parameter's first momentum cannot begin beside others that go on"
        for parameter in group["params"]:
            if not _dense(parameter):
                return "parameters lie in memory with gaps"
            if not _known(type(optimizer).__name__, parameter.device, parameter.dtype):
                return f"torch has no fused {type(optimizer).__name__} for {parameter.dtype} on {parameter.device.type}"
    return None


def _dense(tensor: Tensor) -> bool:
    """Whether its elements fill one stretch of memory, in whatever order: gradient and state then have that order too.

    The kernels go through all four from end to end, and never look at strides.
    """
    return tensor.layout == torch.strided and torch.empty_like(tensor, device="meta").stride() == tensor.stride()


@cache
def _known(kind: str, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this torch has the kernel, found out by a step of one number."""
    parameter = nn.Parameter(torch.zeros(1, device=device, dtype=dtype))
    parameter.grad = torch.zeros_like(parameter)
    settings: dict[str, Any] = {"lr": 1e-3, "fused": True}
    try:
        getattr(torch.optim, kind)([parameter], **settings).step()
    except (RuntimeError, TypeError, NotImplementedError):
        return False
    return True


def begin_momentum(optimizer: Optimizer, args: Any = None, kwargs: Any = None) -> None:
    """Give parameters that get their first gradient a momentum of zero, where others of their group have one already.

    The fused kernel takes either all as new or none. Zero, multiplied and added to, leaves the gradient: what a first
    momentum is.
    """
    for group in optimizer.param_groups:
        stepping = [p for p in group["params"] if p.grad is not None] if group["momentum"] else []
        new = [p for p in stepping if optimizer.state[p].get("momentum_buffer") is None]
        if len(new) < len(stepping):
            for parameter in new:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


def like_parameter(parameter: Tensor, value: Tensor) -> Tensor:
    """A state's tensor of the parameter's shape in the parameter's order of memory; any other as it is."""
    if value.shape != parameter.shape or value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)
