"""The runs of a comparison: found by their folders, called by short names, each with what its folder tells."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from toonforge.errors import Problem, RunError
from toonforge.report.clock import Clock
from toonforge.runs.described import is_run
from toonforge.runs.record import Measurement, Record, read_record

SWEEP = "sweep.json"


@attrs.frozen(kw_only=True, eq=False)
class Compared:
    """One run of a comparison.

    Attributes:
        name: short, and unlike every other's.
        folder: where it lies.
        record: what it tells; None for a planned run that was not begun.
        values: what a sweep varied -> the run's value; empty for runs that no sweep has planned.
        problem: why it failed, where that is known.
    """

    name: str
    folder: Path
    record: Record | None = None
    values: Mapping[str, str] = attrs.field(factory=dict)
    problem: str | None = None

    @property
    def state(self) -> str:
        """ "finished", "failed", "stopped", "unfinished" (it runs, or was killed) or "waiting"."""
        if self.record is None:
            return "waiting" if self.problem is None else "failed"
        if self.problem is not None and self.record.state != "finished":
            return "failed"
        return self.record.state

    @property
    def why(self) -> str | None:
        """Why it failed, if it did."""
        if self.state != "failed":
            return None
        ended = self.record.end.message if self.record is not None and self.record.end is not None else None
        return self.problem or ended or "for a reason that its log does not tell"

    @property
    def seconds(self) -> float | None:
        """How long it has trained, as far as its log tells."""
        return (Clock(self.record).total or None) if self.record is not None else None

    @property
    def measured(self) -> tuple[Measurement, ...]:
        """Its measurements in order."""
        return self.record.measurements if self.record is not None else ()


@attrs.frozen(kw_only=True)
class _Found:
    folder: Path
    sweep: Path | None = None
    values: Mapping[str, str] = attrs.field(factory=dict)
    problem: str | None = None


def find_runs(paths: Sequence[str | Path]) -> list[Compared]:
    """The runs that lie in folders; a sweep's folder stands for all its runs.

    Raises:
        RunError: for a folder that holds no run, a run given twice, or fewer than two runs.
    """
    found = [one for path in paths for one in _found(Path(path))]
    _refuse_twins([one.folder for one in found])
    if len(found) < 2:
        raise RunError(
            Problem(
                message="a comparison takes at least two runs",
                found=f"one, {found[0].folder}" if found else "none",
                hint=f"see it alone with: toonforge report {shlex.quote(str(found[0].folder))}" if found else None,
            )
        )
    one_sweep = len({one.sweep for one in found}) == 1 and found[0].sweep is not None
    return [
        Compared(
            name=name,
            folder=one.folder,
            # A sweep says what it has planned; every other run is there.
            record=read_record(one.folder) if one.sweep is None or is_run(one.folder) else None,
            values=one.values if one_sweep else {},
            problem=one.problem,
        )
        for name, one in zip(short_names([one.folder for one in found]), found)
    ]


def sweep_of(paths: Sequence[str | Path]) -> Path | None:
    """The sweep's folder where that is all there is to compare."""
    only = Path(paths[0]) if len(paths) == 1 else None
    return only if only is not None and (only / SWEEP).is_file() else None


def short_names(folders: Sequence[Path]) -> list[str]:
    """The ends of the paths, each as long as it takes to be told from the others."""
    parts = [tuple(part for part in folder.resolve().parts if part != folder.anchor) for folder in folders]
    names = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("/".join(own[-length:]))
    return names


def _found(path: Path) -> Iterator[_Found]:
    if not (path / SWEEP).is_file():
        _refuse_no_run(path)
        yield _Found(folder=path)
        return
    try:
        runs = json.loads((path / SWEEP).read_text("utf-8"))["runs"]
        for run in runs:
            values = {str(key): str(value) for key, value in run.get("values", {}).items()}
            yield _Found(
                folder=path / _inside(run["name"]), sweep=path, values=values, problem=_text(run.get("problem"))
            )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            Problem(message=f"{path / SWEEP} cannot be read", found=f"{type(error).__name__}: {error}")
        ) from None


def _inside(name: Any) -> str:
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} names no run")
    return name


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _refuse_no_run(path: Path) -> None:
    if is_run(path):
        return
    inside = sorted(item for item in path.iterdir() if is_run(item)) if path.is_dir() else []
    hint = None
    if inside:
        hint = f"there are runs in it: toonforge compare {shlex.join(str(item) for item in inside[:3])}"
        hint += f" … ({len(inside)} in all)" if inside[3:] else ""
    raise RunError(
        Problem(
            message=f"{path} is no run",
            found="no resolved.toml in it" if path.is_dir() else "a file" if path.exists() else "no such folder",
            expected="the folder of a run, such as runs/anime_unet, or of a sweep",
            hint=hint,
        )
    )


def _refuse_twins(folders: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for folder in folders:
        real = folder.resolve()
        if real in seen:
            raise RunError(
                Problem(
                    message="the same run is given twice",
                    found=f"{seen[real]} and {folder}" if seen[real] != folder else str(folder),
                    hint="leave one of them out",
                )
            )
        seen[real] = folder
