"""Plain tables and paragraphs for the quick verbs, which cannot afford to import rich."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

import click


def width() -> int:
    """Columns of the terminal; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def table(rows: Sequence[Sequence[str]], wrap: int, indent: int = 2, colours: Sequence[str | None] = ()) -> str:
    """Rows in aligned columns.

    Args:
        rows: the cells, all rows of one length.
        wrap: the column whose text is wrapped into what room is left.
        indent: spaces in front.
        colours: of each column, on terminals.
    """
    if not rows:
        return ""
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    others = sum(size for i, size in enumerate(sizes) if i != wrap) + 2 * (len(sizes) - 1) + indent
    sizes[wrap] = max(min(sizes[wrap], width() - others), 24)
    lines = []
    for row in rows:
        parts = textwrap.wrap(row[wrap], sizes[wrap]) or [""]
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
