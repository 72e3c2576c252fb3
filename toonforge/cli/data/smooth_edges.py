"""`toonforge data smooth-edges`: companions of cartoons with blurred edges."""

from __future__ import annotations

from pathlib import Path

import click

from toonforge.cli.data.common import force_option, out_option, prune_option, run, workers_option
from toonforge.cli.data.redrawing import format_option, size_of, size_options


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@out_option("smooth")
@click.option(
    "--low",
    type=click.FloatRange(min=0),
    default=100,
    show_default=True,
    help="Gradient, in levels of 255, below which an edge ends.",
)
@click.option(
    "--high",
    type=click.FloatRange(min=0),
    default=200,
    show_default=True,
    help="Gradient above which one begins; lower finds more edges.",
)
@click.option(
    "--kernel",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    default=5,
    show_default=True,
    help="How far around an edge is blurred; odd.",
)
@size_options
@format_option
@workers_option
@force_option
@prune_option
def command(
    source: Path,
    out: Path | None,
    low: float,
    high: float,
    kernel: int,
    size: int | None,
    full_size: bool,
    format: str,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Blur every cartoon in SOURCE around its edges, and leave the rest of it as it is.

    CartoonGAN's discriminator is shown such companions as no cartoons, so that the generator learns clear edges.
    Each keeps its cartoon's name but for the ending. The column `smoothed` of OUT/manifest.csv is the share of pixels
    that were blurred: where it is near 0, lower --high. Needs OpenCV: toonforge[filters].

    \b
    Examples:
      toonforge data smooth-edges cartoons
      toonforge data smooth-edges cartoons --high 120 --low 60 -o cartoons-smooth
      toonforge data smooth-edges cartoons --full-size --kernel 9
    """
    from toonforge.prepare.verbs.smooth_edges import smooth_edges

    short = size_of(size, full_size)
    return run(
        lambda progress: smooth_edges(
            source,
            out,
            low=low,
            high=high,
            kernel=kernel,
            size=short,
            format=format,
            workers=workers,
            force=force,
            prune=prune,
            progress=progress,
        )
    )
