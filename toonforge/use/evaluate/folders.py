"""What is measured of folders of pictures, made by anything: beside others, and beside what they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from toonforge.components import Metric, Shape
from toonforge.data.listing import Listed
from toonforge.data.reading.picture import shown
from toonforge.data.transforms import Geometry
from toonforge.errors import DataError, Problem, RunError
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.graph import Graph
from toonforge.use.evaluate import twice
from toonforge.use.evaluate.metrics import Asked, Roles, check_shape, choose, default, verify
from toonforge.use.evaluate.pictures import (
    INPUT,
    MADE,
    REFERENCE,
    TRANSLATION,
    listed,
    reading,
    shapes_of,
    sides,
    smallest_pair,
    source_of,
)
from toonforge.use.evaluate.plan import Plan, Subject

NO_BASELINE = "what the untranslated pictures score is not known: give them with --input to see what has to be beaten"


def plan_folders(
    generated: Path,
    reference: Path | None,
    input: Path | None,
    asked: Sequence[Asked],
    *,
    pairs: bool | None,
    features: str | None,
    size: int | None,
) -> Plan:
    """What to measure of a folder of translated pictures.

    Args:
        generated: the translated pictures.
        reference: pictures that they should look like.
        input: the untranslated pictures, of the same names as `generated`.
        asked: metrics; those that the folders allow where none is named.
        pairs: whether `generated` and `reference` are matched by name; where their names allow it, when left out.
        features: of metrics over features.
        size: scale the short side to so many pixels, and cut a square from the middle.

    Raises:
        DataError: for folders that are not there or hold no pictures, and names without partner.
        RecipeError: for metrics that are unknown, or need pictures that are not there.
        RunError: there is nothing to compare with.
    """
    given = {MADE: generated, INPUT: input, REFERENCE: reference}
    if input is None and reference is None:
        raise RunError(
            Problem(
                message=f"{shown(generated)} is no run, and there is nothing to compare its pictures with",
                expected="a run's folder; or a folder of pictures, and one of reference pictures",
                hint="name a second folder, or give the untranslated pictures with --input",
            )
        )
    folders = listed({field: folder for field, folder in given.items() if folder is not None})
    found = sides(folders, MADE, REFERENCE if reference is not None else None, pairs)
    roles = Roles(
        made=Expr(Name(MADE)) if input is None else TRANSLATION,
        input=None if input is None else Expr(Name(INPUT)),
        reference=None if reference is None else Expr(Name(REFERENCE)),
        paired=found.paired,
        no_input="give them with --input FOLDER",
        no_reference="name a second folder",
        no_pairs="files of the same names in both folders, and --pairs",
    )
    chosen = choose(asked, roles, features) if asked else default(roles, features)
    verify(chosen.metrics)
    shape: Shape | None = (3, size, size) if size is not None else None
    if found.paired and shape is None and any(_of_pairs(metric) for metric in chosen.metrics.values()):
        try:
            shape = smallest_pair(found.groups)
        except DataError as error:
            if pairs or asked:
                raise
            # Equal names were a guess: they may be numbers of two sets that have nothing to do with each other.
            sets = plan_folders(generated, reference, input, asked, pairs=False, features=features, size=size)
            problem = error.problems[0]
            return attrs.evolve(sets, notes=(f"no pairs are measured: {problem.message}; {problem.hint}", *sets.notes))
    if shape is not None:
        check_shape(chosen.metrics, shape)
    geometry = None if size is None else Geometry(image_size=size, load_size=size, flip=False)
    return Plan(
        subject=Subject(generated=generated, input=input, reference=reference),
        metrics=chosen.metrics,
        source=source_of(found.groups, geometry),
        groups=shapes_of(found.groups, size or 0),
        graph=Graph({"translation"}, {}),
        preparation=f"{_whose(folders)}; {reading(geometry)}",
        notes=(
            *found.notes,
            *twice.notes(folders, REFERENCE, chosen.metrics.values()),
            *chosen.notes,
            *([NO_BASELINE] if input is None else []),
        ),
    )


def _of_pairs(metric: Metric) -> bool:
    """Whether it compares each translated picture with the one it should be."""
    return "target" in metric.together


def _whose(folders: dict[str, Listed]) -> str:
    return ", ".join(f"{field} of {shown(side.folder)}" for field, side in folders.items())
