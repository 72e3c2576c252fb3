"""What many trials came to, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from tests.crashes.trial import Death, Trial

HEAD = ("killed while", "kills", "steps lost, mean", "most")


def table(trials: Iterable[Trial]) -> str:
    """Kills by what was going on, and what became of the runs."""
    trials = list(trials)
    by: dict[str, list[Death]] = {}
    for trial in trials:
        for death in trial.deaths:
            by.setdefault(death.doing, []).append(death)
    deaths = [death for trial in trials for death in trial.deaths]
    rows = [HEAD, *(_row(name, by[name]) for name in sorted(by, key=lambda name: -len(by[name]))), _row("all", deaths)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    faults = [fault for trial in trials for fault in trial.faults]
    return "\n".join(
        [
            *lines,
            f"runs: {len(trials)}; resumes: {sum(trial.starts - 1 for trial in trials)}; "
            f"files of weights that differ: {sum(trial.differing_weights for trial in trials)}; "
            f"differences of logs: {sum(trial.differing_log for trial in trials)}; "
            f"damaged checkpoints met: {sum(len(trial.damaged) for trial in trials)}; faults: {len(faults)}",
        ]
    )


def _row(name: str, deaths: list[Death]) -> tuple[str, ...]:
    lost = [death.lost for death in deaths]
    return name, str(len(deaths)), f"{sum(lost) / max(1, len(lost)):.2f}", str(max(lost, default=0))
