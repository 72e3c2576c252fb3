"""The gradient of a network in one process, and in two that train together: DDP over gloo, on the CPU."""

from __future__ import annotations

import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.components import NetworkComponent, Shape
from toonforge.testing.calls import Arguments, built, called, tensors

if TYPE_CHECKING:
    import torch

COUNT = 2
PATIENCE = 120.0
"""Seconds until two processes that wait for each other are given up."""


def gradients_of_one(component: NetworkComponent, entries: Sequence[Shape | Arguments]) -> dict[str, torch.Tensor]:
    """The gradient of the whole batch by parameter."""
    return _gradients(component, entries, rank=None)


def gradients_of_two(
    component: NetworkComponent, entries: Sequence[Shape | Arguments]
) -> list[dict[str, torch.Tensor]]:
    """What each of two processes has after a step on its half of the batch.

    Raises:
        AssertionError: one of them failed, with its traceback, or they wait for each other.
    """
    from multiprocessing import get_context

    import torch
    import torch._dynamo  # which every DDP wrapper imports: once here, rather than in each process
    from safetensors.torch import load_file

    # A fork needs not import torch anew. Where there is a GPU, or no Linux, torch cannot go on in one.
    forks = sys.platform == "linux" and not torch.cuda.is_available()
    context: Any = get_context("fork" if forks else "spawn")
    with tempfile.TemporaryDirectory(prefix="toonforge-processes-") as name:
        folder = Path(name)
        processes = [
            context.Process(target=_rank, args=(rank, folder, component, tuple(entries))) for rank in range(COUNT)
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads: pytest-xdist has one
            for process in processes:
                process.start()
        try:
            _wait(processes, folder)
            return [load_file(folder / f"{rank}.safetensors") for rank in range(COUNT)]
        finally:
            for process in processes:
                process.kill()
                process.join()


def _wait(processes: Sequence[Any], folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while any(process.is_alive() for process in processes) and not [*folder.glob("*.failed")]:
        assert time.monotonic() < end, (
            f"two processes still wait for each other after {PATIENCE:.0f} s: every parameter must take part in every "
            "call"
        )
        time.sleep(0.005)
    failed = [path.read_text("utf-8") for path in sorted(folder.glob("*.failed"))]
    assert not failed, "training in two processes fails:\n" + "\n".join(failed)
    codes = [process.exitcode for process in processes]
    assert not any(codes), f"two processes that trained it ended with {codes}"


def _rank(rank: int, folder: Path, component: NetworkComponent, entries: tuple[Shape | Arguments, ...]) -> None:
    import os

    import torch
    from safetensors.torch import save_file
    from torch import distributed

    try:
        torch.set_num_threads(1)
        store = distributed.FileStore(str(folder / "store"), COUNT)  # type: ignore[attr-defined]
        patience = timedelta(seconds=PATIENCE)
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=COUNT, timeout=patience)
        save_file(_gradients(component, entries, rank), folder / f"{rank}.safetensors")
        distributed.barrier()
    except BaseException:
        partial = folder / f"{rank}.partial"
        partial.write_text(traceback.format_exc(), "utf-8")
        partial.rename(folder / f"{rank}.failed")
        os._exit(1)
    # Without the interpreter's own end, which the group's threads may hold up.
    os._exit(0)


def _gradients(
    component: NetworkComponent, entries: Sequence[Shape | Arguments], rank: int | None
) -> dict[str, torch.Tensor]:
    import torch
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    from toonforge.train.accelerating import data_parallel_keywords

    network = built(component, entries[0]).double().train()
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
            module.eval()
    keywords: dict[str, Any] = {**data_parallel_keywords()}
    called_network = network if rank is None else DistributedDataParallel(network, **keywords)
    part = slice(None) if rank is None else slice(2 * rank, 2 * rank + 2)
    total = torch.zeros((), dtype=torch.float64)
    for entry in entries:
        batch = [x.double()[part] if isinstance(x, torch.Tensor) else x for x in tensors(entry, 2 * COUNT)]
        output = called(called_network, batch, "in float64, in train mode")
        weights = torch.randn(2 * COUNT, *output.shape[1:], generator=torch.Generator().manual_seed(6)).double()[part]
        total = total + (output * weights).flatten(1).sum(1).mean()
    torch.autograd.backward(total)
    return {name: p.grad.contiguous() for name, p in network.named_parameters() if p.grad is not None}
