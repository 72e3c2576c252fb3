"""Every run of a sweep, made and checked before the first one begins."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from toonforge.data.order import steps_per_epoch
from toonforge.data.used import only_used
from toonforge.errors import Location, Problem, RecipeError, RunError, ToonforgeError
from toonforge.recipe import find, load, verify
from toonforge.recipe.compose import SET
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import recipe_data
from toonforge.sweeps.grid import GRID, RECIPE, Axis, Value, labels, parse_grid, run_name

MOST_RUNS = 1000


@attrs.frozen(kw_only=True, eq=False)
class PlannedRun:
    """One run of a sweep.

    Attributes:
        name: its folder's name below the sweep's.
        source: the recipe file, or the packaged recipe's name, as given.
        overrides: `--set` texts, those of the grid last.
        values: label of each axis -> the run's value.
        recipe: checked.
        steps_per_epoch: of its training pictures.
        notes: what is odd, and yet no mistake.
    """

    name: str
    source: str
    overrides: tuple[str, ...]
    values: Mapping[str, str]
    recipe: Recipe
    steps_per_epoch: int
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """A sweep as it was asked for, and its runs in order.

    Attributes:
        recipes, overrides, grid: as given.
        axes: what varies, the recipe first where there are several.
        name: what to call the sweep.
    """

    recipes: tuple[str, ...]
    overrides: tuple[str, ...]
    grid: tuple[str, ...]
    axes: tuple[Axis, ...]
    runs: tuple[PlannedRun, ...]
    name: str


def make_plan(
    recipes: Sequence[str],
    grid: Sequence[str],
    overrides: Sequence[str] = (),
    processes: int | None = None,
    *,
    begins: bool = True,
) -> Plan:
    """The product of the grid for every recipe, all checked: keys, values, recipes, data, batches.

    Args:
        recipes: files or packaged recipes' names; several are the first axis.
        grid: `KEY=VALUE,VALUE` texts; the last one varies fastest.
        overrides: `KEY=VALUE` texts for all runs.
        processes: in place of `train.processes`.
        begins: whether the sweep begins; runs that go on need nothing of where first weights came from.

    Raises:
        ToonforgeError: with every problem of every run, each once.
    """
    axes, unread = parse_grid(grid)
    problems = {str(problem): problem for problem in unread}

    def note(error: ToonforgeError) -> None:
        problems.update((str(problem), problem) for problem in error.problems)

    known = []
    for source in recipes:
        try:
            find(source)
            known.append(source)
        except RecipeError as error:
            note(error)
    _refuse_sizes(recipes, axes, bool(unread))
    extra = () if processes is None else (f"train.processes={processes}",)
    sources = recipe_axis(known, (*overrides, *extra))
    varied = [sources, *axes] if len(recipes) > 1 else axes
    keys = [axis.key for axis in axes]
    runs: list[PlannedRun] = []
    for first, *rest in itertools.product(sources.values, *(axis.values for axis in axes)):
        own = tuple(f"{key}={value.text}" for key, value in zip(keys, rest))
        chosen = dict(zip((axis.label for axis in varied), rest if varied is axes else [first, *rest]))
        try:
            runs.append(_checked(first.text, (*overrides, *extra, *own), chosen, keys, begins))
        except ToonforgeError as error:
            note(error)
    if problems:
        raise RecipeError(*problems.values())
    _refuse_twins(runs)
    return Plan(
        recipes=tuple(recipes),
        overrides=tuple(overrides),
        grid=tuple(grid),
        axes=tuple(varied),
        runs=tuple(runs),
        name="+".join(value.label for value in sources.values[:3]) + (f"+{len(recipes) - 3}" if recipes[3:] else ""),
    )


def _refuse_sizes(recipes: Sequence[str], axes: Sequence[Axis], unread: bool) -> None:
    if not recipes:
        raise RecipeError(Problem(message="no recipe", expected="a file or a packaged recipe's name"))
    if not axes and not unread and len(recipes) == 1:
        expected = "--grid KEY=VALUE,VALUE, or several recipes"
        raise RecipeError(Problem(message="nothing varies", where=Location(GRID), expected=expected))
    count = len(recipes)
    for axis in axes:
        count *= len(axis.values)
    if count > MOST_RUNS:
        raise RecipeError(Problem(message="too many runs", found=f"{count:,}", expected=f"at most {MOST_RUNS:,}"))


def recipe_axis(recipes: Sequence[str], overrides: Sequence[str]) -> Axis:
    """The recipes as values, called by their names.

    Labels are without dots: the folders so called lie beside the sweep's own files, all of which have an ending.
    """
    names = []
    for source in recipes:
        try:
            names.append(load(source, overrides).name)
        except RecipeError:
            # What the grid sets may be what the recipe lacks: the runs themselves are judged.
            names.append(source.rsplit("/", 1)[-1].removesuffix(".toml"))
    dotless = [name.strip(".").replace(".", "-") for name in names]
    return Axis(RECIPE, RECIPE, tuple(map(Value, recipes, names, labels([(name, name) for name in dotless]))))


def _checked(
    source: str, overrides: tuple[str, ...], chosen: Mapping[str, Value], keys: Sequence[str], begins: bool
) -> PlannedRun:
    """One run; its problems name the grid where the grid is to blame."""
    name = run_name([(key, value.label) for key, value in chosen.items()])
    try:
        recipe = load(source, overrides)
        verify(recipe, source, overrides, begins=begins)
        used = Graph(recipe.modules, recipe.signals).trained_fields(recipe.phases)
        sizes = only_used(recipe.data.build("train"), recipe.data.groups(), used).sizes
        if recipe.translations or recipe.metrics:
            recipe.data.build("validation")
    except ToonforgeError as error:
        raise RecipeError(*(_of_grid(problem, keys) for problem in error.problems)) from None
    batch, most = recipe.train.batch_size, max(sizes.values())
    notes = (f"a batch of {batch} repeats some of the {most} training pictures",) if batch > most else ()
    return PlannedRun(
        name=name,
        source=source,
        overrides=overrides,
        values={key: shown(value) for key, value in chosen.items()},
        recipe=recipe,
        steps_per_epoch=steps_per_epoch(sizes, batch),
        notes=notes,
    )


def shown(value: Value) -> str:
    """A value as a table shows it: strings without quotes, everything else as written."""
    return value.plain if isinstance(value.plain, str) else value.text


def _of_grid(problem: Problem, keys: Sequence[str]) -> Problem:
    """The problem, placed at --grid where one of its keys is to blame."""
    key = problem.key or ""
    if problem.where != Location(SET) or not any(key == k or key.startswith((f"{k}.", f"{k}[")) for k in keys):
        return problem
    return attrs.evolve(problem, where=Location(GRID))


def _refuse_twins(runs: Sequence[PlannedRun]) -> None:
    """Two runs that would train the very same recipe are a mistake in the grid."""
    problems, seen = [], list[tuple[Any, PlannedRun]]()
    names: set[str] = set()
    for run in runs:
        data = recipe_data(run.recipe)
        twin = next((other for known, other in seen if known == data), None)
        if twin is not None:
            problems.append(
                Problem(message=f"{run.name} would be the same run as {twin.name}", hint="leave one of them out")
            )
        elif run.name.lower() in names:
            problems.append(Problem(message=f"two runs would be called {run.name}", hint="shorten the values"))
        seen.append((data, run))
        names.add(run.name.lower())
    if problems:
        raise RunError(*problems)
