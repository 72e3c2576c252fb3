"""`toonforge translate`: pictures and videos through a trained model."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import attrs
import click

from toonforge.cli import completing
from toonforge.cli.leaving import in_order
from toonforge.errors import Problem, RunError, ToonforgeError, escaped
from toonforge.files import remove_left

if TYPE_CHECKING:
    from toonforge.use.look import Look
    from toonforge.use.model import Model
    from toonforge.use.pictures.plan import Job, Plan

SHARE = click.FloatRange(0, 1)
MOST_BYTES = 2**29
"""Standard input is read to its end; one that has none must not fill the memory."""


@click.command()
@click.argument("model", shell_complete=completing.models)
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=completing.files)
@click.option(
    "-o",
    "--out",
    metavar="OUT",
    help="Folder for the results; for a single input also a file, or - for standard output. [default: translated]",
)
@click.option("--to", metavar="DOMAIN", help="What to translate to; the model's first translation if left out.")
@click.option("--strength", type=SHARE, default=1.0, metavar="0..1", help="0 gives the input, 1 the output.")
@click.option("--keep-color", is_flag=True, help="Take the luminance of the output and the colour of the input.")
@click.option("--smooth", type=SHARE, default=0.0, metavar="0..1", help="Smooth the output between its edges.")
@click.option("--steady", type=SHARE, default=0.0, metavar="0..1", help="Of videos: how much flicker to take out.")
@click.option(
    "--size",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Scale inputs with a longer short side down to this one first; their size is kept if left out.",
)
@click.option(
    "--format",
    "ending",
    type=click.Choice(["png", "jpg", "webp"]),
    help="Kind of all pictures that are written; if left out, each its own, or png where that is not written.",
)
@click.option("--skip-existing", is_flag=True, help="Leave out inputs whose output is there: goes on where it stopped.")
@click.option("--force", is_flag=True, help="Overwrite outputs that are there; never an input.")
@click.option(
    "--checkpoint",
    metavar="best|latest|STEP",
    help="Which of a run's checkpoints; the best where the run keeps one (train.metrics.best), else the latest.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pictures of one size that are computed at once; if left out, as suits their size and the device.",
)
@click.option("--cpu", is_flag=True, help="Stay on the CPU even where there are GPUs.")
def command(
    model: str,
    inputs: tuple[str, ...],
    out: str | None,
    to: str | None,
    strength: float,
    keep_color: bool,
    smooth: float,
    steady: float,
    size: int | None,
    ending: str | None,
    skip_existing: bool,
    force: bool,
    checkpoint: str | None,
    batch: int | None,
    cpu: bool,
) -> int:
    """Translate pictures and videos with MODEL: a run's folder, a .safetensors file or an installed model's name.

    `toonforge list models` names the installed ones. INPUT is a picture, a folder with all pictures in and below it, a
    pattern ("films/*" takes videos too), a video, - for standard input, or 0 for the first webcam.
    A picture keeps its name, size, transparency, colour profile and EXIF data, and is written upright; a video its
    sound, frame rate and length. Nothing is overwritten without --force. Inputs that cannot be read are named, and the
    rest is translated (the exit code is then 2).

    \b
    Examples:
      toonforge translate photo-to-cartoon photo.jpg
      toonforge translate photo-to-cartoon photo.jpg --size 512 -o cartoon.jpg
      toonforge translate runs/anime_unet holidays/ -o holidays-anime --skip-existing
      toonforge translate runs/anime_unet "holidays/**/*.jpg" --strength 0.7 --keep-color
      toonforge translate runs/anime_unet photo.jpg -o portrait.png --force
      toonforge translate runs/anime_unet drawing.png --to photo --checkpoint 500
      toonforge translate runs/anime_unet clip.mp4 -o anime.mp4 --steady 0.5
      toonforge translate runs/anime_unet 0 -o me.mp4
      toonforge translate runs/anime_unet - < photo.jpg > anime.jpg
    """
    from toonforge.use.look import Look
    from toonforge.use.offered import choose, offered
    from toonforge.use.pictures.plan import plan
    from toonforge.use.video.kinds import webcam_index

    if force and skip_existing:
        raise RunError(Problem(message="exclude each other", key="--force, --skip-existing"))
    look = Look(strength=strength, keep_color=keep_color, smooth=smooth)
    # Asked before torch is imported, which takes seconds.
    found = offered(model, checkpoint)
    if len(inputs) == 1 and (camera := webcam_index(inputs[0])) is not None:
        from toonforge.cli.webcam import translate_webcam

        domain = choose(found.recipe, found.translations, to)
        return translate_webcam(model, checkpoint, cpu, camera, out, domain, look, steady, size, force)
    problems: list[Problem] = []
    try:
        domain = choose(found.recipe, found.translations, to)
    except RunError as error:
        problems += error.problems
    data = _standard_input() if "-" in inputs and not problems else None
    try:
        planned = plan(inputs, out, force=force, skip_existing=skip_existing, ending=ending, data=data)
    except RunError as error:
        problems += error.problems
    if problems:
        raise RunError(*problems)
    _say_what_is_for_nothing(planned, steady, ending)
    for folder, count in planned.earlier.items():
        told = f"{escaped(folder)} holds {count:,} of the inputs, each called like one outside: outputs of before?"
        click.echo(f"{told} They are translated too; a pattern leaves them out", err=True)
    if any(job.target is None for job in planned.jobs) and sys.stdout.isatty():
        raise RunError(Problem(message="no picture is written to a terminal", hint="give a file with -o"))
    if planned.done:
        click.echo(f"{len(planned.done):,} left out: the output is there", err=True)
    if not planned.jobs:
        click.echo("nothing left to do")
        return 0

    from toonforge.use.model import load

    remove_left(job.target for job in planned.jobs if job.target is not None)
    loaded = load(model, checkpoint=checkpoint, cpu=cpu)
    pictures = attrs.evolve(planned, jobs=tuple(job for job in planned.jobs if job.kind == "picture"))
    with in_order(), _kept_pages(loaded):
        code = _pictures(loaded, pictures, out, domain, look, size, batch) if pictures.jobs else 0
        for job in planned.jobs:
            if job.kind == "video" and code != 130:
                code = max(code, _video(loaded, job, domain, look, steady, size, batch, force))
    return code


@contextmanager
def _kept_pages(model: Model) -> Iterator[None]:
    """On a CPU a picture takes the memory of the one before it, which is quicker than new memory from the system."""
    from toonforge.speed.pages import give_back, keep_pages

    if model.device.type == "cpu":
        keep_pages()
    try:
        yield
    finally:
        give_back()


def _say_what_is_for_nothing(planned: Plan, steady: float, ending: str | None) -> None:
    kinds = {job.kind for job in planned.jobs}
    if steady and kinds == {"picture"}:
        click.echo("--steady changes nothing: it is for videos, and there is none", err=True)
    if ending is not None and kinds == {"video"}:
        click.echo("--format changes nothing: it is for pictures, and there is none", err=True)


def _standard_input() -> bytes:
    data = sys.stdin.buffer.read(MOST_BYTES + 1)
    if not data or len(data) > MOST_BYTES:
        found = "nothing" if not data else f"more than {MOST_BYTES:,} bytes"
        raise RunError(Problem(message="standard input holds no picture", found=found))
    return data


def _to_standard_output(data: bytes) -> None:
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # Python must not complain once more at its exit, when it writes what it still holds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reason = error.strerror or str(error)
        raise RunError(Problem(message=f"standard output cannot be written: {reason}")) from error


def _pictures(
    model: Model, planned: Plan, out: str | None, to: str, look: Look, size: int | None, batch: int | None
) -> int:
    """Translate pictures and say what came of them; returns the exit code."""
    from toonforge.cli.translating import Telling, named
    from toonforge.use.pictures.devices import in_words, on_every_device
    from toonforge.use.pictures.pipeline import Pipeline

    jobs = planned.jobs
    models = on_every_device(model, len(jobs))
    data = None
    telling = Telling("picture", len(jobs))
    pipeline = Pipeline(models, jobs, to, look=look, size=size, batch=batch, note=telling.say, part=telling.part)
    try:
        # Closed before it is asked how many are there: what was begun comes to its end.
        with telling, closing(iter(pipeline)) as outcomes:
            for outcome in outcomes:
                telling.picture(outcome.job, outcome.problem)
                data = outcome.data or data
    except KeyboardInterrupt:
        if jobs[0].target is None:
            click.echo("stopped: nothing is written", err=True)
            return 130
        click.echo(f"stopped: {pipeline.written:,} of {len(jobs):,} are translated, none in part", err=True)
        if pipeline.written < len(jobs):
            click.echo("the same command with --skip-existing does the rest", err=True)
        return 130
    if data is not None:
        _to_standard_output(data)
    if telling.done:
        single = len(jobs) == 1 and not planned.done
        where = named(str(jobs[0].target)) if single else named(out or "translated")
        place = "standard output" if jobs[0].target is None else where
        by = f"{escaped(model.recipe)}, " + (f"{model.checkpoint}, " if model.step is not None else "")
        count = f"{telling.done:,} picture{'s' * (telling.done != 1)}"
        said = f"{count} translated to {to}: {place} ({by}on {in_words(models)}, {telling.rate})"
        click.echo(said, err=jobs[0].target is None)
    if telling.failed:
        click.echo(f"{telling.failed:,} of {len(jobs):,} could not be translated", err=True)
    return 2 if telling.failed else 0


def _video(
    model: Model, job: Job, to: str, look: Look, steady: float, size: int | None, batch: int | None, force: bool
) -> int:
    """Translate a video and say what came of it; returns the exit code."""
    from toonforge.cli.translating import Telling, named
    from toonforge.use.video import translate_video

    assert job.source is not None and job.target is not None
    name = named(str(job.source))
    try:
        with Telling("frame", None, name) as telling:
            outcome = translate_video(
                model,
                job.source,
                job.target,
                to,
                look=look,
                steady=steady,
                size=size,
                batch=batch,
                force=force,
                progress=telling.reach,
                note=lambda text: telling.say(f"{name}: {escaped(text)}"),
            )
    except KeyboardInterrupt:
        click.echo(f"stopped: nothing is written of {name}; the same command begins anew", err=True)
        return 130
    except ToonforgeError as error:
        from toonforge.cli.faults import show

        show(error)
        return 2
    seconds = f"{outcome.seconds:.1f} s, {outcome.frames:,} frames"
    click.echo(f"{name} translated to {to}: {named(str(outcome.target))} ({seconds}, {telling.rate})")
    for damage in outcome.damage:
        click.echo(f"{click.style('damaged', fg='yellow')} {name}: {escaped(damage)}", err=True)
    return 2 if outcome.damage else 0
