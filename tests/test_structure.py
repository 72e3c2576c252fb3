"""Wrong types, wrong keys, wrong ranges: each is named with file, line, key, what was found and expected."""

from __future__ import annotations

import pathlib
from typing import Literal

import attrs
import pytest

from tests import recipe_plugin as t
from toonforge.components import Component, Count, component, fields_of, param
from toonforge.errors import RecipeError
from toonforge.recipe import loads
from toonforge.recipe.compose import compose
from toonforge.recipe.convert import structure_class
from toonforge.recipe.expr import Expr
from toonforge.recipe.mistakes import Mistakes, flat
from toonforge.recipe.scalars import Mistake
from toonforge.recipe.structure import structure
from toonforge.recipe.tree import Node


@pytest.fixture(autouse=True)
def registered() -> None:
    t.register()


def test_a_whole_recipe_becomes_typed_classes() -> None:
    recipe = loads(t.TEXT)
    assert recipe.name == "base" and list(recipe.phases) == ["generators", "discriminators"]
    assert recipe.generators["G"] == t.Gen(blocks=6, in_channels=3)
    assert recipe.signals["fake_anime"] == Expr.parse("G(photo)")
    assert recipe.phases["generators"].until == Count(epochs=150)
    assert recipe.phases["generators"].losses["cycle"].weight == 10.0
    assert recipe.train.optimizer.betas == (0.5, 0.999)  # type: ignore[attr-defined]
    assert recipe.train.ema is None and recipe.phases["generators"].optimizer is None


def test_a_whole_number_may_stand_for_a_float_and_becomes_one() -> None:
    weight = loads(t.TEXT).phases["generators"].losses["cycle"].weight
    assert type(weight) is float


@pytest.mark.parametrize("value", ['"four"', "true", "3.7", "nan", "[4]", "{ a = 1 }", "1979-05-27", '"4"'])
def test_what_is_no_whole_number_is_refused(value: str) -> None:
    problem = t.problem(t.changed(("blocks = 6", f"blocks = {value}")))
    assert problem.message == "wrong type" and problem.key == "generators.G.blocks"
    assert problem.expected == "a whole number" and problem.found
    assert problem.where is not None and problem.where.line == t.line_of("blocks = 6")
    assert problem.where.column == 23


@pytest.mark.parametrize("value", ['"0.1"', "true", "[0.1]", '"four"'])
def test_what_is_no_number_is_refused(value: str) -> None:
    problem = t.problem(t.changed(("lr = 2e-4", f"lr = {value}")))
    assert problem.key == "train.optimizer.lr" and problem.expected == "a number"


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999", "+nan", "9" * 400])
def test_numbers_that_are_not_finite_are_refused(value: str) -> None:
    problem = t.problem(t.changed(("lr = 2e-4", f"lr = {value}")))
    assert problem.message == "out of range" and problem.expected == "a finite number"


@pytest.mark.parametrize("value", ["1", "0", '"true"', "1.0"])
def test_what_is_neither_true_nor_false_is_refused(value: str) -> None:
    problem = t.problem(t.changed(("image_size = 64", f"image_size = 64\nflip = {value}")))
    assert problem.key == "data.flip" and problem.expected == "true or false"
    assert value != '"true"' or problem.hint == "write true"


@pytest.mark.parametrize("value", ["3", "true", "[]"])
def test_what_is_no_string_is_refused(value: str) -> None:
    assert t.problem(t.changed(('name = "base"', f"name = {value}"))).expected == "a string"


@pytest.mark.parametrize(
    ("old", "new", "key", "expected"),
    [
        ("blocks = 6", "blocks = 0", "generators.G.blocks", "a number at least 1"),
        ("blocks = 6", "blocks = -1", "generators.G.blocks", "a number at least 1"),
        ("image_size = 64", "image_size = 0", "data.image_size", "a number at least 1"),
        ("image_size = 64", "image_size = -64", "data.image_size", "a number at least 1"),
        ("lr = 2e-4", "lr = 0", "train.optimizer.lr", "a number greater than 0"),
        ("lr = 2e-4", "lr = -1.0", "train.optimizer.lr", "a number greater than 0"),
        ("0.999]", "1.0]", "train.optimizer.betas", "a number at least 0 and less than 1"),
        ("epochs = 200", "epochs = 0", "train.epochs", "a number greater than 0"),
        ("epochs = 200", "steps = 0", "train.steps", "a number at least 1"),
        ("epochs = 200", "steps = -5", "train.steps", "a number at least 1"),
        ("batch_size = 4", "batch_size = 0", "train.batch_size", "a number at least 1"),
        ("until = { epochs = 150 }", "until = -1", "phases.generators.until", "a number that is at least 0"),
        ("blocks = 6", "kernels = [3, 0]", "generators.G.kernels", "a number at least 1"),
    ],
)
def test_numbers_outside_their_limits_are_refused(old: str, new: str, key: str, expected: str) -> None:
    problem = t.problem(t.changed((old, new)))
    assert (problem.message, problem.key, problem.expected) == ("out of range", key, expected)
    assert problem.where is not None and problem.where.line == t.line_of(old)


