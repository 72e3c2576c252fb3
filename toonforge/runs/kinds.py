"""What in a run's folder is a file and what a folder: one in the other's place is told before anything is trained."""

from __future__ import annotations

from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.runs.alone import LOCK

FOLDERS = ("checkpoints", "samples", "metrics", "trackers")
FILES = (
    *("recipe.toml", "base.toml", "resolved.toml", "lock.json", "data.csv", "metrics.jsonl", "evaluations.jsonl"),
    *("report.html", LOCK, "checkpoints/latest", "checkpoints/best", "checkpoints/best.json"),
)


def refuse_kinds(folder: Path) -> None:
    """Raise `RunError` where a file of a run is a folder, or the other way round; none need be there."""
    problems = [
        Problem(message=f"{folder / name} is a file", expected="a folder", hint="move it away")
        for name in FOLDERS
        if (folder / name).is_file()
    ]
    problems += [
        Problem(message=f"{folder / name} is a folder", expected="a file", hint="move it away")
        for name in FILES
        if (folder / name).is_dir()
    ]
    if problems:
        raise RunError(*problems)
