"""The schema of recipes: what Taplo makes of it takes every recipe, and underlines mistakes where they are."""

from __future__ import annotations

import json
import math
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import attrs
import pytest
import tomli_w
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.taplo import lint
from toonforge import registries
from toonforge.cli import main
from toonforge.components import Component, Optimizer, component, fields_of, param
from toonforge.deprecation import Deprecation
from toonforge.recipe.expr import Expr, Network
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import component_data
from toonforge.recipe.schema import FILE, header_line, recipe_schema, recipe_schema_text
from toonforge.recipe.schema.header import with_header
from toonforge.recipe.schema.hover import component_text
from toonforge.recipe.telling import about
from toonforge.testing.configs import drawn

ROOT = Path(__file__).parent.parent
RECIPES = sorted(ROOT.glob("recipes/**/*.toml"))
PACKAGED = sorted(ROOT.glob("plugins/*/src/*/recipes/**/*.toml"))
TABLES = {
    "datasets": "data",
    "generators": "generators.G",
    "discriminators": "discriminators.D",
    "networks": "networks.V",
    "losses": "phases.p.losses.a",
    "optimizers": "train.optimizer",
    "schedules": "phases.p.schedule",
    "metrics": "metrics.m",
}
"""Kind -> where a recipe has one."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("schema") / FILE
    path.write_text(recipe_schema_text(), "utf-8")
    return path


def every_class() -> Iterator[tuple[str, str, type[Component]]]:
    """(kind, name, class) of everything that a table's `type` may name."""
    for kind in TABLES:
        for name, cls in registries.plugins.registries[kind].items():
            yield kind, name, cls


def table(kind: str) -> dict[str, Any]:
    """The schema of a table of this kind."""
    found: Any = recipe_schema()
    for key in TABLES[kind].split("."):
        inner = found["properties"] if key in found.get("properties", {}) else None
        found = inner[key] if inner is not None else next(iter(found["patternProperties"].values()))
    return dict(found)


def an_example(cls: type[Component]) -> Component:
    """A config of a class, required fields with something that will do."""
    return cls(
        **{
            attribute.name: something(kind)
            for kind, attribute, _ in fields_of(cls).values()
            if attribute.default is attrs.NOTHING
        }
    )


