"""What redrawn pictures are called: as what they were drawn from, so that the two are a pair; and who cannot be one."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import attrs

from toonforge.data.files import item_name
from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.sources import with_targets
from toonforge.prepare.engine.task import Source

_NAMED = 3


def named(sources: Sequence[Source], ending: str, out: Path) -> tuple[Source, ...]:
    """The sources with their `target` below `out`: the name with another ending.

    Files of one name, their endings aside, are no pairs whatever they are called: each keeps its own ending before the
    new one. So do those that differ in upper and lower case alone, where the disk of `out` does not tell these apart.
    """
    targets = with_targets(sources, ending)
    moved = [source for source in targets if source.target != _plain(source, ending)]
    same = Counter(unicodedata.normalize("NFC", _plain(source, ending)) for source in moved)
    taken = {source.target for source in targets}
    taken.update(str(folder) for source in sources for folder in PurePosixPath(source.name).parents)
    apart = {}
    for source in moved:
        plain = _plain(source, ending)
        if same[unicodedata.normalize("NFC", plain)] == 1 and plain not in taken:
            apart[source.name] = plain
    if not apart or not _tells_case_apart(out):
        return targets
    return tuple(attrs.evolve(source, target=apart.get(source.name, source.target)) for source in targets)


def unpaired(sources: Sequence[Source]) -> Mapping[str, str]:
    """Name of a source -> why it makes no pair with its target, of those that make none."""
    names: dict[str, list[str]] = defaultdict(list)
    folded: dict[str, list[str]] = defaultdict(list)
    for source in sources:
        name = item_name(source.name)
        names[name].append(source.name)
        folded[name.casefold()].append(source.name)
    reasons = {}
    for source in sources:
        name = item_name(source.name)
        if len(names[name]) > 1:
            reasons[source.name] = f"{_some(names[name])} have one name, their endings aside"
        elif item_name(source.target) != name:
            alike = folded[name.casefold()]
            if len(alike) > 1:
                reasons[source.name] = f"{_some(alike)} have one name on a disk that takes upper for lower case"
            else:
                reasons[source.name] = "a folder, or another picture's output, has its name"
    return {name: f"cannot be paired: {reason}; rename it" for name, reason in reasons.items()}


def telling(sources: Sequence[Source]) -> Callable[[tuple[Row, ...]], Iterator[Row]]:
    """A second pass of `work`: rows of what was written say which of them cannot be paired."""
    reasons = unpaired(sources)
    current = {source.name for source in sources}

    def finish(rows: tuple[Row, ...]) -> Iterator[Row]:
        for row in rows:
            reason = reasons.get(row.source, "")
            if row.action == "written" and row.source in current and row.reason != reason:
                yield attrs.evolve(row, reason=reason)

    return finish


def _plain(source: Source, ending: str) -> str:
    path = PurePosixPath(source.name)
    return str(path.with_name(path.stem + ending))


def _some(names: Sequence[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _tells_case_apart(folder: Path) -> bool:
    """Whether a disk, that of the folder or of where it will be made, tells "Beach" from "beach"."""
    there = Path(os.path.abspath(folder))
    while not there.is_dir():
        there = there.parent
    try:
        with tempfile.NamedTemporaryFile(prefix=".toonforge-Case-", dir=there) as file:
            return not os.path.exists(there / os.path.basename(file.name).lower())
    except OSError:  # nothing can be written there at all, which is told later
        return False
