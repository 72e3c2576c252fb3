"""What is measured of folders of pictures, made by anything: beside others, and beside what they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from toonforge.data.listing import Listed
from toonforge.data.reading.picture import shown
from toonforge.data.transforms import Geometry
from toonforge.errors import Problem, RunError
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.graph import Graph
from toonforge.use.evaluate.metrics import Asked, Roles, choose, default
from toonforge.use.evaluate.pictures import (
    INPUT,
    MADE,
    REFERENCE,
    TRANSLATION,
    check_sizes,
    listed,
    reading,
    shapes_of,
    sides,
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
    if (
        found.paired
        and size is None
        and any(metric.together == ("input", "target") for metric in chosen.metrics.values())
    ):
        check_sizes(found.groups)
    geometry = None if size is None else Geometry(image_size=size, load_size=size, flip=False)
    return Plan(
        subject=Subject(generated=generated, input=input, reference=reference),
        metrics=chosen.metrics,
        source=source_of(found.groups, geometry),
        groups=shapes_of(found.groups, size or 0),
        graph=Graph({"translation"}, {}),
        preparation=f"{_whose(folders)}; {reading(geometry)}",
        notes=(*found.notes, *_nested(folders), *chosen.notes, *([NO_BASELINE] if input is None else [])),
    )


def _whose(folders: dict[str, Listed]) -> str:
    return ", ".join(f"{field} of {shown(side.folder)}" for field, side in folders.items())


def _nested(folders: dict[str, Listed]) -> list[str]:
    """A note for each folder that holds another's pictures too."""
    where = {field: side.folder.resolve() for field, side in folders.items()}
    return [
        f"{shown(folders[outer].folder)} holds {shown(folders[inner].folder)} too: its pictures are compared with "
        "themselves"
        for outer in where
        for inner in where
        if where[outer] in where[inner].parents
    ]
