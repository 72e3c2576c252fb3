"""A run whose pictures lie elsewhere by now: keys of the data set that only say where may change at a resume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.components import Component, fields_of
from toonforge.errors import Problem
from toonforge.recipe.resolved import Difference
from toonforge.runs.fingerprint import same


def says_where(key: str, data: Component) -> bool:
    """Whether a key such as "data.fields.photo" says where pictures lie and nothing else."""
    places = (f"data.{name}" for name, (_, _, info) in fields_of(type(data)).items() if info.place)
    return any(key == place or key.startswith(f"{place}.") for place in places)


def same_pictures(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How well two fingerprints agree, in words; "" where they do not, or nothing is known of the first."""
    if not was or not all(same(was.get(key, "none"), now.get(key, "none")) for key in {*was, *now}):
        return ""
    sized = all(", sizes " in text for text in (*was.values(), *now.values()))
    return "the same pictures" if sized else "pictures of the same names"


def other_pictures(moved: Iterable[Difference], how: Sequence[str]) -> list[Problem]:
    """The problems of keys that name other pictures than the run's. `how` they differ; empty where that is unknown."""
    return [
        Problem(
            message="these are not the pictures that the run was trained on",
            key=change.key,
            found=f"{change.new}: {'; '.join(how) or 'lock.json does not say which they were'}",
            expected=f"{change.old}, as the run has it, or the same pictures elsewhere",
            hint="put it back, or begin a new run with --out",
        )
        for change in moved
    ]


def ways_back(problems: Iterable[Problem], data: Component, begun: Path | None) -> list[Problem]:
    """The problems, those of places with what to do where the pictures of a run have been moved.

    Args:
        problems: what `toonforge.recipe.readiness.verify` has found of a run that is to go on.
        data: the run's data set.
        begun: the folder that the run was started in, which relative paths begin at, where that is known.
    """
    elsewhere = None
    if begun is not None and begun != Path.cwd():
        elsewhere = f"the run was last started in {begun}"
    found = []
    for problem in problems:
        if problem.key is not None and says_where(problem.key, data):
            back = "put the pictures back, or a link to them"
            new = f"or say where they are now: --set {problem.key}='\"NEW\"'"
            hint = "; ".join(filter(None, (problem.hint, elsewhere, f"{back}, {new}")))
            problem = attrs.evolve(problem, hint=hint)
        found.append(problem)
    return found
