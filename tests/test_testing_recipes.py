"""The suite of a recipe finds what it is for: each planted fault is found, in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import planted, planted_fields
from toonforge.testing import RecipeSuite
from toonforge.testing.coverage import failures
from toonforge.testing.recipes import RECIPES

RECIPE = """{header}
name = "planted"
data = {{ type = "synthetic", image_size = 16, count = 8 }}
generators.G = {{ type = "planted/net" }}
phases.only.updates = ["G"]
phases.only.losses.same = {{ type = "l1", input = "{expression}", target = "photo" }}
train.steps = 4
train.batch_size = 2
"""


def wrong_with_recipe(path: Path, folders: pytest.TempPathFactory, **parts: str) -> dict[str, str]:
    planted.register(planted.Net, "planted/net")
    path.write_text(RECIPE.format(**{"header": "#     toonforge run planted.toml", "expression": "G(photo)", **parts}))
    probe = type("Probe", (RecipeSuite,), {"recipe": path})
    RECIPES.remove(probe)
    return dict(failures(probe(), folders))


def test_nothing_is_wrong_with_a_sound_recipe(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory) == {}


def test_a_recipe_that_does_not_resume_exactly_is_found(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.faulty(planted.Fade, "remembers")
    expression = "planted/remembers(G(photo))"
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, expression=expression)
    assert list(wrong) == ["test_resumes_bit_for_bit"]
    assert "something remembers and is in no checkpoint" in wrong["test_resumes_bit_for_bit"]


def test_a_recipe_that_does_not_check_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, expression="G(foto)")
    assert "did you mean 'photo'" in wrong["test_checks"]


def test_a_recipe_that_reads_back_as_another_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    planted.register(planted_fields.Doubling, "planted/doubling")
    header = "#     toonforge run planted.toml\ntrain.schedule = { type = 'planted/doubling' }"
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, header=header)
    assert "reads back as another one" in wrong["test_survives_a_round_trip"]


def test_a_recipe_that_fails_in_training_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    planted.faulty(planted.Fade, "breaks")
    expression = "planted/breaks(G(photo))"
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, expression=expression)
    assert list(wrong) == ["test_resumes_bit_for_bit", "test_trains_when_shrunk"]
    assert "broken" in wrong["test_trains_when_shrunk"]


def test_a_recipe_without_its_command_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, header="# A recipe.")
    assert list(wrong) == ["test_its_header_says_how_to_run_it"]
    assert "toonforge run planted.toml" in wrong["test_its_header_says_how_to_run_it"]
