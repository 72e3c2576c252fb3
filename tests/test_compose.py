"""`extends`, --set and `${path}`: what lies over what, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import recipe_plugin as t
from toonforge.components import Count
from toonforge.errors import RecipeError
from toonforge.recipe import find, load, loads
from toonforge.recipe.model import Recipe


@pytest.fixture(autouse=True)
def registered() -> None:
    t.register()


def extend(tmp_path: Path, text: str, base: str = t.TEXT) -> Recipe:
    (tmp_path / "base.toml").write_text(base)
    (tmp_path / "child.toml").write_text('extends = "base.toml"\n' + text)
    return load(tmp_path / "child.toml")


def failure(tmp_path: Path, text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        extend(tmp_path, text)
    return str(caught.value)


def test_a_recipe_that_only_extends_equals_its_base(tmp_path: Path) -> None:
    assert extend(tmp_path, "") == loads(t.TEXT)


def test_tables_merge_down_to_one_weight(tmp_path: Path) -> None:
    recipe = extend(tmp_path, "phases.generators.losses.cycle.weight = 25")
    terms = recipe.phases["generators"].losses
    assert terms["cycle"].weight == 25 and list(terms) == ["fool_anime", "fool_photo", "cycle"]


def test_arrays_replace(tmp_path: Path) -> None:
    recipe = extend(tmp_path, "train.optimizer.betas = [0.9, 0.99]")
    assert recipe.train.optimizer.betas == (0.9, 0.99)  # type: ignore[attr-defined]


def test_a_changed_type_replaces_its_table_whole(tmp_path: Path) -> None:
    recipe = extend(tmp_path, 'train.optimizer = { type = "sgd" }')
    assert recipe.train.optimizer.lr == 1e-2  # type: ignore[attr-defined]


def test_the_same_type_written_again_merges(tmp_path: Path) -> None:
    recipe = extend(tmp_path, 'generators.G = { type = "t/gen", width = 8 }')
    assert (recipe.generators["G"].blocks, recipe.generators["G"].width) == (6, 8)  # type: ignore[attr-defined]


def test_a_type_replaces_a_table_whose_type_was_implied(tmp_path: Path) -> None:
    base = t.changed(('type = "adam", lr', "lr"))
    assert loads(base).train.optimizer == loads(t.TEXT).train.optimizer
    assert extend(tmp_path, 'train.optimizer.type = "sgd"', base).train.optimizer.lr == 1e-2  # type: ignore[attr-defined]


def test_a_type_changed_twice_takes_the_last(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(t.TEXT)
    (tmp_path / "b.toml").write_text('extends = "a.toml"\ntrain.optimizer = { type = "sgd", momentum = 0.5 }')
    (tmp_path / "c.toml").write_text('extends = "b.toml"\ntrain.optimizer.lr = 1')
    optimizer = load(tmp_path / "c.toml").train.optimizer
    assert (optimizer.momentum, optimizer.lr) == (0.5, 1)  # type: ignore[attr-defined]


def test_steps_put_out_epochs_and_the_other_way_round(tmp_path: Path) -> None:
    recipe = extend(tmp_path, "train.steps = 10\nphases.generators.until = { steps = 5 }")
    assert (recipe.train.steps, recipe.train.epochs) == (10, None)
    assert recipe.phases["generators"].until == Count(steps=5)
    assert loads(t.TEXT, "r", ["train.steps=7"]).train.epochs is None


PHASE = '\n[phases.warm]\nupdates = ["G"]\nlosses.l = { type = "t/distance", input = "G(photo)", target = "photo" }\n'


@pytest.mark.parametrize(
    ("place", "order"),
    [
        ("", ["generators", "discriminators", "warm"]),
        ('before = "generators"', ["warm", "generators", "discriminators"]),
        ('after = "generators"', ["generators", "warm", "discriminators"]),
        ('before = "discriminators"', ["generators", "warm", "discriminators"]),
    ],
)
def test_a_new_phase_goes_where_it_says(tmp_path: Path, place: str, order: list[str]) -> None:
    recipe = extend(tmp_path, PHASE.replace("updates", place + "\nupdates"))
    assert list(recipe.phases) == order


def test_inherited_phases_keep_the_order_of_the_base(tmp_path: Path) -> None:
    recipe = extend(tmp_path, "phases.discriminators.every = 2\nphases.generators.every = 3")
    assert list(recipe.phases) == ["generators", "discriminators"]


def test_a_phase_before_an_unknown_one_is_an_error_with_a_suggestion(tmp_path: Path) -> None:
    text = failure(tmp_path, PHASE.replace("updates", 'before = "generator"\nupdates'))
    assert "child.toml:4:1: phases.warm.before: no such phase" in text and "did you mean 'generators'?" in text
    text = failure(tmp_path, PHASE.replace("updates", 'before = "generators"\nafter = "generators"\nupdates'))
    assert "both `before` and `after`" in text


def test_an_error_names_the_file_that_holds_the_value(tmp_path: Path) -> None:
    text = failure(tmp_path, "generators.G.blocks = 0\n[train]\nseed = -1")
    assert "child.toml:2:14: generators.G.blocks: out of range" in text
    assert "child.toml:4:1: train.seed: out of range" in text
    (tmp_path / "base.toml").write_text(t.changed(("blocks = 6", "blocks = 0")))
    (tmp_path / "child.toml").write_text('extends = "base.toml"')
    with pytest.raises(RecipeError, match=r"base.toml:\d+:\d+: generators.G.blocks"):
        load(tmp_path / "child.toml", ["train.seed=1", "generators.G.width=8"])


def test_extends_is_relative_to_the_extending_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "base.toml").write_text(t.TEXT)
    (tmp_path / "deep" / "mid.toml").write_text('extends = "../base.toml"')
    (tmp_path / "top.toml").write_text('extends = "deep/mid.toml"')
    assert load(tmp_path / "top.toml") == loads(t.TEXT)


def test_a_packaged_recipe_can_be_extended_and_loaded() -> None:
    assert loads('extends = "t/base"\nname = "mine"').name == "mine"
    assert load("t/base") == loads(t.TEXT)


def test_an_extends_cycle_is_refused_naming_the_chain(tmp_path: Path) -> None:
    for one, other in (("a", "b"), ("b", "c"), ("c", "a")):
        (tmp_path / f"{one}.toml").write_text(f'extends = "{other}.toml"')
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "a.toml")
    (problem,) = caught.value.problems
    assert problem.message == "extends itself" and problem.key == "extends"
    chain = str(problem.found).split(" -> ")
    assert [Path(step).name for step in chain] == ["a.toml", "b.toml", "c.toml", "a.toml"]
    assert str(problem.where).endswith("c.toml:1:1")


def test_a_chain_that_never_ends_is_refused(tmp_path: Path) -> None:
    for n in range(30):
        (tmp_path / f"{n}.toml").write_text(f'extends = "{n + 1}.toml"')
    with pytest.raises(RecipeError, match="extends too many recipes"):
        load(tmp_path / "0.toml")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('"bass.toml"', "did you mean 'base.toml'?"),
        ('"t/bases"', "did you mean 't/base'?"),
        ('"absent/recipe"', "pip install ./plugins/absent"),
        ("3", "wrong type"),
        ('""', "wrong type"),
        ('["a", "b"]', "an array of 2"),
    ],
)
def test_a_missing_base_is_an_error_with_a_suggestion(tmp_path: Path, value: str, words: str) -> None:
    (tmp_path / "base.toml").write_text(t.TEXT)
    (tmp_path / "child.toml").write_text(f"extends = {value}")
    with pytest.raises(RecipeError) as caught:
        load(tmp_path / "child.toml")
    assert words in str(caught.value) and "child.toml:1:1: extends" in str(caught.value)


def test_a_base_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text("a = ")
    (tmp_path / "child.toml").write_text('extends = "base.toml"')
    with pytest.raises(RecipeError, match=r"base.toml:1:\d+: not valid TOML"):
        load(tmp_path / "child.toml")


# --set


def test_set_takes_toml_values_in_order() -> None:
    sets = ["train.epochs=5", "train.epochs = 6", 'name="x"', "train.optimizer.betas=[0, 0.5]", "train.ema=0.5"]
    recipe = loads(t.TEXT, "r", sets)
    assert (recipe.train.epochs, recipe.name, recipe.train.ema) == (6, "x", 0.5)
    assert recipe.train.optimizer.betas == (0, 0.5)  # type: ignore[attr-defined]


def test_set_reaches_known_fields_that_the_recipe_leaves_out() -> None:
    recipe = loads(t.TEXT, "r", ["train.checkpoint.every=7", "generators.F.width=8", "data.flip=false"])
    assert recipe.train.checkpoint.every == Count(steps=7)
    assert recipe.generators["F"].width == 8  # type: ignore[attr-defined]


def test_set_changes_a_type_whole() -> None:
    assert loads(t.TEXT, "r", ['train.optimizer.type="sgd"']).train.optimizer.lr == 1e-2  # type: ignore[attr-defined]
    sets = ["train.optimizer={ type = 'sgd', lr = 3 }", "train.schedule={ type = 'constant' }"]
    assert loads(t.TEXT, "r", sets).train.optimizer.lr == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("trian.epochs=5", "did you mean train.epochs"),
        ("train.epoch=5", "did you mean train.epochs"),
        ("generators.H.blocks=5", "generators."),
        ("generators.G.block=5", "did you mean generators.G.blocks"),
        ("phases.generators.losses.cycel.weight=1", "phases.generators.losses.cycle.weight"),
        ("weight=1", "weight"),
        ("extends='x'", "unknown path"),
    ],
)
def test_set_refuses_unknown_paths_with_a_suggestion(override: str, words: str) -> None:
    problem = t.problem(t.TEXT, override)
    assert problem.message == "unknown path" and str(problem.where) == "--set"
    assert words in f"{problem.hint} {problem.expected}" + problem.message


def test_set_asks_to_quote_a_bare_word() -> None:
    problem = t.problem(t.TEXT, "name=anime")
    assert problem.hint == "quote a string: --set 'name=\"anime\"'" and problem.found == "anime"


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("{every=10,best=kid}", '{every=10,best="kid"}'),
        ("{ every = { epochs = 1 }, best = kid.part }", '{ every = { epochs = 1 }, best = "kid.part" }'),
        ("[a, b/c]", '["a", "b/c"]'),
        ("{a=true,b=x}", '{a=true,b="x"}'),
    ],
)
def test_set_asks_to_quote_the_words_within_tables_and_arrays(value: str, quoted: str) -> None:
    assert t.problem(t.TEXT, f"name={value}").hint == f"quote a string: --set 'name={quoted}'"


@pytest.mark.parametrize("value", ["{every=10", "{every=}", "{=kid}", "'x", "{a=true b=x}", ""])
def test_set_hints_at_no_quotes_where_they_mend_nothing(value: str) -> None:
    assert t.problem(t.TEXT, f"name={value}").hint is None


@pytest.mark.parametrize("override", ["train.epochs", "=5", "", "a b=3", "train.=1", "[train]", "a" * 20 + "." * 50])
def test_set_without_a_path_is_refused(override: str) -> None:
    assert t.problem(t.TEXT, override).message == "not an override"


@pytest.mark.parametrize("override", ["train.epochs=", "train.epochs=1\nb=2", "train.epochs=[", "train.epochs=1 2"])
def test_set_with_a_broken_value_is_refused(override: str) -> None:
    problem = t.problem(t.TEXT, override)
    assert problem.key == "train.epochs" and str(problem.where) == "--set"


def test_an_error_in_a_set_value_names_set_and_all_are_reported() -> None:
    found = t.problems(t.TEXT, 'train.epochs="four"', "train.seed=true")
    assert [str(problem.where) for problem in found] == ["--set", "--set"]
    assert {problem.key for problem in found} == {"train.epochs", "train.seed"}


# ${path}


def test_a_reference_takes_the_whole_value() -> None:
    text = t.changed(
        ('F = { type = "t/gen" }', 'F = "${generators.G}"'), ("batch_size = 4", 'batch_size = "${generators.G.blocks}"')
    )
    recipe = loads(text)
    assert recipe.generators["F"] == recipe.generators["G"] and recipe.train.batch_size == 6
    assert loads(text, "r", ["generators.G.blocks=2"]).train.batch_size == 2


def test_a_reference_into_an_array_and_of_a_reference() -> None:
    text = (
        t.changed(("lr = 2e-4", 'lr = "${train.optimizer.betas.0}"'))
        + '[metrics.more]\ntype = "${metrics.distance.type}"\n'
    )
    text += 'generated = "${metrics.distance.generated}"\nreference = "${metrics.more.generated}"\n'
    assert loads(text).train.optimizer.lr == 0.5  # type: ignore[attr-defined]
    assert str(loads(text).metrics["more"].reference) == "G(photo)"  # type: ignore[attr-defined]


def test_an_escaped_reference_is_text() -> None:
    text = t.changed(('photo = "data/photo"', 'photo = "$${data}/photo"'))
    assert loads(text).data.fields["photo"] == "${data}/photo"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("value", "message", "words"),
    [
        ("${train.epoch}", "reference to nothing", "did you mean 'train.epochs'"),
        ("${}", "reference to nothing", "train"),
        ("${a b}", "reference to nothing", ""),
        ("x${train.epochs}", "not a reference", "$${"),
        ("${train.batch_size}", "references in a circle", "write one of them out"),
        ("${train}", "references in a circle", "write one of them out"),
    ],
)
def test_a_wrong_reference_is_named(value: str, message: str, words: str) -> None:
    problem = t.problem(t.changed(("batch_size = 4", f'batch_size = "{value}"')))
    assert problem.message == message and words in str(problem)
    assert problem.where is not None and problem.where.line == t.line_of("batch_size")


def test_a_long_circle_is_named() -> None:
    text = t.changed(("epochs = 200", 'epochs = "${train.seed}"\nseed = "${train.ema}"\nema = "${train.epochs}"'))
    found = t.problems(text)
    assert all(problem.message == "references in a circle" for problem in found)
    assert "train.seed -> train.ema" in str(found[0])


def test_references_that_double_and_double_are_refused() -> None:
    lines = [f'l{n} = ["${{data.fields.l{n + 1}}}", "${{data.fields.l{n + 1}}}"]' for n in range(60)]
    text = t.changed(("fields = {", "[data.fields]\n" + "\n".join(lines) + "\n#"))
    assert any("too large" in p.message or "too deeply" in p.message for p in t.problems(text))


def test_a_long_chain_of_references_is_refused_cleanly() -> None:
    lines = [f's{n} = "${{signals.s{n + 1}}}"' for n in range(900)]
    found = t.problems(t.changed(("[signals]", "[signals]\n" + "\n".join(lines))))
    assert any("too deeply" in problem.message for problem in found)


# what `toonforge run X` means


def test_find_takes_files_and_packaged_recipes(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(t.TEXT)
    assert find(file).path == file and find("t/base").path == t.BASE and find("t/base").name == "t/base"


def test_find_explains_what_is_none(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(t.TEXT)
    for source, words in (
        (tmp_path, "is a folder"),
        (tmp_path / "mien.toml", "did you mean"),
        (tmp_path / "mine", "mine.toml'?"),
        ("t/bas", "did you mean 't/base'?"),
        ("absent/x", "pip install ./plugins/absent"),
        ("a\0b", "recipe"),
        ("", "folder"),
    ):
        with pytest.raises(RecipeError) as caught:
            find(source)
        assert words in str(caught.value), source
    (tmp_path / "resolved.toml").write_text("")
    with pytest.raises(RecipeError, match="run's folder"):
        find(tmp_path)
