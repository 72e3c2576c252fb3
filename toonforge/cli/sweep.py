"""`toonforge sweep`: train a grid of overrides into one folder, and compare the runs."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from pathlib import Path

import click

from toonforge.cli import completing
from toonforge.cli.processes import launch
from toonforge.cli.run import refuse_nothing
from toonforge.cli.worker import is_worker
from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.recipe import load


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...", shell_complete=completing.recipes)
@click.option("--grid", "-g", multiple=True, metavar="KEY=VALUE,VALUE", help="Values to try; may be repeated.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value in every run.")
@click.option("--name", help="Name of the sweep, in place of the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), help="The sweep's folder; sweeps/NAME when left out.")
@click.option("--resume", is_flag=True, help="Skip finished runs, continue a started one, begin the rest.")
@click.option("--processes", type=click.IntRange(min=1), help="Train each run in so many processes, one a GPU.")
@click.option("--cpu", is_flag=True, help="Train on the CPU even where there is a GPU.")
@click.option(
    "--one", type=click.Path(path_type=Path), hidden=True, help="Train one run; report problems in this file."
)
@click.pass_obj
def command(
    arguments: list[str],
    recipes: tuple[str, ...],
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    name: str | None,
    out: Path | None,
    resume: bool,
    processes: int | None,
    cpu: bool,
    one: Path | None,
) -> int:
    """Train every combination of the --grid values, for every RECIPE, one run after the other, and compare the runs.

    VALUES are TOML with commas between them; a bare word is text. Everything is checked before the first run begins.
    Ctrl-C saves the current run and stops; --resume goes on from there, with the recipe or the sweep's folder.

    \b
    Examples:
      toonforge sweep recipes/anime_unet.toml --grid train.batch_size=1,4,8
      toonforge sweep a.toml b.toml --grid train.seed=0,1,2 --set train.epochs=20
      toonforge sweep recipes/anime_unet.toml --grid 'data.kinds=["anime"],["scene"]'
      toonforge sweep sweeps/anime_unet --resume
    """
    if one is not None and out is not None:
        return train_one(arguments, recipes[0], overrides, out, resume, cpu, one)
    if is_worker():
        raise RunError(Problem(message="a sweep is started once", hint="leave out torchrun, and use --processes"))
    from toonforge.cli.sweep_process import Processes
    from toonforge.cli.sweep_table import show
    from toonforge.sweeps.folder import SweepFolder
    from toonforge.sweeps.plan import make_plan
    from toonforge.sweeps.work import work

    if name is not None:
        out = out or Path("sweeps") / folder_name(name)
    recipes, grid, overrides, processes, out = asked(recipes, grid, overrides, processes, out, resume)
    plan = make_plan(recipes, grid, overrides, processes, begins=not resume)
    folder = SweepFolder(out or Path("sweeps") / plan.name)
    if not resume:
        folder.refuse()
    for run in plan.runs:
        for note in run.notes:
            click.echo(f"note: {run.name}: {note}", err=True)
    trainer = Processes(len(plan.runs), arguments[: arguments.index("sweep")], cpu)
    try:
        done = work(plan, folder, trainer, resume=resume, processes=processes)
    except KeyboardInterrupt:
        click.echo(f"stopped: goes on with: toonforge sweep {shlex.quote(str(folder.path))} --resume", err=True)
        return 130
    show(done, folder.path)
    if done.stopped:
        return 130
    failed = any(row.state != "finished" for row in done.rows)
    return (1 if done.ours else 2) if failed else 0


def asked(
    recipes: tuple[str, ...],
    grid: tuple[str, ...],
    overrides: tuple[str, ...],
    processes: int | None,
    out: Path | None,
    resume: bool,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], int | None, Path | None]:
    """What to sweep: as given; or, where a sweep's folder is given in place of a recipe, as that says."""
    given = Path(recipes[0])
    if resume and len(recipes) == 1:
        refuse_nothing(recipes[0], "sweep")
    if len(recipes) > 1 or not (given / "sweep.json").is_file():
        return recipes, grid, overrides, processes, out
    if not resume or grid or overrides or out is not None:
        raise RunError(
            Problem(
                message=f"{given} is a sweep already",
                found="--grid, --set, --name or --out beside it" if resume else None,
                hint=f"continue it as it is with: toonforge sweep {shlex.quote(str(given))} --resume",
            )
        )
    from toonforge.sweeps.folder import SweepFolder

    before = SweepFolder(given).asked()
    return before.recipes, before.grid, before.overrides, processes or before.processes, given


def folder_name(name: str) -> str:
    """A name that makes one folder below `sweeps`."""
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise RunError(Problem(message=f"--name {name!r} does not name a folder", hint="for a path use --out"))
    return name


def train_one(
    arguments: list[str], source: str, overrides: tuple[str, ...], folder: Path, resume: bool, cpu: bool, report: Path
) -> int:
    """Train one run, as a process that a sweep started; what ends it is written down for the sweep's table."""
    from toonforge.cli.run import train
    from toonforge.sweeps.api import one_line

    try:
        recipe = load(source, overrides)
        if recipe.train.processes > 1 and not is_worker():
            return launch(recipe.train.processes, arguments, folder, in_sweep=True)
        return train(recipe, source, folder, resume, cpu, in_sweep=True)
    except Exception as error:
        text = one_line(error) if isinstance(error, ToonforgeError) else f"{type(error).__name__}: {error}"
        with suppress(OSError):  # no room for it: what is raised is shown here all the same
            report.write_text(json.dumps(text), "utf-8")
        raise
