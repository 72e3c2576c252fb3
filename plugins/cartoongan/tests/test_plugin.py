"""What the plugin registers, without torch, and the settings of its packaged recipes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from toonforge_cartoongan import PatchGAN, Resnet, plugin

import toonforge
from toonforge.components import Count
from toonforge.recipe.model import Recipe
from toonforge.train.phases import plan


def test_the_plugin_supplies_its_components() -> None:
    assert toonforge.generators["cartoongan/resnet"] is Resnet
    assert toonforge.discriminators["cartoongan/patchgan"] is PatchGAN
    assert toonforge.generators.provenance("cartoongan/resnet").distribution == "toonforge-cartoongan"


def test_importing_the_plugin_and_asking_for_shapes_loads_no_torch() -> None:
    code = (
        "import sys; from toonforge_cartoongan import plugin, PatchGAN, Resnet; "
        "plugin.toonforge_generators(), plugin.toonforge_recipes(); "
        "Resnet().fit((3, 9, 9)).shape((3, 9, 9)); PatchGAN().shape((3, 64, 64)); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_packaged_recipe_exists_and_says_how_to_run_it() -> None:
    for name, path in plugin.toonforge_recipes().items():
        head = path.read_text(encoding="utf-8").splitlines()[:5]
        assert any(f"toonforge run cartoongan/{name}" in line for line in head)


def terms(recipe: Recipe) -> dict[str, tuple[str, float]]:
    """phase.loss -> (its type, its weight)."""
    return {
        f"{phase}.{name}": (toonforge.losses.name_of(type(term.loss)), term.weight)
        for phase, losses in recipe.phases.items()
        for name, term in losses.losses.items()
    }


def test_the_paper_recipe_is_the_papers() -> None:
    recipe = toonforge.load_recipe("cartoongan/cartoongan")
    assert terms(recipe) == {
        "initialisation.content": ("l1", 10),
        "discriminator.cartoons": ("bce", 1),
        "discriminator.smoothed": ("bce", 1),
        "discriminator.generated": ("bce", 1),
        "generator.fool": ("bce", 1),
        "generator.content": ("l1", 10),
    }
    assert recipe.phases["initialisation"].until == recipe.phases["generator"].from_ == Count(epochs=10)
    assert recipe.phases["discriminator"].from_ == Count(epochs=10)
    assert recipe.train.epochs == 10 + 200
    # Below the paper is silent: the re-implementation with this loss (znxlwm).
    assert recipe.train.batch_size == 8
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (2e-4, (0.5, 0.999))
    assert recipe.generators["G"] == Resnet(in_channels=3)
    assert recipe.discriminators["D"] == PatchGAN(in_channels=3)
    features = recipe.networks["V"]
    assert (features.layer, features.activated, features.weights) == ("conv4_4", False, "imagenet")
    assert (recipe.data.image_size, recipe.data.flip) == (256, True)
    assert {field: str(expression) for field, expression in recipe.data.filtered.items()} == {
        "smooth": "smooth_edges(anime)"
    }


def test_the_rate_falls_over_the_200_adversarial_epochs_and_not_before() -> None:
    """A tenth at 1/2 and at 3/4 of them (znxlwm), by the epoch in which each of 7 steps is made."""
    recipe = toonforge.load_recipe("cartoongan/cartoongan")
    planned = {phase.name: phase for phase in plan(recipe.phases, recipe.train, 210 * 7, 7)}
    assert all(planned["initialisation"].factor(step) == 1 for step in range(10 * 7))
    for name in ("discriminator", "generator"):
        factors = [planned[name].factor(step) for step in range(10 * 7, 210 * 7)]
        assert factors == pytest.approx([1] * 100 * 7 + [0.1] * 50 * 7 + [0.01] * 50 * 7)


def test_the_original_recipe_is_the_authors_code() -> None:
    recipe = toonforge.load_recipe("cartoongan/original")
    assert {kind for kind, _ in terms(recipe).values()} == {"l1", "lsgan"}
    assert {weight for name, (_, weight) in terms(recipe).items() if name.startswith("discriminator")} == {1}
    assert terms(recipe)["generator.content"] == ("l1", 10)
    assert recipe.phases["discriminator"].losses["generated"].loss.logits.text == "D(pool(fake_anime, 50))"
    assert recipe.train.batch_size == 8
    start = recipe.phases["initialisation"]
    assert (start.until, start.optimizer.lr, start.optimizer.betas) == (Count(epochs=20), 2e-4, (0.5, 0.999))
    assert start.schedule.start == Count(epochs=10)
    assert recipe.phases["generator"].from_ == recipe.phases["discriminator"].from_ == Count(epochs=20)
    assert recipe.train.epochs == 20 + 200
    assert (recipe.train.optimizer.lr, recipe.train.optimizer.betas) == (1e-5, (0.5, 0.999))
    assert recipe.train.schedule.start == Count(epochs=100)
    features = recipe.networks["V"]
    assert (features.layer, features.preprocessing, features.size) == ("conv4_4", "caffe", 224)


def test_features_are_trained_only_late_and_only_in_their_own_recipe() -> None:
    recipe = toonforge.load_recipe("cartoongan/trained-features")
    late = recipe.phases["features"]
    assert (list(late.updates), late.from_, late.until) == (["V"], Count(epochs=110), None)
    assert (late.optimizer.lr, toonforge.schedules.name_of(type(late.schedule))) == (1e-5, "constant")
    assert dict(late.losses) == {"content": recipe.phases["generator"].losses["content"]}
    paper = toonforge.load_recipe("cartoongan/cartoongan")
    assert {name: phase for name, phase in recipe.phases.items() if name != "features"} == dict(paper.phases)
    assert recipe.train == paper.train
    for name in ("cartoongan/cartoongan", "cartoongan/original"):
        assert all("V" not in phase.updates for phase in toonforge.load_recipe(name).phases.values())


@pytest.mark.parametrize("name", ["cartoongan", "original", "trained-features"])
def test_translating_needs_the_generator_alone(name: str) -> None:
    assert {d: e.text for d, e in toonforge.load_recipe(f"cartoongan/{name}").translations.items()} == {
        "anime": "G(photo)"
    }
