"""Losses over 200 steps with the tricks of train.speed and without, as numbers and as a picture.

    python benchmarks/losses.py --out losses.png
    python benchmarks/losses.py pix2pix/pix2pix --size 128 --width 16 --steps 500
    python benchmarks/losses.py cyclegan/cyclegan-128 --speed channels-last,quick-norms

Recipes are trained with narrow networks on pictures of the samples, three times over from the same weights, on the same
pictures: without a trick ("safe"), with them, and without a trick but rounded otherwise: before every step a third of
all weights become the next larger number that float32 knows, a third the next smaller one. Adversarial training
magnifies any rounding, and Adam's first steps go by a gradient's sign; the third training shows how much of a
difference means nothing. Where that of the tricks is no larger, they change no more than rounding. (That a step with
them is the same step is proved in double precision, by the tests.)

A difference is the mean of |a - b| over the last quarter of the steps, as a share of the mean of a; where losses swing,
the one between two trainings that round differently is large as well. `mean` is that of the last quarter.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from PIL import Image, ImageFilter
from programs.speeds import speed
from toonforge_samples.credits import samples
from torch import Tensor

import toonforge
from toonforge.components import Component, changed, fields_of
from toonforge.recipe.model import Recipe
from toonforge.train.step import Training, make_accelerator

RECIPES = ("cyclegan/cyclegan-128", "pix2pix/pix2pix", "toon2real/toon2real", "cartoongan/cartoongan")
SHOWN = (1, 10, 50, 100, 200, 500, 1000)
SAFE, ROUNDED = "safe", "safe, other rounding"

Curves = dict[str, dict[str, list[float]]]
"""Variant -> total of a phase -> its value at every step, NaN where the phase was not active."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", default=RECIPES, metavar="RECIPE", help=f"default: {' '.join(RECIPES)}")
    parser.add_argument("--speed", type=speed, default="auto", help="auto, or TRICK,TRICK,… (default auto)")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--size", type=int, default=64, help="side of the pictures (default 64)")
    parser.add_argument("--width", type=int, default=8, help="of every network that has one (default 8)")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--gpu", action="store_true", help="on the GPU; on the CPU when left out")
    parser.add_argument("--out", type=Path, help="the picture to draw")
    given = parser.parse_args()
    found: dict[str, Curves] = {}
    for name in given.recipes:
        found[name] = curves(name, given)
        print("\n".join(numbers(found[name], given.steps)), flush=True)
    if given.out is not None:
        draw(found, given.out)
        print(f"drawn: {given.out}")


