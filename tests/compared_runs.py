"""Folders of runs that differ as a test says, for comparisons; written without training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.run_fixture import write_run

Change = Callable[[dict[str, Any]], None]


def make(folder: Path, *, change: Change | None = None, recipe: tuple[str, str] = ("", ""), **more: Any) -> Path:
    """A run whose events went through `change` and whose resolved recipe has one text in place of another."""
    known = {"total": 60, "grids": (20, 40, 60), "names": ("a", "b", "c"), "warned": False, **more}
    write_run(folder, **known)
    text = (folder / "resolved.toml").read_text("utf-8")
    assert recipe[0] in text
    (folder / "resolved.toml").write_text(text.replace(*recipe), "utf-8")
    if change is not None:
        edit(folder, change)
    return folder


def edit(folder: Path, change: Change) -> None:
    """Change every event in place; one that becomes empty is left out."""
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    for event in events:
        change(event)
    lines = [json.dumps(event, ensure_ascii=False) + "\n" for event in events if event]
    (folder / "metrics.jsonl").write_text("".join(lines), "utf-8")


def metrics(**values: float) -> Change:
    """Values added to those of every measurement: `metrics(kid=-10)`."""

    def change(event: dict[str, Any]) -> None:
        if event["event"] == "metrics":
            for name, value in values.items():
                event["metrics"][name] += value

    return change


def about(metric: str, **more: Any) -> Change:
    """What is told of a metric, changed."""

    def change(event: dict[str, Any]) -> None:
        if event["event"] == "metrics":
            event["about"][metric].update(more)

    return change


def without(kind: str) -> Change:
    """No event of a kind."""

    def change(event: dict[str, Any]) -> None:
        if event["event"] == kind:
            event.clear()

    return change
