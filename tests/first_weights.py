"""Runs and files that networks of a test's recipe start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
import torch
from safetensors.torch import load_file
from torch import Tensor

from toonforge import recipe as recipes
from toonforge.recipe.initial import InitialWeights
from toonforge.recipe.model import Recipe
from toonforge.train.trainer import train
from toonforge.weights.model_file import Part, write_model

RECIPE = """
name = "small"
[data]
type = "tiny/pictures"
size = 32
[generators]
G = { type = "tiny/generator" }
F = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator", norm = true }
S = { type = "cyclegan/patchgan", width = 4, layers = 1, norm = "none", spectral_norm = true }
[train]
steps = 4
batch_size = 2
ema = 0.9
log.every = 1
checkpoint = { every = 2, keep = 5 }
optimizer = { type = "adam", lr = 1e-2 }
[signals]
fake = "G(photo)"
[translations]
anime = "G(photo)"
photo = "F(anime)"
[phases.generator]
updates = ["G"]
[phases.generator.losses]
fool = { type = "lsgan", logits = "D(fake)", real = true }
fool_too = { type = "lsgan", logits = "S(fake)", real = true }
cycle = { type = "l1", input = "F(fake)", target = "photo" }
[phases.discriminators]
updates = ["D", "S"]
[phases.discriminators.losses]
reals = { type = "lsgan", logits = "D(anime)", real = true }
fakes = { type = "lsgan", logits = "D(fake)", real = false }
reals_too = { type = "lsgan", logits = "S(anime)", real = true }
fakes_too = { type = "lsgan", logits = "S(fake)", real = false }
"""
"""No phase updates F. D has batch norm, and S a spectral norm: both have buffers."""
NAMES = ("G", "F", "D", "S")


def recipe(text: str = RECIPE, **sources: str | InitialWeights) -> Recipe:
    """The recipe, with networks that start from elsewhere."""
    initial = {name: InitialWeights(from_=s) if isinstance(s, str) else s for name, s in sources.items()}
    return attrs.evolve(recipes.loads(text), initial=initial)


def trained(folder: Path, seed: int = 7) -> Path:
    """A run of the recipe to start from."""
    train(recipe(RECIPE.replace("steps = 4", f"steps = 4\nseed = {seed}")), folder=folder, cpu=True)
    return folder


def kept(run: Path, name: str, step: int = 4) -> dict[str, Tensor]:
    """The state of a network as a run's checkpoint has it; "G.ema" for a moving average."""
    return load_file(run / f"checkpoints/step-{step:06d}/{name}.safetensors")


def exported(path: Path, state: Mapping[str, Tensor], name: str = "G", half: bool = False) -> Path:
    """A model file of one generator."""
    made = recipe()
    part = Part(config=made.generators["G"], state=state)
    write_model(path, {name: part}, translations={}, recipe="small", image_size=32, step=12_000, half=half)
    return path


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two states are the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
