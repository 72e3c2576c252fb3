"""A recipe written out whole, as TOML and as plain data, and the differences between two."""

from __future__ import annotations

import pytest
import tomli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import recipe_plugin as t
from toonforge.components import Count
from toonforge.errors import RecipeError
from toonforge.recipe import component_data, component_from_data, differences, dump, load, loads
from toonforge.recipe.resolved import recipe_data
from toonforge.registries import recipes


@pytest.fixture(autouse=True)
def registered() -> None:
    t.register()


def test_a_dumped_recipe_loads_as_the_same_recipe() -> None:
    recipe = loads(t.TEXT)
    assert loads(dump(recipe)) == recipe
    assert dump(loads(dump(recipe))) == dump(recipe)


def test_every_packaged_recipe_survives_the_round_trip() -> None:
    for name in recipes:
        recipe = load(name)
        assert loads(dump(recipe)) == recipe, name


CHANGES = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"r[a-z0-9_.-]{0,10}[a-z0-9_-]", fullmatch=True).map(lambda text: f'"{text}"'),
        "train.epochs": st.floats(0.01, 1e9).map(repr),
        "train.optimizer.lr": st.floats(1e-12, 1e6).map(repr),
        "train.seed": st.integers(0, 2**53).map(str),
        "train.checkpoint.every": st.integers(1, 10**9).map(str)
        | st.floats(0.1, 100).map(lambda n: f"{{ epochs = {n} }}"),
        "generators.G.kernels": st.lists(st.integers(1, 9), max_size=4).map(str),
        "generators.G.size": st.sampled_from(["3", "[4, 5]"]),
        "generators.F.norm": st.sampled_from(["'batch'", "'instance'"]),
        "data.fields.photo": st.sampled_from(["'$${x}'", "'a \\\\ \"b\"'", "'''é\\n🙂'''", "''"]),
        "data.root": st.sampled_from(["'/a/b'", "'rel'"]),
        "data.flip": st.sampled_from(["true", "false"]),
        "phases.generators.losses.cycle.weight": st.floats(1e-6, 1e6).map(repr),
        "signals.fake_anime": st.sampled_from(["'G(photo,1)'", "'G( t/buffer(photo ,2.5) )'"]),
        "train.schedule": st.sampled_from(['{ type = "constant" }', '{ type = "linear-decay", start = 5 }']),
    }
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_any_valid_recipe_survives_the_round_trip(changes: dict[str, str]) -> None:
    photo = changes.pop("data.fields.photo")
    text = t.changed(('photo = "data/photo"', f"photo = {photo}"))
    recipe = loads(text, "r", [f"{key}={value}" for key, value in changes.items()])
    assert loads(dump(recipe)) == recipe
    assert differences(recipe, loads(dump(recipe))) == []


def test_every_default_is_filled_in() -> None:
    data = tomli.loads(dump(loads(t.TEXT)))
    assert data["generators"]["G"] == {
        "type": "t/gen", "blocks": 6, "width": 64, "dropout": 0.0, "norm": "instance", "kernels": [3, 3],
        "size": 1, "out_channels": 3, "in_channels": 3,
    }  # fmt: skip
    assert data["train"]["checkpoint"] == {"every": 500, "keep": 3}
    assert data["train"]["optimizer"]["eps"] == 1e-8
    assert data["phases"]["generators"]["from"] == 0
    assert data["phases"]["generators"]["until"] == {"epochs": 150.0}
    assert data["phases"]["generators"]["losses"]["cycle"]["weight"] == 10.0
    assert "steps" not in data["train"] and "networks" not in data


def test_a_component_survives_as_plain_data() -> None:
    config = t.Gen(blocks=2, kernels=(1, 5), size=(1, 2), in_channels=3)
    data = component_data(config)
    assert data["type"] == "t/gen" and data["kernels"] == [1, 5]
    assert component_from_data("generators", data) == config


def test_stored_data_that_does_not_fit_is_a_clean_error() -> None:
    with pytest.raises(RecipeError) as caught:
        component_from_data("generators", {"type": "t/gen", "blocks": "2", "widht": 1})
    assert {problem.key for problem in caught.value.problems} == {"blocks", "widht"}
    with pytest.raises(RecipeError, match="unknown generator 'gone/gen'"):
        component_from_data("generators", {"type": "gone/gen"})


def test_differences_name_keys_with_old_and_new_values() -> None:
    old = loads(t.TEXT)
    new = loads(t.TEXT, "r", ["train.epochs=300", "generators.G.blocks=9", "train.ema=0.5"])
    found = {item.key: (item.old, item.new) for item in differences(old, new)}
    assert found == {"train.epochs": (200.0, 300.0), "generators.G.blocks": (6, 9), "train.ema": (None, 0.5)}
    assert str(differences(old, new)[0]) == "generators.G.blocks: 6 -> 9"
    assert differences(recipe_data(old), tomli.loads(dump(old))) == []


def test_counts_are_written_as_they_are_read() -> None:
    assert component_data(loads(t.TEXT).train.schedule)["start"] == {"epochs": 100.0}
    steps = loads(t.TEXT, "r", ["train.schedule.start=5"]).train.schedule
    assert component_data(steps)["start"] == 5 and steps.start == Count(steps=5)  # type: ignore[attr-defined]
