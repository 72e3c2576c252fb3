"""What the engine costs: the steps of CycleGAN and pix2pix written by hand, against `Training.step` and `train()`.

    python benchmarks/by_hand.py                                  # narrow networks at 64 pixels
    python benchmarks/by_hand.py --size 256 --width 64 --steps 12 # as the recipes have them
    python benchmarks/by_hand.py cyclegan --speed safe --steps 50

By hand is the step that one writes for this one method over the very same networks, with the same tricks as the run's:
their layout and norms come with the networks, the optimizers are built as the engine's are, losses that share no
gradient are differentiated one group after another where `split-backward` is on, parameters are updated during backward
passes where `step-in-backward` is. Batched calls, torch.compile and CUDA graphs are the engine's alone.

One training runs with `train()`; at each of its steps the hand-written step and the engine's are timed, in turn the one
or the other first. What passes between two steps (reading a batch, the log, whether to stop) belongs to the loop's
time, except for the steps by hand. Both begin with the same weights and get the same pictures: their first losses are
compared.

Medians over all steps but the first three, the lowest and the highest; a ratio is the median of the turns' ratios.
"""

from __future__ import annotations

import argparse
import copy
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import torch
from programs.speeds import speed
from torch import Tensor, nn
from torch.nn import functional

from toonforge import recipe as recipes
from toonforge.data.synthetic import SyntheticSource
from toonforge.data.transforms import normalised
from toonforge.ops.image_pool import ImagePool
from toonforge.recipe.model import Recipe
from toonforge.speed.in_backward import StepInBackward
from toonforge.train.seeds import seed_call
from toonforge.train.step import Training
from toonforge.train.trainer import train

WARM = 3
"""Steps that are not counted."""
TOLERANCE = 1e-4
"""Of the first losses, as a share of the larger; fp32 in another order of sums."""


def lsgan(logits: Tensor, real: bool) -> Tensor:
    return functional.mse_loss(logits, torch.full_like(logits, float(real)))


def bce(logits: Tensor, real: bool) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class Hand:
    """What both methods need: networks of the engine's kind, their optimizers, and their parameters to freeze."""

    def __init__(self, training: Training) -> None:
        self.networks = copy.deepcopy(training.networks)
        self.split = "split-backward" in training.speed
        self.parameters = {name: list(network.parameters()) for name, network in self.networks.items()}
        self.optimizers = {
            name: alike(optimizer, self.parameters[name]) for (_, name), optimizer in training.optimizers.by_key.items()
        }
        stepped = "step-in-backward" in training.speed
        self.in_backward = StepInBackward(self.optimizers.values()) if stepped else None
        self.losses: dict[str, Tensor] = {}

    def update(self, names: Sequence[str], groups: Sequence[tuple[Callable[[], Tensor], str]]) -> None:
        """Freeze all but the named networks, differentiate each group's sum of losses, and step.

        Args:
            groups: each with the networks, split by blanks, whose gradient is whole after it.
        """
        for name, parameters in self.parameters.items():
            for parameter in parameters:
                parameter.requires_grad_(name in names)
        for name in names:
            self.optimizers[name].zero_grad()
        if self.split:
            for group, whole in groups:
                self.differentiate(group(), whole.split())
        else:
            self.differentiate(functools.reduce(torch.add, [group() for group, _ in groups]), names)
        for name in names:
            self.optimizers[name].step()

    def differentiate(self, total: Tensor, whole: Sequence[str]) -> None:
        if self.in_backward is None:
            total.backward()
        else:
            with self.in_backward.during([self.optimizers[name] for name in whole]):
                total.backward()

    def note(self, name: str, value: Tensor) -> Tensor:
        self.losses[name] = value.detach()
        return value


