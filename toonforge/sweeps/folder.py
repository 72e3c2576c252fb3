"""A sweep's folder: `sweep.json`, which says what it is and what failed, and one folder a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs

from toonforge.errors import Problem, RunError
from toonforge.files import remove_partial, write_atomic, written_for
from toonforge.recipe.resolved import differences, recipe_data
from toonforge.report.compared import Compared
from toonforge.runs.alone import LOCK, alone
from toonforge.runs.disk import writing
from toonforge.sweeps.plan import Plan, PlannedRun
from toonforge.sweeps.results import Row, read_row, read_run

FORMAT = 1
SHOWN = 6
"""Differences that are named; the rest are counted."""


@attrs.frozen
class Asked:
    """What a sweep's folder was asked to hold, in the words of the command line."""

    recipes: tuple[str, ...]
    grid: tuple[str, ...]
    overrides: tuple[str, ...]
    processes: int | None = None


class SweepFolder:
    """Where a sweep lies.

    Args:
        path: the folder, made by `begin`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path / "sweep.json"
        self.problems: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What the sweep is called: as its folder."""
        return self.path.resolve().name

    def run(self, run: PlannedRun) -> Path:
        """The folder of a run."""
        return self.path / run.name

    def runs(self, plan: Plan) -> list[Compared]:
        """Every run as it stands now."""
        return [read_run(run, self.run(run), self.problems.get(run.name)) for run in plan.runs]

    def rows(self, plan: Plan) -> list[Row]:
        """Every run as it stands now, as a row."""
        return [read_row(run) for run in self.runs(plan)]

    def refuse(self) -> None:
        """Raise `RunError` where a sweep cannot begin."""
        if self.path.exists() and (not self.path.is_dir() or self._holds_something()):
            there = self.file.is_file()
            raise RunError(
                Problem(
                    message=f"{self.path} is there already" + ("" if there else ", and it is no sweep"),
                    hint="continue it with --resume, or choose another folder with --out"
                    if there
                    else "choose another folder with --out",
                )
            )

    def _holds_something(self) -> bool:
        """Besides what a sweep leaves that was killed before it had described itself."""
        names = {item.name for item in self.path.iterdir()}
        return any(name != LOCK and written_for(name) != self.file.name for name in names)

    def begin(self, plan: Plan, processes: int | None = None) -> None:
        """Make the folder and describe the sweep in it."""
        self.refuse()
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.save(plan, processes)

    def asked(self) -> Asked:
        """What the folder says it was asked for; `RunError` where it is no sweep."""
        data = self._read()
        try:
            grid = data["grid"]
            return Asked(tuple(data["recipes"]), tuple(grid), tuple(data["set"]), data.get("processes"))
        except (KeyError, TypeError) as error:
            raise RunError(Problem(message=f"{self.file} cannot be read", found=f"no {error}")) from None

    def resume(self, plan: Plan) -> None:
        """Check that the folder holds this very sweep; `RunError` says how it differs."""
        data = self._read()
        try:
            before = {run["name"]: run["resolved"] for run in data["runs"]}
            failed = {run["name"]: run["problem"] for run in data["runs"] if run.get("problem")}
        except (KeyError, TypeError, AttributeError) as error:
            raise RunError(Problem(message=f"{self.file} cannot be read", found=f"no {error}")) from None
        problems = list(_changes(before, {run.name: run for run in plan.runs}))
        if problems:
            more = [Problem(message=f"and {len(problems) - SHOWN} differences more")] if problems[SHOWN:] else []
            again = f"toonforge sweep {shlex.quote(str(self.path))} --resume"
            hint = f"put it back, or begin a new sweep with --out; as it was: {again}"
            head = Problem(message=f"{self.path} holds another sweep", hint=hint)
            raise RunError(head, *problems[:SHOWN], *more)
        self.problems = failed

    def save(self, plan: Plan, processes: int | None = None) -> None:
        """Write `sweep.json` anew, whole or not at all."""
        rows = self.rows(plan)
        data = {
            "format": FORMAT,
            "recipes": list(plan.recipes),
            "set": list(plan.overrides),
            "grid": list(plan.grid),
            "processes": processes,
            "runs": [
                {
                    "name": run.name,
                    "recipe": run.source,
                    "values": dict(run.values),
                    "state": row.state,
                    "problem": row.problem,
                    "steps_per_epoch": run.steps_per_epoch,
                    "resolved": recipe_data(run.recipe),
                }
                for run, row in zip(plan.runs, rows)
            ],
        }
        with writing(self.path):
            write_atomic(self.file, json.dumps(data, indent=1) + "\n")

    def _read(self) -> Mapping[str, Any]:
        if not self.file.is_file():
            raise RunError(
                Problem(
                    message=f"{self.path} is no sweep to resume",
                    found="no sweep.json" if self.path.is_dir() else "no such folder",
                    hint="leave out --resume to begin one",
                )
            )
        try:
            data = json.loads(self.file.read_text("utf-8"))
            if not isinstance(data, dict):
                raise ValueError(f"it is no table but {type(data).__name__}")
        except (OSError, ValueError) as error:
            raise RunError(Problem(message=f"{self.file} cannot be read", found=str(error))) from None
        if data.get("format") != FORMAT:
            found = f"format {data.get('format')}"
            raise RunError(Problem(message=f"{self.file} is of another version", found=found, expected=str(FORMAT)))
        return data

    @contextmanager
    def alone(self) -> Iterator[int | None]:
        """Refuse a second sweep in this folder while this one, or a run it has started, is at work.

        Yields a descriptor: whoever inherits it holds the folder too, so that a run that outlives its sweep is not
        trained twice at once. None where the system has no such locks.
        """
        with ExitStack() as stack:
            with writing(self.path):
                descriptor = stack.enter_context(alone(self.path, self._at_work))
            remove_partial(self.path)
            yield descriptor

    def _at_work(self, holder: str) -> Problem:
        return Problem(
            message=f"{self.path} is at work already",
            found=f"another sweep, or a run that one left behind (process {holder})",
            hint="wait for it, or stop it",
        )


def _changes(before: Mapping[str, Any], now: Mapping[str, PlannedRun]) -> Iterator[Problem]:
    """How the runs of a folder differ from those asked for; what is alike in several is said once."""
    missing, new = [name for name in before if name not in now], [name for name in now if name not in before]
    if missing:
        yield Problem(message="runs of the folder that are not asked for now", found=_some(missing))
    if new:
        yield Problem(message="runs asked for that the folder does not hold", found=_some(new))
    changed: dict[tuple[str, str, str], list[str]] = {}
    for name in now:
        for change in differences(before[name], _plain(now[name])) if name in before else ():
            changed.setdefault((change.key, _shown(change.old), _shown(change.new)), []).append(name)
    for (key, old, new_value), names in changed.items():
        where = "every run" if len(names) == len(now) else _some(names)
        yield Problem(message=f"changed, in {where}", key=key, found=new_value, expected=f"{old}, as the sweep has it")


def _plain(run: PlannedRun) -> Any:
    return json.loads(json.dumps(recipe_data(run.recipe)))


def _some(names: list[str]) -> str:
    return "; ".join(names[:4]) + (f"; … ({len(names)})" if names[4:] else "")


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value)
