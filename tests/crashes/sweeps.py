"""A sweep that is killed and started again until it is done."""

from __future__ import annotations

from pathlib import Path

from tests.crashes.outcome import Ended

SEEDS = (3, 4)
MARKER = "sweep.json"
RUNS = tuple(f"seed={seed}" for seed in SEEDS)


def sweep_here(recipe: Path, folder: Path, resume: bool) -> None:
    """Train every run of the sweep to its end."""
    from toonforge.sweeps.api import sweep

    rows = sweep(recipe, {"train.seed": list(SEEDS)}, folder, resume=resume, cpu=True)
    assert [row.state for row in rows] == ["finished"] * len(SEEDS), [row.problem for row in rows]


def differences(one: Path, other: Path) -> list[str]:
    """How the runs of two sweeps differ, and which files one of them lacks."""
    found = [f"{name}: {line}" for name in RUNS for line in Ended.of(one / name).differences(Ended.of(other / name))]
    names = [{path.relative_to(sweep).as_posix() for path in sweep.rglob("*")} for sweep in (one, other)]
    return found + [f"in one of them alone: {name}" for name in sorted(names[0] ^ names[1])]
