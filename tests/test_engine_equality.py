"""The engine without tricks against loops written by hand: every weight equal, bit for bit, after several steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toonforge import recipe as recipes
from toonforge.recipe.model import Recipe
from toonforge.train.seeds import seed_call, seed_step
from toonforge.train.step import Training

STEPS = 6
SEED = 3

HEAD = """
name = "equality"
[data]
type = "tiny/pictures"
{data}
[train]
steps = 6
batch_size = 2
seed = 3
speed = "safe"
{train}
"""

PIX2PIX = (
    HEAD
    + """
[generators]
G = {{ type = "tiny/generator", dropout = 0.5 }}
[discriminators]
D = {{ type = "tiny/discriminator", norm = true }}
[signals]
fake = "G(cartoon)"
[phases.discriminator]
updates = ["D"]
[phases.discriminator.losses]
fakes = {{ type = "bce", logits = "D(cat(cartoon, fake))", real = false, weight = 0.5 }}
reals = {{ type = "bce", logits = "D(cat(cartoon, photo))", real = true, weight = 0.5 }}
[phases.generator]
updates = ["G"]
[phases.generator.losses]
fool = {{ type = "bce", logits = "D(cat(cartoon, fake))", real = true }}
pixels = {{ type = "l1", input = "fake", target = "photo", weight = 100 }}
"""
)

CYCLEGAN = (
    HEAD
    + """
[generators]
G = {{ type = "tiny/generator" }}
F = {{ type = "tiny/generator" }}
[discriminators]
D_anime = {{ type = "tiny/discriminator" }}
D_photo = {{ type = "tiny/discriminator" }}
[signals]
fake_anime = "G(photo)"
fake_photo = "F(anime)"
[phases.generators]
updates = ["G", "F"]
[phases.generators.losses]
fool_anime     = {{ type = "lsgan", logits = "D_anime(fake_anime)", real = true }}
fool_photo     = {{ type = "lsgan", logits = "D_photo(fake_photo)", real = true }}
cycle_photo    = {{ type = "l1", input = "F(fake_anime)", target = "photo", weight = 10 }}
cycle_anime    = {{ type = "l1", input = "G(fake_photo)", target = "anime", weight = 10 }}
identity_anime = {{ type = "l1", input = "G(anime)", target = "anime", weight = 5 }}
identity_photo = {{ type = "l1", input = "F(photo)", target = "photo", weight = 5 }}
[phases.discriminators]
updates = ["D_anime", "D_photo"]
[phases.discriminators.losses]
reals_anime = {{ type = "lsgan", logits = "D_anime(anime)", real = true, weight = 0.5 }}
fakes_anime = {{ type = "lsgan", logits = "D_anime(pool(fake_anime, 3))", real = false, weight = 0.5 }}
reals_photo = {{ type = "lsgan", logits = "D_photo(photo)", real = true, weight = 0.5 }}
fakes_photo = {{ type = "lsgan", logits = "D_photo(pool(fake_photo, 3))", real = false, weight = 0.5 }}
"""
)

CARTOONGAN = (
    HEAD
    + """
