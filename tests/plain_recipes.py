"""Every recipe of this repository, shrunk, with all taken out of it that draws or averages over a process's own batch.

What is left must train alike on any number of processes: SGD with momentum, in float64.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import torch
from torch import Tensor, nn

from toonforge.components import ImageSource, changed
from toonforge.data.loader import TrainLoader
from toonforge.recipe import load, loads
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import dump
from toonforge.registries import optimizers
from toonforge.testing.recipes import shrink
from toonforge.train.state import optimizer_tensors
from toonforge.train.step import Training, make_accelerator

ROOT = Path(__file__).parent.parent
FILES = {str(path.relative_to(ROOT)): path for path in sorted((ROOT / "recipes").rglob("*.toml"))}
PACKAGED = {
    f"{path.parents[1].name.removeprefix('toonforge_').replace('_', '-')}/{path.stem}": path
    for path in sorted((ROOT / "plugins").glob("*/src/*/recipes/*.toml"))
}
EVERY = {**FILES, **PACKAGED}
"""Name -> file of every recipe in recipes/ and in the plugins."""

DRAWS = re.compile(r"\b(pool|noise|augment)\((\w+)(?:, [\d.]+)*\)")
RATE = 1e-4


def plain(name: str, *, steps: int = 2, batch_size: int = 4, alternate: bool = False, **train: Any) -> Recipe:
    """A recipe of `EVERY`, made as the module says; each phase has `steps` steps of its own.

    Args:
        alternate: every phase but the first runs at every second step.
        train: what else `[train]` has.
    """
    recipe = small(EVERY[name], steps)
    text = DRAWS.sub(r"\2", dump(recipe))
    for kind in ("pool", "noise", "augment"):
        assert f"{kind}(" not in text
    recipe = loads(text.replace('norm = "batch"', 'norm = "instance-affine"').replace("bias = false", "bias = true"))
    sgd = optimizers["sgd"](lr=RATE, momentum=0.9)
    slower = optimizers["sgd"](lr=RATE / 2, momentum=0.5)
    phases = {}
    for number, (key, phase) in enumerate(recipe.phases.items()):
        own = phase.optimizer and slower
        phases[key] = changed(phase, optimizer=own, every=2 if alternate and number else phase.every)
    settings = {"precision": "fp64", "optimizer": sgd, "batch_size": batch_size, "ema": 0.9, **train}
    modules = {
        table: {key: _still(config) for key, config in getattr(recipe, table).items()}
        for table in ("generators", "discriminators", "networks")
    }
    return attrs.evolve(recipe, phases=phases, train=changed(recipe.train, **settings), metrics={}, **modules)


def small(source: str | Path, steps: int) -> Recipe:
    """The recipe shrunk, on pictures of 32 by 32: for what says nothing of pictures."""
    recipe = shrink(load(source), steps)
    return attrs.evolve(recipe, data=changed(recipe.data, image_size=32))


def _still(config: Any) -> Any:
    """Without dropout; and with pictures that are not made large for a network of features."""
    return changed(
        config, **{key: value for key, value in {"dropout": 0.0, "size": 32}.items() if hasattr(config, key)}
    )


@attrs.frozen
class Trained:
    """What a process has after its training.

    Attributes:
        tensors: of networks, averages and optimizers, by place and name.
        logged: every logged loss and total, one mapping a step.
    """

    tensors: dict[str, Tensor]
    logged: list[dict[str, float]]


def trained(recipe: Recipe, source: ImageSource | None = None) -> Trained:
    """Train in this process, together with the others where it has joined some."""
    accelerator = make_accelerator(recipe.train.precision, cpu=True)
    together = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
    assert accelerator.num_processes == together, "each trains alone, and so the same"
    source = source or recipe.data.build("train")
    total = recipe.train.steps or 1
    training = Training(recipe, total, 4, accelerator)
    for network in training.networks.values():
        for module in network.modules():
            assert not (module.training and isinstance(module, nn.modules.batchnorm._BatchNorm)), (
                "batch norm was not taken out"
            )
            assert not (module.training and isinstance(module, nn.Dropout) and module.p), "dropout was not taken out"
    loader = TrainLoader(
        source,
        seed=recipe.train.seed,
        batch_size=recipe.train.batch_size,
        total_steps=total,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
        parts=recipe.train.accumulate,
        workers=recipe.train.workers,
    )
    logged = []
    for step, batch in enumerate(loader):
        training.step(step, batch.parts)
        losses, totals, finite = training.read()
        assert finite
        logged.append({**losses, **{f"total {key}": value for key, value in totals.items()}})
    return Trained(everything(training), logged)


def everything(training: Training) -> dict[str, Tensor]:
    """Tensors of all networks, averages and optimizers."""
    found = {f"network {n}.{k}": v for n, m in training.networks.items() for k, v in m.state_dict().items()}
    if training.average is not None:
        averages = training.average.networks
        found |= {f"average {n}.{k}": v for n, m in averages.items() for k, v in m.state_dict().items()}
    for (owner, name), optimizer in training.optimizers.by_key.items():
        state = optimizer_tensors(optimizer, training.networks[name])[0]
        found |= {f"optimizer {owner}.{name}.{k}": v for k, v in state.items()}
    return {key: value.detach().clone() for key, value in found.items()}


def assert_equal(one: Trained, other: Trained, tolerance: float = 1e-12) -> None:
    """Equal to `tolerance`, times a tensor's largest element or a loss's value where that is above 1."""
    assert one.tensors.keys() == other.tensors.keys()
    worst = {key: difference(value, other.tensors[key]) for key, value in one.tensors.items() if value.numel()}
    assert len(one.logged) == len(other.logged)
    for step, (ours, theirs) in enumerate(zip(one.logged, other.logged, strict=True)):
        assert ours.keys() == theirs.keys(), f"step {step} logs other losses"
        for key, loss in ours.items():
            worst[f"step {step}: {key}"] = abs(loss - theirs[key]) / max(1.0, abs(loss))
    far = {key: value for key, value in worst.items() if not value <= tolerance}
    assert not far, "\n".join(f"{key} differs by {value:.1e}" for key, value in far.items())


def difference(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors' elements, as a share of the largest element where that is above 1."""
    if one.dtype.is_floating_point:
        return float((one - other).abs().max() / one.abs().max().clamp(min=1))
    return float((one != other).any())


def moved(recipe: Recipe, after: Trained) -> Mapping[str, bool]:
    """Network -> whether training changed it."""
    fresh = everything(Training(recipe, recipe.train.steps or 1, 4, make_accelerator("fp64", cpu=True)))
    names = {name for phase in recipe.phases.values() for name in phase.updates}
    return {
        name: any(
            not torch.equal(value, after.tensors[key])
            for key, value in fresh.items()
            if key.startswith(f"network {name}.")
        )
        for name in names
    }
