"""Errors as text: the one place where what the lower floors know of a mistake becomes words."""

from __future__ import annotations

import os
import tempfile
import traceback

import click

from toonforge.errors import Problem, ToonforgeError


def show(error: ToonforgeError) -> None:
    """Print every problem on stderr, in colour where that is a terminal."""
    for problem in error.problems:
        click.echo(describe(problem), err=True)
    if len(error.problems) > 1:
        click.echo(click.style(f"{len(error.problems)} problems", fg="red"), err=True)


def describe(problem: Problem) -> str:
    """`file:line:column: key: message`, then what was found, what was expected and a hint."""
    head = [click.style("error", fg="red", bold=True)]
    if problem.where is not None:
        head.append(click.style(str(problem.where), bold=True))
    if problem.key is not None:
        head.append(click.style(problem.key, fg="cyan"))
    lines = [": ".join([*head, problem.message])]
    for label, text in (("found", problem.found), ("expected", problem.expected), ("hint", problem.hint)):
        if text is not None:
            lines.append(_line(label, text))
    return "\n".join(lines)


def _line(label: str, text: str) -> str:
    name = click.style(f"{label + ':':<9}", fg="green" if label == "hint" else None, dim=label != "hint")
    return f"  {name} " + text.replace("\n", "\n" + " " * 12)


def show_ours(error: Exception, traceback_wanted: bool) -> None:
    """Print one line about a fault of ours; its traceback goes to a file, or to stderr when asked for."""
    text = str(error).strip().split("\n")[0]
    summary = f"{type(error).__name__}: {text}" if text else type(error).__name__
    head = click.style("internal error", fg="red", bold=True)
    click.echo(f"{head}: {summary}", err=True)
    if traceback_wanted:
        click.echo("".join(traceback.format_exception(error)), err=True)
        return
    descriptor, path = tempfile.mkstemp(prefix="toonforge-error-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("".join(traceback.format_exception(error)))
    click.echo(f"  This is a fault of toonforge's (or of a plugin), not yours. Traceback: {path}", err=True)
