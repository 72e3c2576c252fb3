"""What stands at the top of a run's page: how far it is, how it ended, and what looked wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from toonforge.report.clock import Clock
from toonforge.report.html import count, duration, moment, number
from toonforge.runs.described import resume_command
from toonforge.runs.record import Record, Warning

SILENT = 600.0
"""Seconds without a line in the log after which a run may have been killed."""
ENDS = {
    "done": ("fine", "finished"),
    "interrupted": ("look", "stopped early"),
    "no-improvement": ("fine", "stopped: no improvement"),
    "failed": ("mend", "failed"),
}


def state(record: Record, now: float | None = None) -> Mapping[str, Any]:
    """The run's state in words.

    Args:
        now: seconds since 1970, when the page is made.
    """
    now = time.time() if now is None else now
    total = record.starts[-1].total_steps if record.starts else 0
    steps = f"{count(record.step)} of {count(total)} steps" if total else f"{count(record.step)} steps"
    again = f"Go on with: {resume_command(record.folder)}"
    if record.end is not None:
        tone, word = ENDS.get(record.end.reason, ("look", record.end.reason))
        told = {
            "interrupted": _sentences(record.end.message, again),
            "no-improvement": _patience(record),
            "failed": record.end.message or "The log does not say why.",
        }.get(record.end.reason, "")
        return _state(tone, word, steps, told, record, total)
    last = last_word(record)
    if last is None:
        return _state(
            "look", "no log yet", steps, "Nothing is logged: the run has not begun, or its log is gone.", record, total
        )
    if now - last > SILENT:
        since = f"No word since {moment(last)}" if last > 0 else "No word in its log of how it ended"
        silence = f"{since}: it was killed, or a step takes very long."
        if record.checkpoints:
            silence += f" {again}"
        return _state("look", "running or crashed", steps, silence, record, total)
    return _state("", "running", steps, "The page is written anew as it goes on: reload it to see more.", record, total)


def _state(tone: str, word: str, steps: str, told: str, record: Record, total: int) -> Mapping[str, Any]:
    running = record.end is None or record.end.reason != "done"
    return {
        "tone": tone,
        "word": word,
        "steps": steps,
        "told": told,
        "done": min(record.step, total) if total and running else None,
        "total": total,
    }


def _patience(record: Record) -> str:
    """What had not improved, for how long, and how good it was: as the terminal says it."""
    train = record.recipe.get("train")
    rule = train.get("metrics") if isinstance(train, Mapping) else None
    rule = rule if isinstance(rule, Mapping) else {}
    patience = rule.get("patience")
    long = f"{patience} measurements" if isinstance(patience, int) else "as long as it may"
    said = f"{rule.get('best') or 'The metric that the recipe watches'} has not improved for {long}"
    best = record.best
    return said + (f"; best {number(best.value)} at step {count(best.step)}." if best is not None else ".")


def _sentences(*texts: str | None) -> str:
    return "\n".join(text for text in texts if text)


def last_word(record: Record) -> float | None:
    """When the log was last written to, seconds since 1970; None where it has nothing."""
    events = (record.starts[-1:], record.steps[-1:], record.measurements[-1:])
    return max((event.time for kind in events for event in kind), default=None)


def facts(record: Record, clock: Clock) -> list[tuple[str, str]]:
    """When, how long, where, with what."""
    found = []
    if record.starts:
        start = record.starts[-1]
        found.append(("begun", moment(record.starts[0].time)))
        if record.end is not None:
            found.append(("ended", moment(record.end.time)))
        resumed = len(record.starts) - 1
        found.append(("training time", duration(clock.total) + (f", resumed {resumed} ×" if resumed else "")))
        processes = f", {start.processes} processes" if start.processes > 1 else ""
        found.append(("device", device(record) + processes))
        epochs = f" ({record.step / start.steps_per_epoch:.3g} epochs)" if start.steps_per_epoch > 0 else ""
        found.append(("steps", f"{count(record.step)}{epochs}, batch size {start.batch_size}"))
    if record.best is not None:
        best = record.best
        found.append(("best checkpoint", f"step {count(best.step)}, by {best.metric} {number(best.value)}"))
    return found


def device(record: Record) -> str:
    """ "cuda:0, NVIDIA H200"."""
    used, known = (record.starts[-1].device if record.starts else ""), record.lock.get("device")
    names = [used, *([str(known)] if isinstance(known, str) and known != used else [])]
    return ", ".join(filter(None, names)) or "not known"


def warnings(record: Record) -> Sequence[Mapping[str, Any]]:
    """What looked wrong: what still does first, then by step."""
    found = sorted(record.warnings, key=lambda w: (w.until is not None, w.warned.step))
    return [_warning(warning, record.step) for warning in found]


def _warning(warning: Warning, step: int) -> Mapping[str, Any]:
    began = count(warning.warned.step)
    return {
        "tone": "look" if warning.until is None else "",
        "word": "warning" if warning.until is None else "over",
        "about": warning.warned.about,
        "when": f"since step {began}" if warning.until is None else f"from step {began} to {count(warning.until)}",
        "message": warning.warned.message,
        "hint": warning.warned.hint,
    }
