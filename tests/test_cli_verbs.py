"""The quick verbs: what they print, and what they say of a mistake."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from toonforge.cli import faults, main
from toonforge.cli.group import toonforge
from toonforge.components import KINDS
from toonforge.errors import Location, Problem, RecipeError
from toonforge.speed.tricks import TRICKS


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(list(words))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_list_names_every_component_and_who_supplies_it(capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge import registries

    code, out, _ = run(capsys, "list")
    assert code == 0
    for kind in KINDS:
        for name in registries.plugins.registries[kind]:
            assert f"  {name} " in out
    assert "toonforge-cyclegan" in out


def test_list_takes_a_kind_and_a_pattern(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "list", "losses", "l?")
    assert "l1" in out and "l2" in out and "lsgan" not in out
    assert run(capsys, "list", "loss", "l1")[1] == run(capsys, "list", "losses", "l1")[1]
    _, out, _ = run(capsys, "list", "cyclegan/*")
    assert "cyclegan/unet" in out and "cyclegan/patchgan" in out and "lsgan" not in out


def test_list_names_every_trick_of_speed(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", "tricks")
    assert code == 0 and all(f"  {name} " in out for name in TRICKS)
    _, out, _ = run(capsys, "list", "trick", "c*")
    assert "  compile " in out and "  tf32 " not in out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["list", "generator-s"], "generators"),
        (["list", "tricks", "compil"], "compile"),
        (["list", "losses", "lsgn"], "lsgan"),
        (["show", "cyclegan/unett"], "cyclegan/unet"),
        (["show", "absent/patchgan"], "toonforge-absent"),
        (["lst"], "list"),
        (["-p", "no:nothing", "list"], "cyclegan"),
        (["-p", "cyclegan", "list"], "no:NAME"),
        (["-p", "no:toonforge", "list"], "no plugin is called 'toonforge'"),
        (["check", "cyclegan/cyclegan", "-p", "no:samples"], "it stands before the verb: toonforge -p … check"),
        (["completion"], "Choose from: bash, zsh, fish"),
        (["check", "no-such-recipe.toml"], "expected"),
        (["run", "no-such-recipe.toml"], "expected"),
        (["cp", "cyclegan/cyclgan"], "cyclegan/cyclegan"),
        (["translate", "no-such-run", "no-such-picture.jpg"], "expected"),
        (["run"], "RECIPE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_gives_code_2_and_a_hint(capsys: pytest.CaptureFixture[str], words: list[str], hint: str) -> None:
    code, out, err = run(capsys, *words)
    assert code == 2
    assert hint in err and "Traceback" not in err
    assert out == ""


def test_show_explains_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "show", "adam")
    assert code == 0
    for word in ("lr", "number, default 0.0002", "greater than 0", "[CycleGAN, section 4]", "[number, number]"):
        assert word in out
    assert "toonforge 0.1.0" in out


def test_show_prints_a_recipe_that_reads_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from toonforge.recipe import load

    code, out, _ = run(capsys, "show", "cyclegan/cyclegan", "--set", "train.epochs=3")
    assert code == 0
    copy = tmp_path / "copy.toml"
    copy.write_text(out, "utf-8")
    assert load(copy) == load("cyclegan/cyclegan", ["train.epochs=3"])


def test_show_explains_picture_filters_and_lists_their_styles(capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge.data.filters.cartoonize import ABOUT_STYLES
    from toonforge.data.filters.fields import FILTERS

    for name, styles in FILTERS.items():
        code, out, _ = run(capsys, "show", name)
        assert code == 0 and "picture filter" in out and "filtered" in out
        for style in filter(None, styles):
            assert f"  {style} " in out and ABOUT_STYLES[style] in out
            assert f"{style}: {ABOUT_STYLES[style]}" in run(capsys, "show", "cartoonized-folder")[1]
    assert "did you mean 'cartoonize'" in run(capsys, "show", "cartoonise")[2]


def test_show_names_units_once_and_what_recipes_infer(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "show", "pix2pix/unet")[1]
    assert "in_channels  integer, inferred" in out and "in channels" not in out
    assert "in pixels" in run(capsys, "show", "cartoonized-folder")[1]


@pytest.mark.parametrize("columns", [80, 120])
def test_list_and_show_keep_to_the_terminal_and_break_between_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (["list"], ["show", "cartoonized-folder"], ["show", "pix2pix/patchgan"], ["show", "fid"]):
        lines = run(capsys, *words)[1].splitlines()
        # Only a single word may be longer than its line.
        assert not [line for line in lines if len(line) > columns and len(line.split()) > 2]


def test_list_names_a_package_once_a_kind(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(capsys, "list", "generators")[1]
    assert out.count("toonforge-cyclegan") == 1 and out.count("cyclegan/") == 3


def test_a_paragraph_hangs_and_loses_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.cli.text import hanging

    monkeypatch.setenv("COLUMNS", "20")
    text = "one two three four-and-a-half extraordinarily-long-words five"
    first, *others = hanging(text, "* ", "    ").splitlines()
    assert first == "* one two three" and all(line.startswith("    ") for line in others)
    assert " ".join(line.strip(" *") for line in [first, *others]) == text
    assert "\n" not in hanging("\x1b[32mOK\x1b[0m four words fit")


def test_every_component_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge import registries

    for kind in KINDS:
        for name in registries.plugins.registries[kind]:
            code, out, err = run(capsys, "show", name)
            assert code == 0, err
            assert name in out


def test_check_tells_networks_shapes_phases_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", "cyclegan/cyclegan", "--no-data", "--set", "train.epochs=3", "--set", "data.image_size=128"]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert out.startswith("OK cyclegan/cyclegan: G, F cyclegan/resnet 3x128x128 -> 3x128x128")
    assert "phases generators, discriminators; 3 epochs, batches of 1" in out
    assert out.count("\n") == 1


def test_check_looks_for_the_data_and_goes_on_with_the_next_recipe(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "check", "cyclegan/cyclegan", "cyclegan/cyclegan")
    assert code == 2
    assert err.count("error:") >= 2 and "data/photo" in err
    assert out == ""


def test_cp_copies_and_never_overwrites(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "cp", "cyclegan/cyclegan")[0] == 0
    copy = tmp_path / "cyclegan.toml"
    assert run(capsys, "check", "cyclegan.toml", "--no-data")[0] == 0
    copy.write_text("mine", "utf-8")
    code, _, err = run(capsys, "cp", "cyclegan/cyclegan")
    assert code == 2
    assert "already" in err
    assert copy.read_text("utf-8") == "mine"
    assert run(capsys, "cp", "cyclegan/cyclegan", "no/folder.toml")[0] == 2
    code, _, err = run(capsys, "cp", "cyclegan.toml", "other.toml")
    assert code == 2 and "is a file" in err and 'extends = "cyclegan.toml"' in err


def test_plugins_tells_why_one_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "broken_plugin.py").write_text("import nothing_of_this_name\n", "utf-8")
    info = tmp_path / "toonforge_broken-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toonforge-broken\nVersion: 1.2\n", "utf-8")
    (info / "entry_points.txt").write_text("[toonforge]\nbroken = broken_plugin\n", "utf-8")

    def toonforge(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "toonforge", *words],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{Path.cwd()}"},
            check=False,
        )

    told = toonforge("plugins").stdout
    assert "broken     broken  toonforge-broken 1.2  (broken_plugin)" in told
    assert "ModuleNotFoundError" in told and "Traceback" not in told
    assert "Traceback" in toonforge("plugins", "--verbose").stdout
    assert "blocked    broken" in toonforge("-p", "no:broken", "plugins").stdout
    assert "broken_plugin" not in toonforge("list").stderr
    asked = toonforge("show", "broken/net")
    assert asked.returncode == 2
    assert "is broken" in asked.stderr


def test_a_problem_is_told_with_place_key_found_expected_and_hint(capsys: pytest.CaptureFixture[str]) -> None:
    where = Location("r.toml", 3, 7)
    faults.show(
        RecipeError(
            Problem(
                message="out of range", where=where, key="train.steps", found="0", expected="at least 1", hint="try 1"
            ),
            "another",
        )
    )
    err = capsys.readouterr().err
    assert "error: r.toml:3:7: train.steps: out of range\n" in err
    for line in ("found:    0", "expected: at least 1", "hint:     try 1", "error: another", "2 problems"):
        assert line in err


def test_a_fault_of_ours_is_one_line_with_its_traceback_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("toonforge.cli.list.kinds", fail)
    code, _, err = run(capsys, "list")
    assert code == 1
    assert "internal error: RuntimeError: a bug" in err and "Traceback (most" not in err
    path = Path(err.rsplit("Traceback: ", 1)[1].strip())
    assert "RuntimeError: a bug" in path.read_text("utf-8")
    path.unlink()
    code, _, err = run(capsys, "--traceback", "list")
    assert code == 1
    assert "Traceback (most recent call last)" in err


def verbs(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb as one types it, those below a group too."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, (*above, name))
        else:
            yield (*above, name), command


def test_plugins_of_these_names_alone(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "plugins", "pix2pix", "toonforge")
    assert code == 0
    assert [line.split()[1] for line in out.splitlines() if line.startswith("good")] == ["toonforge", "pix2pix"]
    code, out, err = run(capsys, "plugins", "pix2pix", "cyclegn")
    assert (code, out) == (2, "") and "'cyclegn'" in err and "did you mean 'cyclegan'?" in err


VERBS = dict(verbs(toonforge))


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_every_verb_has_help_with_examples(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, *words, "--help")
    assert code == 0
    assert f"  toonforge {' '.join(words)}" in out or words == ("plugins",)
    assert "Examples:" in out
    options = [option for option in VERBS[words].params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_verbs_below_others_are_among_them() -> None:
    assert {("data", "cartoonize"), ("data", "smooth-edges"), ("run",)} <= VERBS.keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "runs/nope", "--resume"], "there is no run in runs/nope"),
        (["sweep", "sweeps/nope", "--resume"], "there is no sweep in sweeps/nope"),
    ],
)
def test_resuming_what_is_not_there_says_so(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    code, _, err = run(capsys, *words)
    assert code == 2 and message in err