def curves(name: str, given: argparse.Namespace) -> Curves:
    """The three trainings of a recipe."""
    recipe = narrow(toonforge.load_recipe(name), given)
    speed = given.speed if given.speed == "auto" else tuple(given.speed.split(","))
    variants = {SAFE: "safe", given.speed: speed, ROUNDED: "safe"}
    made: Curves = {}
    print(f"{name}: {given.size} pixels, width {given.width}, batch {given.batch}, {given.steps} steps", flush=True)
    for variant, value in variants.items():
        began = time.perf_counter()
        training = Training(
            changed(recipe, train=changed(recipe.train, speed=value)),
            given.steps,
            max(1, given.steps // 50),  # what takes ten epochs takes a fifth of the steps
            make_accelerator("fp32", cpu=not given.gpu),
        )
        made[variant] = {phase: [] for phase in recipe.phases}
        for step, batch in zip(range(given.steps), batches(recipe, given)):
            if variant == ROUNDED:
                round_otherwise(training, step)
            training.step(step, [{field: tensor.to(training.device) for field, tensor in batch.items()}])
            _, totals, _ = training.read()
            for phase, values in made[variant].items():
                values.append(totals.get(phase, float("nan")))
        seconds = time.perf_counter() - began
        print(f"  {variant}: {training.speed.words}, {seconds:.0f} s", file=sys.stderr, flush=True)
    return made


def narrow(recipe: Recipe, given: argparse.Namespace) -> Recipe:
    """With small networks, and no weights from elsewhere."""
    levels = given.size.bit_length() - 1

    def small(component: Component) -> Any:
        known = fields_of(type(component))
        values: dict[str, Any] = {"width": given.width} if "width" in known else {}
        if "levels" in known and component.levels > levels:  # type: ignore[attr-defined]
            values["levels"] = levels
        return changed(component, **values)

    return attrs.evolve(
        recipe,
        generators={name: small(component) for name, component in recipe.generators.items()},
        discriminators={name: small(component) for name, component in recipe.discriminators.items()},
        networks={name: component.tiny() for name, component in recipe.networks.items()},
        initial={},
    )


@torch.no_grad()
def round_otherwise(training: Training, step: int) -> None:
    """Replace a third of the weights by the next larger number, a third by the next smaller one."""
    generator = torch.Generator().manual_seed(step)
    for network in training.networks.values():
        for parameter in network.parameters():
            ways = torch.randint(-1, 2, parameter.shape, generator=generator).to(parameter)
            towards = torch.where(ways == 0, parameter, ways * float("inf"))
            parameter.copy_(torch.nextafter(parameter, towards))


def batches(recipe: Recipe, given: argparse.Namespace) -> Iterator[Mapping[str, Tensor]]:
    """Endlessly pictures of the samples in the recipe's fields: photographs, drawings, and drawings smoothed."""
    known = {
        "photo": [read(sample.path, given.size) for sample in samples() if sample.kind == "photo"],
        "drawn": [read(sample.path, given.size) for sample in samples() if sample.kind == "anime"],
        "smooth": [read(sample.path, given.size, smooth=2) for sample in samples() if sample.kind == "anime"],
    }
    fields = [field for of_group in recipe.data.groups().values() for field in of_group]
    generator = np.random.default_rng(0)
    while True:
        batch = {}
        for field in fields:
            pictures = known.get(field, known["drawn"])
            chosen = generator.integers(len(pictures), size=given.batch)
            batch[field] = torch.stack([pictures[index] for index in chosen])
        yield batch


def read(path: Path, size: int, smooth: float = 0) -> Tensor:
    """(3,size,size) in [-1, 1]."""
    with Image.open(path) as image:
        picture = image.convert("RGB").resize((size, size)).filter(ImageFilter.GaussianBlur(smooth))
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(127.5).sub(1).contiguous()


def difference(one: list[float], other: list[float]) -> float:
    """Mean of |one - other| over the last quarter, as a share of the mean of `one`."""
    last = len(one) - len(one) // 4 - 1
    a, b = np.array(one[last:]), np.array(other[last:])
    return float(np.nanmean(np.abs(a - b)) / np.nanmean(np.abs(a)))


def numbers(found: Curves, steps: int) -> Iterator[str]:
    """A line for each total and training."""
    shown = [step for step in SHOWN if step <= steps]
    head = "".join(f"{f'step {step}':>11}" for step in shown)
    yield f"  {'total of':<16}{'training':<22}{head}{'mean':>11}{'difference to safe':>21}"
    for phase in found[SAFE]:
        if np.isnan(found[SAFE][phase][-(steps // 4 + 1) :]).all():
            continue  # a phase that is over
        for variant, totals in found.items():
            values = totals[phase]
            at = "".join(f"{values[step - 1]:>11.5f}" for step in shown)
            mean = np.nanmean(values[-(steps // 4 + 1) :])
            apart = "" if variant == SAFE else f"{difference(found[SAFE][phase], values):.1e}"
            yield f"  {phase:<16}{variant:<22}{at}{mean:>11.5f}{apart:>21}"


def draw(found: Mapping[str, Curves], path: Path) -> None:
    """A row a recipe: the totals, and on a logarithmic scale how far they are from the training without a trick."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.2 * len(found)), layout="constrained")
    FigureCanvasAgg(figure)
    for row, (recipe, of_recipe) in enumerate(found.items()):
        left, right = (figure.add_subplot(len(found), 2, 2 * row + column) for column in (1, 2))
        for number, phase in enumerate(of_recipe[SAFE]):
            for variant, totals in of_recipe.items():
                if variant == ROUNDED:
                    continue
                line = {"alpha": 0.9} if variant == SAFE else {"linestyle": (0, (4, 3)), "color": "black"}
                label = f"{phase}, {variant}" if variant == SAFE or number == 0 else None
                left.plot(totals[phase], linewidth=1, label=label, **line)
            for variant, totals in of_recipe.items():
                if variant != SAFE:
                    apart = np.abs(np.array(totals[phase]) - np.array(of_recipe[SAFE][phase]))
                    relative = apart / np.abs(np.array(of_recipe[SAFE][phase]))
                    style = "-" if variant != ROUNDED else ":"
                    right.plot(relative, style, color=f"C{number}", linewidth=1, label=f"{phase}, {variant}")
        left.set(title=f"{recipe}: totals", yscale="log", xlabel="step")
        right.set(title="difference to safe, as a share", yscale="log", xlabel="step")
        left.legend(fontsize=7)
        right.legend(fontsize=7)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
