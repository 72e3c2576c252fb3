"""Errors as text: broken between words for a terminal, whole for everything else."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

from toonforge.cli import worker
from toonforge.cli.faults import describe, show, show_ours
from toonforge.cli.processes import launch
from toonforge.errors import Problem, RunError, ToonforgeError

PROBLEM = Problem(
    message="reading the recipe's sample pictures needs a package that is not there",
    key="train.metrics.patience",
    found='train.metrics.patience = 3, but no train.metrics.best to be patient about in this recipe\n  best = "kid"  # a',
    hint=f"pip install toonforge-samples, then {Path('a') / ('long' * 20)}/recipe.toml",
)


@pytest.mark.parametrize("words", [["list"], ["--help"]])
def test_a_reader_that_has_left_is_told_by_the_exit_code_alone(words: list[str]) -> None:
    """As in `toonforge list | head -1`."""
    command = [sys.executable, "-m", "toonforge", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as ours:
        assert ours.stdout is not None and ours.stderr is not None
        ours.stdout.close()
        assert ours.stderr.read() == b""
    assert ours.returncode == 141


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "48")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def test_a_terminal_gets_lines_that_fit_and_every_word_whole(terminal):
    lines = click.unstyle(describe(PROBLEM)).split("\n")
    words = [word for line in lines for word in line.split()]
    assert words == [
        "error:",
        "train.metrics.patience:",
        *_words("message"),
        "found:",
        *_words("found"),
        "hint:",
        *_words("hint"),
    ]
    assert all(len(line) < 48 for line in lines if "longlong" not in line), lines
    assert len(lines) > 8
    assert all(line.startswith("  ") for line in lines[1:])


def test_a_line_that_has_room_keeps_its_spaces(terminal):
    assert click.unstyle(describe(PROBLEM)).count('              best = "kid"  # a') == 1


def test_a_file_gets_each_text_in_one_line(monkeypatch):
    monkeypatch.setenv("COLUMNS", "48")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    lines = click.unstyle(describe(PROBLEM)).split("\n")
    assert lines[0] == f"error: {PROBLEM.key}: {PROBLEM.message}" and len(lines) == 4


@pytest.fixture(params=["full", "filling", "missing"])
def no_room(request, monkeypatch, tmp_path):
    """A folder for temporary files that is full, that fills while it is written to, or that is not there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def refuse(*given, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if request.param == "missing":
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    elif request.param == "full":
        monkeypatch.setattr(tempfile, "mkstemp", refuse)
        monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    else:
        monkeypatch.setattr(os, "fdopen", lambda descriptor, *more, **options: Filling(descriptor))
        monkeypatch.setattr(Path, "write_bytes", refuse)
    return tmp_path


class Filling:
    """A file that is opened, and takes nothing."""

    def __init__(self, descriptor):
        os.close(descriptor)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, text):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_fault_of_ours_is_told_where_no_traceback_can_be_kept(no_room, capsys):
    show_ours(KeyError("network"), traceback_wanted=False)
    said = capsys.readouterr().err
    assert "internal error: KeyError: 'network'" in said and "could not be kept (No s" in said
    assert "Traceback (" not in said and not [*no_room.iterdir()]


def test_several_processes_without_room_for_temporary_files_are_refused_in_words(no_room):
    with pytest.raises(RunError, match="TMPDIR") as caught:
        launch(2, [])
    assert "cannot write to" in str(caught.value) and not [*no_room.iterdir()]


def test_an_error_is_shown_where_it_cannot_be_handed_over(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(worker, "_report", tmp_path / "gone" / "0.json")
    show(ToonforgeError(PROBLEM))
    assert PROBLEM.message in capsys.readouterr().err


def _words(name: str) -> list[str]:
    return getattr(PROBLEM, name).split()
