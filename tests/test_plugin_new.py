"""`toonforge plugin new`: whatever kinds are chosen, what is written is well-formed, and is a plugin."""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from toonforge import __version__
from toonforge.cli.plugin import new
from toonforge.components import KINDS as COMPONENT_KINDS
from toonforge.errors import PluginError
from toonforge.names import is_component_name
from toonforge.plugins.fit import core_range
from toonforge.plugins.installed import PluginRecord
from toonforge.scaffold import KINDS, Package, refuse_name, write
from toonforge.scaffold.names import LONGEST
from toonforge.scaffold.package import TEMPLATES
from toonforge.testing.packages import imports_of
from toonforge.testing.public import refusal

NAME = "ink-lines"
LONG = "a" * 14 + "-" + "b" * (LONGEST - 15)


def package(*kinds: str, name: str = NAME) -> Package:
    return Package(name=name, kinds=kinds, version=__version__)


def combinations() -> Iterator[tuple[str, ...]]:
    """Each kind alone, every two, all but each one, all."""
    for size in (1, 2, len(KINDS) - 1, len(KINDS)):
        yield from itertools.combinations(KINDS, size)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package for each of `combinations`, and two of the longest name."""
    folder = tmp_path_factory.mktemp("written")
    for number, kinds in enumerate(combinations()):
        write(package(*kinds), folder / f"{number}")
    write(package(*KINDS, name=LONG), folder / "long")
    write(package("loss", name=LONG), folder / "long-loss")
    return folder


def test_every_kind_of_component_can_be_begun_with() -> None:
    bases = {kind.base for kind in KINDS.values() if kind.base}
    assert bases == {base.__name__ for base in COMPONENT_KINDS.values()}


def test_every_template_is_used() -> None:
    used = {*package(*KINDS)._templates().values(), *package("loss")._templates().values()}
    assert used == {path.name for path in TEMPLATES.iterdir()}


def test_all_that_is_written_can_be_read(written: Path) -> None:
    seen = 0
    for path in sorted(written.rglob("*")):
        if path.is_file():
            text = path.read_text("utf-8")
            assert "{{" not in text.replace("${{ matrix.python }}", "") and "{%" not in text, path
            assert text.endswith("\n") or not text, path
            if path.suffix == ".py":
                ast.parse(text)
            elif path.suffix == ".toml":
                tomli.loads(text)
            elif path.suffix == ".yml":
                assert yaml.safe_load(text)["jobs"]["test"]["steps"]
            seen += 1
    assert seen > 1000


def test_its_own_ruff_settings_find_nothing(written: Path) -> None:
    for words in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *words, "--no-cache", str(written)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_recipe_uses_all_that_was_chosen() -> None:
    for kinds in combinations():
        made = package(*kinds)
        recipe = made.files[f"src/{made.module}/recipes/first.toml"]
        for kind in {*kinds, "generator"} - {"recipe", "hook", "command"}:
            assert f"{NAME}/{KINDS[kind].example}" in recipe, (kind, kinds)
        for kind in KINDS.keys() - {*kinds, "generator", "recipe", "hook", "command"}:
            assert f"{NAME}/{KINDS[kind].example}" not in recipe, (kind, kinds)


def test_what_is_written_imports_public_names_alone() -> None:
    seen = set()
    for path, text in {**package(*KINDS).files, **package("loss").files}.items():
        for line, module, name in imports_of(text) if path.endswith(".py") else ():
            if module.partition(".")[0] == "toonforge":
                assert refusal(module, name) is None, (path, line)
                seen.add(module)
    assert {"toonforge", "toonforge.nn", "toonforge.events", "toonforge.testing"} <= seen


def site(folder: Path, made: Package) -> dict[str, str]:
    """The package as if installed below a folder, and the environment that finds it."""
    write(made, folder / "project")
    info = folder / "project" / "src" / f"{made.module}-0.1.0.dist-info"
    info.mkdir()
    project = tomli.loads(made.files["pyproject.toml"])["project"]
    needs = "".join(f"Requires-Dist: {each}\n" for each in project["dependencies"])
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {made.distribution}\nVersion: 0.1.0\n{needs}", "utf-8"
    )
    (entry,) = project["entry-points"]["toonforge"].items()
    (info / "entry_points.txt").write_text(f"[toonforge]\n{entry[0]} = {entry[1]}\n", "utf-8")
    root = Path(__file__).parent.parent
    places = [info.parent, root, *sorted(root.glob("plugins/*/src"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


def toonforge(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "toonforge", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_the_plugin_is_found_and_its_recipes_check_whatever_was_chosen(tmp_path: Path) -> None:
    environment = site(tmp_path, package(*KINDS))
    recipes = []
    for number, kinds in enumerate(kinds for kinds in combinations() if len(kinds) != 2):  # pairs show nothing new
        made = package(*kinds)
        recipes.append(tmp_path / f"{number}.toml")
        recipes[-1].write_text(made.files[f"src/{made.module}/recipes/first.toml"], "utf-8")
    checked = toonforge(environment, "check", *map(str, recipes), f"{NAME}/first")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    code = f"""if True:
        import sys, toonforge
        from toonforge.registries import plugins
        plugins.load()
        (record,) = [record for record in plugins.records if record.name == {NAME!r}]
        assert record.status == "good", record
        from toonforge.cli import main
        assert main(["plugin", "new", "fresh", "--out", {str(tmp_path / "fresh")!r}]) == 0
        assert main(["plugin", "new", {NAME!r}]) == 2  # it is installed
        assert "torch" not in sys.modules
        print(sorted(name for names in record.supplies.values() for name in names))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    expected = {f"{NAME}/{kind.example}" for kind in KINDS.values() if kind.example} | {NAME}
    assert set(ast.literal_eval(done.stdout.splitlines()[-1])) == expected
    assert f"the name '{NAME}' is taken" in done.stderr
    help_ = toonforge(environment, "--help")
    assert re.search(rf"^  {NAME} +Tell the mean colour", help_.stdout, re.M), help_.stdout


