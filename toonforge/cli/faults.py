"""Errors as text: the one place where what the lower floors know of a mistake becomes words."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import traceback
from contextlib import suppress

import click

from toonforge.cli.text import hanging, width
from toonforge.cli.worker import hand_over
from toonforge.errors import ComponentFault, Problem, ToonforgeError, escaped, shortened


def show(error: ToonforgeError) -> None:
    """Print every problem on stderr, in colour where that is a terminal; or leave them to who started this process."""
    if hand_over(error):
        return
    for problem in error.problems:
        click.echo(describe(problem), err=True)
    if len(error.problems) > 1:
        click.echo(click.style(f"{len(error.problems)} problems", fg="red"), err=True)


def too_long(error: OSError) -> ToonforgeError:
    """What the system says of a path that it cannot even look up, of whichever word of a command that was made."""
    path = error.filename
    return ToonforgeError(
        Problem(
            message="a path is longer than this system allows",
            found=os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else None,
        )
    )


def show_usage(error: click.ClickException) -> None:
    """Print what Click says of the words of a command as every other mistake is printed, and in plain words."""
    message = error.format_message().rstrip(".")
    key = None
    if named := re.fullmatch(r"Invalid value for ([^:]+): (.+)", message, re.DOTALL):
        key, message = named[1].replace("'", ""), named[2]
    for pattern, plain in _PLAIN:
        message = re.sub(pattern, plain, message)
    # Not where it is a name: 'SOURCE', --out.
    message = message[:1].lower() + message[1:] if message[1:2].islower() else message
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"{context.command_path} --help" if context and "--help" not in message else None
    if context and isinstance(error, click.NoSuchOption):
        root = context.find_root()
        if any(error.option_name in option.opts for option in root.command.params):
            hint = f"it stands before the verb: {root.info_name} {error.option_name} … {context.info_name}"
    show(ToonforgeError(Problem(message=message, key=key, hint=hint)))


_PLAIN = (
    (r"is not a valid int(eger)?( range)?$", "is not a whole number"),
    (r"is not a valid float( range)?$", "is not a number"),
    (r"is not in the range (\S+)<=x<=(\S+)$", r"is not from \1 to \2"),
    (r"is not in the range x>=(\S+)$", r"is less than \1"),
    (r"is not in the range x<=(\S+)$", r"is more than \1"),
    (r"\n\t", " "),
)
"""Click's words for numbers and choices, and ours."""


def describe(problem: Problem, kind: str = "error", colour: str = "red") -> str:
    """`error: file:line:column: key: message`, then what was found, what was expected and a hint."""
    head = [click.style(kind, fg=colour, bold=True)]
    if problem.where is not None:
        head.append(click.style(_escaped(shortened(str(problem.where))), bold=True))
    if problem.key is not None:
        head.append(click.style(_escaped(shortened(problem.key)), fg="cyan"))
    lines = [_wrapped(": ".join([*head, _escaped(shortened(problem.message))]), "", "  ")]
    for label, text in (("found", problem.found), ("expected", problem.expected), ("hint", problem.hint)):
        if text is not None:
            lines.append(_line(label, shortened(text)))
    return "\n".join(lines)


def _line(label: str, text: str) -> str:
    name = click.style(f"{label + ':':<9}", fg="green" if label == "hint" else None, dim=label != "hint")
    return _wrapped(_escaped(text), f"  {name} ", " " * 12)


def _wrapped(text: str, first: str, then: str) -> str:
    """Lines broken between words for a terminal, which would break them anywhere; whole for a file or a pipe."""
    lines, wraps = [], sys.stderr.isatty()
    for number, line in enumerate(text.split("\n")):
        before = then if number else first
        # A line that has room stays as it is, spaces and all: it may quote a file.
        lines.append(hanging(line, before, then) if wraps and _too_wide(before + line) else before + line)
    return "\n".join(lines)


def _too_wide(line: str) -> bool:
    return len(click.unstyle(line)) >= width()


def _escaped(text: str) -> str:
    """Without what a terminal would take for a command, as a file's name may hold it; lines stay lines."""
    return "\n".join(map(escaped, text.split("\n")))


def show_ours(error: Exception, traceback_wanted: bool) -> None:
    """Print one line about a fault of ours, or of a plugin; its traceback goes to a file, or to stderr if asked for."""
    text = str(error).strip().split("\n")[0]
    summary = f"{type(error).__name__}: {text}" if text else type(error).__name__
    head, whose = "internal error", "This is a fault of toonforge's (or of a plugin), not yours."
    if isinstance(error, ComponentFault):
        summary = text
        if error.plugin:
            head, whose = "error", "The plugin's code raised this."
    head = click.style(head, fg="red", bold=True)
    if traceback_wanted:
        _say(f"{head}: {summary}\n{''.join(traceback.format_exception(error))}")
        return
    where = _kept("".join(traceback.format_exception(error)))
    _say(f"{head}: {summary}\n  {whose} {where}")


def _kept(text: str) -> str:
    """Write a traceback to a file; returns where it is, or why it is nowhere."""
    path = None
    try:
        descriptor, path = tempfile.mkstemp(prefix="toonforge-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        if path is not None:
            with suppress(OSError):
                os.unlink(path)
        return f"Its traceback could not be kept ({error.strerror or error}); toonforge --traceback … prints it."
    return f"Traceback: {path}"


def _say(text: str) -> None:
    if not hand_over(text):
        click.echo(text, err=True)