class CycleGAN(Hand):
    def __init__(self, training: Training) -> None:
        super().__init__(training)
        self.pool_anime, self.pool_photo = ImagePool(), ImagePool()

    def step(self, batch: Mapping[str, Tensor]) -> None:
        G, F, D_anime, D_photo = (self.networks[name] for name in ("G", "F", "D_anime", "D_photo"))
        photo, anime, note = normalised(batch["photo"]), normalised(batch["anime"]), self.note
        fakes: dict[str, Tensor] = {}

        def there(forth: nn.Module, back: nn.Module, judge: nn.Module, picture: Tensor, kind: str, was: str) -> Tensor:
            fake = forth(picture)
            fakes[kind] = fake.detach()
            fool = note(f"generators.fool_{kind}", lsgan(judge(fake), True))
            return fool + 10 * note(f"generators.cycle_{was}", functional.l1_loss(back(fake), picture))

        def same(network: nn.Module, picture: Tensor, kind: str) -> Tensor:
            return 5 * note(f"generators.identity_{kind}", functional.l1_loss(network(picture), picture))

        self.update(
            ("G", "F"),
            [
                (lambda: there(G, F, D_anime, photo, "anime", "photo"), ""),
                (lambda: there(F, G, D_photo, anime, "photo", "anime"), ""),
                (lambda: same(G, anime, "anime"), "G"),
                (lambda: same(F, photo, "photo"), "F"),
            ],
        )

        def judged(kind: str, judge: nn.Module, real: Tensor, pool: ImagePool) -> list[Callable[[], Tensor]]:
            return [
                lambda: 0.5 * note(f"discriminators.reals_{kind}", lsgan(judge(real), True)),
                lambda: 0.5 * note(f"discriminators.fakes_{kind}", lsgan(judge(pool(fakes[kind])), False)),
            ]

        first, second = judged("anime", D_anime, anime, self.pool_anime)
        third, fourth = judged("photo", D_photo, photo, self.pool_photo)
        self.update(("D_anime", "D_photo"), [(first, ""), (second, "D_anime"), (third, ""), (fourth, "D_photo")])


class Pix2pix(Hand):
    def step(self, batch: Mapping[str, Tensor]) -> None:
        G, D, note = self.networks["G"], self.networks["D"], self.note
        cartoon, photo = normalised(batch["cartoon"]), normalised(batch["photo"])
        for parameter in self.parameters["G"]:
            parameter.requires_grad_(True)
        fake = G(cartoon)

        def false() -> Tensor:
            return 0.5 * note("discriminator.fakes", bce(D(torch.cat((cartoon, fake.detach()), 1)), False))

        def true() -> Tensor:
            return 0.5 * note("discriminator.reals", bce(D(torch.cat((cartoon, photo), 1)), True))

        def fooled() -> Tensor:
            fool = note("generator.fool", bce(D(torch.cat((cartoon, fake), 1)), True))
            return fool + 100 * note("generator.pixels", functional.l1_loss(fake, photo))

        self.update(("D",), [(false, ""), (true, "D")])
        self.update(("G",), [(fooled, "G")])


METHODS: Mapping[str, type[CycleGAN | Pix2pix]] = {"cyclegan": CycleGAN, "pix2pix": Pix2pix}


