"""What the author of a first plugin does wrong is told, and so is a plugin that a recipe wants and nobody installed."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.test_plugins import COMMANDS, GOOD, Site
from toonforge.cli import main
from toonforge.cli.show import show_component
from toonforge.components import Loss, component
from toonforge.errors import RecipeError, UnknownNameError
from toonforge.plugins.loader import Plugins
from toonforge.recipe import find
from toonforge.registry import Provenance

ROOT = Path(__file__).parent.parent


def test_a_hook_without_its_mark_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install("soft", GOOD.replace("@hookimpl\ndef toonforge_generators", "def toonforge_generators"))
    record = site.load().records[-1]
    assert (record.status, record.problem) == ("broken", "toonforge_generators is not marked with @hookimpl")


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("losses", "pixar/charm", "no plugin 'pixar' is installed; its package is usually called toonforge-pixar"),
        (
            "losses",
            "sofd/lsgan",
            "no plugin 'sofd' is installed; its package is usually called toonforge-sofd; did you mean 'lsgan'?",
        ),
        (
            "generators",
            "cartoongan/cartoongan",
            "install toonforge-cartoongan, which supplies it: in a checkout of toonforge, pip install ./plugins/cartoongan",
        ),
    ],
)
def test_a_plugin_that_is_not_installed_is_named(kind: str, name: str, hint: str) -> None:
    plugins = Plugins(distributions=[])
    with pytest.raises(UnknownNameError) as caught:
        plugins.registries[kind][name]
    assert caught.value.problems[0].hint == hint


def toonforge(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line, with the plugins of a folder beside those that are installed."""
    environment = {**os.environ, "PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "COLUMNS": "200"}
    command = [sys.executable, "-m", "toonforge", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site, check=False)


def test_a_plugin_without_its_recipe_is_left_out_and_the_rest_is_listed(tmp_path: Path) -> None:
    """What a wheel whose builder forgot the recipe does."""
    site = Site(tmp_path)
    site.install("toonforge-soft", GOOD.replace("__file__", "__file__, 'first.toml'"), entry="soft")
    listed = toonforge(tmp_path, "list")
    assert listed.returncode == 0 and "cyclegan/cyclegan" in listed.stdout
    assert listed.stderr == "\nleft out: soft (broken); see: toonforge plugins\n"
    (tmp_path / "mine.toml").write_text('extends = "soft/first"\n', "utf-8")
    (tmp_path / "op.toml").write_text('extends = "cyclegan/cyclegan"\nsignals.x = "soft/op(photo)"\n', "utf-8")
    for words in (
        ["list", "soft/*"],
        ["list", "recipes", "soft/first"],
        ["soft", "a.png"],
        ["check", "soft/first"],
        ["show", "soft/first"],
        ["translate", "soft/first", "a.png"],
        ["check", "mine.toml"],
        ["check", "op.toml"],
    ):
        told = toonforge(tmp_path, *words)
        assert told.returncode == 2, told.stderr
        said = "plugin 'soft' (toonforge-soft 1.0) is broken: recipe 'soft/first_recipe' is"
        lead = {
            "soft": "no such command 'soft'; ",
            "mine.toml": "mine.toml:1:1: extends: ",
            "op.toml": "op.toml:2:9: signals.x: ",
        }
        place = next((lead[word] for word in words if word in lead), "")
        assert told.stderr.startswith(f"error: {place}{said}"), words
        assert "first.toml, and there is no such file" in told.stderr


def test_a_syntax_error_is_told_once_with_its_own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin's module imports the one with the mistake."""
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    losses = f"losses_{site.number}"
    (tmp_path / f"{losses}.py").write_text("x = 1\nif x\n    pass\n", "utf-8")
    site.install("oops", f"import {losses}\n")
    told = str(site.load().records[-1].problem)
    assert told.endswith(f"({tmp_path / losses}.py:2)") and told.count(losses) == 1


@pytest.mark.parametrize("status", ["broken", "misfit", "blocked", "duplicate"])
def test_why_a_plugin_is_not_there_leads_where_one_of_its_names_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    requires = ["toonforge>=9,<10"] if status == "misfit" else []
    site.install("soft", "import no_such_module" if status == "broken" else GOOD, entry="soft", requires=requires)
    if status == "duplicate":
        site.install("softer", GOOD, entry="soft")
    plugins = site.load(blocked=["soft"] if status == "blocked" else [])
    with pytest.raises(UnknownNameError) as caught:
        plugins.registries["losses"]["soft/charm"]
    (problem,) = caught.value.problems
    message, hint = {
        "broken": ("is broken: ModuleNotFoundError: No module named 'no_such_module'", "toonforge doctor"),
        "misfit": ("does not fit: it needs toonforge >=9,<10, and this is", "install toonforge and soft in versions"),
        "blocked": ("is blocked: blocked by -p no:soft", "leave out -p no:soft"),
        "duplicate": ("is there twice: softer 1.0 supplies a plugin of the same name", "toonforge doctor"),
    }[status]
    assert problem.message.startswith(f"plugin 'soft' (soft 1.0) {message}")
    assert problem.found == "soft/charm" and str(problem.hint).startswith(hint)


def test_a_plugin_that_two_packages_supply_is_left_out_once(tmp_path: Path) -> None:
    site = Site(tmp_path)
    for package in ("toonforge-soft", "toonforge-softer"):
        site.install(package, GOOD, entry="soft")
    told = toonforge(tmp_path, "list", "ops").stderr
    assert told == "\nleft out: soft (duplicate); see: toonforge plugins\n"


def test_a_model_that_is_not_made_yet_is_told_in_its_line(tmp_path: Path) -> None:
    """It may be what the plugin's own recipe makes."""
    code = GOOD.replace("toonforge_recipes", "toonforge_models").replace(
        "__file__", "__file__).with_name('m.safetensors'"
    )
    Site(tmp_path).install("toonforge-soft", code, entry="soft")
    listed = toonforge(tmp_path, "list", "soft/*")
    assert listed.returncode == 0 and "soft/net" in listed.stdout
    assert re.search(r"soft/first_recipe +\S.*m\.safetensors", listed.stdout), listed.stdout


def test_a_recipe_that_cannot_be_read_is_told_in_its_line(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.install("toonforge-soft", GOOD.replace("__file__", "__file__).with_name('first.toml'"), entry="soft")
    (tmp_path / "first.toml").write_bytes(b"# caf\xe9 noir\n")
    listed = toonforge(tmp_path, "list", "soft/*")
    assert listed.returncode == 0 and "caf\ufffd noir" in listed.stdout


def test_a_command_is_listed_as_it_is_typed_and_a_hidden_one_says_so(tmp_path: Path) -> None:
    Site(tmp_path).install("toonforge-soft", COMMANDS, entry="soft")
    assert "commands  go, run (not reached: toonforge run is built in)\n" in toonforge(tmp_path, "plugins").stdout


def test_why_a_plugin_is_broken_is_broken_between_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "60")
    site = Site(tmp_path)
    site.install("soft", "raise ValueError('" + "of word after word " * 9 + "')")
    monkeypatch.setattr("toonforge.registries.plugins", site.load())
    assert main(["plugins"]) == 0
    shown, hint = capsys.readouterr().out.strip().split("\n\n")[-2:]
    assert hint == "tracebacks: toonforge plugins --verbose"
    lines = [line for line in shown.splitlines() if "word" in line]
    assert len(lines) > 3 and max(map(len, lines)) < 60 and all(re.match(r" {11}\w+:? ", line) for line in lines)


def test_a_name_in_the_environment_that_no_plugin_has_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugins = Plugins(distributions=[], allowed=["sofd", "toonforge"])
    plugins.load()
    monkeypatch.setattr("toonforge.registries.plugins", plugins)
    assert main(["plugins"]) == 0
    assert capsys.readouterr().out.endswith("\nTOONFORGE_PLUGINS names sofd: not installed\n")


def test_an_optional_hook_may_be_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    later = "@hookimpl(optionalhook=True)\ndef toonforge_samplers():\n    return {}\n"
    site.install("soft", GOOD + later)
    site.install("hard", GOOD + later.replace("optionalhook=True", ""))
    assert [each.status for each in site.load().records] == ["good", "broken", "good"]


def test_a_misnamed_plugin_is_found_by_its_package(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.install("toonforge_soft", GOOD, entry="Soft_Er")
    with pytest.raises(UnknownNameError, match=r"plugin 'Soft_Er' \(toonforge_soft 1\.0\) is misnamed"):
        site.load().registries["generators"]["soft/net"]


def test_a_first_look_up_that_was_stopped_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with Ctrl-C in a notebook."""
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install("a", "import toonforge.registries as r\nlist(r.losses)\n" + GOOD + COMMANDS)
    site.install("b", GOOD)
    site.install("c", f"import os\nif os.path.exists({str(tmp_path / 'stop')!r}): raise KeyboardInterrupt")
    (tmp_path / "stop").touch()
    plugins = Plugins(distributions=list(importlib.metadata.distributions(path=[str(tmp_path)])))
    monkeypatch.setattr("toonforge.registries.losses", plugins.registries["losses"])
    with pytest.raises(KeyboardInterrupt):
        list(plugins.recipes)
    (tmp_path / "stop").unlink()
    assert "l1" in plugins.registries["losses"] and list(plugins.registries["generators"])[-1] == "b/net-two"
    assert [each.status for each in plugins.records] == ["good"] * 4
    assert list(plugins.commands) == ["go", "run"] and list(plugins.recipes) == ["a/first_recipe", "b/first_recipe"]


def test_a_thread_that_looks_up_while_another_loads_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a web server, or a pool of threads."""
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    look = "import threading, toonforge.registries as r\nlist(r.generators)\nthreading.first.set()\n"
    site.install("a", look + "threading.second.wait(0.5)\n" + GOOD)
    for name in ("first", "second"):
        monkeypatch.setattr(threading, name, threading.Event(), raising=False)
    plugins = Plugins(distributions=list(importlib.metadata.distributions(path=[str(tmp_path)])))
    monkeypatch.setattr("toonforge.registries.generators", plugins.registries["generators"])
    loading = threading.Thread(target=plugins.load)
    loading.start()
    assert threading.first.wait(20)  # type: ignore[attr-defined]
    try:
        assert list(plugins.registries["generators"]) == ["a/net", "a/net-two"] and "l1" in plugins.registries["losses"]
    finally:
        threading.second.set()  # type: ignore[attr-defined]
        loading.join()


@pytest.mark.parametrize("text", ["recipes/anime.toml", "/nowhere/anime.toml", "./net"])
def test_the_path_of_a_recipe_is_no_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError) as caught:
        find(text)
    assert "is installed" not in str(caught.value) and "see: toonforge list recipes" in str(caught.value)


def test_a_component_without_a_docstring_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    mute = component(type("Mute", (Loss,), {}))
    show_component("losses", "soft/mute", mute, Provenance(plugin="soft", distribution="toonforge-soft", version="1"))
    assert "It has no description" in capsys.readouterr().out
