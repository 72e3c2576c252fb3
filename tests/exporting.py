"""Models made for tests of exports: networks whose weights are as large as trained ones, in files of a moment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import _SpectralNorm

from toonforge.components import NetworkComponent
from toonforge.recipe.expr import Expr
from toonforge.use.model import Model, load
from toonforge.weights.model_file import Part, write_model


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """Give every weight and statistic a size as after training; a network's first ones yield almost nothing."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            if not value.is_floating_point():
                continue
            noise = torch.randn(value.shape, generator=random)
            if value.ndim > 1:
                value.copy_(noise * (2 / value[0].numel()) ** 0.5)
            elif name.endswith("running_var"):
                value.copy_(noise.abs() + 0.5)
            else:
                value.copy_(noise * 0.1 + (1.0 if name.endswith("weight") else 0.0))
        for module in network.modules():
            if parametrize.is_parametrized(module, "weight"):
                settled(module.parametrizations.weight)
    return network.eval()


def settled(weight: Any) -> None:
    """Let a spectral norm find the largest singular value of the weight as it is, as a training does."""
    for spectral in weight:
        if isinstance(spectral, _SpectralNorm):
            spectral._power_method(spectral._reshape_weight_to_matrix(weight.original), 20)


def model_of(
    folder: Path,
    config: NetworkComponent | dict[str, NetworkComponent],
    translations: dict[str, str] | None = None,
    **options: Any,
) -> Model:
    """A model file of networks with lively weights, loaded on the CPU; its networks are called G unless named."""
    configs = config if isinstance(config, dict) else {"G": config}
    path = folder / "model.safetensors"
    given: dict[str, Any] = {"recipe": "made", "image_size": 32, **options}
    signals = {name: Expr.parse(text) for name, text in given.pop("signals", {}).items()}
    write_model(
        path,
        {
            name: Part(config=each, state=lively(each.build(), number).state_dict())
            for number, (name, each) in enumerate(configs.items())
        },
        translations={to: Expr.parse(text) for to, text in (translations or {"anime": "G(photo)"}).items()},
        signals=signals,
        **given,
    )
    return load(path, cpu=True)
