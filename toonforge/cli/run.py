"""`toonforge run`: train a recipe, or continue a run."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import attrs
import click

from toonforge.cli import completing, leaving
from toonforge.cli.processes import launch
from toonforge.cli.worker import is_worker, said_once
from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.names import did_you_mean
from toonforge.recipe import find, load, verify
from toonforge.recipe.check import name_problem
from toonforge.recipe.model import Recipe
from toonforge.registries import recipes
from toonforge.runs.described import has_checkpoints, refuse_damaged
from toonforge.runs.folder import RunFolder
from toonforge.train.insisting import HOW
from toonforge.train.sharding import refuse_sharding


@click.command()
@click.argument("recipe", shell_complete=completing.recipes_and_runs)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change a value; VALUE is TOML.")
@click.option("--name", help="Name of the run, in place of the recipe's.")
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder; runs/NAME when left out.")
@click.option("--resume", is_flag=True, help="Continue the run in that folder from its newest checkpoint.")
@click.option("--processes", type=click.IntRange(min=1), help="Train in so many processes, one a GPU.")
@click.option("--cpu", is_flag=True, help="Train on the CPU even where there is a GPU.")
@click.pass_obj
def command(
    arguments: list[str],
    recipe: str,
    overrides: tuple[str, ...],
    name: str | None,
    out: Path | None,
    resume: bool,
    processes: int | None,
    cpu: bool,
) -> int:
    """Train RECIPE: a file, a packaged recipe's name, or (with --resume) the folder of a run.

    Ctrl-C saves a checkpoint and stops; --resume goes on from there as if nothing had happened. While it trains,
    report.html in the run's folder shows its pictures, losses and metrics. With train.metrics.best the best checkpoint
    by a metric is kept, and with patience the training ends when so many measurements have not been better.

    \b
    Examples:
      toonforge run recipes/anime_unet.toml
      toonforge run recipes/anime_unet.toml --set train.batch_size=2 --out runs/try
      toonforge run recipes/anime_unet.toml --set 'train.metrics={every={epochs=1}, best="kid", patience=5}'
      toonforge run recipes/anime_unet.toml --resume
      toonforge run runs/try --resume --set train.steps=1000
      toonforge run cyclegan/cyclegan --set data.fields.photo='"my/photos"'
    """
    count = int(os.environ["WORLD_SIZE"]) if is_worker() else processes
    if count is not None:  # part of the recipe, so that its check refuses a batch that cannot be cut among them
        overrides = (*overrides, f"train.processes={count}")
    with said_once():
        refuse_sharding()
        file, folder = locate(recipe, out, resume)
        loaded = load(file, overrides)
        if name is not None:
            loaded = attrs.evolve(loaded, name=run_name(name))
    folder = folder or Path("runs") / loaded.name
    if not is_worker():
        # What can be refused is refused before PyTorch is loaded.
        if loaded.train.processes == 1:
            refuse_several_as_one()
        RunFolder(folder).refuse_busy()
        RunFolder(folder).refuse(resume)
        try:
            verify(loaded, file, overrides, begins=not (resume and has_checkpoints(folder)))
        except ToonforgeError as error:
            if not resume:
                raise
            raise type(error)(*RunFolder(folder).ways_back(loaded, error.problems)) from None
    if loaded.train.processes > 1 and not is_worker():
        return launch(loaded.train.processes, arguments, folder)
    return train(loaded, file, folder, resume, cpu)


def refuse_several_as_one(on_cpu: bool = False) -> None:
    """Raise `RunError` where `accelerate launch` or `mpirun` was asked for several processes that train alone each.

    Without a GPU Accelerate starts a single process whatever `--num_processes` says: it only names where several would
    meet, as a job's script may have done already. What `mpirun` starts is as many trainings that know nothing of each
    other.

    Args:
        on_cpu: whether the training is known to run on the CPU; otherwise Accelerate's word counts.
    """
    names = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
    found = next((f"{name}={os.environ[name]}" for name in names if os.environ.get(name, "1") != "1"), None)
    told = os.environ.get("ACCELERATE_USE_CPU")
    on_cpu = told is not None and (on_cpu or told.lower() in ("1", "true", "yes"))
    if on_cpu and "MASTER_ADDR" in os.environ and "MASTER_PORT" in os.environ:
        found = found or "accelerate launch, which starts one process on a CPU"
    if found is not None:
        raise RunError(
            Problem(
                message="several processes were asked for, but each would train alone",
                found=found,
                hint="use toonforge run … --processes N, or torchrun --nproc-per-node N -m toonforge run …",
            )
        )


def locate(recipe: str, out: Path | None, resume: bool) -> tuple[str, Path | None]:
    """The recipe to load, and the run's folder if that is already known."""
    given = Path(recipe)
    if resume:
        refuse_nothing(recipe, "run")
    if not given.is_dir():
        return recipe, out
    if not (given / "resolved.toml").is_file() and not has_checkpoints(given):
        raise RunError(
            Problem(message=f"{recipe} is a folder, and no run", hint="give a recipe file or a run's folder")
        )
    if not resume and out is None:
        raise RunError(
            Problem(
                message=f"{recipe} is a run already",
                hint=f"continue it with: toonforge run {shlex.quote(recipe)} --resume; or run its recipe anew with "
                "--out FOLDER",
            )
        )
    if resume:
        RunFolder(given).refuse(resume)
    refuse_damaged(given)
    return str(given / "resolved.toml"), out or given


def refuse_nothing(given: str, what: str) -> None:
    """Raise `RunError` where --resume is given something that is neither a folder nor a recipe."""
    path = Path(given)
    if path.exists() or path.suffix == ".toml" or given in recipes:
        return
    near = sorted(str(folder) for folder in path.parent.glob("*") if folder.is_dir())
    raise RunError(
        Problem(
            message=f"there is no {what} in {given}",
            hint=did_you_mean(given, near) or "give its folder, or the recipe that it was begun with",
        )
    )


def run_name(name: str) -> str:
    """A name as a recipe may have it, since the run's recipe gets it."""
    problem = name_problem(name)
    if problem is not None:
        hint = "for a path use --out" if "/" in name or "\\" in name else None
        raise RunError(attrs.evolve(problem, key="--name", hint=hint))
    return name


def train(recipe: Recipe, file: str, folder: Path, resume: bool, cpu: bool, in_sweep: bool = False) -> int:
    """Train with progress shown; torch is imported only here."""
    from toonforge.cli.progress import Progress
    from toonforge.cli.run_text import exit_code

    leaving.starts()
    progress = Progress(recipe, in_sweep=in_sweep)
    if os.environ.get("RANK", "0") == "0":
        progress.say("loading PyTorch and the networks …")
    try:
        from toonforge.train.accelerating import has_accelerator
        from toonforge.train.trainer import train as start

        if recipe.train.processes == 1 and not is_worker():
            refuse_several_as_one(on_cpu=cpu or not has_accelerator())
        with said_once(but=RunError):
            finished = start(
                recipe,
                folder=folder,
                source=None if (Path(file).parent / "checkpoints").is_dir() else find(file).path,
                resume=resume,
                listeners=(progress,),
                cpu=cpu,
            )
    except KeyboardInterrupt:
        progress.close()
        if words := HOW.words():
            progress.say(words)
        return 130
    finally:
        leaving.ends(None)
        progress.close()
    return exit_code(finished)
