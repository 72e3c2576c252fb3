"""Training from Python, in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toonforge.events import Finished
from toonforge.recipe import find, load
from toonforge.recipe.model import Recipe


def run(
    recipe: Recipe | str | Path,
    folder: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    resume: bool = False,
    listeners: Sequence[object] = (),
    cpu: bool = False,
) -> Finished:
    """Train a recipe, in this process.

    Several processes need one call each: start the script with `torchrun --nproc-per-node N`, or the recipe with
    `toonforge run … --processes N`.

    Args:
        recipe: a loaded recipe, a recipe file, or a packaged recipe's name ("cyclegan/cyclegan").
        folder: where the run goes, empty or new unless `resume`; `runs/<recipe's name>` when left out.
        overrides: as given to `--set`; only for a recipe that is loaded here.
        resume: continue the run that the folder holds.
        listeners: objects with run hooks (`run_started`, `step_finished`, …) marked by `toonforge.hookimpl`.
        cpu: train on the CPU even where there is a GPU.

    Returns:
        How the run ended: its metrics, its last validation grid, what was skipped.

    Raises:
        ToonforgeError: for a recipe, data or folder that cannot be used, `train.processes` that are not there;
            `problems` says what is wrong.

    Examples:
        >>> import toonforge
        >>> finished: toonforge.Finished
        >>> finished = toonforge.run("small.toml", "runs/try", overrides=["train.steps=1"])
        >>> finished.reason, finished.step
        ('done', 1)
        >>> finished = toonforge.run("small.toml", "runs/try", resume=True)  # on to the two steps that the recipe says
        >>> finished.step
        2
    """
    source = None if isinstance(recipe, Recipe) else find(recipe).path
    loaded = recipe if isinstance(recipe, Recipe) else load(recipe, overrides)
    from toonforge.train.trainer import train

    return train(
        loaded,
        folder=Path(folder) if folder is not None else Path("runs") / loaded.name,
        source=source,
        resume=resume,
        listeners=listeners,
        cpu=cpu,
    )