@pytest.mark.soak
def test_recipes_train_whichever_kinds_were_chosen(tmp_path: Path) -> None:
    """pytest -m soak tests/test_plugin_new.py"""
    environment = site(tmp_path, package(*KINDS))
    chosen = [kinds for kinds in combinations() if len(kinds) != 2]
    for number, kinds in enumerate(chosen):
        made = package(*kinds)
        (tmp_path / f"{number}.toml").write_text(made.files[f"src/{made.module}/recipes/first.toml"], "utf-8")
    code = f"""if True:
        import toonforge, torch
        torch.set_num_threads(1)
        for number in range({len(chosen)}):
            recipe = toonforge.load_recipe(f"{{number}}.toml", ["train.steps=2", "train.samples.every=2"])
            finished = toonforge.run(recipe, f"runs/{{number}}")
            assert finished.reason == "done" and all(value[""] >= 0 for value in finished.metrics.values()), finished"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "runs").glob("*/summary.txt"))) == len(chosen)  # the listener of the plugin heard them


@given(st.text("abc-_A0. ", max_size=LONGEST + 4))
def test_a_name_is_taken_exactly_where_it_can_be_a_namespace(name: str) -> None:
    try:
        refuse_name(name, [], ["aaa"])
    except PluginError as error:
        (problem,) = error.problems
        assert not is_component_name(name) or len(name) > LONGEST or name == "aaa"
        if problem.hint and problem.hint.startswith("did you mean"):
            refuse_name(problem.hint.split("'")[1], [], [])
    else:
        assert is_component_name(name) and len(name) <= LONGEST and name != "aaa"


RECORD = PluginRecord(name="soft", distribution="softly", version="2", target="t", status="broken")


@pytest.mark.parametrize(
    ("name", "found", "hint"),
    [
        ("Ink_Lines", "'Ink_Lines' cannot be the name of a plugin", "did you mean 'ink-lines'?"),
        ("a" * (LONGEST + 1), "at most 30 characters", f"did you mean '{'a' * LONGEST}'?"),
        ("toonforge-ink", "'toonforge-ink' cannot be", "leave out 'toonforge-'"),
        ("cyclegan", "toonforge-cyclegan is a plugin of toonforge's own", "choose another"),
        ("soft", "softly 2 is installed", "two plugins of one name are both left out"),
        ("toonforge", "the core's own name", "choose another"),
        ("run", "toonforge run is a command", "choose another"),
    ],
)
def test_a_name_that_cannot_be_is_refused_with_advice(name: str, found: str, hint: str) -> None:
    with pytest.raises(PluginError) as caught:
        refuse_name(name, [RECORD], ["run"])
    assert found in str(caught.value) and hint in str(caught.value)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(PluginError, match="is there already"):
        write(package("loss"), tmp_path / "mine")
    assert list(tmp_path.rglob("*")) == [tmp_path / "mine"]
    with pytest.raises(PluginError, match=r"make the folder .*nowhere first"):
        write(package("loss"), tmp_path / "nowhere" / "mine")


def test_what_cannot_be_written_whole_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, calls = Path.write_text, itertools.count()

    def full(self: Path, *given: object, **named: object) -> int:
        if next(calls) == 5:
            raise OSError(28, "No space left on device")
        return plain(self, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(PluginError, match="No space left on device"):
        write(package("loss"), tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [("0.1.0", ">=0.1,<0.2"), ("0.12.3", ">=0.12,<0.13"), ("1.4.2", ">=1.4,<2"), ("2.0rc1", ">=2.0,<3"), ("0+unknown", ">=0.0,<0.1")],
)  # fmt: skip
def test_the_range_ends_where_the_core_may_break_a_plugin(version: str, expected: str) -> None:
    assert core_range(version) == expected


def test_the_command_tells_what_to_do_next(tmp_path: Path) -> None:
    out = tmp_path / "a b"
    done = CliRunner().invoke(new.command, ["ink-lines", "--kind", "loss", "--kind", "command", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"cd '{out}'\n  pip install -e \".[dev]\"\n  toonforge run ink-lines/first\n  pytest" in done.output
    for part in ("losses.py", "ink-lines/charbonnier", "toonforge ink-lines", "a small generator to train"):
        assert part in " ".join(done.output.split()), done.output  # however wide the terminal is
    assert (out / "src/toonforge_ink_lines/losses.py").is_file()
    assert not (out / "src/toonforge_ink_lines/ops.py").exists()


def test_the_examples_of_the_help_work_in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.split() for line in (new.command.help or "").splitlines()]
    examples = [words[3:] for words in lines if words[:3] == ["toonforge", "plugin", "new"]]
    assert len(examples) == 3
    for number, words in enumerate(examples):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        done = CliRunner().invoke(new.command, words)
        assert done.exit_code == 0, f"{words}: {done.exception}"


def test_all_is_every_kind_and_nothing_is_a_generator(tmp_path: Path) -> None:
    for words, expected in (["--kind", "all"], package(*KINDS)), ([], package("generator")):
        out = tmp_path / f"{len(words)}"
        assert CliRunner().invoke(new.command, [NAME, *words, "--out", str(out)]).exit_code == 0
        assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == set(expected.files)


def test_a_kind_that_is_none_is_told() -> None:
    done = CliRunner().invoke(new.command, [NAME, "--kind", "lost"])
    assert done.exit_code == 2 and "'lost' is not one of 'generator'" in done.output
