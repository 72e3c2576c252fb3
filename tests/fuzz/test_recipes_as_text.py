"""Recipes as files: whatever is written in one, it is a recipe or a clean error that names the place."""

from __future__ import annotations

from pathlib import Path

from hypothesis import strategies as st

from tests import recipe_plugin
from tests.fuzz.fuzzed import VALID, fuzzed, outcome
from tests.fuzz.mutations import NASTY, texts
from toonforge.errors import RecipeError
from toonforge.recipe import dump, loads
from toonforge.registries import recipes

ROOT = Path(__file__).parents[2]
FILES = [
    *sorted((ROOT / "recipes").rglob("*.toml")),
    *(Path(str(recipes[name])) for name in recipes),
    recipe_plugin.BASE,
]
TEXTS = [file.read_text("utf-8") for file in FILES]
SOURCE = "fuzz.toml"


def judged(raw: str | bytes, *overrides: str) -> str:
    """A recipe that is the same again after it was written, or an error at a place."""
    recipe_plugin.register()
    refusals: list[RecipeError] = []

    def load() -> None:
        try:
            recipe = loads(raw, SOURCE, overrides)
        except RecipeError as error:
            refusals.append(error)
            raise
        assert loads(dump(recipe), SOURCE) == recipe

    result = outcome(load, RecipeError)
    assert all(problem.where is not None for error in refusals for problem in error.problems)
    return result


@fuzzed(texts(TEXTS), short=150)
def test_a_recipe_with_changed_lines_words_and_numbers(raw: bytes) -> str:
    return judged(raw)


@fuzzed(
    st.binary(max_size=80) | st.text(max_size=80) | st.lists(st.sampled_from(NASTY), max_size=6).map("".join), short=100
)
def test_any_bytes_and_texts(raw: str | bytes) -> str:
    return judged(raw)


def test_the_files_that_are_changed_are_recipes() -> None:
    recipe_plugin.register()
    whole = [text for text in TEXTS if '.toml"' not in text]
    assert len(whole) > 10
    assert [judged(text) for text in whole] == [VALID] * len(whole)
