"""The tricks by name: what each does, where it can be used, and where it pays. Known without torch."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from typing import Literal, get_args

import attrs

TrickName = Literal[
    "quick-norms",
    "channels-last",
    "winograd",
    "matrix-convolutions",
    "fused-optimizers",
    "step-in-backward",
    "split-backward",
    "batched-calls",
    "keep-pages",
    "tf32",
    "tuned-convolutions",
    "compile",
    "cuda-graphs",
]


@attrs.frozen(kw_only=True)
class Situation:
    """What decides about tricks besides the recipe's wish.

    Attributes:
        device: "cpu", "cuda", "mps", …: the kind, without a number.
        precision: of the recipe: "fp32", "bf16", "fp64".
        processes: how many train together.
        clip: whether gradients are clipped.
        platform: `sys.platform`.
    """

    device: str
    precision: str = "fp32"
    processes: int = 1
    clip: bool = False
    platform: str = sys.platform


def _nothing(_: Situation) -> str | None:
    return None


@attrs.frozen(kw_only=True)
class Trick:
    """One way of computing.

    Attributes:
        name: what recipes call it.
        doc: what it does, in a sentence.
        impossible: why it cannot be used; None where it can.
        useless: why `auto` leaves it out where it can be used; None where it pays.
    """

    name: TrickName
    doc: str
    impossible: Callable[[Situation], str | None] = _nothing
    useless: Callable[[Situation], str | None] = _nothing


def _only_cuda(situation: Situation) -> str | None:
    return None if situation.device == "cuda" else "for CUDA devices"


def _recordable(situation: Situation) -> str | None:
    if situation.processes > 1:
        return "gradients of several processes are averaged while they are computed"
    return _only_cuda(situation)


def _for_cpu(situation: Situation) -> str | None:
    return None if situation.device == "cpu" else "for CPUs, whose kernels lay weights out anew"


def _laid_out(situation: Situation) -> str | None:
    return None if situation.device in ("cpu", "cuda") else "for CPUs and CUDA devices"


def _copies(situation: Situation) -> str | None:
    """In bf16 a CPU's norms are torch's own, which copy what lies in channels-last."""
    coarse = situation.device == "cpu" and situation.precision == "bf16"
    return "gains nothing for bf16 on a CPU" if coarse else None


def _unmeasured(_: Situation) -> str | None:
    return "not measured on a GPU yet"


def _compiler(situation: Situation) -> str | None:
    """What torch.compile needs to make kernels of its own."""
    if situation.device not in ("cpu", "cuda"):
        return "for CPUs and CUDA devices"
    if situation.device == "cuda" and importlib.util.find_spec("triton") is None:
        return "needs the package triton"
    own = (os.environ.get("CXX") or os.environ.get("CC") or "").split()[:1]
    compilers = (*own, "g++", "gcc", "clang++", "clang", "cl")
    return None if any(map(shutil.which, compilers)) else "needs a C++ compiler, and finds none"


def _slow_to_compile(situation: Situation) -> str | None:
    if situation.device == "cpu":
        return "compiling takes a minute, and the CPU's kernels gain nothing"
    return _unmeasured(situation)


def _no_gain_on_cpu(situation: Situation) -> str | None:
    return "gains nothing on a CPU" if situation.device == "cpu" else None


def _in_backward(situation: Situation) -> str | None:
    if situation.processes > 1:
        return "gradients of several processes are averaged first"
    return "clipping needs all gradients at once" if situation.clip else None


def _pages(situation: Situation) -> str | None:
    return None if situation.platform == "linux" else "for glibc on Linux"


def _device_memory(situation: Situation) -> str | None:
    return None if situation.device == "cpu" else "the device has an allocator of its own"


TRICKS = {
    trick.name: trick
    for trick in (
        Trick(
            name="quick-norms",
            doc="instance norm by the batch norm's kernel; a bias before it, which it takes out again, is not computed",
        ),
        Trick(
            name="channels-last",
            doc="pictures lie in memory pixel by pixel, as the convolutions' kernels want them",
            impossible=_laid_out,
            useless=_copies,
        ),
        Trick(
            name="winograd",
            doc="wide 3x3 convolutions in channels-last by Winograd's minimal filtering: less than half the products",
            impossible=_for_cpu,
            useless=_copies,
        ),
        Trick(
            name="matrix-convolutions",
            doc="large convolutions over few pixels are products of matrices, which take their weights as they lie",
            impossible=_for_cpu,
        ),
        Trick(name="fused-optimizers", doc="one pass over a parameter for the whole update"),
        Trick(
            name="step-in-backward",
            doc="each parameter is updated as soon as its gradient is there, which is freed at once",
            impossible=_in_backward,
        ),
        Trick(
            name="split-backward",
            doc="losses that share no gradient are differentiated one after another; activations live shorter",
        ),
        Trick(
            name="batched-calls",
            doc="calls of one network within a phase are one call of a larger batch",
            useless=_no_gain_on_cpu,
        ),
        Trick(
            name="keep-pages",
            doc="the C library keeps freed memory for the next step",
            impossible=_pages,
            useless=_device_memory,
        ),
        Trick(name="tf32", doc="matrix products and convolutions in TensorFloat-32", impossible=_only_cuda),
        Trick(
            name="tuned-convolutions",
            doc="cuDNN tries its kernels on each new shape and keeps the fastest, so early steps take longer",
            impossible=_only_cuda,
        ),
        Trick(
            name="compile",
            doc="each network is compiled by torch.compile",
            impossible=_compiler,
            useless=_slow_to_compile,
        ),
        Trick(
            name="cuda-graphs",
            doc="a phase's kernels are recorded once and started together",
            impossible=_recordable,
            useless=_unmeasured,
        ),
    )
}
assert tuple(TRICKS) == get_args(TrickName)
