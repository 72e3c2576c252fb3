"""Warnings of what a recipe uses that is on its way out, told as mistakes are: with file, line and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from toonforge.cli.faults import describe
from toonforge.cli.worker import speaks
from toonforge.deprecation import ToonforgeDeprecationWarning
from toonforge.errors import Problem


@contextmanager
def told() -> Iterator[None]:
    """Within it each is told once on stderr, of several processes by one; all other warnings go their usual way."""
    usual, said = warnings.showwarning, set[Problem]()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        problem = message.problem if isinstance(message, ToonforgeDeprecationWarning) else None
        if problem is None:
            usual(message, category, filename, lineno, file, line)
        elif problem not in said and speaks():
            said.add(problem)
            click.echo(describe(problem, "warning", "yellow"), err=True)

    warnings.showwarning = show
    try:
        yield
    finally:
        if warnings.showwarning is show:
            warnings.showwarning = usual
