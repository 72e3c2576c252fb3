"""What evaluates the expressions of a plan: the networks of a run, or pictures that are translated already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from toonforge import registries
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.use.evaluate.pictures import MADE, TRANSLATION
from toonforge.use.evaluate.plan import Plan, Trained, networks_of
from toonforge.use.model import load_networks
from toonforge.weights.chosen import preferred


def inference_of(plan: Plan, device: torch.device) -> Inference:
    """Raises `RunError` for weights that are missing or do not fit."""
    if plan.trained is None:
        return Given({}, {}, registries.ops)
    modules = _networks(plan.trained, networks_of(plan), device)
    recipe = plan.trained.recipe
    return Inference(modules, recipe.signals, registries.ops, recipe.modules)


def _networks(trained: Trained, names: frozenset[str], device: torch.device) -> dict[str, nn.Module]:
    """Networks that compute as those of the training did when it measured."""
    folder, precision = trained.checkpoint.folder, trained.recipe.train.precision
    speed = trained.recipe.train.speed
    on_cpu = device.type == "cpu"
    loaded = load_networks(folder, names=sorted(names), cpu=on_cpu, speed=speed, precision=precision)
    modules = dict(loaded.modules)
    for name in names:
        if precision == "fp64":
            modules[name].double().load_state_dict(load_file(preferred(folder, name)))
        elif precision == "bf16" and name not in loaded.averaged:  # a training keeps its averages out of autocast
            modules[name] = Autocast(modules[name])
    return modules


class Given(Inference):
    """Pictures that are translated already: the value of `TRANSLATION` is what came with the batch."""

    def values(self, exprs: Iterable[Expr], fields: Mapping[str, Tensor]) -> list[Tensor]:
        """Several expressions' values for one batch."""
        with torch.inference_mode():
            known = {TRANSLATION.text: fields[MADE]} if MADE in fields else {}
            return [self._value(expr.root, fields, known) for expr in exprs]


class Autocast(nn.Module):
    """A network that computes in bf16 and answers in float32, as under Accelerate."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *arguments: Tensor) -> Tensor:
        """As of the network."""
        with torch.autocast(arguments[0].device.type, torch.bfloat16):
            output: Tensor = self.network(*arguments)
        return output.float()
