"""The training that is killed: short, yet with everything that a checkpoint must hold."""

from __future__ import annotations

from pathlib import Path

STEPS = 12
EVERY = 3
"""Steps between checkpoints: the most that a crash may cost."""

RECIPE = """
name = "crashes"
[data]
type = "tiny/pictures"
[train]
steps = {steps}
batch_size = 2
seed = 3
ema = 0.9
workers = {workers}
schedule = {{ type = "linear-decay", start = 5 }}
checkpoint = {{ every = {every}, keep = {keep} }}
log = {{ every = 2 }}
samples = {{ every = 4, count = 2 }}
metrics = {{ every = 2, best = "mean" }}
[generators]
G = {{ type = "tiny/generator", dropout = 0.3 }}
F = {{ type = "tiny/generator" }}
[discriminators]
D_anime = {{ type = "tiny/discriminator", norm = true }}
D_photo = {{ type = "tiny/discriminator" }}
[signals]
fake_anime = "G(photo)"
fake_photo = "F(anime)"
[phases.initialisation]
updates = ["G"]
until = 2
losses.same = {{ type = "l1", input = "fake_anime", target = "photo" }}
[phases.generators]
updates = ["G", "F"]
from = 2
[phases.generators.losses]
fool_anime = {{ type = "lsgan", logits = "D_anime(fake_anime)", real = true }}
fool_photo = {{ type = "lsgan", logits = "D_photo(fake_photo)", real = true }}
cycle_photo = {{ type = "l1", input = "F(fake_anime)", target = "photo", weight = 10 }}
[phases.discriminators]
updates = ["D_anime", "D_photo"]
[phases.discriminators.losses]
reals_anime = {{ type = "lsgan", logits = "D_anime(anime)", real = true }}
fakes_anime = {{ type = "lsgan", logits = "D_anime(pool(fake_anime, 3))", real = false }}
reals_photo = {{ type = "lsgan", logits = "D_photo(photo)", real = true }}
fakes_photo = {{ type = "lsgan", logits = "D_photo(pool(fake_photo, 3))", real = false }}
[translations]
anime = "G(photo)"
photo = "F(anime)"
[metrics]
mean = {{ type = "tiny/mean", input = "G(photo)" }}
"""


def write_recipe(folder: Path, steps: int = STEPS, every: int = EVERY, workers: int = 0, keep: int = 2) -> Path:
    """The recipe's file; equal numbers give an equal file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"steps-{steps}-every-{every}-workers-{workers}-keep-{keep}.toml"
    path.write_text(RECIPE.format(steps=steps, every=every, workers=workers, keep=keep), "utf-8")
    return path
