"""Every page on a hook is a whole plugin: its files, commands and Python are tried as they are written."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.executed_page import Block, blocks, execute, installed, project
from toonforge import registries
from toonforge.cli import main
from toonforge.errors import UnknownNameError

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "how-to" / "plugins"
PAGES = sorted(FOLDER.glob("*.md"))


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def since() -> str:
        out, err = capfd.readouterr()
        return f"{out} {err}"

    return since


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_does_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
) -> None:
    """Including: nothing on it is left out, and its plugin supplies what the page is about."""
    torch.set_num_threads(1)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    done = execute(page, tmp_path, printed)
    assert page.read_text("utf-8").count("```") == 2 * len(done), "a block that is not marked is not tried"
    assert not [block.text for block in done if not block.what]
    assert {"file", "run"} <= {block.what for block in done}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_pages_plugin_supplies_what_the_page_is_about(page: Path, tmp_path: Path) -> None:
    source = plugin_of(page)
    hooks = re.findall(r"^@hookimpl\ndef (\w+)", source, re.M)
    about = [hook.removeprefix("toonforge_") for hook in hooks]
    if page.stem == "run-hooks":
        assert hooks and not any(hook.startswith("toonforge_") for hook in hooks)
    else:
        assert about == [page.stem]


def plugin_of(page: Path) -> str:
    """The plugin's module."""
    (text,) = [block.text for block in blocks(page) if block.name == "src/toonforge_soft/plugin.py"]
    return text


def test_no_pages_plugin_needs_torch_to_be_imported(tmp_path: Path) -> None:
    names = [page.stem.replace("-", "_") for page in PAGES]
    for name, page in zip(names, PAGES, strict=True):
        (tmp_path / f"{name}_page.py").write_text(plugin_of(page), "utf-8")
    imports = ", ".join(f"{name}_page" for name in names)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {imports}; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_pages_import_public_modules_alone(page: Path) -> None:
    """Of toonforge a plugin may import what is documented: no engine, no private part, no other plugin."""
    public = {"toonforge", "toonforge.nn", "toonforge.data", "toonforge.events", "toonforge.testing"}
    for block in blocks(page):
        if block.language == "python":
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and str(node.module).startswith("toonforge"):
                    module = str(node.module)
                    assert module in public or module.startswith(("toonforge.nn.", "toonforge_soft")), module


def test_an_installed_plugin_is_gone_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "src" / "toonforge_soft"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "plugin.py").write_text(plugin_of(FOLDER / "schedules.md"), "utf-8")
    with installed(tmp_path, project()) as record:
        assert record.supplies == {"schedules": ("soft/inverse-root",)}
        assert "soft/inverse-root" in registries.schedules
    assert "soft/inverse-root" not in registries.schedules and "toonforge_soft" not in sys.modules
    assert record not in registries.plugins.records
    with pytest.raises(UnknownNameError):
        registries.schedules["soft/inverse-root"]


def test_the_index_links_every_page() -> None:
    index = (FOLDER.parent / "write-a-plugin.md").read_text("utf-8")
    assert [page.name for page in PAGES if f"(plugins/{page.name})" not in index] == []


LISTENER = """
from toonforge import hookimpl

@hookimpl
def step_finished(run, step):
    raise OSError("the disk of the plugin is full")
"""


def test_a_plugins_hook_that_fails_ends_the_run_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (watched,) = [block.text for block in blocks(FOLDER / "run-hooks.md") if block.name == "watched.toml"]
    (tmp_path / "watched.toml").write_text(watched, "utf-8")
    folder = tmp_path / "src" / "toonforge_soft"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "plugin.py").write_text(LISTENER, "utf-8")
    with installed(tmp_path, project()):
        assert main(["run", "watched.toml", "--cpu"]) == 1
    assert "the disk of the plugin is full" in capfd.readouterr().err


def suites(page: Path) -> list[Block]:
    """The page's conformance tests."""
    return [block for block in blocks(page) if block.name == "tests/test_conformance.py"]


@pytest.mark.soak
@pytest.mark.parametrize("page", [page for page in PAGES if suites(page)], ids=lambda page: page.stem)
def test_a_pages_plugin_passes_its_suites(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: Callable[[], str]
) -> None:
    """`pytest -n 0 -m soak tests/test_docs_plugins.py`"""
    monkeypatch.chdir(tmp_path)
    execute(page, tmp_path, printed)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    environment = {"PYTHONPATH": f"{tmp_path / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.soak
def test_the_pages_plugins_are_formatted_and_typed(tmp_path: Path) -> None:
    """`pytest -n 0 -m soak tests/test_docs_plugins.py -k typed`"""
    for page in PAGES:
        package = tmp_path / page.stem / "toonforge_soft"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        for block in blocks(page):
            if block.name.startswith("src/") and block.language == "python":
                (package / Path(block.name).name).write_text(block.text, "utf-8")
        typed = ["mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "-p", "toonforge_soft"]
        done = subprocess.run(
            [sys.executable, "-m", *typed], cwd=package.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{page.name}\n{done.stdout}"
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--line-length", "120", str(tmp_path)]
    subprocess.run(ruff, check=True)
