"""Every recipe of recipes/: its header, its checks, and a training once it is shrunk. Packaged ones: in their plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from toonforge import registries
from toonforge.testing import RecipeSuite

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("recipes/**/*.toml"))
PACKAGED = sorted(ROOT.glob("plugins/*/src/*/recipes/**/*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
class TestRecipes(RecipeSuite):
    """The suite that plugins use, over every file."""

    @pytest.fixture(autouse=True)
    def _choose(self, path: Path) -> None:
        type(self).recipe = path

    # Resumes are tests/test_exact_recipes.py's, which stops and kills at more places.
    test_resumes_bit_for_bit = None

    @pytest.fixture(autouse=True)
    def _train_the_small_ones(self, request: pytest.FixtureRequest, path: Path) -> None:
        """Those of the papers extend packaged recipes, which their plugins' suites train."""
        if path.parent.name == "paper" and request.node.originalname == "test_trains_when_shrunk":
            pytest.skip("its packaged recipe is trained by its plugin's suite")

    def test_its_header_names_its_path(self, path: Path) -> None:
        head = path.read_text().splitlines()[:6]
        own = path.relative_to(ROOT).as_posix()
        assert any(f"toonforge run {own}" in line for line in head), f"write `toonforge run {own}` into the header"


def test_there_are_recipes_to_test() -> None:
    assert {path.name for path in FILES} >= {"anime_unet.toml", "cartoon_pix2pix.toml"}
    assert {path.name for path in PACKAGED} >= {"cyclegan.toml", "pix2pix.toml"}


def test_every_packaged_recipe_is_registered() -> None:
    registered = {Path(registries.recipes[name]).resolve() for name in registries.recipes}
    assert set(PACKAGED) <= registered
