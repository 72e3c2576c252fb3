"""The packaged recipe's objective against a step written by hand, term by term, and its values against the code's."""

from __future__ import annotations

import copy
import re
from itertools import chain

import pytest
import torch
from toonforge_unit import KL, Decoder, Encoder, MultiScale, Step, plugin
from torch import Tensor, nn
from torch.nn import functional as F

import toonforge
from toonforge.components import Count
from toonforge.errors import RecipeError
from toonforge.inference import Inference
from toonforge.recipe import loads
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import dump
from toonforge.train.seeds import seed_call
from toonforge.train.step import Training
from toonforge.validation.weights import weights_of

SMALL = (
    "networks.E_c.width=3",
    "networks.E_c.blocks=1",
    "networks.G_c.blocks=1",
    "discriminators.D_c.width=3",
    "discriminators.D_c.layers=2",
    'train.precision="fp64"',
)
SIDES = (32, 30)
"""Of pictures; the second is no multiple of 4."""


def recipe(name: str = "unit", *more: str) -> Recipe:
    return toonforge.load_recipe(f"unit/{name}", overrides=[*SMALL, *more])


def batch(side: int = 32) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(4)
    return {name: torch.rand(2, 3, side, side, generator=generator).double() * 2 - 1 for name in ("cartoon", "photo")}


def adam(*networks: nn.Module) -> torch.optim.Adam:
    """One over all, as the code has it; weight decay is a penalty on the gradient."""
    every = chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(every, lr=1e-4, betas=(0.5, 0.999), weight_decay=1e-4)


def drawn(mean: Tensor, text: str, step: int = 0) -> Tensor:
    """A code of N(mean, 1), with the noise that the engine draws for an expression."""
    seed_call(0, step, 0, 0, text)
    return mean + torch.randn_like(mean)


