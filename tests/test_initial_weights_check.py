"""`weights = …` of a network as a recipe writes it: read strictly, and held against its source without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.first_weights import RECIPE, exported, kept, recipe, trained
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.cli.shapes import network_shapes
from toonforge.components import fields_of
from toonforge.errors import Problem, RecipeError, RunError, ToonforgeError
from toonforge.recipe.initial import InitialWeights
from toonforge.recipe.resolved import dump
from toonforge.registries import models
from toonforge.registry import Provenance
from toonforge.sweeps.api import sweep
from toonforge.sweeps.results import Row
from toonforge.weights.origin import find_origins


@pytest.fixture(autouse=True)
def _components(tiny: None) -> None:
    """Those of the tests."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to start from; tests that change it take a copy."""
    from tests import tiny

    tiny.register()
    return trained(tmp_path_factory.mktemp("source") / "run")


def loaded(weights: str, network: str = "generators.G", text: str = RECIPE) -> recipes.Recipe:
    return recipes.loads(text, overrides=[f"{network}.weights={weights}"])


def refused(one: recipes.Recipe) -> Problem:
    """The one problem of a recipe's sources."""
    with pytest.raises(RunError) as caught:
        find_origins(one)
    (problem,) = caught.value.problems
    return problem


# -- as it is written ------------------------------------------------------------------------------------------------

sources = st.builds(
    InitialWeights,
    from_=st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()),
    network=st.none() | st.sampled_from(["G_A", "F"]),
    checkpoint=st.none() | st.sampled_from(["best", "latest"]) | st.integers(0, 10**9),
)


@given(source=sources, other=st.none() | sources)
def test_a_recipe_survives_a_round_trip(source: InitialWeights, other: InitialWeights | None) -> None:
    from tests import tiny

    tiny.register()
    one = recipe(G=source) if other is None else recipe(G=source, D=other)
    if source.from_ != "random" or source.network is not None or source.checkpoint is not None:
        assert recipes.loads(dump(one)).initial == one.initial
    assert recipes.loads(dump(one)) == one


