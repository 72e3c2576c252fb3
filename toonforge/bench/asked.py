"""What is to be measured: the recipe, how long, and with which changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.recipe import load
from toonforge.recipe.model import Recipe
from toonforge.recipe.readiness import verify
from toonforge.speed.tricks import TRICKS


@attrs.frozen(kw_only=True)
class Asked:
    """A measurement that somebody wants.

    Attributes:
        source: the recipe's file, or a packaged recipe's name.
        overrides: changes to it, "KEY=VALUE".
        steps: in a turn; None for as many as take about a second.
        turns: of each variant; None for the fewest that can tell so many rows apart.
        tricks: those measured one by one; None for all that this machine can use.
        tries: further variants, each a change "KEY=VALUE".
        at: which step of the training; None for the stage that has most steps.
        cpu: stay on the CPU.
    """

    source: str
    overrides: tuple[str, ...] = ()
    steps: int | None = None
    turns: int | None = None
    tricks: tuple[str, ...] | None = ()
    tries: tuple[str, ...] = ()
    at: int | None = None
    cpu: bool = False


def trick_names(text: str) -> tuple[str, ...]:
    """ "channels-last,tf32" -> its names, each once.

    Raises:
        RunError: a name that is no trick's.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    problems = [
        Problem(
            message=f"there is no trick {name!r}",
            key="--tricks",
            expected=f"some of {', '.join(TRICKS)}",
            hint=did_you_mean(name, list(TRICKS)),
        )
        for name in names
        if name not in TRICKS
    ]
    if problems or not names:
        raise RunError(*(problems or [Problem(message="--tricks names no trick", expected=", ".join(TRICKS))]))
    return names


def loaded(source: str, overrides: Sequence[str]) -> Recipe:
    """The recipe that is measured, checked; without trackers, since none is started.

    Raises:
        DataError, RecipeError, ToonforgeError: what is wrong with it, or what this machine lacks for it.
    """
    recipe = load(source, overrides)
    train: Any = recipe.train  # mypy does not see through its decorator that it is an attrs class
    recipe = attrs.evolve(recipe, train=attrs.evolve(train, trackers=()))
    verify(recipe, source, overrides, begins=False)
    return recipe


def refuse_several(recipe: Recipe, tries: Sequence[Recipe] = ()) -> None:
    """Raise `RunError` for a recipe of several processes: one is measured, since each has a device of its own."""
    for one in (recipe, *tries):
        if one.train.processes > 1:
            share = max(1, one.train.batch_size // one.train.processes)
            raise RunError(
                Problem(
                    message="a single process is measured",
                    key="train.processes",
                    found=str(one.train.processes),
                    hint=f"measure the share of one: --set train.processes=1 --set train.batch_size={share}",
                )
            )
