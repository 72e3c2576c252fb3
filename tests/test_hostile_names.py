"""Names in a recipe become names of files: none leads out of the run's folder, and no two files share one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from tests import recipe_plugin as t
from toonforge.cli import main
from toonforge.cli.run import run_name
from toonforge.errors import RecipeError, RunError
from toonforge.recipe import loads
from toonforge.recipe.check import name_problem
from toonforge.recipe.scope import MAX_NAME, RESERVED

t.register()

OUT_OF_THE_FOLDER = (
    *("../../evil", "/etc/evil", "a/b", "..", ".", "", "~", "~root", "C:evil", "\\\\host\\share", "a\\b"),
    *("nul\0byte", "line\nend", "a b", "-rf", "G.ema", "optimizer.train.G", "ops.rank0", "x" * (MAX_NAME + 1)),
    *("Ｇ", "é", "ſ", "\u202egpj", "${name}", "$(touch evil)", "`touch evil`", "%00", "*", "?", "|", "<b>"),
)
"""Names that a file system, a shell or a page would take for more than a name."""

PLACES = {
    "a generator": ("generators", {"type": "t/gen"}),
    "a discriminator": ("discriminators", {"type": "t/disc"}),
    "a signal": ("signals", "G(photo)"),
    "a phase": ("phases", {"updates": ["G"], "losses": {"a": {"type": "t/distance", "input": "G(photo)", "target": "photo"}}}),
    "a translation": ("translations", "G(photo)"),
    "a metric": ("metrics", {"type": "t/kid", "generated": "G(photo)", "reference": "anime"}),
}  # fmt: skip


def with_name(place: str, name: str) -> list[str]:
    """What is wrong with the test's recipe when one thing more is called so."""
    import tomli_w

    table, value = PLACES[place]
    data: dict[str, Any] = tomli.loads(t.TEXT)
    data[table][name] = value
    try:
        loads(tomli_w.dumps(data))
    except RecipeError as error:
        return [problem.message for problem in error.problems]
    return []


@pytest.mark.parametrize("name", OUT_OF_THE_FOLDER)
@pytest.mark.parametrize("place", PLACES)
def test_what_files_are_called_by_is_letters_digits_and_underscores(place: str, name: str) -> None:
    assert "not a name" in with_name(place, name)


@given(st.sampled_from(sorted(PLACES)), st.text(max_size=8))
def test_no_name_that_is_accepted_leads_anywhere(place: str, name: str) -> None:
    if "not a name" not in with_name(place, name):
        assert name.isascii() and name.isidentifier() and os.path.basename(name) == name


@pytest.mark.parametrize("name", ["CON", "nul", "Com1", "lpt9"])
@pytest.mark.parametrize("place", ["a generator", "a phase", "a translation", "a metric"])
def test_a_device_of_windows_names_no_file(place: str, name: str) -> None:
    assert f"{name!r} cannot name a file on Windows" in with_name(place, name)


@pytest.mark.parametrize(
    ("place", "name"), [("a generator", "d_anime"), ("a phase", "Generators"), ("a translation", "ANIME"), ("a metric", "Distance")]
)  # fmt: skip
def test_names_that_differ_only_in_case_would_be_one_file(place: str, name: str) -> None:
    assert any("differ only in case" in message for message in with_name(place, name))


@pytest.mark.parametrize("name", ["optimizer", "checkpoint", "latest", "best", "ops", "G_ema", "ema", "x" * MAX_NAME])
def test_the_names_of_a_runs_own_files_are_names_like_others(name: str) -> None:
    """Their files have a dot in them, which no name has: see `test_hostile_runs` for a run of such networks."""
    assert "not a name" not in with_name("a generator", name)


@pytest.mark.parametrize("name", [*OUT_OF_THE_FOLDER[:18], "x" * 101, "a.", "con", "NUL.txt", ".hidden"])
def test_a_runs_name_is_a_folders_name(name: str) -> None:
    if name in ("G.ema", "optimizer.train.G", "ops.rank0") or name == "x" * (MAX_NAME + 1):
        assert name_problem(name) is None
        return
    assert name_problem(name) is not None
    with pytest.raises(RunError, match="not a name for a folder"):
        run_name(name)


@given(st.text(max_size=12))
def test_a_run_lies_where_runs_lie_whatever_it_is_called(name: str) -> None:
    if name_problem(name) is None:
        place = Path("runs") / name
        assert os.path.normpath(place) == str(place) and place.parent == Path("runs")
        assert name.upper() not in RESERVED


def test_the_command_line_refuses_a_name_that_leads_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.toml").write_text(t.TEXT, "utf-8")
    for name in ("../evil", "/tmp/evil", "..", "-rf", "a\0b", ""):
        assert main(["run", "r.toml", "--name", name]) == 2
    err = capsys.readouterr().err
    assert err.count("--name: not a name for a folder") == 6 and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["r.toml"]


# -- which files a recipe can make the program read, and what is shown of them -----------------------------------------

SECRET = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    "secret", [f"{SECRET}\n", f'password = "{SECRET}"\n', f"{SECRET} = 1\n", f"root:{SECRET}:0:0\n", f'"{SECRET}\n'],
)  # fmt: skip
def test_a_file_that_is_no_recipe_is_not_quoted_when_a_recipe_extends_it(tmp_path: Path, secret: str) -> None:
    """It is read: a recipe may extend any recipe. Of another file only the place of the mistake is told."""
    (tmp_path / "secret").write_text(secret, "utf-8")
    with pytest.raises(RecipeError) as caught:
        loads(f'extends = "{tmp_path / "secret"}"\n' + t.TEXT)
    text = str(caught.value)
    assert "secret" in text
    assert SECRET not in text or "unknown key" in text  # a table's keys are told, as of any recipe


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/stdin", "/proc/self/mem", ".", "/"])
def test_only_files_can_be_extended(path: str) -> None:
    with pytest.raises(RecipeError, match=r"no such recipe|cannot read|larger"):
        loads(f'extends = "{path}"\n' + t.TEXT)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(RecipeError, match="no such recipe"):
        loads(f'extends = "{tmp_path / "pipe.toml"}"\n' + t.TEXT)


@pytest.mark.parametrize("text", ["${HOME}", "${env.HOME}", "${os.environ}", "${__class__}", "${name.__class__}", "${../x}"])  # fmt: skip
def test_references_reach_the_recipe_alone(text: str) -> None:
    with pytest.raises(RecipeError):
        loads(t.TEXT.replace('"G(photo)"', f'"{text}"', 1))


@pytest.mark.parametrize(
    "expression",
    ["__import__('os')", "G.__class__(photo)", "eval(photo)", "G(photo)[0]", "lambda: 1", "G(photo) if 1 else 2", "print(photo)"],
)  # fmt: skip
def test_expressions_are_calls_and_names_and_no_code(expression: str) -> None:
    with pytest.raises(RecipeError):
        loads(t.TEXT.replace('"G(photo)"', f'"{expression}"', 1))