def by_hand(nets: dict[str, nn.Module], pictures: dict[str, Tensor], V: nn.Module | None = None) -> dict[str, float]:
    """One step as in the authors' `dis_update` and `gen_update`: r is their domain a, c their domain b."""
    E_c, E_r, G_c, G_r, D_c, D_r = (nets[name] for name in ("E_c", "E_r", "G_c", "G_r", "D_c", "D_r"))
    c, r = pictures["cartoon"], pictures["photo"]
    side = c.shape[-1]

    def cut(made: Tensor) -> Tensor:
        extra = made.shape[-1] - side
        return made[..., extra // 2 : extra // 2 + side, extra // 2 : extra // 2 + side]

    with torch.no_grad():  # discriminators first, on translations of codes drawn for them
        x_r, x_c = cut(G_r(drawn(E_c(c), "noise(mean_c, 1, 2)"))), cut(G_c(drawn(E_r(r), "noise(mean_r, 1, 2)")))
    discriminators = adam(D_c, D_r)
    terms = {}
    for scale in range(3):
        terms |= {
            f"discriminators.reals_r_{scale}": ((D_r(r, scale) - 1) ** 2).mean(),
            f"discriminators.fakes_r_{scale}": (D_r(x_r, scale) ** 2).mean(),
            f"discriminators.reals_c_{scale}": ((D_c(c, scale) - 1) ** 2).mean(),
            f"discriminators.fakes_c_{scale}": (D_c(x_c, scale) ** 2).mean(),
        }
    sum(terms.values()).backward()
    discriminators.step()

    generators = adam(E_c, E_r, G_c, G_r)
    h_c, h_r = E_c(c), E_r(r)
    z_c, z_r = drawn(h_c, "noise(mean_c, 1)"), drawn(h_r, "noise(mean_r, 1)")
    x_r, x_c = cut(G_r(z_c)), cut(G_c(z_r))
    again_c, again_r = E_r(x_r), E_c(x_c)
    back_c = cut(G_c(drawn(again_c, "noise(again_c, 1)")))
    back_r = cut(G_r(drawn(again_r, "noise(again_r, 1)")))
    ours = {
        "same_c": (10, (cut(G_c(z_c)) - c).abs().mean()),
        "same_r": (10, (cut(G_r(z_r)) - r).abs().mean()),
        "kl_c": (0.01, (h_c**2).mean()),
        "kl_r": (0.01, (h_r**2).mean()),
        "cycle_c": (10, (back_c - c).abs().mean()),
        "cycle_r": (10, (back_r - r).abs().mean()),
        "kl_cycle_c": (0.01, (again_c**2).mean()),
        "kl_cycle_r": (0.01, (again_r**2).mean()),
    }
    for scale in range(3):
        ours[f"fool_r_{scale}"] = (1, ((D_r(x_r, scale) - 1) ** 2).mean())
        ours[f"fool_c_{scale}"] = (1, ((D_c(x_c, scale) - 1) ** 2).mean())
    if V is not None:
        for name, made, given in (("perceptual_r", x_r, c), ("perceptual_c", x_c, r)):
            ours[name] = (1, F.mse_loss(F.instance_norm(V(made)), F.instance_norm(V(given))))
    generators.zero_grad()
    sum(weight * term for weight, term in ours.values()).backward()
    generators.step()
    terms |= {f"generators.{name}": term for name, (_, term) in ours.items()}
    return {name: value.item() for name, value in terms.items()}


def assert_a_step_is_the_one_by_hand(training: Training, side: int) -> None:
    networks = {key: copy.deepcopy(network).train() for key, network in training.networks.items()}
    for key, network in networks.items():
        network.requires_grad_(key != "V")
    pictures = batch(side)
    training.step(0, [pictures])
    expected = by_hand(networks, pictures, networks.get("V"))
    assert {key: value.item() for key, value in training.losses.items()} == pytest.approx(expected, rel=1e-6)
    for key, network in training.networks.items():
        theirs = networks[key].state_dict()
        for where, ours in network.state_dict().items():
            assert torch.allclose(ours, theirs[where], rtol=1e-6, atol=1e-9), f"{key} {where}"


@pytest.mark.parametrize("side", SIDES)
def test_the_step_is_the_one_written_by_hand(side: int) -> None:
    more = (f"data.image_size={side}", f"data.load_size={side}")
    assert_a_step_is_the_one_by_hand(Training(recipe("unit", *more), 100, 10), side)


@pytest.mark.parametrize(("layer", "side"), [("conv2_2", 30), ("conv5_3", 64)])
def test_the_step_with_a_perceptual_term_is_the_one_written_by_hand(layer: str, side: int) -> None:
    """With random weights: the recipe's own are downloaded."""
    more = (f'networks.V={{ weights = "random", layer = "{layer}" }}', f"data.image_size={side}", "data.load_size=64")
    assert_a_step_is_the_one_by_hand(Training(recipe("perceptual", *more), 100, 10), side)


def test_the_packaged_recipe_is_the_authors_configs() -> None:
    full = toonforge.load_recipe("unit/unit")
    weights = {name: term.weight for name, term in full.phases["generators"].losses.items()}
    assert weights == {
        **{f"fool_{domain}_{scale}": 1 for domain in "rc" for scale in range(3)},  # gan_w
        "same_c": 10, "same_r": 10,  # recon_x_w
        "kl_c": 0.01, "kl_r": 0.01,  # recon_kl_w
        "cycle_c": 10, "cycle_r": 10,  # recon_x_cyc_w
        "kl_cycle_c": 0.01, "kl_cycle_r": 0.01,  # recon_kl_cyc_w
    }  # fmt: skip
    assert {term.weight for term in full.phases["discriminators"].losses.values()} == {1}
    assert list(full.phases) == ["discriminators", "generators"]  # train.py: dis_update, then gen_update
    encoder, decoder = Encoder(in_channels=3), Decoder(in_channels=256)
    assert dict(full.networks) == {"E_c": encoder, "E_r": encoder, "G_c": decoder, "G_r": decoder}
    assert dict(full.discriminators) == {"D_c": MultiScale(in_channels=3), "D_r": MultiScale(in_channels=3)}
    train = full.train
    assert (train.steps, train.batch_size) == (1_000_000, 1)
    assert (train.optimizer.lr, train.optimizer.betas, train.optimizer.weight_decay) == (1e-4, (0.5, 0.999), 1e-4)
    assert train.schedule == Step(every=Count(steps=100_000), gamma=0.5)
    assert (full.data.load_size, full.data.image_size, full.data.flip) == (256, 256, True)
    assert isinstance(full.phases["generators"].losses["kl_c"].loss, KL)


def test_the_perceptual_recipe_adds_two_terms_and_a_frozen_network() -> None:
    plain, more = toonforge.load_recipe("unit/unit"), toonforge.load_recipe("unit/perceptual")
    added = more.phases["generators"].losses.keys() - plain.phases["generators"].losses.keys()
    assert added == {"perceptual_r", "perceptual_c"}
    assert {name for name in added if more.phases["generators"].losses[name].weight == 1} == added
    assert (more.networks["V"].layer, more.networks["V"].activated) == ("conv5_3", True)
    assert all("V" not in phase.updates for phase in more.phases.values())
    assert (more.train, more.data, more.signals) == (plain.train, plain.data, plain.signals)


def test_the_learning_rate_is_halved_every_hundred_thousand_steps() -> None:
    schedule = Step()
    for step, factor in ((0, 1), (99_999, 1), (100_000, 0.5), (199_999, 0.5), (999_999, 0.5**9)):
        assert schedule.factor(step, 1_000_000, 7) == factor
    assert Step(every=Count(epochs=2), gamma=0.1).factor(41, 100, 10) == pytest.approx(0.01)


def test_translations_add_no_noise_and_keep_any_size() -> None:
    small = recipe()
    inference = Inference(Training(small, 100, 10).networks, small.signals, toonforge.ops)
    cartoon = batch(32)["cartoon"][..., :31, :29]
    made = inference(small.translations["photo"], {"cartoon": cartoon})
    assert made.shape == cartoon.shape
    assert torch.equal(made, inference(small.translations["photo"], {"cartoon": cartoon}))


def test_encoders_and_decoders_have_moving_averages() -> None:
    averaging = recipe("unit", "train.ema=0.9")
    training = Training(averaging, 100, 10)
    assert training.average is not None
    assert set(training.average.networks) == {"E_c", "E_r", "G_c", "G_r"}
    words = weights_of(averaging)
    assert {name for name, said in words.items() if said == "moving average (decay 0.9)"} == {
        "E_c",
        "E_r",
        "G_c",
        "G_r",
    }
    without = re.sub(r"\[translations\]\n(?:\w.*\n)+", "", dump(averaging))
    with pytest.raises(RecipeError, match=r"train\.ema: there is no generator to average"):
        loads(without)


def test_a_scale_that_is_not_there_is_refused_with_its_line() -> None:
    with pytest.raises(RecipeError, match=r"0 to 1 with scales = 2, found a picture and 2"):
        recipe("unit", "discriminators.D_c.scales=2")


def test_every_packaged_recipe_says_how_to_run_it() -> None:
    for name, path in plugin.toonforge_recipes().items():
        head = path.read_text(encoding="utf-8").splitlines()[:5]
        assert any(f"toonforge run unit/{name}" in line for line in head)
