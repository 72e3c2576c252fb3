"""`toonforge bench`: how fast a recipe trains here, where the time goes, and what each trick gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click

from toonforge.cli import completing
from toonforge.cli.again import again
from toonforge.cli.worker import is_worker
from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.files import write_atomic
from toonforge.runs.disk import writing
from toonforge.train.sharding import refuse_sharding

if TYPE_CHECKING:
    from toonforge.bench.asked import Asked
    from toonforge.recipe.model import Recipe


@click.command()
@click.argument("recipe", shell_complete=completing.recipes)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value; VALUE is TOML.")
@click.option("--tricks", metavar="NAME,NAME", help="Measure with and without each of these tricks, one by one.")
@click.option("--all", "every", is_flag=True, help="The same with all tricks that can be used here.")
@click.option(
    "--try",
    "tries",
    multiple=True,
    metavar="KEY=VALUE",
    help="Measure the recipe with this change too; may be repeated.",
)
@click.option("--steps", type=click.IntRange(min=1), help="Steps in a turn; as many as take a second when left out.")
@click.option(
    "--turns",
    type=click.IntRange(min=1),
    help="How often each takes its turn; when left out, as often as can tell them apart: 5 times, more with more rows.",
)
@click.option(
    "--at",
    type=click.IntRange(min=0),
    metavar="STEP",
    help="Which step of the training is measured; one of its longest stage when left out.",
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the numbers there too."
)
@click.option("--cpu", is_flag=True, help="Stay on the CPU even where there is a GPU.")
@click.option("--worker", is_flag=True, hidden=True, help="Be one of the processes that are measured.")
@click.pass_obj
def command(
    arguments: list[str],
    recipe: str,
    overrides: tuple[str, ...],
    tricks: str | None,
    every: bool,
    tries: tuple[str, ...],
    steps: int | None,
    turns: int | None,
    at: int | None,
    json_file: Path | None,
    cpu: bool,
    worker: bool,
) -> int:
    """Measure how fast RECIPE trains on this machine: a file, or a packaged recipe's name.

    Steps are timed as they are and with train.speed = "safe", each in a process of its own, the two taking turns; then
    it is shown where a step's time goes, and what to change. With --all or --tricks each trick is measured by itself,
    and with --try any other change. Nothing is written but what --json names.

    \b
    Examples:
      toonforge bench recipes/anime_unet.toml
      toonforge bench recipes/anime_unet.toml --all
      toonforge bench recipes/anime_unet.toml --tricks channels-last,compile --turns 9
      toonforge bench cyclegan/cyclegan --set data.fields.photo='"my/photos"' --try train.batch_size=4
    """
    if worker:
        from toonforge.bench.worker import main

        return main()
    if is_worker():
        raise RunError(Problem(message="bench starts its processes itself", hint="leave out torchrun"))
    refuse_sharding()
    from toonforge.bench.asked import Asked, loaded, refuse_several, trick_names
    from toonforge.use.evaluate.record import check_writable

    names = None if every else () if tricks is None else trick_names(tricks)
    if every and tricks is not None:
        raise RunError(Problem(message="--all stands for all of --tricks", hint="give one of the two"))
    refuse_several(loaded(recipe, overrides), [_tried(recipe, overrides, change) for change in tries])
    if json_file is not None:
        check_writable(json_file, json_file.absolute().parent)
    asked = Asked(
        source=recipe,
        overrides=overrides,
        steps=steps,
        turns=turns,
        tricks=names,
        tries=tries,
        at=at,
        cpu=cpu,
    )
    return _measure(asked, [*again(), *arguments[: arguments.index("bench")], "bench", recipe, "--worker"], json_file)


def _tried(recipe: str, overrides: tuple[str, ...], change: str) -> Recipe:
    """The recipe with a change of --try, whose mistakes are told as that option's."""
    from toonforge.bench.asked import loaded

    try:
        return loaded(recipe, (*overrides, change))
    except ToonforgeError as error:
        raise type(error)(*map(_of_try, error.problems)) from None


def _of_try(problem: Problem) -> Problem:
    if problem.where is None or problem.where.source != "--set":
        return problem
    hint = problem.hint and problem.hint.replace("--set ", "--try ")
    return attrs.evolve(problem, where=attrs.evolve(problem.where, source="--try"), hint=hint)


def _measure(asked: Asked, command: list[str], json_file: Path | None) -> int:
    from toonforge.bench.advice import advice
    from toonforge.bench.alternating import measure
    from toonforge.bench.measured import as_json
    from toonforge.bench.process import Fault
    from toonforge.cli.bench_progress import Progress
    from toonforge.cli.bench_table import notes, show

    progress = Progress()
    try:
        with progress:
            measured = measure(asked, progress, command)
    except Fault as error:
        click.echo(f"a measuring process failed:\n{error}", err=True)
        return 1
    except KeyboardInterrupt:
        click.echo(f"stopped{progress.stopped}; nothing was written", err=True)
        return 130
    said = advice(measured)
    wanted = asked.tricks if asked.tricks is not None else measured.here.impossible
    remarks = notes(measured, {trick: why for trick, why in measured.here.impossible.items() if trick in wanted})
    show(measured, said, remarks)
    if json_file is not None:
        with writing(json_file):
            json_file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(json_file, json.dumps(as_json(measured, said, remarks), indent=1) + "\n")
        click.echo(f"numbers: {json_file}")
    return 0
