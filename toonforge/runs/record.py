"""Reads a run's folder, whatever state it is in: also while it trains, after a crash, or of an older version.

A line of the log that is no event, or an event whose values are of the wrong kind, is left out; keys that older logs
lack have a default.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.errors import Problem, RunError
from toonforge.events import About, Best, Warned
from toonforge.runs.described import has_checkpoints, read_resolved, with_its_recipe
from toonforge.runs.log import read_lines
from toonforge.runs.reading import LARGEST, read_text, shallow
from toonforge.runs.recorded import End, Logged, Measurement, PhaseSpan, Record, Sample, Start, Warning

__all__ = [
    "End",
    "Logged",
    "Measurement",
    "PhaseSpan",
    "Record",
    "Sample",
    "Start",
    "Warning",
    "read_record",
]

OLDER_PARTS = {"baseline": "untranslated", "baseline_std": "untranslated_std"}
"""Parts of metrics as logs without `about` call them."""


def read_record(folder: str | Path, recipe: Mapping[str, Any] | None = None) -> Record:
    """Read a run's folder.

    Args:
        recipe: of the run as plain data, where that is known better than by the folder.

    Raises:
        RunError: for a folder that holds no run.
    """
    folder = Path(folder)
    recipe = dict(recipe) if recipe is not None else _recipe(folder)
    log = _Log()
    unread = 0
    for event in read_lines(folder):
        try:
            if event is None:
                unread += 1
            else:
                log.take(event)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            unread += 1  # not as documented: of another version, or edited by hand
    return Record(
        folder=folder,
        name=str(recipe.get("name", folder.name)),
        recipe=recipe,
        lock=_lock(folder),
        starts=tuple(log.starts),
        steps=tuple(log.steps),
        measurements=tuple(log.measurements),
        samples=tuple(log.samples),
        warnings=tuple(log.warnings),
        checkpoints=tuple(log.checkpoints),
        best=log.best if log.best is not None and log.best.metric == _wanted(recipe) else None,
        changes=tuple(log.changes),
        skipped=log.skipped,
        end=log.end,
        unread=unread,
        retried=log.retried,
        waited=tuple(log.waited),
    )


def _wanted(recipe: Mapping[str, Any]) -> Any:
    """The metric whose best checkpoint the recipe asks for, which a resume may have changed since the log named one."""
    try:
        return recipe["train"]["metrics"]["best"]
    except (KeyError, TypeError):
        return None


def _recipe(folder: Path) -> dict[str, Any]:
    try:
        return read_resolved(folder)
    except (FileNotFoundError, NotADirectoryError):
        hint = with_its_recipe(folder) if has_checkpoints(folder) else None
        if (folder / "sweep.json").is_file():
            hint = f"this is a sweep; its runs side by side: toonforge compare {shlex.quote(str(folder))}"
        found = "a file" if folder.exists() else "no such folder"
        raise RunError(
            Problem(
                message=f"{folder} is no run",
                found="no resolved.toml in it" if folder.is_dir() else found,
                expected="the folder of a run, such as runs/anime_unet",
                hint=hint,
            )
        ) from None


def _lock(folder: Path) -> dict[str, Any]:
    try:
        found = shallow(json.loads(read_text(folder, "lock.json")))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _Log:
    """What the events add up to, in the order they were written."""

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.steps: list[Logged] = []
        self.measurements: list[Measurement] = []
        self.samples: list[Sample] = []
        self.warnings: list[Warning] = []
        self.checkpoints: list[int] = []
        self.best: Best | None = None
        self.changes: list[tuple[int, str]] = []
        self.skipped: dict[str, str] = {}
        self.retried: Counter[str] = Counter()
        self.waited: list[float] = []
        self.end: End | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Add one event; raises where its values are not of the documented kind."""
        kind, step = event["event"], event["step"]
        if kind == "start":
            self.starts.append(_start(event))
            self.end = None  # a log that was not cut at a resume: this start is not at its end
        elif kind == "step":
            self.steps.append(_logged(event))
        elif kind == "metrics":
            measurement = _measurement(event)
            _drop_same(self.measurements, step)
            self.measurements.append(measurement)
        elif kind == "samples":
            sample = Sample(step=step, grid=_text(event["grid"]), strips=_text(event["strips"]))
            _drop_same(self.samples, step)
            self.samples.append(sample)
        elif kind == "checkpoint":
            self.checkpoints.append(step)
        elif kind == "best":
            self.best = Best(metric=_text(event["metric"]), value=_number(event["value"]), step=step)
        elif kind == "warning":
            self._warning(event)
        elif kind == "over":
            about = (_text(event["kind"]), _text(event["about"]))
            self.warnings = [_until(step, w) if _open(w) == about else w for w in self.warnings]
        elif kind in ("changed", "damaged"):
            self.changes.append((step, _text(event["change" if kind == "changed" else "problem"])))
        elif kind == "skipped":
            self.skipped[_text(event["path"])] = _text(event["reason"])
        elif kind == "retried":
            self.retried[_text(event["path"])] += 1
        elif kind == "waited":
            self.waited.append(_number(event["seconds"]))
        elif kind == "end":
            self.end = _end(event)

    def _warning(self, event: Mapping[str, Any]) -> None:
        warned = Warned(
            step=event["step"],
            kind=_text(event["kind"]),
            about=_text(event["about"]),
            message=_text(event["message"]),
            hint=_text(event.get("hint", "")),
        )
        # A resume may say again what lasts already.
        if (warned.kind, warned.about) not in map(_open, self.warnings):
            self.warnings.append(Warning(warned=warned, until=None))


