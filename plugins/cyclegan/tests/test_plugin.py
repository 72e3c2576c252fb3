"""What the plugin registers, without torch, and its packaged recipe."""

from __future__ import annotations

import subprocess
import sys

from toonforge_cyclegan import PatchGAN, Plain, Resnet, Unet, plugin

import toonforge


def test_the_plugin_supplies_its_components() -> None:
    assert toonforge.generators["cyclegan/resnet"] is Resnet
    assert toonforge.generators["cyclegan/unet"] is Unet
    assert toonforge.discriminators["cyclegan/patchgan"] is PatchGAN
    assert toonforge.generators.provenance("cyclegan/unet").distribution == "toonforge-cyclegan"


def test_importing_the_plugin_and_asking_for_shapes_loads_no_torch() -> None:
    code = (
        "import sys; from toonforge_cyclegan import plugin, Unet, PatchGAN; "
        "plugin.toonforge_generators(), plugin.toonforge_recipes(); "
        "Unet().fit((3, 9, 9)).shape((3, 9, 9)); PatchGAN().shape((3, 64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_packaged_recipe_exists_and_says_how_to_run_it() -> None:
    for name, path in plugin.toonforge_recipes().items():
        head = path.read_text(encoding="utf-8").splitlines()[:5]
        assert any(f"toonforge run cyclegan/{name}" in line for line in head)


def test_the_packaged_recipe_is_the_papers() -> None:
    recipe = toonforge.load_recipe("cyclegan/cyclegan")
    weights = {name: term.weight for phase in recipe.phases.values() for name, term in phase.losses.items()}
    assert [weights[name] for name in ("fool_anime", "cycle_photo", "identity_anime")] == [1, 10, 5]
    assert sum(name.startswith(("reals", "fakes")) and weight == 0.5 for name, weight in weights.items()) == 4
    assert list(recipe.phases) == ["generators", "discriminators"]
    assert (recipe.train.epochs, recipe.train.batch_size) == (200, 1)
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (2e-4, (0.5, 0.999))
    assert recipe.train.schedule.start.epochs == 100
    assert (recipe.data.load_size, recipe.data.image_size, recipe.data.flip) == (286, 256, True)
    assert recipe.generators["G"] == Resnet(in_channels=3)
    assert recipe.discriminators["D_photo"] == PatchGAN(in_channels=3)
    assert list(recipe.translations) == ["anime", "photo"]


def test_the_small_recipe_has_six_blocks_for_128_pixels() -> None:
    small, full = toonforge.load_recipe("cyclegan/cyclegan-128"), toonforge.load_recipe("cyclegan/cyclegan")
    assert (small.data.load_size, small.data.image_size) == (143, 128)
    assert small.generators["G"] == small.generators["F"] == Resnet(blocks=6, in_channels=3)
    assert (small.phases, small.train) == (full.phases, full.train)


def test_the_stabilised_setting_is_section_5_1() -> None:
    recipe = toonforge.load_recipe("cyclegan/stabilised")
    weights = {name: term.weight for name, term in recipe.phases["generators"].losses.items()}
    assert (weights["cycle_photo"], weights["cycle_anime"], weights["fool_anime"]) == (25, 25, 1)
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (1e-4, (0.5, 0.999))
    assert {"fourier_anime", "fourier_photo"} <= set(recipe.metrics)


def test_the_photo_anime_setting_trains_its_plain_discriminators_first() -> None:
    recipe = toonforge.load_recipe("cyclegan/photo-anime")
    assert list(recipe.phases) == ["pretraining", "generators", "discriminators"]
    assert recipe.phases["pretraining"].until == recipe.phases["generators"].from_
    assert recipe.phases["generators"].from_ == recipe.phases["discriminators"].from_
    assert recipe.train.epochs - recipe.phases["generators"].from_.epochs == 200
    assert recipe.discriminators["D_anime"] == recipe.discriminators["D_photo"] == Plain(in_channels=3)
    assert recipe.generators["G"] == Resnet(blocks=9, in_channels=3)
