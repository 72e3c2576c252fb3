"""`toonforge report`: the page of a run."""

from __future__ import annotations

from pathlib import Path

import click

from toonforge.cli import completing


@click.command()
@click.argument("run", type=click.Path(path_type=Path), shell_complete=completing.runs)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write; report.html in the run's folder when left out.",
)
@click.option("--no-open", is_flag=True, help="Only write it: open no browser.")
def command(run: Path, out: Path | None, no_open: bool) -> None:
    """Write the page of RUN, a run's folder, and open it in the browser.

    One file that needs no other: validation pictures over the training, curves, metrics, warnings, the recipe and what
    it changes. A run writes it as it trains; this verb draws it anew, also of a run that goes on or that crashed.

    \b
    Examples:
      toonforge report runs/anime_unet
      toonforge report runs/anime_unet --no-open
      toonforge report runs/anime_unet -o anime_unet.html
    """
    from toonforge.report.page import write_report

    path = write_report(run, out)
    click.echo(path)
    if not no_open:
        open_page(path)


def open_page(path: Path) -> None:
    """Open a page in the browser, if there is one; the path is printed already, so nothing need be said."""
    import webbrowser

    try:
        opened = webbrowser.open(path.resolve().as_uri())
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        click.echo("there is no browser to open it with: open the file in one yourself", err=True)
