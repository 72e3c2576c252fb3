"""What the plugin registers, without torch, and that its packaged recipe is the paper's."""

from __future__ import annotations

import subprocess
import sys

import pytest
from toonforge_pix2pix import PatchGAN, Unet

import toonforge
from toonforge.errors import FieldError, ShapeError


def test_the_plugin_supplies_its_components() -> None:
    assert toonforge.generators["pix2pix/unet"] is Unet
    assert toonforge.discriminators["pix2pix/patchgan"] is PatchGAN
    assert toonforge.generators.provenance("pix2pix/unet").distribution == "toonforge-pix2pix"


def test_importing_the_plugin_and_asking_for_shapes_loads_no_torch() -> None:
    code = (
        "import sys; from toonforge_pix2pix import plugin, Unet, PatchGAN; "
        "plugin.toonforge_generators(), plugin.toonforge_recipes(); "
        "Unet().fit((3, 9, 9)).shape((3, 9, 9)); PatchGAN().shape((3, 64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_packaged_recipe_is_the_papers() -> None:
    recipe = toonforge.load_recipe("pix2pix/pix2pix")
    terms = {name: term for phase in recipe.phases.values() for name, term in phase.losses.items()}
    assert {name: term.weight for name, term in terms.items()} == {"fakes": 0.5, "reals": 0.5, "fool": 1, "pixels": 100}
    assert list(recipe.phases) == ["discriminator", "generator"]
    assert (recipe.train.epochs, recipe.train.batch_size) == (200, 1)
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (2e-4, (0.5, 0.999))
    assert recipe.train.schedule.start.epochs == 100
    assert (recipe.data.load_size, recipe.data.image_size, recipe.data.flip) == (286, 256, True)
    assert recipe.generators["G"] == Unet(in_channels=3)
    assert recipe.discriminators["D"] == PatchGAN(in_channels=6), "conditional: cartoon and photo side by side"
    assert list(recipe.translations) == ["photo"]


def test_channels_are_inferred_and_then_held_to() -> None:
    assert PatchGAN().fit((6, 64, 64)).in_channels == 6
    with pytest.raises(ShapeError, match="6 channels"):
        PatchGAN(in_channels=6).shape((3, 64, 64))
    with pytest.raises(ShapeError, match="one picture"):
        Unet().shape((3, 64, 64), (3, 64, 64))


def test_a_picture_without_one_patch_is_refused_with_the_least_size() -> None:
    with pytest.raises(ShapeError, match="at least 24x24, found 16x64"):
        PatchGAN().shape((6, 16, 64))
    assert PatchGAN().shape((6, 24, 24)) == (1, 1, 1)


@pytest.mark.parametrize("values", [{"width": 0}, {"levels": 13}, {"dropout": 1.0}])
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(FieldError):
        Unet(**values)


def test_a_residual_generator_needs_equal_channels() -> None:
    with pytest.raises(FieldError, match="out_channels"):
        Unet(residual=True, out_channels=1)