def alike(optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """An optimizer of the same kind and settings over other parameters, all in one group."""
    made = type(optimizer)(parameters, **optimizer.defaults)  # type: ignore[arg-type]
    made.param_groups[0].update({k: v for k, v in optimizer.param_groups[0].items() if k != "params"})
    return made


@attrs.define
class Turns:
    """Takes the place of `Training.step` while `train()` runs. All times in seconds, one of each for every step."""

    method: type[CycleGAN | Pix2pix]
    engine: Callable[..., None]
    hand: CycleGAN | Pix2pix | None = None
    by_hand: list[float] = attrs.field(factory=list)
    steps: list[float] = attrs.field(factory=list)
    between: list[float] = attrs.field(factory=list)
    left: float = 0.0
    worst: float = 0.0

    def step(self, training: Training, number: int, parts: Sequence[Mapping[str, Tensor]]) -> None:
        entered = now(training.device)
        if self.hand is None:
            self.hand = self.method(training)
            # The first call by hand is the first that draws (dropout): once as the engine has it drawn.
            seed_call(training.recipe.train.seed, number, 0, training.rank, "G(cartoon)", training.device)
        else:
            self.between.append(entered - self.left)
        mine, hand = functools.partial(self.engine, training, number, parts), self.hand
        turns = [(self.by_hand, lambda: hand.step(parts[0])), (self.steps, mine)]
        for into, once in turns[::-1] if number % 2 else turns:
            began = now(training.device)
            once()
            into.append(now(training.device) - began)
        if number == 0:
            self.worst = max(apart(float(training.losses[k]), float(v)) for k, v in hand.losses.items())
        self.left = now(training.device)


def apart(one: float, other: float) -> float:
    return abs(one - other) / max(abs(one), abs(other), 1e-12)


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def recipe_of(method: str, size: int, width: int, batch: int, steps: int, speed: str) -> Recipe:
    """The packaged recipe over pictures that lie in memory, without anything that is due now and then but the log."""
    paired = method == "pix2pix"
    fields = {"pair": ["cartoon", "photo"]} if paired else {"photo": ["photo"], "anime": ["anime"]}
    where = ("G", "D") if paired else ("G", "F", "D_anime", "D_photo")
    kinds = {"G": "generators", "F": "generators"}
    wanted: dict[str, Any] = {f"{kinds.get(name, 'discriminators')}.{name}.width": width for name in where}
    wanted |= {"train.batch_size": batch, "train.steps": steps}
    recipe = recipes.load(
        f"{method}/{method}",
        (
            f"data={{type='synthetic', image_size={size}, count=16, fields={inline(fields)}}}",
            f"train.speed={json.dumps(speed.split(',') if speed not in ('auto', 'safe') else speed)}",
            *(f"{key}={value}" for key, value in wanted.items()),
        ),
    )
    return attrs.evolve(recipe, metrics={}, translations={})


def inline(fields: Mapping[str, Sequence[str]]) -> str:
    return "{" + ", ".join(f"{group} = {json.dumps(names)}" for group, names in fields.items()) + "}"


def measure(recipe: Recipe, method: str, cpu: bool) -> Turns:
    turns = Turns(METHODS[method], Training.step)
    replaced = {Training: ("step", lambda self, *rest: turns.step(self, *rest))}
    replaced |= {SyntheticSource: ("_picture", functools.cache(SyntheticSource._picture))}
    before = {cls: getattr(cls, name) for cls, (name, _) in replaced.items()}
    try:
        for cls, (name, instead) in replaced.items():
            setattr(cls, name, instead)
        with tempfile.TemporaryDirectory() as folder:
            train(recipe, folder=Path(folder) / "run", cpu=cpu)
    finally:
        for cls, (name, _) in replaced.items():
            setattr(cls, name, before[cls])
    return turns


def row(name: str, times: Sequence[float], base: Sequence[float]) -> str:
    ratio = statistics.median(a / b for a, b in zip(times, base, strict=True))
    spread = f"{1e3 * min(times):.1f}-{1e3 * max(times):.1f}"
    return f"  {name:<28}{1e3 * statistics.median(times):>9.2f}{spread:>18}{ratio:>8.3f}{min(times) / min(base):>9.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=list(METHODS), help=f"of {', '.join(METHODS)}")
    parser.add_argument("--size", type=int, default=64, help="height and width of the pictures")
    parser.add_argument("--width", type=int, default=16, help="channels of the first convolutions")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--speed", type=speed, default="auto", help='"auto", "safe", or tricks: a,b')
    parser.add_argument("--cpu", action="store_true", help="even where there is a GPU")
    asked = parser.parse_args()
    unknown = [name for name in asked.methods if name not in METHODS]
    if unknown:
        parser.error(f"no method is called {' or '.join(unknown)}; there are {', '.join(METHODS)}")
    for method in asked.methods:
        recipe = recipe_of(method, asked.size, asked.width, asked.batch, asked.steps + WARM + 1, asked.speed)
        turns = measure(recipe, method, asked.cpu)
        hand, steps = turns.by_hand[WARM:-1], turns.steps[WARM:-1]
        loop = [step + between for step, between in zip(steps, turns.between[WARM:], strict=True)]
        print(
            f"{method}: {asked.size} pixels, width {asked.width}, batch {asked.batch}, {len(steps)} turns, "
            f"{torch.get_num_threads()} threads; first losses differ by {turns.worst:.0e} at most"
        )
        print(f"  {'':<28}{'ms':>9}{'lowest-highest':>18}{'ratio':>8}{'of least':>9}")
        for name, times in (("step by hand", hand), ("Training.step", steps), ("train(), a step of it", loop)):
            print(row(name, times, hand))
        if turns.worst > TOLERANCE:
            raise SystemExit("the losses differ: what was timed is not the same step")


if __name__ == "__main__":
    main()
