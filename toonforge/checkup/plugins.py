"""What became of each plugin, and what to do where it is not good."""

from __future__ import annotations

from toonforge import registries
from toonforge.checkup.finding import Finding
from toonforge.plugins.fit import CORE
from toonforge.plugins.loader import PluginRecord

PLACE = "from its checkout or wheel"
"""Where there is no release, a name alone is nothing that pip could find."""


def look() -> list[Finding]:
    """The good ones in one line, each other one with its reason."""
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
    return [named, *(told(record) for record in records if record.status != "good")]


def told(record: PluginRecord) -> Finding:
    """One that is not good."""
    problem = str(record.problem)
    if record.status == "misfit":  # behind the reason it says what to do
        problem = problem.partition("; ")[0]
    return Finding(
        area="plugins",
        name=record.name,
        status="note" if record.status == "blocked" else "broken",
        text=f"{record.status}, {record.distribution} {record.version}: {problem}",
        advice=_advice(record),
    )


def _advice(record: PluginRecord) -> str:
    without = f"or do without it: -p no:{record.name}"
    if record.status == "blocked":
        return "leave out -p no:NAME, and set no TOONFORGE_PLUGINS or name it there"
    if record.status == "misfit":
        both = f"{CORE} and {record.distribution}"
        return f"install {both} in versions that fit each other, each {PLACE}: pip install PLACE PLACE"
    if record.status == "duplicate":
        return f"keep one of them: pip uninstall {record.distribution}"
    if record.status == "misnamed":
        return f"tell its author, {without}"
    anew = f"install it anew, {PLACE}: pip install --force-reinstall --no-deps PLACE"
    return f"toonforge plugins --verbose prints its traceback; {anew}, {without}"
