"""How a training ended, as far as it is the same however often it was killed: every file, and the log's events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

LOG = "metrics.jsonl"
OF_A_START = frozenset({"start", "changed", "damaged", "end"})
"""Events that tell of one start."""
OF_A_MOMENT = frozenset({"time", "images_per_second", "data", "memory", "seconds"})
"""Keys that no two runs have alike."""
NOT_COMPARED = frozenset({LOG, ".lock", "report.html"})


@attrs.frozen
class Ended:
    """A finished run: its files by their checksums, the log's events in order, and whether its page is there."""

    files: Mapping[str, str]
    events: tuple[str, ...]
    page: bool

    @classmethod
    def of(cls, folder: Path) -> Ended:
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        sums = {name: _sum(path) for name, path in files.items() if name not in NOT_COMPARED}
        return cls(sums, tuple(events(folder)), "report.html" in files)

    def differences(self, other: Ended) -> list[str]:
        """How another differs from this one, in words."""
        missing, more = self.files.keys() - other.files.keys(), other.files.keys() - self.files.keys()
        found = [f"missing: {name}" for name in sorted(missing)] + [f"left over: {name}" for name in sorted(more)]
        found += [f"differs: {name}" for name in sorted(self.files.keys() & other.files.keys()) if self.files[name] != other.files[name]]  # fmt: skip
        if not other.page:
            found.append("missing: report.html")
        return found + self.log_differences(other)

    def log_differences(self, other: Ended) -> list[str]:
        if self.events == other.events:
            return []
        found = [f"log lacks: {line}" for line in _without(self.events, other.events)]
        found += [f"log has too much: {line}" for line in _without(other.events, self.events)]
        return found or ["log: other order"]


def events(folder: Path) -> list[str]:
    """What the log says of the training, a line an event; nothing where there is none."""
    path = folder / LOG
    lines = path.read_text("utf-8").splitlines() if path.is_file() else []
    return [json.dumps(_plain(event), sort_keys=True) for line in lines if (event := json.loads(line))["event"] not in OF_A_START]  # fmt: skip


def told(folder: Path, event: str) -> list[dict[str, Any]]:
    """The events of one kind in a log that may be cut short."""
    path = folder / LOG
    found = []
    for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
        try:
            known = json.loads(line)
        except ValueError:
            continue
        if isinstance(known, dict) and known.get("event") == event:
            found.append(known)
    return found


def _plain(event: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if key not in OF_A_MOMENT}


def _without(lines: tuple[str, ...], others: tuple[str, ...]) -> list[str]:
    left = list(others)
    found = []
    for line in lines:
        if line in left:
            left.remove(line)
        else:
            found.append(line)
    return found


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
