"""What is measured of a run's translations beside the pictures of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.components import ImageSource, Shape
from toonforge.data.listing import Listed
from toonforge.data.picture_set import PictureSet
from toonforge.data.reading.picture import shown
from toonforge.data.transforms import Geometry
from toonforge.data.used import only_used
from toonforge.errors import Problem, RunError
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.model import Recipe
from toonforge.use.evaluate import seen, twice
from toonforge.use.evaluate.metrics import Asked, Roles, check_shape, choose, default, verify
from toonforge.use.evaluate.pictures import INPUT, REFERENCE, Joined, listed, reading, shapes_of, sides, source_of
from toonforge.use.evaluate.plan import Plan, Subject, Trained
from toonforge.use.evaluate.run import choose_part, narrowed, translation


def plan_beside(
    trained: Trained,
    reference: Path | None,
    input: Path | None,
    asked: Sequence[Asked],
    *,
    part: str | None,
    domain: str | None,
    pairs: bool | None,
    features: str | None,
    size: int | None,
) -> Plan:
    """What to measure of a run's translations beside a folder, or of a folder's pictures through the run.

    Args:
        reference: the pictures that translations should look like.
        input: the pictures to translate; the held-out ones of the part when left out.
        asked: metrics; those that the pictures allow where none is named.
        part: of the data set; "test" where it has one, else "validation", when left out.
        domain: what to translate to; the recipe's first when left out.
        pairs: whether `input` and `reference` are matched by name; where their names allow it, when left out.
        features: of metrics over features.
        size: scale the short side to so many pixels, and cut a square; as the run does when left out.

    Raises:
        RunError: for an unknown part or domain, and options that do not go together.
        DataError: for folders that are not there or hold no pictures, and names without partner.
        RecipeError: for metrics that are unknown, or need pictures that are not there.
    """
    recipe = trained.recipe
    target, expr = translation(recipe, domain)
    (field,) = trained.graph.fields_of(expr)
    beside = _free(REFERENCE, recipe)
    held_out = None if input is not None else choose_part(recipe, part)
    given = {field: input, beside: reference}
    folders = listed({name: folder for name, folder in given.items() if folder is not None})
    geometry = _geometry(recipe, field, held_out or "validation", size)
    if held_out is None:
        pictures = _of_folders(folders, field, beside if reference is not None else None, pairs, geometry)
        trained_on = seen.note(trained.folder, folders[field].pictures)
        pictures = attrs.evolve(pictures, notes=(*pictures.notes, *filter(None, [trained_on])))
    else:
        pictures = _held_out(recipe, held_out, field, folders, pairs, geometry)
        pictures = attrs.evolve(pictures, notes=seen.notes_on(held_out, trained.checkpoint))
    roles = Roles(
        made=expr,
        input=Expr(Name(field)),
        reference=None if reference is None else Expr(Name(beside)),
        paired=pictures.paired,
        no_reference="name a folder of them after the run",
        no_pairs="give the pictures to translate with --input, of the same names as their pairs, and --pairs",
    )
    chosen = choose(asked, roles, features) if asked else default(roles, features)
    verify(chosen.metrics)
    check_shape(chosen.metrics, (3, geometry.image_size, geometry.image_size))
    whose = {INPUT if name == field else REFERENCE: shown(side.folder) for name, side in folders.items()}
    whose = {INPUT: f"the run's {held_out} part", **whose}
    return Plan(
        subject=Subject(
            run=trained.folder,
            checkpoint=trained.checkpoint,
            part=held_out,
            target=target,
            input=input,
            reference=reference,
        ),
        metrics=chosen.metrics,
        source=pictures.source,
        groups=pictures.groups,
        graph=trained.graph,
        preparation=f"{', '.join(f'{role} of {where}' for role, where in whose.items())}; {reading(geometry)}",
        trained=trained,
        notes=(*pictures.notes, *twice.notes(folders, beside, chosen.metrics.values()), *chosen.notes),
    )


@attrs.frozen(kw_only=True, eq=False)
class _Pictures:
    """What is translated, and what translations are compared with."""

    source: ImageSource
    groups: Mapping[str, Mapping[str, Shape]]
    paired: bool = False
    notes: tuple[str, ...] = ()


def _of_folders(
    folders: Mapping[str, Listed], field: str, reference: str | None, pairs: bool | None, geometry: Geometry
) -> _Pictures:
    found = sides(folders, field, reference, pairs)
    return _Pictures(
        source=source_of(found.groups, geometry),
        groups=shapes_of(found.groups, geometry.image_size),
        paired=found.paired,
        notes=found.notes,
    )


def _held_out(
    recipe: Recipe, part: str, field: str, folders: Mapping[str, Listed], pairs: bool | None, geometry: Geometry
) -> _Pictures:
    if pairs:
        raise RunError(
            Problem(
                message="the pictures that the run holds out have no pairs in a folder",
                key="--pairs",
                hint="give the pictures to translate with --input, of the same names as their pairs",
            )
        )
    data = narrowed(recipe, {field})
    every = data.groups()
    group = next(name for name, fields in every.items() if field in fields)
    source = only_used(data.build(part), every, {field})
    beside = {name: {name: side.pictures} for name, side in folders.items()}
    return _Pictures(
        source=Joined({group: source, **dict.fromkeys(beside, source_of(beside, geometry))}),
        groups={group: {field: every[group][field]}, **shapes_of(beside, geometry.image_size)},
    )


def _geometry(recipe: Recipe, field: str, part: str, size: int | None) -> Geometry:
    """How pictures of folders are read: as the run reads its own, or as asked for."""
    if size is not None:
        return Geometry(image_size=size, load_size=size, flip=False)
    if isinstance(recipe.data, PictureSet):
        return recipe.data.geometry(part)
    side = next(min(fields[field][1:]) for fields in recipe.data.groups().values() if field in fields)
    return Geometry(image_size=side, load_size=side, flip=False)


def _free(name: str, recipe: Recipe) -> str:
    """The name, or one like it that nothing in the recipe has."""
    groups = recipe.data.groups()
    taken = {*groups, *recipe.signals, *recipe.modules, *(field for fields in groups.values() for field in fields)}
    while name in taken:
        name += "_"
    return name
