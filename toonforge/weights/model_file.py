"""Writes model files: all networks of a model in one safetensors file that says how they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.components import NetworkComponent
from toonforge.files import beside
from toonforge.recipe.expr import Expr
from toonforge.recipe.resolved import component_data
from toonforge.runs.metadata import FORMAT, NEEDS
from toonforge.weights.described import MODEL

if TYPE_CHECKING:
    from torch import Tensor


@attrs.frozen(kw_only=True, eq=False)
class Part:
    """One network of a model file.

    Attributes:
        config: builds it.
        state: its tensors by the names of its `state_dict`.
        averaged: whether they are a moving average of the weights that were trained.
    """

    config: NetworkComponent
    state: Mapping[str, Tensor]
    averaged: bool = False


def write_model(
    path: Path,
    networks: Mapping[str, Part],
    *,
    translations: Mapping[str, Expr],
    signals: Mapping[str, Expr] | None = None,
    recipe: str,
    image_size: int | None,
    step: int | None = None,
    card: Mapping[str, str] | None = None,
    half: bool = False,
) -> None:
    """Write a model file, whole or not at all; what is there under its name is replaced.

    Args:
        networks: by the names that the translations call them by, which are Python's identifiers.
        translations: domain -> expression of one picture.
        signals: expressions by name that translations use.
        recipe: what the model is called.
        image_size: the side of the pictures that it was trained on, in pixels.
        step: how many steps it was trained.
        card: what is to be said of it: title, description, license, …
        half: keep floating-point numbers in 16 bits, half the size; they are float32 again when they are loaded.

    Raises:
        OSError: it cannot be written.
    """
    import torch

    from toonforge.weights.tensors import write_tensors

    about = {
        "format": FORMAT,
        "needs": NEEDS,
        "kind": MODEL,
        "recipe": recipe,
        "step": step,
        "image_size": image_size,
        "value_range": [-1, 1],
        "translations": {target: expr.text for target, expr in translations.items()},
        "signals": {name: expr.text for name, expr in (signals or {}).items()},
        "networks": {
            name: {"kind": type(part.config).kind, "component": component_data(part.config), "averaged": part.averaged}
            for name, part in networks.items()
        },
        "card": dict(card or {}),
    }

    def kept(tensor: Tensor) -> Tensor:
        small = half and tensor.is_floating_point()
        return tensor.to(device="cpu", dtype=torch.float16 if small else tensor.dtype)

    tensors = {f"{name}.{key}": kept(value) for name, part in networks.items() for key, value in part.state.items()}
    with beside(path) as partial:
        write_tensors(partial, tensors, about)
