"""Entry points of installed distributions, and what became of each: no plugin is imported here."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from toonforge.registry import Provenance

GROUP = "toonforge"
UNKNOWN = "unknown distribution"


@attrs.frozen(kw_only=True)
class PluginRecord:
    """What became of one entry point.

    Attributes:
        status: "good", "broken", "blocked", "misfit", "misnamed" or "duplicate".
        problem: why it is not good, in one line.
        detail: the traceback of a broken one.
        supplies: kind -> names (with namespace).
    """

    name: str
    distribution: str
    version: str
    target: str
    status: str
    problem: str | None = None
    detail: str | None = None
    supplies: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)

    @property
    def absence(self) -> str:
        """What became of one that is not good, and why, in one line."""
        became = {"misfit": "does not fit", "duplicate": "is there twice"}.get(self.status, f"is {self.status}")
        return f"plugin {self.name!r} ({self.provenance}) {became}: {self.problem}"

    @property
    def provenance(self) -> Provenance:
        """For the registries."""
        return Provenance(plugin=self.name, distribution=self.distribution, version=self.version)


@attrs.define
class Candidate:
    """An entry point of the group `toonforge`, before anything of it is imported.

    Attributes:
        requires: what its distribution requires, as its metadata has it.
    """

    name: str
    distribution: str
    version: str
    target: str
    entry: importlib.metadata.EntryPoint
    requires: tuple[str, ...] = ()

    def record(self, status: str, **more: Any) -> PluginRecord:
        """What became of it."""
        return PluginRecord(
            name=self.name,
            distribution=self.distribution,
            version=self.version,
            target=self.target,
            status=status,
            **more,
        )


def candidates(
    distributions: Iterable[importlib.metadata.Distribution],
) -> tuple[list[Candidate], list[PluginRecord]]:
    """The entry points of these distributions by name, and a record of each distribution that cannot be read.

    Most distributions supply no plugin: their metadata, which is slow to parse and may be damaged, is not looked at.
    """
    found: dict[tuple[str, str, str], Candidate] = {}
    unreadable = []
    for distribution in distributions:
        try:
            if not (entries := [entry for entry in distribution.entry_points if entry.group == GROUP]):
                continue
            name, version, requires = _described(distribution)
        except Exception as error:  # half-removed or hand-made metadata: whatever importlib stumbles over
            unreadable.append(_unreadable(distribution, error))
            continue
        for entry in entries:
            # The same distribution can be on the path twice (an editable install and its source tree).
            found.setdefault(
                (entry.name, name.lower(), entry.value),
                Candidate(entry.name, name, version, entry.value, entry, requires),
            )
    return sorted(found.values(), key=lambda each: (each.name, each.distribution)), unreadable


def _described(distribution: importlib.metadata.Distribution) -> tuple[str, str, tuple[str, ...]]:
    """Name, version and requirements of a distribution, as far as its metadata has them."""
    metadata: importlib.metadata.PackageMetadata | None = distribution.metadata
    if metadata is None:  # how newer importlibs say that there is no such file
        return UNKNOWN, "?", ()
    return metadata["Name"] or UNKNOWN, metadata["Version"] or "?", tuple(distribution.requires or ())


def _unreadable(distribution: importlib.metadata.Distribution, error: Exception) -> PluginRecord:
    try:
        name, version, _ = _described(distribution)
    except Exception:
        name, version = UNKNOWN, "?"
    problem = f"its metadata cannot be read: {type(error).__name__}: {error}"
    return PluginRecord(
        name=name, distribution=name, version=version, target="entry_points.txt", status="broken", problem=problem
    )
