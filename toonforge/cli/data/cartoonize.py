"""`toonforge data cartoonize`: cartoons of photographs, by a picture filter."""

from __future__ import annotations

from pathlib import Path

import click

from toonforge.cli.data.common import force_option, out_option, prune_option, run, workers_option
from toonforge.cli.data.redrawing import format_option, size_of, size_options
from toonforge.data.filters.cartoonize import DEFAULT_STYLE, STYLES


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@out_option("cartoonized")
@click.option(
    "--style",
    "styles",
    type=click.Choice(list(STYLES)),
    multiple=True,
    default=(DEFAULT_STYLE,),
    show_default=True,
    help="What they look like; given several times, each file's name draws one.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, other styles.")
@size_options
@format_option
@workers_option
@force_option
@prune_option
def command(
    source: Path,
    out: Path | None,
    styles: tuple[str, ...],
    seed: int,
    size: int | None,
    full_size: bool,
    format: str,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Make a cartoon of every photograph in SOURCE with a picture filter.

    A cartoon keeps its photograph's name but for the ending, so the two folders are pairs: for `toonforge data pair`,
    and for the data set paired-folders. Photographs of one name, such as a.jpg and a.png, cannot be paired: the
    summary names them. The filter is made for pictures of about 256 pixels; larger ones are scaled down first.
    `toonforge show cartoonize` tells what the styles look like. Needs OpenCV: toonforge[filters].

    \b
    Examples:
      toonforge data cartoonize photos
      toonforge data cartoonize photos --style classic --style soft -o cartoons
      toonforge data cartoonize photos --full-size --format jpg
    """
    from toonforge.prepare.verbs.cartoonize import cartoonize

    short = size_of(size, full_size)
    return run(
        lambda progress: cartoonize(
            source,
            out,
            styles=styles,
            seed=seed,
            size=short,
            format=format,
            workers=workers,
            force=force,
            prune=prune,
            progress=progress,
        )
    )
