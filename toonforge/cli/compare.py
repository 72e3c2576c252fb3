"""`toonforge compare`: several runs side by side, in a page and a table."""

from __future__ import annotations

from pathlib import Path

import click

from toonforge.cli import completing


@click.command()
@click.argument(
    "runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path), shell_complete=completing.runs
)
@click.option(
    "-o",
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the files go; comparisons/NAMES when left out, or the sweep's own folder.",
)
@click.option("--open", "opened", is_flag=True, help="Open the page in the browser.")
def command(runs: tuple[Path, ...], out: Path | None, opened: bool) -> int:
    """Set runs side by side: one page, one table, and their curves laid over each other.

    A RUN is the folder of a run, in whatever state, or of a sweep, which stands for all its runs. The page,
    compare.html, shows the same validation pictures by every run, metrics with the best marked (where they were
    measured in the same way), curves, what differs between the recipes, and warnings. Tables come as Markdown and CSV;
    curves as CSV, and as PNG and SVG where matplotlib is installed.

    \b
    Examples:
      toonforge compare runs/anime_unet runs/anime_cyclegan
      toonforge compare runs/cartoon_*  -o comparisons/cartoons --open
      toonforge compare sweeps/anime_unet
    """
    from toonforge.cli.compare_table import show, show_files
    from toonforge.cli.report import open_page
    from toonforge.report.comparison import compare

    done = compare(runs, out)
    click.echo(click.style(done.title, bold=True) + f": {len(done.runs)} runs")
    show(done.table)
    show_files(done)
    if opened:
        open_page(done.page)
    return 0
