"""What became of each plugin, and what to do where it is not good."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

from toonforge import registries
from toonforge.blame import bring
from toonforge.checkup.finding import Finding
from toonforge.plugins.fit import CORE
from toonforge.plugins.loader import PluginRecord

_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")


def look() -> list[Finding]:
    """The good ones in one line, each other one with its reason, and those that make every command slow."""
    registries.plugins.load()
    records = [record for record in registries.plugins.records if record.name != CORE]
    good = [record.name for record in records if record.status == "good"]
    named = Finding(
        area="plugins",
        name="installed",
        status="good" if good else "note",
        text=", ".join(good) or "none is installed: only the core's components are there",
        advice=None if good else "in a checkout of toonforge: pip install ./plugins/cyclegan, or another one",
    )
    others = [told(record) for record in records if record.status not in ("good", "duplicate")]
    return [named, *slow(records), *others, *duplicates(records)]


def slow(records: Iterable[PluginRecord]) -> list[Finding]:
    """The plugins that load torch as soon as they are imported. Nothing of toonforge's does, so it is one of them."""
    if (torch := sys.modules.get("torch")) is None:
        return []
    found = [
        record.name
        for record in records
        if record.status == "good"
        and any(
            value is torch
            for name, module in list(sys.modules.items())
            if name.split(".")[0] == _package(record)
            for value in getattr(module, "__dict__", {}).values()
        )
    ]
    return [
        Finding(
            area="plugins",
            name=", ".join(found) or "one of them",
            status="warning",
            text="loads torch as soon as it is imported: every command waits for that, toonforge --help as well",
            advice="its author imports it within the functions that use it; toonforge.testing.PluginSuite tells where",
        )
    ]


def duplicates(records: Iterable[PluginRecord]) -> list[Finding]:
    """One finding for each name that several distributions supply: one of them has to stay."""
    twins: dict[str, list[PluginRecord]] = {}
    for record in records:
        if record.status == "duplicate":
            twins.setdefault(record.name, []).append(record)
    return [
        Finding(
            area="plugins",
            name=name,
            status="broken",
            text=f"duplicate: {' and '.join(f'{one.distribution} {one.version}' for one in several)} supply it",
            advice=f"keep one of them: {', or '.join(f'pip uninstall {one.distribution}' for one in several)}",
        )
        for name, several in twins.items()
    ]


def _package(record: PluginRecord) -> str:
    """The package that its entry point names."""
    return record.target.partition(":")[0].split(".")[0].strip()


def told(record: PluginRecord) -> Finding:
    """One that is not good."""
    problem, advice = str(record.problem), _advice(record)
    if record.status == "misfit":  # behind the reason it says what to do
        problem, _, advice = problem.partition("; ")
    return Finding(
        area="plugins",
        name=record.name,
        status="note" if record.status == "blocked" else "broken",
        text=f"{record.status}, {record.distribution} {record.version}: {problem}",
        advice=advice,
    )


def _advice(record: PluginRecord) -> str:
    without = f"or do without it: -p no:{record.name}"
    if record.status == "blocked":
        return "leave out -p no:NAME, and set no TOONFORGE_PLUGINS or name it there"
    if record.status == "misnamed":
        return f"tell its author, {without}"
    missing = _MISSING.match(str(record.problem))
    if missing is not None and missing[1].split(".")[0] != _package(record):
        return bring(missing[1].split(".")[0], record.name)
    if missing is not None or record.target == "entry_points.txt":  # parts of it are gone
        return f"install it anew, from its checkout or wheel: pip install --force-reinstall --no-deps PLACE; {without}"
    return f"mend it, or tell its author: toonforge plugins --verbose prints its traceback; {without}"
