"""`toonforge translate`: pictures through a trained run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from toonforge.errors import Problem, RunError


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("translated"),
    show_default=True,
    help="Folder for the translated pictures; a file for a single picture.",
)
@click.option(
    "--to", "target", metavar="DOMAIN", help="What to translate to; the recipe's first translation if left out."
)
@click.option(
    "--checkpoint",
    metavar="best|latest|STEP",
    help="Which of the run's checkpoints; the best where the run keeps one (train.metrics.best), else the latest.",
)
@click.option("--force", is_flag=True, help="Overwrite pictures that are there already.")
@click.option("--cpu", is_flag=True, help="Stay on the CPU even where there is a GPU.")
def command(
    model: Path,
    inputs: tuple[Path, ...],
    out: Path,
    target: str | None,
    checkpoint: str | None,
    force: bool,
    cpu: bool,
) -> int:
    """Translate pictures, and all pictures in folders, with MODEL: a run's folder or a .safetensors file.

    A picture keeps its size, orientation, transparency and colour profile. Inputs that cannot be read are named and
    counted, and the rest is translated (the exit code is then 2).

    \b
    Examples:
      toonforge translate runs/anime_unet photo.jpg
      toonforge translate runs/anime_unet holidays/ -o holidays-anime
      toonforge translate runs/anime_unet photo.jpg -o portrait.png --force
      toonforge translate runs/anime_unet drawing.png --to photo
      toonforge translate runs/anime_unet photo.jpg --checkpoint 500
    """
    from toonforge.use.translate import plan, translate

    absent = [path for path in inputs if not path.exists()]
    if len(absent) == len(inputs):
        raise RunError(*(Problem(message=f"{path} is not there", expected="a picture or a folder") for path in absent))
    jobs = plan(inputs, out, force)

    from toonforge.weights.chosen import find_weights
    from toonforge.weights.named import find_model

    # Asked before torch is imported, which takes seconds.
    find_weights(find_model(model), checkpoint)

    from toonforge.use.model import load

    loaded = load(model, checkpoint=checkpoint, cpu=cpu)
    failed = 0
    for number, outcome in enumerate(translate(loaded, jobs, target), 1):
        if outcome.problem is None:
            _progress(f"{number}/{len(jobs)}  {outcome.job.source} -> {outcome.job.target}")
            continue
        failed += 1
        _clear()
        click.echo(f"{click.style('skipped', fg='yellow')} {outcome.job.source}: {outcome.problem}", err=True)
    _clear()
    done = len(jobs) - failed
    where = jobs[0].target if len(jobs) == 1 else out
    if done:
        to = target or next(iter(loaded.translations))
        by = f" ({loaded.checkpoint})" if loaded.step is not None else ""
        click.echo(f"{done} picture{'s' * (done != 1)} translated to {to}: {where}{by}")
    if failed:
        click.echo(f"{failed} of {len(jobs)} could not be translated", err=True)
    return 2 if failed else 0


def _progress(text: str) -> None:
    """The newest line in place on a terminal, a line each otherwise."""
    if sys.stderr.isatty():
        from toonforge.cli.text import width

        click.echo("\r\x1b[K" + text[: width() - 1], nl=False, err=True)
    else:
        click.echo(text, err=True)


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", nl=False, err=True)
