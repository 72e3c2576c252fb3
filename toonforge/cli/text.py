"""Plain tables and paragraphs for the quick verbs, which cannot afford to import rich."""

from __future__ import annotations

import math
import re
import shutil
import textwrap
from collections.abc import Sequence

import click


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def hanging(text: str, first: str = "", then: str = "  ") -> str:
    """A paragraph broken between words, never within one or before an error; colours take no room.

    Args:
        text: words and spaces.
        first, then: what its first line and its other lines begin with.
    """
    lines, room = [first], width() - 1
    for word in re.findall(r"\S+(?: ± \S+)*", text):
        line = lines[-1]
        if line not in (first, then) and len(click.unstyle(line)) + 1 + len(click.unstyle(word)) > room:
            lines.append(then + word)
        else:
            lines[-1] = line + word if line in (first, then) else f"{line} {word}"
    return "\n".join(lines)


def table(
    rows: Sequence[Sequence[str]],
    wrap: int,
    indent: int = 2,
    colours: Sequence[str | None] = (),
    least: int = 0,
) -> str:
    """Rows in aligned columns.

    Args:
        rows: the cells, all rows of one length.
        wrap: the column whose text is wrapped into what room is left.
        indent: spaces in front.
        colours: of each column, on terminals.
        least: characters that the first column takes at least, so that several tables line up.
    """
    if not rows:
        return ""
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    sizes[0] = max(sizes[0], least)
    others = sum(size for i, size in enumerate(sizes) if i != wrap) + 2 * (len(sizes) - 1) + indent
    sizes[wrap] = max(min(sizes[wrap], width() - others), 24)
    lines = []
    for row in rows:
        parts = textwrap.wrap(row[wrap], sizes[wrap], break_long_words=False, break_on_hyphens=False) or [""]
        for number, part in enumerate(parts):
            cells = [part if i == wrap else (cell if number == 0 else "") for i, cell in enumerate(row)]
            styled = [
                (click.style(cell, fg=colours[i]) if cell and i < len(colours) else cell) + " " * (size - len(cell))
                for i, (cell, size) in enumerate(zip(cells, sizes, strict=True))
            ]
            lines.append((" " * indent + "  ".join(styled)).rstrip())
    return "\n".join(lines)


def heading(text: str) -> str:
    """A heading, bold on terminals."""
    return click.style(text, bold=True)


def summary(cls: type) -> str:
    """The first sentence of a class's docstring, on one line."""
    doc = " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())
    return doc


def echo(text: str) -> None:
    """Print to stdout; colours are dropped where it is no terminal."""
    click.echo(text)


def number(value: float) -> str:
    """Four significant digits in at most nine characters."""
    return f"{value:.4g}"


def with_error(value: float, error: float | None) -> str:
    """A number, and its standard error with two digits where there is one."""
    known = error is not None and not math.isnan(error)
    return number(value) + (f" ± {f'{error:#.2g}'.rstrip('.')}" if known else "")