@pytest.mark.parametrize("value", ["[0.5]", "[0.5, 0.9, 0.9]", "[]"])
def test_arrays_of_the_wrong_length_are_refused(value: str) -> None:
    problem = t.problem(t.changed(("[0.5, 0.999]", value)))
    assert problem.message == "wrong length" and problem.expected == "an array of 2"


def test_a_wrong_item_of_an_array_is_named() -> None:
    problem = t.problem(t.changed(("[0.5, 0.999]", '[0.5, "x"]')))
    assert problem.key == "train.optimizer.betas[1]" and problem.found == '"x"'


def test_a_wrong_choice_lists_the_choices() -> None:
    problem = t.problem(t.changed(("blocks = 6", 'norm = "instanc"')))
    assert problem.expected == 'one of "instance", "batch", "none"' and problem.hint == "did you mean 'instance'?"


def test_a_union_takes_each_of_its_types() -> None:
    assert loads(t.changed(("blocks = 6", "size = [1, 2]"))).generators["G"].size == (1, 2)  # type: ignore[attr-defined]
    problem = t.problem(t.changed(("blocks = 6", 'size = "1"')))
    assert problem.expected == "a whole number or an array"


def test_paths_are_strings() -> None:
    data = loads(t.changed(("image_size = 64", 'root = "a/b"'))).data
    assert data.root == pathlib.Path("a/b")  # type: ignore[attr-defined]
    assert t.problem(t.changed(("image_size = 64", 'root = ""'))).message == "not a path"


@pytest.mark.parametrize("value", ["1.5", "true", '"10"', "{ epochs = 1, steps = 2 }", "{ days = 1 }", "{}"])
def test_what_is_no_count_is_refused(value: str) -> None:
    problem = t.problem(t.changed(("until = { epochs = 150 }", f"until = {value}")))
    assert problem.expected == "a number of steps, or { epochs = n }"


def test_unknown_keys_are_errors_with_a_suggestion() -> None:
    problem = t.problem(t.changed(("blocks = 6", "block = 6")))
    assert problem.message == "unknown key" and problem.found == "block"
    assert problem.hint == "did you mean 'blocks'?" and problem.key == "generators.G.block"
    problem = t.problem(t.changed(("[translations]", "[translation]")))
    assert "did you mean 'translations'" in str(problem.hint) and problem.where is not None
    assert problem.where.line == t.line_of("[translations]")
    problem = t.problem(t.changed(("weight = 10", "wieght = 10")))
    assert problem.hint == "did you mean 'weight'?"


def test_missing_keys_are_errors() -> None:
    problem = t.problem(t.changed((', target = "photo"', "")))
    assert problem.message == "missing key" and problem.key == "phases.generators.losses.cycle.target"
    assert problem.where is not None and problem.where.line == t.line_of("cycle =")
    assert {p.key for p in t.problems("")} == {"name", "data", "train"}


def test_unknown_components_have_close_matches_and_install_hints() -> None:
    problem = t.problem(t.changed(('G = { type = "t/gen"', 'G = { type = "t/gne"')))
    assert problem.message == "unknown generator 't/gne'" and problem.hint == "did you mean 't/gen'?"
    assert problem.key == "generators.G.type" and problem.found == '"t/gne"'
    problem = t.problem(t.changed(('G = { type = "t/gen"', 'G = { type = "absent/unet"')))
    assert problem.hint is not None and problem.hint.endswith("pip install ./plugins/absent")
    problem = t.problem(t.changed(('G = { type = "t/gen"', 'G = { type = "zzz"')))
    assert problem.hint == "see: toonforge list generators"


def test_a_component_of_another_kind_is_unknown() -> None:
    assert (
        t.problem(t.changed(('G = { type = "t/gen"', 'G = { type = "t/disc"'))).message == "unknown generator 't/disc'"
    )


def test_components_are_tables_with_a_type() -> None:
    problem = t.problem(t.changed(('F = { type = "t/gen" }', 'F = "t/gen"')))
    assert problem.hint == 'write { type = "t/gen" }'
    problem = t.problem(t.changed(('F = { type = "t/gen" }', "F = { width = 3 }")))
    assert problem.message == "missing key" and problem.key == "generators.F.type" and "there are " in str(problem.hint)
    assert t.problem(t.changed(('F = { type = "t/gen" }', "F = { type = 3 }"))).expected == "the name of a generator"


