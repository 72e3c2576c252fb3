"""What the plugin registers, without torch, and its packaged recipe."""

from __future__ import annotations

import subprocess
import sys

from toonforge_cyclegan import PatchGAN, Resnet, Unet, plugin

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
