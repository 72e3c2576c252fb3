"""`toonforge demo`: a page to try models on."""

from __future__ import annotations

import os
from contextlib import suppress

import click

from toonforge.cli import completing


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL…", shell_complete=completing.models)
@click.option("--port", type=click.IntRange(1, 65535), help="The first free one from 7860 on when left out.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 lets others in.")
@click.option("--open/--no-open", "show", default=True, help="Open the page in the browser.")
@click.option(
    "--checkpoint",
    metavar="best|latest|STEP",
    help="Which of the runs' checkpoints; the best where a run keeps one (train.metrics.best), else the latest.",
)
@click.option("--cpu", is_flag=True, help="Stay on the CPU even where there is a GPU.")
def command(models: tuple[str, ...], port: int | None, host: str, show: bool, checkpoint: str | None, cpu: bool) -> int:
    """Serve a page that translates pictures with each MODEL, until Ctrl-C.

    MODEL is a run's folder, a .safetensors file or the name of an installed model; several stand side by side. Only
    this computer can open the page unless --host says otherwise, and nothing is asked of the internet. Pictures that
    pass through it are deleted.

    \b
    Examples:
      toonforge demo photo-to-cartoon
      toonforge demo runs/first runs/second
      toonforge demo photo-to-cartoon --port 8000 --no-open
    """
    from toonforge.extras import need
    from toonforge.use.demo.address import check_port, others_can_reach
    from toonforge.weights.chosen import find_weights
    from toonforge.weights.named import find_model

    # All asked before torch and Gradio are imported, which takes seconds.
    need("gradio", "the demo needs")
    check_port(host, port)
    for model in models:
        find_weights(find_model(model), checkpoint)

    from toonforge.use.demo.offered import offer
    from toonforge.use.demo.server import serving, until_asked_to_stop, wait

    offered = offer(models, checkpoint=checkpoint, cpu=cpu)
    with until_asked_to_stop(), serving(offered, host=host, port=port) as server:
        click.echo(f"{server.url}  (Ctrl-C stops it)")
        if others_can_reach(host):
            click.echo(f"{click.style('note', fg='yellow')} whoever reaches {host} can use it", err=True)
        if show:
            _open(server.url)
        wait()
    with suppress(OSError):  # the terminal may be closed
        click.echo("stopped", err=True)
    if not server.room.wait(0):  # Python cannot end in order around a library that still computes
        os._exit(0)
    return 0


def _open(url: str) -> None:
    """Open the page in the browser, if there is one; its address is printed already."""
    import webbrowser

    try:
        opened = webbrowser.open(url)
    except (webbrowser.Error, OSError):
        opened = False
    if not opened:
        click.echo("there is no browser to open it with: open the address in one yourself", err=True)
