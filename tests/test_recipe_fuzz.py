"""Whatever the loader is given, it yields a recipe or a clean error: never another exception."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import recipe_plugin as t
from toonforge.errors import RecipeError
from toonforge.recipe import dump, loads

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
BASE: dict[str, Any] = tomli.loads(t.TEXT)


@pytest.fixture(autouse=True, scope="module")
def registered() -> None:
    t.register()


def outcome(raw: str | bytes, overrides: list[str] | None = None) -> None:
    try:
        recipe = loads(raw, "fuzz.toml", overrides or [])
    except RecipeError as error:
        refusal = error
    else:
        assert loads(dump(recipe)) == recipe
        return
    assert refusal.problems
    for problem in refusal.problems:
        assert problem.message and str(problem) and problem.where is not None
        assert problem.where.source in ("fuzz.toml", "--set", "t/base (base.toml)")


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*path, key))
    return found


PATHS = paths(BASE)
WORDS = st.sampled_from(
    [
        "type",
        "weight",
        "losses",
        "updates",
        "steps",
        "epochs",
        "photo",
        "G",
        "signals",
        "from",
        "until",
        "before",
        "after",
    ]
)
TEXTS = st.one_of(
    st.sampled_from(
        ["G(photo)", "F(G(photo))", "${train}", "${train.seed}", "${name}", "$${", "photo", "t/gen", "adam", "lsgan",
         "D_anime(photo, 1)", "cat(photo, anime)", "fake_anime", "t/join(photo, photo)", "extends", "t/base", ""]
    ),
    st.text(max_size=6),
)  # fmt: skip
SCALARS = st.one_of(
    st.integers(-5, 5), st.integers(), st.floats(), st.booleans(), TEXTS, st.dates(), st.datetimes(), st.times()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TEXTS, inner, max_size=3), max_leaves=6
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PATHS))
        holder: Any = data
        for key in path[:-1]:
            if not isinstance(holder, dict | list) or (isinstance(holder, dict) and key not in holder):
                break
            holder = holder[key] if isinstance(holder, dict) else (holder or [None])[0]
        if not isinstance(holder, dict) or isinstance(path[-1], int):
            continue
        change = draw(st.sampled_from(["replace", "remove", "add", "copy"]))
        if change == "remove":
            holder.pop(path[-1], None)
        elif change == "add":
            holder[draw(WORDS | TEXTS)] = draw(VALUES)
        elif change == "copy":
            other: Any = BASE
            for key in draw(st.sampled_from(PATHS)):
                other = other[key]
            holder[path[-1]] = copy.deepcopy(other)
        else:
            holder[path[-1]] = draw(VALUES)
    return data


@FUZZ
@given(mutated())
def test_a_mutated_recipe_is_a_recipe_or_a_clean_error(data: dict[str, Any]) -> None:
    outcome(tomli_w.dumps(data))


@FUZZ
@given(st.dictionaries(WORDS | TEXTS | st.sampled_from(sorted(BASE)), VALUES, max_size=4))
def test_a_document_over_a_packaged_recipe_is_a_recipe_or_a_clean_error(data: dict[str, Any]) -> None:
    outcome(tomli_w.dumps({**data, "extends": "t/base"}))


@FUZZ
@given(st.data())
def test_a_recipe_with_broken_text_is_a_recipe_or_a_clean_error(data: st.DataObject) -> None:
    raw = t.TEXT.encode()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(len(raw), start + 20)))
    outcome(
        raw[:start]
        + data.draw(st.binary(max_size=5) | st.text("[]{}=.\"'#\n,${}", max_size=5).map(str.encode))
        + raw[end:]
    )


@FUZZ
@given(st.binary(max_size=80) | st.text(max_size=80))
def test_any_text_is_a_clean_error(raw: str | bytes) -> None:
    outcome(raw)


@FUZZ
@given(st.sampled_from([".".join(map(str, path)) for path in PATHS]) | st.text(max_size=20), TEXTS | VALUES.map(repr))
def test_any_override_is_a_recipe_or_a_clean_error(path: str, value: str) -> None:
    outcome(t.TEXT, [f"{path}={value}"])
