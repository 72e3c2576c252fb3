"""`toonforge export`: a trained model as files that stand alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.cli import completing
from toonforge.errors import Problem, RunError
from toonforge.use.export.comparing import LIMIT

if TYPE_CHECKING:
    from toonforge.use.export import Exported
    from toonforge.use.export.api import Progress


@click.command()
@click.argument("model", shell_complete=completing.models)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file that ends in .safetensors, .onnx or .pt2; may be repeated. Called by the model when left out.",
)
@click.option(
    "--format",
    "formats",
    metavar="FORMAT",
    multiple=True,
    help="safetensors (the default), onnx or torch, where no file's name says it; may be repeated without -o.",
)
@click.option(
    "--to",
    metavar="DOMAIN",
    help="The one translation that is exported; if left out all in a .safetensors file, else the first.",
)
@click.option("--half", is_flag=True, help="Keep the weights of a .safetensors file in 16 bits: half the size.")
@click.option(
    "--limit",
    type=float,
    default=LIMIT,
    show_default=True,
    help="How large a difference passes that --half makes, of numbers in [-1, 1]; 0.008 is one of 255 levels.",
)
@click.option("--card", metavar="KEY=VALUE", multiple=True, help="What the file says of the model; may be repeated.")
@click.option(
    "--checkpoint",
    metavar="best|latest|STEP",
    help="Which of the run's checkpoints; the best where the run keeps one (train.metrics.best), else the latest.",
)
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def command(
    model: str,
    out: tuple[Path, ...],
    formats: tuple[str, ...],
    to: str | None,
    half: bool,
    limit: float,
    card: tuple[str, ...],
    checkpoint: str | None,
    force: bool,
) -> None:
    """Write MODEL as files that stand alone: a run's folder, a .safetensors file or the name of an installed model.

    A .safetensors file holds all that `toonforge translate` needs; an .onnx file is for other programs and a .pt2 file
    (torch.export) for torch alone, both for pictures of any number and size, in [-1, 1]. Each file is run and compared
    with the model on pictures of several sizes; one that differs by more than 0.001 is not kept (the exit code is 2).

    \b
    Examples:
      toonforge export runs/anime_unet
      toonforge export runs/anime_unet -o anime.safetensors --half --card license=CC-BY-4.0
      toonforge export runs/anime_unet -o anime.onnx -o anime.pt2
      toonforge export runs/anime_cyclegan -o photo.onnx --to photo
      toonforge export photo-to-cartoon --format onnx
    """
    from toonforge.use.export.formats import refuse_targets, targets
    from toonforge.use.offered import choose, offered
    from toonforge.weights.named import find_model

    said = card_of(card)
    path = find_model(model)
    wanted = targets(out, formats, path.resolve().name.removesuffix(".safetensors"))
    refuse_targets(wanted, force, half, limit)
    found = offered(path, checkpoint)
    choose(found.recipe, found.translations, to)
    if any(target.path.exists() and target.path.samefile(path) for target in wanted):
        raise RunError(Problem(message=f"{path} is the model itself", hint="choose another -o"))

    from toonforge.use.export.api import export_to
    from toonforge.use.model import load

    with showing() as progress:
        progress("load the model", 0, 1)
        loaded = load(path, checkpoint=checkpoint, cpu=True)
        done = [
            export_to(loaded, target, to, half=half, limit=limit, card=said, progress=progress) for target in wanted
        ]
    click.echo(summary(done))


def card_of(words: Sequence[str]) -> dict[str, str]:
    """What `--card` says, by key."""
    card = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise RunError(
                Problem(
                    message=f"--card {word!r} has no key and value", expected="KEY=VALUE, such as license=CC-BY-4.0"
                )
            )
        card[key.strip()] = text.strip()
    return card


def summary(done: Sequence[Exported]) -> str:
    """Each file with its size, and a table of the largest differences."""
    from toonforge.cli.text import table

    blocks = []
    for each in done:
        head = f"{click.style(str(each.path), bold=True)}  {size_text(each.size)}  to {', '.join(each.translations)}"
        rows = [["pictures", "largest difference", "of 255 levels"]]
        per = len(each.comparisons) // len(each.translations)
        for number, comparison in enumerate(each.comparisons):
            to = f"  {each.translations[number // per]}" if len(each.translations) > 1 else ""
            runs = comparison.difference is None
            difference = "runs, not compared" if runs else f"{comparison.difference:.1e}"
            rows.append([comparison.size + to, difference, "" if runs else f"{comparison.levels:.4f}"])
        blocks.append(head + "\n" + table(rows, wrap=1))
        if each.decided:
            blocks.append(
                f"  {click.style('note', fg='yellow')}: code decided by a number while it was written down "
                f"({'; '.join(each.decided[:3])}); other sizes may come out wrong"
            )
    return "\n".join(blocks)


def size_text(size: int) -> str:
    """A number of bytes, for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


@contextmanager
def showing() -> Iterator[Progress]:
    """Progress on stderr: a bar on a terminal, a line for each kind of work otherwise."""
    if not sys.stderr.isatty():
        said: list[str] = []

        def line(what: str, done: int, total: int) -> None:
            if what not in said:
                said.append(what)
                click.echo(what, err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as live:
        task = live.add_task("", total=None)

        def bar(what: str, done: int, total: int) -> None:
            live.update(task, description=what, completed=done, total=total)

        yield bar
