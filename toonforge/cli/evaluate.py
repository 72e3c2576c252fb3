"""`toonforge evaluate`: numbers of a trained run, or of folders of pictures, with how they were made."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.cli import completing

if TYPE_CHECKING:
    from toonforge.use.evaluate.plan import Evaluation, Plan

EXAMPLES = 5
"""Unreadable pictures that are named; the JSON has all."""


@click.command()
@click.argument("generated", metavar="RUN|FOLDER", type=click.Path(path_type=Path), shell_complete=completing.runs)
@click.argument("reference", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--metric",
    "metrics",
    metavar="NAME",
    multiple=True,
    help="A metric, or one with its fields: --metric 'kid={size = 128}'; may be repeated. The recipe's own, or those "
    "that the pictures allow, when left out.",
)
@click.option("--features", metavar="NAME", help='Whose features kid, fid and their like are taken of: "inception".')
@click.option(
    "--input",
    type=click.Path(path_type=Path),
    help="The untranslated pictures, of the same names as the translated ones; of a run, the pictures to translate.",
)
@click.option(
    "--pairs/--no-pairs",
    default=None,
    help="Match translated and reference pictures by name, and measure pairs too; where every file has its partner, "
    "when left out.",
)
@click.option(
    "--size",
    type=click.IntRange(min=1, max=8192),
    metavar="N",
    help="Scale the short side to N pixels and cut a square from the middle. When left out, a run's pictures are read "
    "as in training, and those of folders at their own size.",
)
@click.option(
    "--part",
    metavar="test|validation|train",
    help="Which of the run's pictures; test where there are some, if left out.",
)
@click.option("--to", metavar="DOMAIN", help="What to translate to; the recipe's first translation if left out.")
@click.option(
    "--checkpoint",
    metavar="best|latest|STEP",
    help="Which of the run's checkpoints; the best where the run keeps one (train.metrics.best), else the latest.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers there too."
)
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Folder for what metrics draw.")
@click.option("--cpu", is_flag=True, help="Stay on the CPU even where there is a GPU.")
def command(
    generated: Path,
    reference: Path | None,
    metrics: tuple[str, ...],
    features: str | None,
    input: Path | None,
    pairs: bool | None,
    size: int | None,
    part: str | None,
    to: str | None,
    checkpoint: str | None,
    json_file: Path | None,
    pictures: Path | None,
    cpu: bool,
) -> int:
    """Measure a trained run, or a folder of translated pictures beside others.

    A RUN is measured by its recipe's metrics, over the pictures that it held out. With a FOLDER, its translations of
    those pictures (or of --input) are measured beside the pictures of that folder. Two FOLDERs: translated pictures,
    made by anything, beside reference pictures. Every number stands beside that of the untranslated pictures and of a
    plain picture filter, where these are known, and above how it was made.

    \b
    Examples:
      toonforge evaluate runs/anime_unet
      toonforge evaluate runs/anime_unet --part validation --checkpoint latest
      toonforge evaluate runs/anime_unet anime --input photos
      toonforge evaluate translated anime --input photos
      toonforge evaluate translated wanted --pairs --metric psnr --metric ssim
    """
    from toonforge.use.evaluate.api import plan
    from toonforge.use.evaluate.record import check_writable

    if json_file is not None:
        check_writable(json_file, json_file.absolute().parent)
    if pictures is not None:
        check_writable(pictures, pictures)
    planned = plan(
        generated,
        reference,
        input=input,
        metrics=metrics,
        features=features,
        pairs=pairs,
        size=size,
        part=part,
        to=to,
        checkpoint=checkpoint,
    )
    evaluation = _measure(planned, cpu)
    # First of all: measuring takes long, and what cannot be written can still be read.
    click.echo("\n".join(_summary(evaluation)))
    drawn, noted = _note(evaluation)
    if noted is not None:
        _redraw(noted)
    drawn = _write(evaluation, json_file, pictures, drawn)
    for line in _places(drawn, json_file, noted):
        click.echo(line)
    return 0


def _redraw(run: Path) -> None:
    """Show the new numbers on the run's page; where that is impossible, they are in its folder all the same."""
    from toonforge.errors import ToonforgeError
    from toonforge.report.page import write_report

    try:
        write_report(run)
    except (ToonforgeError, OSError) as error:
        _say(f"{run / 'report.html'} was not drawn anew: {error}")


