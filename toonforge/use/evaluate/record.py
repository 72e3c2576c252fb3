"""What an evaluation leaves behind: one JSON object, in the words of metrics.jsonl; of a run, a line in its folder."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from toonforge.data.reading.picture import shown
from toonforge.files import append, refuse_special, save_picture, write_atomic
from toonforge.runs.disk import writing
from toonforge.runs.links import refuse_links
from toonforge.runs.log import json_line
from toonforge.use.evaluate.plan import Evaluation

NAME = "evaluations.jsonl"
"""In a run's folder: a line an evaluation, oldest first."""


def evaluation_data(evaluation: Evaluation, pictures: Mapping[str, str] | None = None) -> dict[str, Any]:
    """As plain data for JSON; numbers that JSON does not know (nan, infinity) are None.

    Keys: `time` (seconds since 1970), `part` ("test", "validation", "train"; None for folders), `checkpoint` ("best" or
    "latest"; None where it was named by its step), `step`, `to` (None where the recipe's metrics say what is measured),
    `generated`, `input`, `reference` (folders, or None), `metrics`, `about`, `pictures` and `seconds` as in the event
    `metrics` of metrics.jsonl, `skipped` (unreadable picture -> reason) and `notes`.

    Args:
        pictures: metric -> where the picture that it drew was written.
    """
    from toonforge.validation.validation import flat

    of = evaluation.subject
    folders = {"generated": of.generated, "input": of.input, "reference": of.reference}
    return {
        "time": round(time.time(), 3),
        "run": None if of.run is None else str(of.run),
        "part": of.part,
        "checkpoint": of.checkpoint.name if of.checkpoint is not None else None,
        "step": of.checkpoint.step if of.checkpoint is not None else None,
        "to": of.target,
        **{key: None if path is None else str(path) for key, path in folders.items()},
        "metrics": {key: value if math.isfinite(value) else None for key, value in flat(evaluation.values).items()},
        "about": {name: attrs.asdict(about) for name, about in evaluation.about.items()},
        "pictures": dict(pictures or {}),
        "seconds": round(evaluation.seconds, 3),
        "skipped": dict(evaluation.skipped),
        "notes": list(evaluation.notes),
    }


def write_json(evaluation: Evaluation, path: Path, pictures: Mapping[str, Path] | None = None) -> None:
    """Write an evaluation into a file of its own; raises `RunError` where that is impossible."""
    data = evaluation_data(evaluation, {name: str(picture) for name, picture in (pictures or {}).items()})
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def check_writable(path: Path, folder: Path) -> None:
    """Raise `RunError` where `folder`, that `path` is to be written in, cannot be made or written, as far as is known.

    Nothing is tried: what is known before a measurement need not be found out behind it.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    with writing(path):
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{shown(there)} is a file")
        if not os.access(there, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if path != folder:
            refuse_special(path)


def save_drawings(evaluation: Evaluation, folder: Path, suffix: str = "") -> dict[str, Path]:
    """Write the pictures that metrics drew, as METRIC + suffix + ".png"; returns where; `RunError` where impossible."""
    with writing(folder):
        return {
            name: save_picture(drawing, folder / f"{name}{suffix}.png", format="PNG", optimize=True)
            for name, drawing in evaluation.drawings.items()
        }


def note_in_run(evaluation: Evaluation) -> dict[str, Path]:
    """Append an evaluation to its run's evaluations.jsonl; returns where the pictures that metrics drew are.

    Raises:
        RunError: where the run's folder cannot be written, or holds links that lead out of it.
    """
    run = evaluation.subject.run
    if run is None:
        raise ValueError("an evaluation of folders has no run")
    refuse_links(run)
    with writing(run):
        log, folder = run / NAME, run / "metrics"
        first = 1 + (log.read_text("utf-8", errors="replace").count("\n") if log.is_file() else 0)
        suffix, kept = _kept(folder, list(evaluation.drawings), first)
        try:
            pictures = save_drawings(evaluation, folder, suffix)
        except BaseException:
            for path in kept:
                path.unlink(missing_ok=True)
            raise
        data = evaluation_data(evaluation, {name: path.relative_to(run).as_posix() for name, path in pictures.items()})
        del data["run"]
        _append(log, json_line(data))
    return pictures


def _kept(folder: Path, names: Sequence[str], first: int) -> tuple[str, list[Path]]:
    """A suffix that no other evaluation's pictures have, from a number on, and empty files that keep it so.

    Of two evaluations at once, which count the same lines, only one makes a file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(first):
        suffix, made = f"-evaluation-{number}", []
        try:
            for name in names:
                path = folder / f"{name}{suffix}.png"
                path.open("xb").close()
                made.append(path)
        except FileExistsError:
            for path in made:
                path.unlink(missing_ok=True)
        else:
            return suffix, made
    raise AssertionError("numbers have no end")


def _append(log: Path, line: str) -> None:
    """Append a line; a last line that was cut short becomes one of its own, so that only it is lost."""
    torn = False
    if log.is_file() and log.stat().st_size:
        with log.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
    append(log, "\n" * torn + line)