def test_a_text_stands_for_a_table_and_random_for_nothing() -> None:
    assert loaded('"runs/x"') == loaded('{ from = "runs/x" }')
    assert loaded('"random"') == recipes.loads(RECIPE)
    assert loaded('"runs/x"').initial == {"G": InitialWeights(from_="runs/x")}
    assert 'weights = "runs/x"' in dump(loaded('"runs/x"'))


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        ("3", "", "wrong type"),
        ("true", "", "wrong type"),
        ('["runs/x"]', "", "wrong type"),
        ('""', "", "not a source of weights"),
        ('{ from = "" }', ".from", "not a source of weights"),
        ("{ from = 3 }", ".from", "wrong type"),
        ("{}", ".from", "missing key"),
        ('{ network = "G" }', ".from", "missing key"),
        ('{ from = "x", step = 3 }', ".step", "unknown key"),
        ('{ from = "x", checkpoint = "newest" }', ".checkpoint", "wrong type"),
        ('{ from = "x", checkpoint = "3" }', ".checkpoint", "wrong type"),
        ('{ from = "x", checkpoint = true }', ".checkpoint", "wrong type"),
        ('{ from = "x", network = 3 }', ".network", "wrong type"),
    ],
)
def test_what_is_no_source_is_refused_at_its_key(value: str, key: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        loaded(value)
    assert [(p.key, p.message) for p in caught.value.problems] == [(f"generators.G.weights{key}", message)]


def test_mistakes_in_sources_and_elsewhere_are_told_at_once_each_at_its_line(tmp_path: Path) -> None:
    text = RECIPE.replace(
        'G = { type = "tiny/generator" }', 'G = { type = "tiny/generator", width = "4", weights = 3 }'
    )
    file = tmp_path / "r.toml"
    file.write_text(text.replace(", norm = true }", ", norm = true, weights = {} }"), "utf-8")
    with pytest.raises(RecipeError) as caught:
        recipes.load(file)
    lines = file.read_text("utf-8").splitlines()
    found = {p.key: lines[p.where.line - 1][0] for p in caught.value.problems if p.where and p.where.line}
    assert found == {"generators.G.width": "G", "generators.G.weights": "G", "discriminators.D.weights.from": "D"}


def test_a_component_that_has_weights_of_its_own_reads_them_itself() -> None:
    text = RECIPE + '[networks]\nV = { type = "efficientnet-lite0", weights = "random" }\n'
    text = text.replace(
        'cycle = { type = "l1"',
        'same = { type = "feature-l1", features = "V", input = "fake", target = "photo" }\ncycle = { type = "l1"',
    )
    one = recipes.loads(text)
    assert not one.initial and one.networks["V"].weights == "random"  # type: ignore[attr-defined]
    with pytest.raises(RecipeError) as caught:
        recipes.loads(text.replace('"random"', '"runs/x"'))
    assert caught.value.problems[0].message == "not among the choices"


def test_every_other_network_may_have_them() -> None:
    own = []
    for kind in ("generators", "discriminators", "networks"):
        from toonforge import registries

        own += [name for name, cls in registries.plugins.registries[kind].items() if "weights" in fields_of(cls)]
    assert own == ["efficientnet-lite0", "vgg16", "vgg19"]


def test_a_recipe_that_extends_another_may_say_otherwise(tmp_path: Path) -> None:
    base = RECIPE.replace(
        'G = { type = "tiny/generator" }', 'G = { type = "tiny/generator", weights = { from = "a", checkpoint = 3 } }'
    )
    (tmp_path / "base.toml").write_text(base, "utf-8")

    def extended(rest: str) -> dict[str, InitialWeights]:
        (tmp_path / "r.toml").write_text(f'extends = "base.toml"\n[generators]\n{rest}\n', "utf-8")
        return dict(recipes.load(tmp_path / "r.toml").initial)

    assert extended("") == {"G": InitialWeights(from_="a", checkpoint=3)}
    assert extended('G.weights = "b"') == {"G": InitialWeights(from_="b")}
    assert extended('G.weights.from = "b"') == {"G": InitialWeights(from_="b", checkpoint=3)}
    assert extended("G.width = 8") == {"G": InitialWeights(from_="a", checkpoint=3)}
    assert extended('G.weights = "random"') == {}
    assert extended('G = { type = "tiny/colours" }') == {}, "a changed type replaces the table whole"
    assert extended('F.weights = "${generators.G.weights}"') == {
        "G": InitialWeights(from_="a", checkpoint=3),
        "F": InitialWeights(from_="a", checkpoint=3),
    }


def test_suggestions_know_the_key() -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.loads(RECIPE, overrides=['generators.G.wieghts="x"'])
    assert "generators.G.weights" in (caught.value.problems[0].hint or "")
    with pytest.raises(RecipeError) as caught:
        recipes.loads(
            RECIPE.replace('G = { type = "tiny/generator" }', 'G = { type = "tiny/generator", wieghts = "x" }')
        )
    assert "weights" in (caught.value.problems[0].hint or "")


def test_a_recipe_made_in_python_is_checked_too() -> None:
    from toonforge.recipe.check import check

    with pytest.raises(RecipeError, match="unknown network 'H'"):
        check(recipe(H="runs/x"))


# -- against its source ----------------------------------------------------------------------------------------------


def test_a_source_that_fits_is_told_with_its_step(source: Path) -> None:
    origin = find_origins(recipe(G=str(source)))["G"]
    assert (origin.step, origin.checkpoint, origin.weights.averaged) == (4, "latest", True)
    assert "step 4" in str(origin) and str(source) in str(origin)


def test_a_model_file_tells_its_step(source: Path, tmp_path: Path) -> None:
    file = exported(tmp_path / "model.safetensors", kept(source, "G"))
    assert find_origins(recipe(G=str(file)))["G"].step == 12_000


@pytest.mark.parametrize(
    ("network", "weights", "said"),
    [
        ("generators.G", "{run}-x", ("is not there", "", "did you mean")),
        ("generators.G", "shop/cartoom", ("is not there", "installed model", "shop/cartoon")),
        ("generators.F", "{model}", ("has no network 'F'", "G", 'network = "G"')),
        ("generators.G", "{run}/resolved.toml", ("is a recipe", "run's folder", "toonforge run")),
        ("generators.G", "{run}/lock.json", ("is no weights file", ".safetensors", "toonforge import")),
        ("generators.G", "{pickled}", ("is no weights file", ".safetensors", "toonforge import")),
        ("generators.G", "{plain}", ("is no weights file", "", "")),
        ("generators.G", "{run}/samples", ("holds no weights", "", "")),
    ],
)
def test_a_source_that_cannot_be_used_is_refused(
    source: Path, tmp_path: Path, network: str, weights: str, said: tuple[str, str, str]
) -> None:
    torch.save(kept(source, "G"), tmp_path / "G.pth")
    save_file(kept(source, "G"), tmp_path / "plain.safetensors")
    model = exported(tmp_path / "model.safetensors", kept(source, "G"))
    models.add("shop/cartoon", model, Provenance(plugin="shop", distribution="d", version="1"))
    try:
        text = weights.format(run=source, model=model, pickled=tmp_path / "G.pth", plain=tmp_path / "plain.safetensors")
        problem = refused(loaded(json.dumps(text), network))
    finally:
        del models._items["shop/cartoon"]
    assert problem.key == f"{network}.weights"
    for part, text in zip((problem.message, problem.expected, problem.hint), said, strict=True):
        assert text in (part or ""), problem


@pytest.mark.parametrize(
    ("overrides", "found", "expected"),
    [
        (["generators.G.width=8"], "width = 4", "width = 8"),
        (["generators.G.width=8", "generators.G.norm=false"], "width = 4, norm = true", "width = 8, norm = false"),
        (['generators.G={type="tiny/colours"}'], 'type = "tiny/generator"', 'type = "tiny/colours"'),
    ],
)
def test_another_network_is_refused_with_what_differs(
    source: Path, overrides: list[str], found: str, expected: str
) -> None:
    problem = refused(recipes.loads(RECIPE, overrides=[*overrides, f'generators.G.weights="{source}"']))
    assert "holds another G than the recipe's G" in problem.message
    assert (problem.found, problem.expected) == (found, expected)
    assert problem.hint == 'what is there would be G = { type = "tiny/generator" }'


def test_a_network_of_another_kind_is_refused(source: Path) -> None:
    problem = refused(recipe(G=InitialWeights(from_=str(source), network="D")))
    assert (problem.found, problem.expected) == ("a discriminator", "a generator")


def test_other_channels_are_refused(source: Path) -> None:
    text = RECIPE.replace('"G(photo)"', '"G(cat(photo, photo))"', 1).replace(
        'anime = "G(photo)"', 'anime = "G(cat(photo, photo))"'
    )
    problem = refused(recipes.loads(text, overrides=[f'generators.G.weights="{source}"']))
    assert (problem.found, problem.expected) == ("in_channels = 3", "in_channels = 6")


def test_a_component_that_is_not_installed_is_told(source: Path, tmp_path: Path) -> None:
    file = exported(tmp_path / "model.safetensors", kept(source, "G"))
    from toonforge.runs.metadata import read_metadata

    about = read_metadata(file)
    about["networks"]["G"]["component"]["type"] = "absent/generator"
    save_file({f"G.{k}": v for k, v in kept(source, "G").items()}, file, {"toonforge": json.dumps(about)})
    problem = refused(recipe(G=str(file)))
    assert "absent/generator" in f"{problem.message} {problem.found}" and "toonforge-absent" in (problem.hint or "")


@pytest.mark.parametrize("how", ["changed", "cut", "gone"])
def test_a_damaged_checkpoint_is_refused_with_another_one_to_take(source: Path, tmp_path: Path, how: str) -> None:
    run = Path(shutil.copytree(source, tmp_path / "run"))
    file = run / "checkpoints/step-000004/G.ema.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    if how == "gone":
        (file.parent / "checkpoint.json").write_text("{", "utf-8")
    else:
        file.write_bytes(bytes(data) if how == "changed" else bytes(data[:-40]))
    problem = refused(recipe(G=str(run)))
    assert "damaged" in problem.message or "no whole checkpoint" in problem.message
    assert problem.hint == "take another checkpoint with `checkpoint`: 2"
    assert find_origins(recipe(G=InitialWeights(from_=str(run), checkpoint=2)))["G"].step == 2


def test_a_checkpoint_that_is_not_there_is_refused(source: Path) -> None:
    problem = refused(recipe(G=InitialWeights(from_=str(source), checkpoint=3)))
    assert "no checkpoint of step 3" in problem.message and "2, 4" in (problem.expected or "")
    problem = refused(recipe(G=InitialWeights(from_=str(source), checkpoint="best")))
    assert "no best checkpoint" in problem.message


def test_every_source_that_is_wrong_is_told(source: Path) -> None:
    with pytest.raises(RunError) as caught:
        find_origins(recipe(G="nowhere", F=str(source), D="elsewhere"))
    assert [p.key for p in caught.value.problems] == ["generators.G.weights", "discriminators.D.weights"]


# -- the command line ------------------------------------------------------------------------------------------------

SMALL = RECIPE.replace("tiny/generator", "cyclegan/double-unet").replace(
    'type = "tiny/pictures"\nsize = 32',
    'type = "synthetic"\nfields = { photo = ["photo"], anime = ["anime"] }\ncount = 6\nimage_size = 32',
)
SMALL = SMALL.replace('"cyclegan/double-unet"', '"cyclegan/double-unet", width = 4, levels = 1').replace(
    '"tiny/discriminator", norm = true', '"cyclegan/patchgan", width = 4, layers = 1'
)
SMALL += '[metrics]\nkept = { type = "pixel-l1", input = "G(photo)", target = "photo" }\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a recipe of installed components and a run of it."""
    monkeypatch.chdir(tmp_path)
    Path("r.toml").write_text(SMALL, "utf-8")
    assert main(["run", "r.toml", "--cpu", "--out", "runs/mine", "--set", "train.steps=2"]) == 0
    return tmp_path


def test_check_tells_of_sources_without_torch(here: Path) -> None:
    Path("r.toml").write_text(SMALL.replace("G = {", 'G = { weights = "runs/mine",'), "utf-8")
    code = (
        "import sys; from toonforge.cli import main; code = main(['check', 'r.toml']); "
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "starts from runs/mine" in done.stdout


def test_check_tells_a_missing_source_at_its_line_and_can_be_told_not_to_look(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("r.toml").write_text(SMALL.replace("G = {", 'G = { weights = "runs/mien",'), "utf-8")
    line = 1 + SMALL.splitlines().index("[generators]") + 1
    assert main(["check", "r.toml"]) == 2
    said = capsys.readouterr().err
    assert f"r.toml:{line}" in said and "generators.G.weights: runs/mien is not there" in said
    assert "did you mean 'runs/mine'?" in said
    assert main(["check", "r.toml", "--no-data"]) == 0


def test_a_run_whose_source_is_gone_goes_on_and_a_new_one_does_not_begin(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from_mine = ["--set", 'generators.G.weights="runs/mine"']
    assert main(["run", "r.toml", "--cpu", "--out", "runs/tuned", "--set", "train.steps=2", *from_mine]) == 0
    shutil.rmtree("runs/mine")
    assert main(["run", "runs/tuned", "--resume", "--cpu", "--set", "train.steps=3"]) == 0
    assert main(["evaluate", "runs/tuned", "--cpu"]) == 0
    assert main(["run", "runs/tuned", "--cpu", "--out", "runs/again"]) == 2
    assert "runs/mine is not there" in capsys.readouterr().err
    assert not Path("runs/again").exists()


def test_a_sweep_varies_what_networks_start_from_and_goes_on_without_it(here: Path) -> None:
    def rows(resume: bool) -> list[Row]:
        grid = {"generators.G.weights": ["random", "runs/mine"]}
        return sweep("r.toml", grid, folder="sweeps/s", overrides=["train.steps=1"], resume=resume, cpu=True)

    assert [(row.name, row.state) for row in rows(False)] == [
        ("weights=random", "finished"),
        ("weights=runs-mine", "finished"),
    ]
    locks = [
        json.loads(Path(f"sweeps/s/weights={name}/lock.json").read_text("utf-8")) for name in ("random", "runs-mine")
    ]
    assert ["weights" in lock for lock in locks] == [False, True]
    shutil.rmtree("runs/mine")
    assert [row.state for row in rows(True)] == ["finished", "finished"]
    with pytest.raises(ToonforgeError, match="runs/mine is not there"):
        sweep("r.toml", {"generators.G.weights": ["random", "runs/mine"]}, folder="sweeps/new", cpu=True)


def test_the_report_and_the_comparison_tell_what_a_run_started_from(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from_mine = ["--set", 'generators.G.weights={from="runs/mine", checkpoint="latest"}']
    assert main(["run", "r.toml", "--cpu", "--out", "runs/tuned", "--set", "train.steps=2", *from_mine]) == 0
    page = Path("runs/tuned/report.html").read_text("utf-8")
    sha = json.loads(Path("runs/tuned/lock.json").read_text("utf-8"))["weights"]["G"]["sha256"]
    assert "Networks that start from other weights" in page and sha[:12] in page
    assert "Networks that start from other weights" not in Path("runs/mine/report.html").read_text("utf-8")
    capsys.readouterr()
    assert main(["compare", "runs/mine", "runs/tuned"]) == 0
    assert "runs/mine, latest" in capsys.readouterr().out


def test_shapes_say_what_a_network_starts_from(source: Path) -> None:
    said = network_shapes(recipe(G=InitialWeights(from_="runs/x", checkpoint=500)))
    assert said["G"].endswith("starts from runs/x (checkpoint 500)")
    assert "starts from" not in said["F"]


def test_what_show_prints_of_a_model_is_a_recipe_that_starts_from_it(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert main(["show", "runs/mine"]) == 0
    said = capsys.readouterr().out
    assert "runs/mine  model" in said and "G(photo)" in said and "[discriminators]" in said
    lines = [line.strip() for line in said.splitlines() if 'weights = "runs/mine"' in line]
    assert [line[0] for line in lines] == ["F", "G", "D", "S"]
    written = "\n".join(
        next((line for line in lines if line.startswith(f"{old[:1]} = {{")), old) if " = { type =" in old else old
        for old in SMALL.splitlines()
    )
    Path("r.toml").write_text(written, "utf-8")
    assert set(recipes.load("r.toml").initial) == {"G", "F", "D", "S"}
    assert main(["check", "r.toml"]) == 0


def test_show_knows_model_files_and_installed_models(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = exported(tmp_path / "model.safetensors", kept(source, "G"), "G_A")
    models.add("shop/cartoon", file, Provenance(plugin="shop", distribution="d", version="1"))
    try:
        for name in (str(file), "shop/cartoon", "cartoon"):
            assert main(["show", name]) == 0
            said = capsys.readouterr().out
            assert "12,000" in said and f'G_A = {{ type = "tiny/generator", weights = "{name}" }}' in said
        assert main(["show", "shop/cartoom"]) == 2
        assert "did you mean 'shop/cartoon'?" in capsys.readouterr().err
    finally:
        del models._items["shop/cartoon"]


def test_show_tells_of_the_key_where_it_is_the_engines(capsys: pytest.CaptureFixture[str]) -> None:
    for name, said in (("cyclegan/unet", 1), ("cyclegan/patchgan", 1), ("efficientnet-lite0", 0), ("lsgan", 0)):
        assert main(["show", name]) == 0
        assert capsys.readouterr().out.count("what it starts from") == said, name


def test_a_network_without_a_type_is_told_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        recipes.loads(RECIPE.replace('G = { type = "tiny/generator" }', 'G = { weights = "photo-to-cartoon" }'))
    assert [p.key for p in caught.value.problems] == ["generators.G.type"]
    assert "toonforge show photo-to-cartoon" in (caught.value.problems[0].hint or "")


def test_a_lock_that_lies_breaks_no_report(here: Path) -> None:
    from toonforge.report.around import first_weights
    from toonforge.runs.record import read_record

    odd: Any = {"G": {"from": ["<b>"], "step": "many", "network": 3}, "F": "x", "D": {"step": 10**6}}
    lock = json.loads(Path("runs/mine/lock.json").read_text("utf-8"))
    Path("runs/mine/lock.json").write_text(json.dumps({**lock, "weights": odd}), "utf-8")
    assert [row[0] for row in first_weights(read_record(Path("runs/mine")))] == ["G", "D"]
    assert main(["report", "runs/mine"]) == 0
    assert "<b>" not in Path("runs/mine/report.html").read_text("utf-8").partition("starts from")[2][:500]