[generators]
G = {{ type = "tiny/generator" }}
[discriminators]
D = {{ type = "tiny/discriminator", norm = true }}
[networks]
VGG = {{ type = "tiny/features" }}
[signals]
fake = "G(photo)"
[phases.initialisation]
updates = ["G"]
until = 2
[phases.initialisation.losses]
content = {{ type = "l1", input = "VGG(fake)", target = "VGG(photo)", weight = 10 }}
[phases.discriminator]
updates = ["D"]
from = 2
[phases.discriminator.losses]
cartoons = {{ type = "bce", logits = "D(cartoon)", real = true }}
smoothed = {{ type = "bce", logits = "D(smooth)", real = false }}
fakes = {{ type = "bce", logits = "D(fake)", real = false }}
[phases.generator]
updates = ["G"]
from = 2
[phases.generator.losses]
fool = {{ type = "bce", logits = "D(fake)", real = true }}
content = {{ type = "l1", input = "VGG(fake)", target = "VGG(photo)", weight = 10 }}
"""
)

SCHEDULE = 'schedule = { type = "linear-decay", start = 3 }'


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for n in networks for p in n.parameters()], lr=2e-4, betas=(0.5, 0.999))


def batches(recipe: Recipe) -> list[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(11)
    fields = [field for group in recipe.data.groups().values() for field in group]
    return [{field: torch.rand(2, 3, 16, 16, generator=generator) * 2 - 1 for field in fields} for _ in range(STEPS)]


def bce(logits: Tensor, real: bool) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


def lsgan(logits: Tensor, real: bool) -> Tensor:
    return ((logits - float(real)) ** 2).mean()


def frozen(network: nn.Module, on: bool) -> None:
    for parameter in network.parameters():
        parameter.requires_grad_(not on)


class Pool:
    """The image pool as the CycleGAN authors wrote it: one picture at a time, in a list."""

    def __init__(self, size: int) -> None:
        self.size, self.kept = size, list[Tensor]()

    def __call__(self, pictures: Tensor) -> Tensor:
        out = []
        for picture in pictures.detach():
            if len(self.kept) < self.size:
                self.kept.append(picture.clone())
                out.append(picture)
            elif torch.rand(()) > 0.5:
                place = int(torch.randint(0, self.size, ()))
                out.append(self.kept[place].clone())
                self.kept[place] = picture.clone()
            else:
                out.append(picture)
        return torch.stack(out)


def pix2pix(nets: Mapping[str, nn.Module], data: list[dict[str, Tensor]], rate: Callable[[int], float]) -> None:
    G, D = nets["G"], nets["D"]
    opt_g, opt_d = adam(G), adam(D)
    for step, batch in enumerate(data):
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = rate(step)
        seed_step(SEED, step, 0)
        seed_call(SEED, step, 0, 0, "G(cartoon)")
        fake = G(batch["cartoon"])
        opt_d.zero_grad()
        loss = bce(D(torch.cat([batch["cartoon"], fake.detach()], 1)), False) * 0.5
        loss = loss + bce(D(torch.cat([batch["cartoon"], batch["photo"]], 1)), True) * 0.5
        loss.backward()
        opt_d.step()
        frozen(D, True)
        opt_g.zero_grad()
        loss = bce(D(torch.cat([batch["cartoon"], fake], 1)), True)
        loss = loss + F.l1_loss(fake, batch["photo"]) * 100
        loss.backward()
        opt_g.step()
        frozen(D, False)


def cyclegan(nets: Mapping[str, nn.Module], data: list[dict[str, Tensor]], rate: Callable[[int], float]) -> None:
    G, F_, D_a, D_p = nets["G"], nets["F"], nets["D_anime"], nets["D_photo"]
    opt_g, opt_d = adam(G, F_), adam(D_a, D_p)
    pool_a, pool_p = Pool(3), Pool(3)
    for step, batch in enumerate(data):
        for group in (*opt_g.param_groups, *opt_d.param_groups):
            group["lr"] = rate(step)
        photo, anime = batch["photo"], batch["anime"]
        frozen(D_a, True), frozen(D_p, True)
        opt_g.zero_grad()
        fake_a = G(photo)
        loss = lsgan(D_a(fake_a), True)
        fake_p = F_(anime)
        loss = loss + lsgan(D_p(fake_p), True)
        loss = loss + F.l1_loss(F_(fake_a), photo) * 10
        loss = loss + F.l1_loss(G(fake_p), anime) * 10
        loss = loss + F.l1_loss(G(anime), anime) * 5
        loss = loss + F.l1_loss(F_(photo), photo) * 5
        loss.backward()
        opt_g.step()
        frozen(D_a, False), frozen(D_p, False)
        opt_d.zero_grad()
        loss = lsgan(D_a(anime), True) * 0.5
        seed_call(SEED, step, 0, 0, "pool(fake_anime, 3)")
        loss = loss + lsgan(D_a(pool_a(fake_a)), False) * 0.5
        loss = loss + lsgan(D_p(photo), True) * 0.5
        seed_call(SEED, step, 0, 0, "pool(fake_photo, 3)")
        loss = loss + lsgan(D_p(pool_p(fake_p)), False) * 0.5
        loss.backward()
        opt_d.step()


def cartoongan(nets: Mapping[str, nn.Module], data: list[dict[str, Tensor]], rate: Callable[[int], float]) -> None:
    G, D, VGG = nets["G"], nets["D"], nets["VGG"].eval()
    opt_g, opt_d = adam(G), adam(D)
    frozen(VGG, True)
    for step, batch in enumerate(data):
        # A schedule counts from its phase's `from`: the initialisation has one of its own.
        fake = G(batch["photo"])
        if step >= 2:
            opt_d.param_groups[0]["lr"] = rate(step - 2)
            opt_d.zero_grad()
            loss = bce(D(batch["cartoon"]), True)
            loss = loss + bce(D(batch["smooth"]), False)
            loss = loss + bce(D(fake.detach()), False)
            loss.backward()
            opt_d.step()
        opt_g.param_groups[0]["lr"] = rate(step if step < 2 else step - 2)
        frozen(D, True)
        opt_g.zero_grad()
        content = F.l1_loss(VGG(fake), VGG(batch["photo"])) * 10
        loss = content if step < 2 else bce(D(fake), True) + content
        loss.backward()
        opt_g.step()
        frozen(D, False)


CASES = {
    "pix2pix": (PIX2PIX, 'fields = ["photo", "cartoon"]\npaired = true', pix2pix),
    "cyclegan": (CYCLEGAN, "", cyclegan),
    "cartoongan": (CARTOONGAN, 'fields = ["photo", "cartoon", "smooth"]', cartoongan),
}


@pytest.mark.parametrize("method", CASES)
def test_equal_to_a_hand_written_loop_bit_for_bit(tiny: None, method: str) -> None:
    text, data_keys, loop = CASES[method]
    recipe = recipes.loads(text.format(data=data_keys, train=""))
    training = Training(recipe, STEPS, 3)
    by_hand = copy.deepcopy(training.networks)
    data = batches(recipe)
    for step, batch in enumerate(data):
        training.step(step, [batch])
    loop(by_hand, data, lambda step: 2e-4)
    assert_equal(training.networks, by_hand)
    assert all(moved(training, name) for name in ("G", *recipe.discriminators)), "nothing was trained"


def test_learning_rates_follow_the_schedule_bit_for_bit(tiny: None) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=SCHEDULE))
    training = Training(recipe, STEPS, 3)
    by_hand = copy.deepcopy(training.networks)
    data = batches(recipe)
    for step, batch in enumerate(data):
        training.step(step, [batch])
    cyclegan(by_hand, data, lambda step: 2e-4 * (1 - max(0, step + 1 - 3) / (STEPS - 3 + 1)))
    assert_equal(training.networks, by_hand)


def moved(training: Training, name: str) -> bool:
    fresh = Training(training.recipe, STEPS, 3).networks[name].state_dict()
    return any(not torch.equal(value, fresh[key]) for key, value in training.networks[name].state_dict().items())


def assert_equal(ours: Mapping[str, nn.Module], theirs: Mapping[str, nn.Module]) -> None:
    for name, network in ours.items():
        expected = theirs[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(value, expected[key]), f"{name}.{key} differs by {(value - expected[key]).abs().max()}"