def test_an_expression_with_a_typo_points_into_its_text() -> None:
    problem = t.problem(t.changed(('fake_anime = "G(photo)"', 'fake_anime = "G(photo"')))
    assert "before the end" in problem.message and problem.found == '"G(photo"'
    assert problem.where is not None and problem.where.line == t.line_of("fake_anime =")
    assert problem.where.column == len('fake_anime = "G(photo') + 1


@pytest.mark.parametrize("value", ["3", "true", '["G(photo)"]', '""', '"1"', '"G(photo) + 1"'])
def test_what_is_no_expression_is_refused(value: str) -> None:
    problem = t.problem(t.changed(('fake_anime = "G(photo)"', f"fake_anime = {value}")))
    assert problem.key == "signals.fake_anime" and problem.expected


@pytest.mark.parametrize("value", ['"D_anime(anime)"', "3", '""', '"a b"'])
def test_a_network_field_takes_a_name(value: str) -> None:
    loss = f'p = {{ type = "t/penalty", critic = {value}, real = "anime" }}\nfool_anime'
    problem = t.problem(t.changed(("fool_anime", loss)))
    assert problem.key == "phases.generators.losses.p.critic" and problem.expected == "the name of a network"


def test_a_components_own_refusal_is_placed_at_its_field() -> None:
    problem = t.problem(t.changed(("blocks = 6", 'norm = "none", dropout = 0.5')))
    assert problem.key == "generators.G.dropout" and problem.expected == "0 without a norm"
    assert problem.found == "0.5" and problem.hint == "choose a norm" and problem.message == "not allowed"


def test_several_mistakes_are_reported_at_once_in_the_order_of_their_lines() -> None:
    text = t.changed(
        ("blocks = 6", 'blocks = 0, widht = 3, norm = "x"'),
        ("batch_size = 4", "batch_size = true"),
        ('"t/kid"', '"t/kit"'),
    )
    found = t.problems(text)
    keys = [
        "generators.G.blocks",
        "generators.G.widht",
        "generators.G.norm",
        "train.batch_size",
        "metrics.distance.type",
    ]
    assert [problem.key for problem in found] == keys
    lines = [problem.where.line for problem in found if problem.where is not None]
    assert lines == sorted(lines) and len(lines) == 5  # type: ignore[type-var]


@pytest.mark.parametrize("table", ["generators", "signals", "phases", "train", "data", "metrics", "phases.generators"])
def test_a_value_in_the_place_of_a_table_is_refused(table: str) -> None:

    root = compose(t.TEXT.encode(), "r.toml", pathlib.Path(), None)
    parent, _, last = table.rpartition(".")
    holder: Node | None = root.find(tuple(parent.split("."))) if parent else root
    assert holder is not None
    holder.value[last] = attrs.evolve(holder.value[last], value=3)
    with pytest.raises(RecipeError) as caught:
        structure(root)
    (problem,) = caught.value.problems
    assert problem.key == table and str(problem.expected).startswith("a table") and problem.found == "3"


def test_two_ranges_of_one_component_are_both_reported() -> None:
    found = t.problems(t.changed(("blocks = 6", "blocks = 0, width = 0")))
    assert {problem.key for problem in found} == {"generators.G.blocks", "generators.G.width"}


def test_a_field_declared_anew_has_the_new_type_and_the_others_keep_theirs() -> None:
    @component
    class Base(Component):
        Ways = Literal["far", "near"]
        at: pathlib.Path = param(pathlib.Path("x"), doc="a type that this file imports")
        way: Ways = param("far", doc="a type that the class names")
        size: int | str = param(1, doc="a size")

    @component
    class Derived(Base):
        size: int = param(2, doc="a size")

    types = {key: kind for key, (kind, _, _) in fields_of(Derived).items()}
    assert types == {"size": int, "at": pathlib.Path, "way": Base.Ways} and [*types] == ["size", "at", "way"]
    assert fields_of(Base)["size"][0] == int | str


def test_mistakes_keep_their_paths() -> None:
    @component
    class Outer(Component):
        numbers: tuple[int, ...] = param(doc="numbers")
        limit: float = param(1.0, doc="limit", above=0, key="max")

    globals()["Outer"] = Outer
    with pytest.raises(Exception) as caught:
        structure_class(Outer, {"numbers": [1, "2", 3.0], "max": -1})
    found = {path: type(error).__name__ for path, error in flat(caught.value)}
    assert found == {("numbers", 1): "Mistake", ("numbers", 2): "Mistake", ("max",): "FieldError"}
    assert set(fields_of(Outer)) == {"numbers", "max"}
    assert isinstance(Mistake("x"), ValueError) and isinstance(Mistakes([]), Exception)
