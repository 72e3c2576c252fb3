"""A folder that may not be entered is a mistake that is told, and no fault of the program."""

from __future__ import annotations

import builtins
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toonforge.cli import main


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of which the system's calls tell nothing: permissions do not hold root back."""
    folder = tmp_path / "locked"

    def refusing(usual: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *words: Any, **named: Any) -> Any:
            if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(f"{folder}{os.sep}"):
                raise PermissionError(13, "Permission denied", str(path))
            return usual(path, *words, **named)

        return call

    folder.mkdir()
    for module, name in ((os, "stat"), (os, "lstat"), (os, "mkdir"), (os, "open"), (io, "open"), (builtins, "open")):
        monkeypatch.setattr(module, name, refusing(getattr(module, name)))
    return folder


@pytest.mark.parametrize(
    "words", [("schema", "--out"), ("plugin", "new", "ink-lines", "--out"), ("cp", "cyclegan/cyclegan")], ids=" ".join
)
def test_writing_below_it_is_told(locked: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    place = locked / "in" / "it"
    assert main([*words, str(place)]) == 2
    told = capsys.readouterr().err
    assert f"cannot write {place}" in told and "Permission denied" in told and "make the folder" not in told
