"""Whether a checked recipe can be trained here: what this machine lacks for it, and phases that would never run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from toonforge.blame import built
from toonforge.components import Component, Count, fields_of
from toonforge.data.order import steps_per_epoch
from toonforge.data.used import only_used
from toonforge.errors import DataError, Problem, RecipeError, RunError, ToonforgeError
from toonforge.recipe.compose import compose, read_file
from toonforge.recipe.graph import Graph
from toonforge.recipe.loading import find
from toonforge.recipe.model import Recipe
from toonforge.recipe.trackers import trackers_missing
from toonforge.weights.origin import find_origins


def verify(
    recipe: Recipe,
    source: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    *,
    begins: bool = True,
) -> None:
    """Raise `ToonforgeError` with all that this machine lacks for the recipe, and with phases that would never run.

    Pictures, packages and weights are looked for, none is loaded; torch is not imported. A problem's `key` is the whole
    key in the recipe.

    Args:
        recipe: checked.
        source: its file or packaged recipe, for the line that each problem belongs to.
        overrides: as given to `--set`.
        begins: whether the training begins; one that goes on needs nothing of where first weights came from.

    Examples:
        >>> from toonforge.recipe import load, verify
        >>> verify(load("small.toml"))  # nothing is missing
        >>> verify(load("cyclegan/cyclegan", ['data.fields.photo="nowhere"']))
        Traceback (most recent call last):
        toonforge.errors.DataError: data.fields.photo: the folder nowhere does not exist
        ...
    """
    try:
        _verify(recipe, begins)
    except ToonforgeError as error:
        if source is None:
            raise
        found = find(source)
        root = compose(read_file(found.path), found.name, found.path.parent, found.path, overrides)
        packaged = found.name if found.path != Path(found.name) else None
        located = [
            attrs.evolve(
                problem,
                where=problem.where or root.nearest(_path(problem.key)).where,
                hint=_with_own_place(problem, recipe.data, packaged),
            )
            for problem in error.problems
        ]
        raise type(error)(*located) from None


def _with_own_place(problem: Problem, data: Component, packaged: str | None) -> str | None:
    """The hint, of a packaged recipe's place of pictures with how to name one's own."""
    key = problem.key or ""
    places = [f"data.{name}" for name, (_, _, info) in fields_of(type(data)).items() if info.place]
    if packaged is None or not any(f"{key}.".startswith(f"{place}.") for place in places):
        return problem.hint
    own = f"name your own: --set {key}='\"PATH\"', or edit a copy: toonforge cp {packaged}"
    return "; ".join(filter(None, (problem.hint, own)))


def _path(key: str | None) -> tuple[str, ...]:
    """The parts of a key such as "train.trackers[0]"."""
    return tuple(re.split(r"[.\[]", (key or "").replace("]", "")))


def _verify(recipe: Recipe, begins: bool) -> None:
    lacking = list(_lacking(recipe))
    if begins:
        lacking += _sources_lacking(recipe)
    if lacking:
        of_data = all(problem.key == "data" or (problem.key or "").startswith("data.") for problem in lacking)
        raise (DataError if of_data else ToonforgeError)(*lacking)
    if _mixes_units(recipe):
        used = Graph(recipe.modules, recipe.signals).trained_fields(recipe.phases)
        sizes = only_used(built(recipe.data, "data", "train"), recipe.data.groups(), used).sizes
        problems = idle_phases(recipe, steps_per_epoch(sizes, recipe.train.batch_size))
        if problems:
            raise RecipeError(*problems)


def _lacking(recipe: Recipe) -> Iterator[Problem]:
    for path, component in _components(recipe):
        try:
            component.verify()
        except ToonforgeError as error:
            for problem in error.problems:
                known = problem.key is not None and (f"{problem.key}.").startswith(f"{path}.")
                key = problem.key if known else ".".join(filter(None, (path, problem.key)))
                yield attrs.evolve(problem, key=key)
    yield from trackers_missing(recipe.train.trackers)


def _sources_lacking(recipe: Recipe) -> Sequence[Problem]:
    try:
        find_origins(recipe)
    except RunError as error:
        return error.problems
    return ()


def _components(recipe: Recipe) -> Iterator[tuple[str, Component]]:
    yield "data", recipe.data
    for table in ("generators", "discriminators", "networks"):
        for name, component in getattr(recipe, table).items():
            yield f"{table}.{name}", component
    for phase_name, phase in recipe.phases.items():
        for name, term in phase.losses.items():
            yield f"phases.{phase_name}.losses.{name}", term.loss
    for name, metric in recipe.metrics.items():
        yield f"metrics.{name}", metric


def _mixes_units(recipe: Recipe) -> bool:
    """Whether steps stand against epochs, so that only the data can tell what comes first."""
    counts = [Count(steps=recipe.train.steps, epochs=recipe.train.epochs)]
    for phase in recipe.phases.values():
        counts += [count for count in (phase.from_, phase.until) if count is not None and (count.steps or count.epochs)]
    return len({count.steps is None for count in counts}) > 1


def idle_phases(recipe: Recipe, steps_per_epoch: int) -> list[Problem]:
    """One problem for each phase that the training ends before, or that is over when it would begin."""
    total = Count(steps=recipe.train.steps, epochs=recipe.train.epochs).in_steps(steps_per_epoch)
    problems = []
    for name, phase in recipe.phases.items():
        begin = phase.from_.in_steps(steps_per_epoch)
        end = total if phase.until is None else min(total, phase.until.in_steps(steps_per_epoch))
        if begin >= end:
            until = f" until {phase.until}" if phase.until is not None else ""
            problems.append(
                Problem(
                    message="the phase is never active",
                    key=f"phases.{name}.from",
                    found=f"from {phase.from_}{until}, in a training of {total} steps; an epoch of this data is "
                    f"{steps_per_epoch} step{'s' * (steps_per_epoch != 1)}",
                    hint="train longer, or begin the phase earlier",
                )
            )
    return problems
