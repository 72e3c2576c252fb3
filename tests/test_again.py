"""A process that is started for a run imports nothing from the folder that the command was given in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from toonforge.cli import again


@pytest.fixture
def decoys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with modules of the names that are imported first. The folder is where we are."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "")  # so that it is put back, whoever sets it
    monkeypatch.delenv("PYTHONSAFEPATH")
    for name in ("toonforge.py", "click.py", "attrs.py", "torch.py"):
        (tmp_path / name).write_text("open('caught', 'a').close()\n", "utf-8")
    return tmp_path


def start(command: list[str]) -> str:
    return subprocess.run([*command, "--version"], capture_output=True, text=True, check=False, timeout=120).stdout


@pytest.mark.parametrize("old", [False, True])
def test_nothing_is_imported_from_the_current_folder(decoys: Path, old: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`old`: as for Python 3.10, which has no switch for it."""
    monkeypatch.setattr(sys, "path", ["/somewhere/bin", *sys.path])
    again.keep_folder_out()
    if old:
        monkeypatch.delenv("PYTHONSAFEPATH")
        monkeypatch.setattr(sys, "version_info", (3, 10, 0))
    elif sys.version_info < (3, 11):
        assert os.environ["PYTHONSAFEPATH"] == "1"
        return
    assert start(again.again()).startswith("toonforge ")
    assert not (decoys / "caught").exists()


def test_where_python_was_started_for_a_module_here_it_is_so_again(
    decoys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a checkout that is not installed: what was imported from here by the first is so by those it starts."""
    for first in ("", os.getcwd()):
        monkeypatch.setattr(sys, "path", [first, *sys.path])
        again.keep_folder_out()
        assert "PYTHONSAFEPATH" not in os.environ
        assert again.again() == [sys.executable, "-m", "toonforge"]
    start(again.again())
    assert (decoys / "caught").exists(), "what Python does by itself, and why the switch is there"
