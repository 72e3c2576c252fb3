"""Errors as text: broken between words for a terminal, whole for everything else."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

from toonforge.cli.faults import describe
from toonforge.errors import Problem

PROBLEM = Problem(
    message="reading the recipe's sample pictures needs a package that is not there",
    key="train.metrics.patience",
    found='train.metrics.patience = 3, but no train.metrics.best to be patient about in this recipe\n  best = "kid"  # a',
    hint=f"pip install toonforge-samples, then {Path('a') / ('long' * 20)}/recipe.toml",
)


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


def _words(name: str) -> list[str]:
    return getattr(PROBLEM, name).split()
