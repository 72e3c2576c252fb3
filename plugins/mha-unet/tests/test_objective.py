"""The packaged recipes: their values, every loss of a step by hand, and the smoothing of a trained run's pictures."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from toonforge_mha_unet import PatchGAN, Unet, plugin
from torch import Tensor

import toonforge
from toonforge.components import changed
from toonforge.recipe.model import Recipe
from toonforge.testing.recipes import shrink
from toonforge.train.step import Training
from toonforge.train.trainer import train
from toonforge.use.model import load


def small(name: str, precision: str = "fp32") -> Recipe:
    """The packaged recipe with tiny networks; dropout off, so that no random draw has to be repeated."""
    whole = shrink(toonforge.load_recipe(f"mha-unet/{name}"))
    networks = {name: changed(config, dropout=0.0) for name, config in whole.generators.items()}
    return changed(whole, generators=networks, train=changed(whole.train, precision=precision))


def log_loss(logits: Tensor, real: bool) -> Tensor:
    """Binary cross entropy from the definition."""
    probability = torch.sigmoid(logits)
    return -torch.log(probability if real else 1 - probability).mean()


@pytest.mark.parametrize("name", ["mha-unet", "without-attention"])
def test_losses_and_weights_of_three_steps_are_those_of_a_hand_written_loop(name: str) -> None:
    # In double precision: rounding in a gradient that is truly 0 (of the keys' biases) would be whole steps of Adam's.
    training = Training(small(name, "fp64"), 3, 1)
    G, D = (copy.deepcopy(training.networks[network]) for network in "GD")
    of_g, of_d = (torch.optim.Adam(network.parameters(), lr=3e-4, betas=(0.5, 0.999)) for network in (G, D))
    generator = torch.Generator().manual_seed(7)
    for step in range(3):
        photo, cartoon = torch.rand(2, 2, 3, 64, 64, generator=generator, dtype=torch.float64) * 2 - 1
        training.step(step, [{"photo": photo, "cartoon": cartoon}])
        found, totals, _ = training.read()

        fake = G(photo)
        reals = log_loss(D(torch.cat([photo, cartoon], 1)), real=True)
        fakes = log_loss(D(torch.cat([photo, fake.detach()], 1)), real=False)
        of_d.zero_grad()
        ((reals + fakes) / 2).backward()
        of_d.step()
        fool = log_loss(D(torch.cat([photo, fake], 1)), real=True)
        closely = (fake - cartoon).abs().mean()
        of_g.zero_grad()
        (fool + 50 * closely).backward()
        of_g.step()

        expected = {
            "discriminator.reals": reals.item(),
            "discriminator.fakes": fakes.item(),
            "generator.fool": fool.item(),
            "generator.closely": closely.item(),
        }
        assert found == pytest.approx(expected, abs=1e-9)
        assert totals["generator"] == pytest.approx(found["generator.fool"] + 50 * found["generator.closely"])
    for network, ours in (("G", G), ("D", D)):
        for key, value in ours.state_dict().items():
            error = (training.networks[network].state_dict()[key] - value).abs().max()
            assert error < 1e-9, f"{network}.{key}"


def test_the_recipe_is_the_slides_and_their_codes() -> None:
    recipe = toonforge.load_recipe("mha-unet/mha-unet")
    assert recipe.generators["G"] == Unet(in_channels=3)
    assert recipe.discriminators["D"] == PatchGAN(in_channels=6)
    assert (recipe.train.batch_size, recipe.train.steps) == (4, 42_000)
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (3e-4, (0.5, 0.999))
    assert (recipe.data.image_size, recipe.data.load_size, recipe.data.flip) == (512, 512, False)
    weights = {name: term.weight for phase in recipe.phases.values() for name, term in phase.losses.items()}
    assert weights == {"reals": 0.5, "fakes": 0.5, "fool": 1, "closely": 50}
    assert list(recipe.phases) == ["discriminator", "generator"]
    assert {domain: expr.text for domain, expr in recipe.translations.items()} == {"cartoon": "G(photo)"}


def test_the_ablation_differs_in_attention_and_smoothing_only() -> None:
    full, ablation = (toonforge.load_recipe(f"mha-unet/{name}") for name in ("mha-unet", "without-attention"))
    assert ablation.generators["G"] == changed(full.generators["G"], heads=0)
    assert {domain: expr.text for domain, expr in ablation.translations.items()} == {"cartoon": "blur(G(photo), 0.7)"}
    same = changed(ablation, name=full.name, generators=full.generators, translations=full.translations)
    assert same == full


def test_a_finished_run_smooths_what_it_translates(tmp_path: Path) -> None:
    train(small("without-attention"), folder=tmp_path / "run", cpu=True)
    model = load(tmp_path / "run")
    x = torch.rand(1, 3, 23, 31) * 2 - 1
    with torch.inference_mode():
        raw = model.inference.networks["G"].eval()(x)
    picture = np.ascontiguousarray(raw[0].permute(1, 2, 0).numpy())
    smoothed = torch.from_numpy(cv2.GaussianBlur(picture, (0, 0), 0.7)).permute(2, 0, 1)
    assert torch.allclose(model(x, "cartoon")[0], smoothed, atol=1e-4)
    assert not torch.allclose(model(x, "cartoon")[0], raw[0], atol=1e-3)


def test_the_smoothing_is_as_wide_as_that_of_the_authors_code() -> None:
    weights = cv2.getGaussianKernel(3, 0).ravel()
    assert weights.tolist() == [0.25, 0.5, 0.25]
    deviation = (weights @ np.arange(-1, 2) ** 2) ** 0.5
    assert deviation == pytest.approx(0.7, abs=0.01)
    generator = np.random.default_rng(0)
    picture = cv2.GaussianBlur(generator.random((64, 64, 3), np.float32), (0, 0), 2)  # photographs are smooth
    assert np.abs(cv2.GaussianBlur(picture, (3, 3), 0) - cv2.GaussianBlur(picture, (0, 0), 0.7)).max() < 2 / 255


def test_the_plugin_supplies_its_components() -> None:
    assert toonforge.generators["mha-unet/unet"] is Unet
    assert toonforge.discriminators["mha-unet/patchgan"] is PatchGAN
    assert toonforge.generators.provenance("mha-unet/unet").distribution == "toonforge-mha-unet"


def test_importing_the_plugin_and_asking_for_shapes_loads_no_torch() -> None:
    code = (
        "import sys; from toonforge_mha_unet import plugin, Unet, PatchGAN; "
        "plugin.toonforge_generators(), plugin.toonforge_recipes(); "
        "Unet().fit((3, 512, 512)).shape((3, 512, 512)); PatchGAN().shape((6, 64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_packaged_recipe_exists_and_says_how_to_run_it() -> None:
    for name, path in plugin.toonforge_recipes().items():
        head = path.read_text(encoding="utf-8").splitlines()[:5]
        assert any(f"toonforge run mha-unet/{name}" in line for line in head)