def _say(note: str) -> None:
    """A note on stderr."""
    from toonforge.cli.text import hanging

    click.echo(hanging(note, click.style("note", fg="yellow") + ": ", "  "), err=True)


def _measure(planned: Plan, cpu: bool) -> Evaluation:
    """Measure with progress shown on stderr."""
    from toonforge.cli.data.bar import Bar

    if sys.stderr.isatty():
        click.echo("loading PyTorch …\r", nl=False, err=True)
    from toonforge.use.evaluate.plan import measure

    with Bar("picture") as bar:
        begun = False

        def progress(done: int, total: int) -> None:
            nonlocal begun
            if not begun:
                bar.begin("measuring", total, 0)
                begun = True
            bar.reach(done)

        try:
            return measure(planned, cpu=cpu, progress=progress)
        finally:
            if sys.stderr.isatty():
                click.echo("\r\x1b[K", nl=False, err=True)


def _note(evaluation: Evaluation) -> tuple[Mapping[str, Path], Path | None]:
    """Add a line to a run's folder; returns where drawings are, and the run.

    A run of somebody else, or on a medium that cannot be written, is measured all the same, with a note.
    """
    from toonforge.errors import RunError
    from toonforge.use.evaluate.record import note_in_run

    run = evaluation.subject.run
    if run is None:
        return {}, None
    try:
        return note_in_run(evaluation), run
    except RunError as error:
        _say(f"not recorded in the run's folder: {error.problems[0].message} ({error.problems[0].found})")
        return {}, None


def _write(
    evaluation: Evaluation, json_file: Path | None, pictures: Path | None, drawn: Mapping[str, Path]
) -> Mapping[str, Path]:
    """Write what is asked for; returns where drawings are."""
    from toonforge.use.evaluate.record import save_drawings, write_json

    if pictures is not None:
        drawn = save_drawings(evaluation, pictures)
    if json_file is not None:
        write_json(evaluation, json_file, drawn)
    return drawn


def _summary(evaluation: Evaluation) -> list[str]:
    """What was measured, the table, what was skipped, and what is to be known."""
    from toonforge.cli.metric_table import metric_lines
    from toonforge.cli.text import hanging

    lines = [hanging(_heading(evaluation)), "", *metric_lines(evaluation.values, evaluation.about)]
    if evaluation.skipped:
        count = len(evaluation.skipped)
        lines += ["", f"{click.style('skipped', fg='yellow')} {count:,} unreadable picture{'s' * (count != 1)}:"]
        named = list(evaluation.skipped.items())[:EXAMPLES]
        lines += [hanging(f"{path}: {reason}", "  ", "    ") for path, reason in named]
        lines += [f"  and {count - len(named):,} more"] if count > len(named) else []
    if evaluation.notes:
        lines += ["", *(hanging(note, click.style("note", fg="yellow") + ": ", "  ") for note in evaluation.notes)]
    return lines


def _heading(evaluation: Evaluation) -> str:
    """One line: what was measured."""
    of = evaluation.subject
    name = click.style(str(of.run or of.generated), bold=True)
    parts = [str(of.checkpoint)] if of.checkpoint is not None else []
    if of.part is not None:
        parts.append(f"{of.part} part")
    if of.input is not None:
        parts.append(f"{'made of' if of.run is None else 'translating'} {of.input}")
    if of.target is not None:
        parts.append(f"to {of.target}")
    if of.reference is not None:
        parts.append(f"beside {of.reference}")
    return f"{name}: {', '.join(parts)}"


def _places(drawn: Mapping[str, Path], json_file: Path | None, noted: Path | None) -> list[str]:
    """Where things were written.

    Args:
        noted: the run whose folder has a line of it.
    """
    places = {name: str(path) for name, path in drawn.items()}
    if json_file is not None:
        places["numbers"] = str(json_file)
    if noted is not None:
        from toonforge.use.evaluate.record import NAME

        places["noted in"] = str(noted / NAME)
    indent = max(map(len, places), default=0) + 2
    return ["", *(f"{label + ':':<{indent}}{place}" for label, place in places.items())] if places else []
