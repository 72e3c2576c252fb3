"""Networks and a model for tests of pictures of any size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from toonforge import registries
from toonforge.components import NetworkComponent
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.use.model import Model
from toonforge.use.tiled.exact import computed
from toonforge.use.tiled.network import steps_of
from toonforge.use.tiled.plan import make_plan
from toonforge.use.tiled.trace import state_of, traced

CPU = torch.device("cpu")


def drawn(config: NetworkComponent, seed: int = 0, dtype: torch.dtype = torch.float64) -> nn.Module:
    """A network whose every weight matters: residual ones begin with zeros."""
    torch.manual_seed(seed)
    return alive(config.fit((3, 1 << 13, 1 << 13)).build().eval().to(dtype))


def alive(network: nn.Module) -> nn.Module:
    """With weights and running statistics that are drawn anew."""
    with torch.no_grad():
        for name, value in {**dict(network.named_parameters()), **dict(network.named_buffers())}.items():
            if "running_var" in name:
                value.uniform_(0.5, 2)
            elif value.is_floating_point():
                value.normal_(0.1, 0.2)
    return network


def picture(height: int, width: int, dtype: torch.dtype = torch.float64, channels: int = 3) -> torch.Tensor:
    """Waves and noise, brighter to the right, so that the parts of it differ in their statistics."""
    torch.manual_seed(height * 1009 + width)
    across = torch.linspace(-0.8, 0.8, width, dtype=dtype) if width > 1 else torch.zeros(1, dtype=dtype)
    down = torch.arange(height, dtype=dtype).div(3).sin()[:, None] * 0.2
    return (across + down + torch.randn(1, channels, height, width, dtype=dtype) * 0.2).clamp(-1, 1)


def by_rows(network: nn.Module, *arguments: Any, rows: int | None = None, **how: Any) -> torch.Tensor:
    """The network computed by rows, `rows` in each strip; `how` as of `Parts`."""
    return Parts(network, *arguments)(rows, **how)


class Parts:
    """A network traced for its arguments."""

    def __init__(self, network: nn.Module, *arguments: Any) -> None:
        self.pictures = [item for item in arguments if isinstance(item, torch.Tensor)]
        self.steps = steps_of(traced(network, arguments), state_of(network))

    def __call__(self, rows: int | None = None, memory: int = 1 << 40, spill: bool = False) -> torch.Tensor:
        with torch.inference_mode():
            return computed(self.steps, make_plan(self.steps, memory, 1 << 20, rows, spill), self.pictures, CPU)


def whole(network: nn.Module, *arguments: Any) -> torch.Tensor:
    """The network computed at once."""
    with torch.inference_mode():
        result: torch.Tensor = network(*arguments)
        return result


def apart(one: torch.Tensor, other: torch.Tensor) -> float:
    """The largest difference."""
    assert one.shape == other.shape and one.dtype == other.dtype
    return float((one - other).abs().max())


def model_of(
    networks: Mapping[str, nn.Module], to: str, configs: Mapping[str, NetworkComponent], **signals: str
) -> Model:
    """A model whose one translation is this expression."""
    parsed = {name: Expr.parse(text) for name, text in signals.items()}
    return Model(
        recipe="test",
        translations={"cartoon": Expr.parse(to)},
        image_size=None,
        device=CPU,
        inference=Inference(networks, parsed, registries.ops),
        checkpoint=None,  # type: ignore[arg-type]
        configs=configs,
    )
