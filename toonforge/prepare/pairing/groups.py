"""Files that are worked on together: as one source for the engine, done again when any of them has changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from toonforge.errors import UnreadableImage
from toonforge.prepare.engine import manifest, out_folder
from toonforge.prepare.engine.copying import place
from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.plan import is_there
from toonforge.prepare.engine.task import UNREADABLE, Outcome, Source
from toonforge.prepare.pairing.matching import AMBIGUOUS, UNMATCHED, Matching

MATCHED, PART = "matched", "part"
"""The columns by which the rows of a group are compared with what there is now."""


@attrs.frozen
class Group(Source):
    """One file, or one with the files of its name in other folders.

    Attributes:
        others: the other files.
        matched: names, sizes and times of the others, for the manifest; "" where there are none.
        part: "train", "validation" or "test"; "" where nothing is parted.
        left_out: action and reason of a file that has no group; None for the others.
    """

    others: tuple[Source, ...] = ()
    matched: str = ""
    part: str = ""
    left_out: tuple[str, str] | None = None

    @property
    def files(self) -> tuple[Source, ...]:
        """All files."""
        return (self, *self.others)

    @property
    def is_single(self) -> bool:
        """Whether it is a file whose name no other folder has, or not every other one."""
        return self.left_out is not None and self.left_out[0] == UNMATCHED

    def holds(self, row: Row) -> bool:
        """Whether a row of an earlier call was made of these files, for this part."""
        for column, now in ((MATCHED, self.matched), (PART, self.part)):
            if column in row.figures and str(row.figures[column]) != manifest.text(now):
                return False
        action, reason = self.left_out or ("", "")
        return (row.action, row.reason) == (action, manifest.one_line(reason)) or (
            not action and row.action not in (UNMATCHED, AMBIGUOUS)
        )


def groups(matching: Matching) -> tuple[Group, ...]:
    """Every item as a group, and every file without one as a group that says why."""
    items = (
        Group(first.name, first.path, others=tuple(others), matched="; ".join(map(_state, others)))
        for first, *others in (item.files for item in matching.items)
    )
    singles = (Group(one.file.name, one.file.path, left_out=(one.action, one.reason)) for one in matching.singles)
    return (*items, *singles)


def forget(
    verb: str,
    folder: Path,
    sources: Sequence[Group],
    out: Path,
    settings: Mapping[str, object],
    columns: Sequence[str],
    places: Sequence[str],
    prune: bool,
) -> tuple[tuple[Row, ...], tuple[Group, ...]]:
    """Drop the rows of groups that have changed in what the engine does not look at, with their outputs.

    The engine compares the first file of a group. What is dropped here it then does again. A group that has lost one
    of its files is as gone as one that has lost all: what was made of it stays, unless it is to be pruned.

    Args:
        verb, folder, out, settings: as `work` takes them.
        sources: all groups that there are now.
        columns: the verb's own.
        places: those of them that name outputs.
        prune: remove what was made of groups that have lost a file.

    Returns:
        The rows that were dropped, and the groups without those that have lost a file and stay.

    Raises:
        DataError: as `work` raises it.
    """
    table = out / manifest.CSV
    if not table.is_file():
        return (), tuple(sources)
    now = {group.name: group for group in sources}
    with out_folder.alone(out), out_folder.writing(out):
        before = out_folder.begun(out, verb)
        if before is not None:
            out_folder.refuse_changed(out, before, out_folder.plain(settings), Path(os.path.abspath(folder)))
        rows, _ = manifest.read(table, columns)
        known = [row for row in rows if row.source in now]
        lost = {row.source for row in known if now[row.source].is_single and not prune and is_there(out, row, places)}
        changed = {row.source for row in known if row.source not in lost and not now[row.source].holds(row)}
        kept = [row for row in rows if row.source not in changed]
        dropped = tuple(row for row in rows if row.source in changed)
        if dropped:
            named, still = ({output for row in some for output in row.outputs(places)} for some in (dropped, kept))
            out_folder.remove(out, named - still)
            manifest.write(table, kept, columns)
    return dropped, tuple(group for group in sources if group.name not in lost)


def place_all(group: Group, targets: Sequence[str], out: Path, link: bool) -> Outcome | None:
    """Put every file of a group at its target below OUT, or none of them.

    Returns:
        None, or what is wrong with the first file that cannot be read.
    """
    placed: list[Path] = []
    for file, target in zip(group.files, targets):
        try:
            place(file.path, out / target, link)
        except BaseException as error:
            for path in placed:
                path.unlink(missing_ok=True)
            if isinstance(error, UnreadableImage):
                return unreadable(group, file, error)
            raise
        placed.append(out / target)
    return None


def unreadable(group: Group, file: Source, error: UnreadableImage) -> Outcome:
    """The outcome of a group with a file that cannot be read; says which it is where it is not the first."""
    reason = error.reason if file is group else f"{file.name}: {error.reason}"
    return Outcome(action=UNREADABLE, reason=reason)


def columns_for(labels: Sequence[str]) -> tuple[str, ...]:
    """A column for each folder, of its name; where that is taken, with "_picture" after it."""
    taken = {*manifest.COLUMNS, MATCHED, PART}
    columns: list[str] = []
    for label in labels:
        while label in taken:
            label += "_picture"
        taken.add(label)
        columns.append(label)
    return tuple(columns)


def output_name(name: str) -> str:
    """What a file is called below OUT: its name, without backslashes, which stand for bytes that are no text."""
    return name.replace("\\", "%5C")


def _state(file: Source) -> str:
    try:
        found = os.stat(file.path)
    except OSError:
        return f"{file.name} (not there)"
    return f"{file.name} ({found.st_size} bytes, {found.st_mtime_ns})"
