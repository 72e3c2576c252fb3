"""The options of the verbs that draw pictures anew: how large, and in which format."""

from __future__ import annotations

import click

from toonforge.cli.data.common import Command
from toonforge.prepare.verbs.redraw import FORMATS, SIZE


def size_options(command: Command) -> Command:
    """`--size` and `--full-size`; `size_of` makes one of them."""
    size = click.option(
        "--size",
        type=click.IntRange(min=1),
        metavar="PIXELS",
        help=f"Short side that larger pictures are scaled down to first; {SIZE} when left out.",
    )
    full = click.option("--full-size", is_flag=True, help="Leave pictures as large as they are.")
    return size(full(command))


def size_of(size: int | None, full_size: bool) -> int | None:
    """The short side, None to leave it."""
    if full_size and size is not None:
        raise click.UsageError("--size and --full-size exclude each other")
    return None if full_size else size or SIZE


format_option = click.option(
    "--format",
    type=click.Choice(list(FORMATS)),
    default=next(iter(FORMATS)),
    show_default=True,
    help="What to save as: png and webp lose nothing, jpg a little.",
)
"""`--format`."""