def _open(warning: Warning) -> tuple[str, str] | None:
    return (warning.warned.kind, warning.warned.about) if warning.until is None else None


def _drop_same(known: list[Any], step: int) -> None:
    """A finished run draws and measures its last step again where a resume changes what there is to see."""
    if known and known[-1].step == step:
        known.pop()


def _until(step: int, warning: Warning) -> Warning:
    return Warning(warned=warning.warned, until=step)


def _start(event: Mapping[str, Any]) -> Start:
    averaged, speed = event.get("averaged"), event.get("speed")
    return Start(
        step=event["step"],
        time=_number(event.get("time", 0.0)),
        total_steps=_count(event["total_steps"]),
        steps_per_epoch=_count(event.get("steps_per_epoch", 0)),
        batch_size=_count(event.get("batch_size", 1)),
        phases=tuple(
            PhaseSpan(
                name=name,
                start=_count(p["start"]),
                stop=_count(p["stop"]),
                every=_count(p.get("every", 1)),
                updates=_texts(p.get("updates", ())),
            )
            for name, p in event.get("phases", {}).items()
        ),
        parameters={name: _count(number) for name, number in event.get("parameters", {}).items()},
        device=_text(event.get("device", "")),
        processes=_count(event.get("processes", 1)),
        speed="" if speed is None else _text(speed.get("wanted", "")),
        tricks=None if speed is None else _texts(speed["tricks"]),
        unused={} if speed is None else {_text(trick): _text(why) for trick, why in speed["why_not"].items()},
        averaged=None if averaged is None else _number(averaged),
        notes=_texts(event.get("notes", ())),
    )


def _logged(event: Mapping[str, Any]) -> Logged:
    return Logged(
        step=event["step"],
        time=_number(event.get("time", 0.0)),
        losses=_numbers(event["losses"]),
        totals=_numbers(event.get("totals", {})),
        lr=_numbers(event.get("lr", {})),
        images_per_second=_number(event.get("images_per_second") or 0.0),
        memory=_count(event.get("memory") or 0),
        data=None if event.get("data") is None else _number(event["data"]),
    )


def _measurement(event: Mapping[str, Any]) -> Measurement:
    older = "about" not in event
    values: dict[str, dict[str, float]] = {}
    for key, value in event["metrics"].items():
        metric, _, part = key.partition(".")
        values.setdefault(metric, {})[OLDER_PARTS.get(part, part) if older else part] = _number(value)
    return Measurement(
        step=event["step"],
        time=_number(event.get("time", 0.0)),
        values=values,
        about={name: _about(about) for name, about in event.get("about", {}).items()},
        pictures={name: _text(path) for name, path in event.get("pictures", {}).items()},
        complete=event.get("complete") is not False,
    )


def _about(about: Mapping[str, Any]) -> About:
    better = about.get("better")
    return About(
        better=better if better in ("lower", "higher") else None,
        protocol=_text(about.get("protocol", "")),
        pictures={field: _count(number) for field, number in about.get("pictures", {}).items()},
        cautions=_texts(about.get("cautions", ())),
    )


def _end(event: Mapping[str, Any]) -> End:
    message = event.get("message")
    return End(
        step=event["step"],
        time=_number(event.get("time", 0.0)),
        reason=_text(event["reason"]),
        message=None if message is None else _text(message),
        seconds=_number(event.get("seconds") or 0.0),
    )


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {sys.intern(key): _number(value) for key, value in values.items()}  # a log repeats its keys at every line


def _number(value: Any) -> float:
    """The log's null is a number that JSON does not know."""
    if isinstance(value, bool | str):
        raise TypeError
    return math.nan if value is None else float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if abs(value) >= LARGEST:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(values: Sequence[Any]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError
    return tuple(map(_text, values))
