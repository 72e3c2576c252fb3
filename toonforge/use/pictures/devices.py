"""A model on every device that can compute it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toonforge.use.model import Model


def on_every_device(model: Model, most: int) -> list[Model]:
    """The model and, where it is on a GPU, one with networks of its own on each of the other GPUs.

    Args:
        most: how many are of use.
    """
    import torch

    if model.device.type != "cuda":
        return [model]
    first = model.device.index or 0
    others = [index for index in range(torch.cuda.device_count()) if index != first]
    return [model, *(model.on(f"cuda:{index}") for index in others[: max(0, most - 1)])]


def in_words(models: list[Model]) -> str:
    """Where they compute: "the CPU", "the GPU", "2 GPUs"."""
    kind = {"cpu": "CPU", "cuda": "GPU"}.get(models[0].device.type, models[0].device.type.upper())
    return f"the {kind}" if len(models) == 1 else f"{len(models)} {kind}s"