def something(kind: Any) -> Any:
    """A value of a field's type."""
    simple = {Expr: Expr.parse("photo"), Network: Network("D"), str: "some", Path: Path("some"), bool: True}
    if kind in simple:
        return simple[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Mapping:
        return {name: something(arguments[1]) for name in ("photo", "cartoon")}
    if origin is tuple:
        return ("photo", "cartoon")
    return arguments[0] if origin is typing.Literal else something(arguments[0])


def test_every_recipe_fits_the_schema(schema: Path) -> None:
    assert len(RECIPES) > 20 and len(PACKAGED) > 8
    assert lint([*RECIPES, *PACKAGED], schema) == []


def test_a_schema_that_is_no_draft_4_is_refused(schema: Path, tmp_path: Path) -> None:
    """So the other tests show that ours is one: Taplo validates a schema before it uses it."""
    wrong = json.loads(schema.read_text("utf-8"))
    wrong["properties"]["train"]["properties"]["ema"]["exclusiveMinimum"] = 0  # as later drafts write it
    (tmp_path / FILE).write_text(json.dumps(wrong), "utf-8")
    with pytest.raises(AssertionError, match="invalid schema"):
        lint([RECIPES[0]], tmp_path / FILE)


def test_recipes_name_the_schema_that_toonforge_schema_writes_at_the_top() -> None:
    for path in RECIPES:
        first = path.read_text("utf-8").partition("\n")[0]
        assert first == header_line(path, ROOT / FILE), f"{path}: write {header_line(path, ROOT / FILE)} above all"


CLASSES = [*every_class()]


def test_every_config_of_every_component_fits_the_schema(schema: Path, tmp_path: Path) -> None:
    """Drawn one by one and linted at once: starting Taplo takes longer than all the rest."""
    files = []

    def write(kind: str, config: Component) -> None:
        value: dict[str, Any] = component_data(config)
        for key in reversed(TABLES[kind].split(".")):
            value = {key: value}
        files.append(tmp_path / f"{len(files)}.toml")
        files[-1].write_text(tomli_w.dumps(value), "utf-8")

    for kind, _, cls in CLASSES:
        draw = given(st.just(kind), drawn(an_example(cls)))(write)
        settings(max_examples=5, phases=[Phase.generate], database=None, derandomize=True)(draw)()
    assert len(files) > 3 * len(CLASSES)
    assert lint(files, schema) == []


def test_every_key_of_every_component_is_told_with_its_unit_its_limits_and_its_source() -> None:
    for kind, name, cls in CLASSES:
        properties = table(kind)["properties"]
        for key, (_, _, info) in fields_of(cls).items():
            said = about(info)
            assert said[1:] in properties[key]["description"], f"{name}: {key}"


def test_what_has_to_be_given_and_what_may_be_left_out_is_told() -> None:
    data, train = recipe_schema()["properties"]["data"], recipe_schema()["properties"]["train"]
    assert re.search(r"`unpaired-folders`: \*[^*]*\*, required\.", data["properties"]["fields"]["description"])
    assert "*integer*, may be left out." in train["properties"]["steps"]["description"]


def test_every_component_is_offered_with_what_it_is() -> None:
    for kind in TABLES:
        names = table(kind)["properties"]["type"]
        assert names["enum"] == list(registries.plugins.registries[kind])
        texts = names["x-taplo"]["docs"]["enumValues"]
        for name, text in zip(names["enum"], texts, strict=True):
            supplier = registries.plugins.registries[kind].provenance(name)
            assert supplier is not None and text.endswith(f"From {supplier.distribution}.")


def test_what_is_on_its_way_out_says_what_to_use() -> None:
    class Old(Component):
        """Does what it did."""

        deprecated: ClassVar[Deprecation] = Deprecation(use="mine/new", gone_in="toonforge-mine 9.0")

    assert component_text(Old, "toonforge-mine") == (
        "Does what it did.\n\nFrom toonforge-mine. Deprecated: use mine/new; it goes in toonforge-mine 9.0."
    )


def test_a_default_that_json_lacks_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    @component
    class Endless(Optimizer):
        """Never stops."""

        lr: float = param(math.inf, doc="step length")
        bounds: tuple[float, ...] = param((1.0, math.nan), doc="bounds")

    optimizers = registries.plugins.registries["optimizers"]
    optimizers["adam"]
    monkeypatch.setitem(optimizers._items, "endless", (Endless, optimizers.provenance("adam")))
    json.loads(recipe_schema_text(), parse_constant=pytest.fail)


def test_every_key_of_a_recipe_is_told() -> None:
    properties = recipe_schema()["properties"]
    assert set(properties) == {"extends", *fields_of(Recipe)}
    assert all(schema["description"] for schema in properties.values())


MISTAKES = {
    "a key that no table has": ("train.stepz = 5", "5", "an unknown key"),
    "a key that no recipe has": ("trian = 5", "5", "an unknown key"),
    "a key that no component has": ('generators.G = { type = "cyclegan/unet", widht = 8 }', "8", "an unknown key"),
    "a key of another component": (
        'generators.G = { type = "cyclegan/unet", blocks = 8 }',
        '"cyclegan/unet"',
        "cyclegan/resnet",
    ),
    "a component that is not there": ('data = { type = "samples/photo" }', '"samples/photo"', "samples/photo-cartoon"),
    "a component of another kind": (
        'discriminators.D = { type = "cyclegan/unet" }',
        '"cyclegan/unet"',
        "is not one of",
    ),
    "too small": ("train.batch_size = 0", "0", "less than the minimum of 1"),
    "too large": ("train.ema = 1", "1", "equal to the maximum of 1"),
    "not above": ('train.optimizer = { type = "adam", lr = 0 }', "0", "equal to the minimum of 0"),
    "in an array": ('train.optimizer = { type = "adam", betas = [0.5, 1.5] }', "1.5", "the maximum of 1"),
    "an array too short": ("train.optimizer.betas = [0.5]", "[0.5]", "less than 2 items"),
    "no whole number": ("train.steps = 1.5", "1.5", '"integer"'),
    "a number in quotes": ('train.steps = "15"', '"15"', "a whole number without quotes"),
    "no truth": ('phases.p.losses.a = { type = "lsgan", real = 1 }', "1", '"boolean"'),
    "none of the choices": ('train.precision = "fp61"', '"fp61"', '"fp32","bf16","fp64"'),
    "no trick": ('train.speed = ["graph"]', '"graph"', '"channels-last"'),
    "never": ("train.samples.every = 0", "0", "equal to the minimum of 0"),
    "never in epochs": ("train.metrics.every.epochs = 0", "0", "equal to the minimum of 0"),
    "a number for a folder": ('data = { type = "unpaired-folders", fields = { photo = 3 } }', "3", '"string"'),
    "numbers for folders": ('data = { type = "synthetic", fields = { photo = [3] } }', "3", '"string"'),
    "no folder for a run": ('name = "a/b"', '"a/b"', "a name for a folder"),
    "no expression": ('signals.fake = "G(photo"', '"G(photo"', "an expression"),
    "a number as expression": ('signals.fake = "3"', '"3"', "an expression"),
    "a call where a network's name belongs": (
        'phases.p.losses.a = { type = "feature-l1", features = "V(x)" }',
        '"V(x)"',
        "the name of a network",
    ),
    "a count of something else": ("phases.p.from = { epoch = 3 }", "3", "an unknown key"),
    "a count of nothing": ("phases.p.from = {}", "{}", "less than 1 propert"),
    "a number below 0 as count": ("phases.p.until = -1", "-1", "less than the minimum of 0"),
    "a text for an array": ('phases.p.updates = "G"', '"G"', "an array"),
    "a number for a table": ("train.samples = 150", "150", '"object"'),
    "a name that is none": ('signals."9x" = "photo"', '"photo"', "an unknown key"),
    "a weight that is none": (
        'phases.p.losses.a = { type = "l1", weight = "big" }',
        '"big"',
        "a number without quotes",
    ),
}


def test_every_planted_mistake_is_underlined_at_its_value(schema: Path, tmp_path: Path) -> None:
    files = []
    for number, (line, _, _) in enumerate(MISTAKES.values()):
        files.append(tmp_path / f"{number:02d}.toml")
        files[-1].write_text(f"extends = 'mine'\n{line}\n", "utf-8")
    found = lint(files, schema)
    for file, (what, (line, value, told)) in zip(files, MISTAKES.items(), strict=True):
        places = {(where, column) for name, where, column, _ in found if name == file.name}
        messages = [message for name, _, _, message in found if name == file.name]
        assert (2, line.rindex(value) + 1) in places, f"{what}: {messages}"
        assert any(told in message for message in messages), f"{what}: {messages}"
        within = range(line.rindex(value) + 1, line.rindex(value) + 1 + len(value))
        assert all(where == 2 and column in within for where, column in places), (
            f"{what}: too much is underlined: {places}"
        )


RIGHT = {
    "a reference to a table": 'generators = { G = { type = "cyclegan/unet" }, F = "${generators.G}" }',
    "a reference to a number": 'train.samples.every = "${train.steps}"',
    "a change without a type": "generators.G.width = 8",
    "a loss that is left out": "phases.p.losses.a = { weight = 0 }",
    "a name of a part": 'name = "${data.type}"',
    "epochs": "phases.p.from = { epochs = 1.5 }",
    "a whole number for another": "train.epochs = 3",
    "an expression with room": 'signals.fake = " G ( photo , -1e-3 ) "',
    "an op of a plugin": 'signals.fake = "my-plugin/blur-2(G(photo), 3)"',
    "first weights, a word": 'generators.G = { type = "cyclegan/unet", weights = "random" }',
    "first weights, a table": 'generators.G.weights = { from = "runs/a", checkpoint = "best" }',
    "first weights of a step": 'generators.G.weights = { from = "runs/a", checkpoint = 500 }',
    "a phase put before another": 'phases.warm = { before = "p", updates = ["G"] }',
    "tricks": 'train.speed = ["tf32"]',
    "all tricks": 'train.speed = "auto"',
    "one folder or several": 'data = { type = "webdataset", shards = { photo = ["a.tar", "b.tar"] } }',
}


def test_what_is_right_is_not_underlined(schema: Path, tmp_path: Path) -> None:
    files = []
    for number, line in enumerate(RIGHT.values()):
        files.append(tmp_path / f"{number:02d}.toml")
        files[-1].write_text(line + "\n", "utf-8")
    assert lint(files, schema) == []


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_verb_writes_what_a_copied_recipe_names(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    code, out, _ = run(capsys, "schema")
    assert code == 0 and (tmp_path / FILE).read_text("utf-8") == recipe_schema_text()
    assert f"#:schema ./{FILE}" in out
    assert run(capsys, "cp", "cyclegan/cyclegan", "recipes/mine.toml")[0] == 0
    copy = tmp_path / "recipes/mine.toml"
    assert copy.read_text("utf-8").startswith(f"#:schema ../{FILE}\n# CycleGAN")
    assert lint([copy]) == []
    copy.write_text(copy.read_text("utf-8").replace("[train]", "[train]\nstepz = 1"), "utf-8")
    assert [message for *_, message in lint([copy])] == ['{"description":"an unknown key"} is not allowed for 1']


def test_the_verb_prints_it_and_writes_elsewhere(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(run(capsys, "schema", "--out", "-")[1])["title"] == "A toonforge recipe"
    assert not list(tmp_path.iterdir())
    (tmp_path / "deep").mkdir()
    assert run(capsys, "schema", "-o", "deep")[0] == 0 and (tmp_path / "deep" / FILE).is_file()
    code, _, err = run(capsys, "schema", "-o", "no/such/s.json")
    assert code == 2 and "cannot write" in err and "--out" in err


def test_the_verb_overwrites_its_own_file_alone(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / FILE).write_text('{"title": "A toonforge recipe"}', "utf-8")
    assert run(capsys, "schema")[0] == 0
    for text in ('{"title": "mine"}', "[1]", "no json", 'name = "recipe"'):
        (tmp_path / "mine.toml").write_text(text, "utf-8")
        code, _, err = run(capsys, "schema", "-o", "mine.toml")
        assert code == 2 and "is no schema of recipes" in err
        assert (tmp_path / "mine.toml").read_text("utf-8") == text


def test_a_recipe_is_told_by_its_comment_and_not_by_what_is_meant_for_editors(tmp_path: Path) -> None:
    from toonforge.cli.list import line_about

    path = tmp_path / "a.toml"
    for text, title in {
        "#:schema ./x.json\n# Mine.\n": "Mine.",
        "# Mine.\n#:schema ./x.json\n": "Mine.",
        '#:schema ./x.json\nname = "a"\n': "",
        "": "",
    }.items():
        path.write_text(text, "utf-8")
        assert line_about(path) == title


@pytest.mark.parametrize("text", ["# Mine.\n", 'name = "a"\n', "", "#:schema ./old.json\n# Mine.\n"])
def test_a_recipe_has_one_line_for_editors_however_often_it_is_given_one(tmp_path: Path, text: str) -> None:
    line = header_line(tmp_path / "mine recipes/a.toml", tmp_path / "my schemas/s.json")
    assert line == "#:schema ../my%20schemas/s.json"
    once = with_header(text, line)
    assert with_header(once, line) == once == f"{line}\n{text.removeprefix('#:schema ./old.json' + chr(10))}"


def test_the_how_tos_mistakes_are_told_as_it_says(schema: Path) -> None:
    page = (ROOT / "docs/how-to/edit-recipes.md").read_text("utf-8")
    (text,) = re.findall(r"^<!-- run: mistakes -->\n```toml\n(.*?)```", page, re.M | re.S)
    (said,) = re.findall(r"^<!-- said: mistakes -->\n```text\n(.*?)```", page, re.M | re.S)
    schema.with_name("mine.toml").write_text(text, "utf-8")
    assert sorted(message for *_, message in lint([schema.with_name("mine.toml")])) == sorted(said.splitlines())
