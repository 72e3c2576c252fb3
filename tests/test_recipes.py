"""Every recipe of the repository, packaged ones included: its header, its checks, and a training once it is shrunk."""

from __future__ import annotations

from pathlib import Path

import pytest

from toonforge import registries
from toonforge.testing import RecipeSuite

ROOT = Path(__file__).parent.parent
FILES = sorted({*ROOT.glob("recipes/**/*.toml"), *ROOT.glob("plugins/*/src/*/recipes/**/*.toml")})


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
class TestRecipes(RecipeSuite):
    """The suite that plugins use, over every file."""

    @pytest.fixture(autouse=True)
    def _choose(self, path: Path) -> None:
        type(self).recipe = path

    def test_its_header_says_how_to_run_it(self, path: Path) -> None:
        head = path.read_text().splitlines()[:5]
        own = (
            path.relative_to(ROOT).as_posix()
            if path.is_relative_to(ROOT / "recipes")
            else "/".join((path.parts[-5], path.stem))
        )
        assert any(f"toonforge run {own}" in line for line in head), f"write `toonforge run {own}` into the header"


def test_there_are_recipes_to_test() -> None:
    assert {path.name for path in FILES} >= {"anime_unet.toml", "cyclegan.toml"}


def test_every_packaged_recipe_is_registered() -> None:
    registered = {Path(registries.recipes[name]).resolve() for name in registries.recipes}
    assert {path for path in FILES if "plugins" in path.parts} <= registered
