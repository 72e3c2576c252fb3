"""A model's translation as one network: what other programs than toonforge are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from toonforge import registries
from toonforge.components import NetworkComponent
from toonforge.inference import Inference
from toonforge.nn.padding import PadToMultiple
from toonforge.recipe.graph import Graph

if TYPE_CHECKING:
    from toonforge.use.model import Model


class Translator(nn.Module):
    """Pictures (N,3,H,W) in [-1, 1] to pictures (N,3,H,W) in [-1, 1]: networks, ops and signals of one translation.

    The networks are copies on the CPU, without gradients; what is computed of their weights before each use, such as
    spectral norm, is computed once.

    Args:
        model: see `toonforge.load`.
        to: the domain.

    Attributes:
        source: the domain that it translates from.
        side: the smallest side of pictures that is no special case for any of its networks.
    """

    def __init__(self, model: Model, to: str) -> None:
        super().__init__()
        expr, signals = model.choose(to), model.inference.signals
        graph = Graph(model.inference.networks, signals)
        (self.source,) = graph.fields_of(expr)
        names = sorted(graph.networks_below(expr))
        self.networks = nn.ModuleList(plain(model.configs[name], model.inference.networks[name]) for name in names)
        self.expr = expr
        self.inference = Inference(dict(zip(names, self.networks)), signals, registries.ops)
        self.side = max([model.image_size or 64, *(m.multiple for m in self.modules() if isinstance(m, PadToMultiple))])
        self.eval()
        with torch.no_grad():  # known before it is traced, when a number of channels is no number
            one = self.inference.value(expr, {self.source: torch.zeros(1, 3, self.side, self.side)})
        self.gray = one.shape[1] == 1

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """As `Model.compute`."""
        output: torch.Tensor = self.inference.value(self.expr, {self.source: pictures})
        if self.gray:
            output = output.expand(-1, 3, -1, -1)
        return output.clamp(-1, 1)


def plain(config: NetworkComponent, trained: nn.Module) -> nn.Module:
    """A copy on the CPU whose weights are numbers, not computed of others.

    It is built anew: what is taken off a `deepcopy` of a parametrized module is taken off the original, too.
    """
    network = config.build().cpu()
    network.load_state_dict(trained.state_dict())
    network.eval()
    for module in list(network.modules()):
        held: Any = getattr(module, "parametrizations", None)
        for name in list(held or ()) if parametrize.is_parametrized(module) else ():
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    return network.requires_grad_(False)
