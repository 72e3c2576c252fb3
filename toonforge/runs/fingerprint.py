"""Which pictures a run was trained on, in a line a group, so that a resume notices others. Nothing is decoded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping

import attrs

from toonforge.components import ImageSource, Locates

LOOKED_AT = 10_000
"""Files of a group whose sizes are asked for, evenly spread: on a network disk that takes seconds, of all of them
minutes."""


@attrs.frozen(kw_only=True)
class Compared:
    """What two lists of a group's pictures say of each other.

    Attributes:
        of, now: how many there were and are.
        gone, new: how many of those are in one list alone.
    """

    of: int
    now: int
    gone: int
    new: int

    def __str__(self) -> str:
        if not self.gone and not self.new:
            return f"the same {self.of}, in another order"
        gone = f"{self.gone or 'none'} of {self.of} {'are' if self.gone > 1 else 'is'} gone"
        return f"{gone}, {self.new or 'none'} {'are' if self.new > 1 else 'is'} new"


def fingerprint(parts: Mapping[str, ImageSource]) -> dict[str, str]:
    """Group -> how many pictures it has, a hash of their names in order, and where they are files, of their sizes.

    So a picture is noticed that was replaced under its name. Times of change are left out: they are others where a run
    was moved to another machine.

    Args:
        parts: "train" and others, whose groups are called "validation: group".
    """
    found = {}
    for part, source in parts.items():
        for group, size in source.sizes.items():
            names = hashlib.sha256()
            for index in range(size):
                names.update(source.name(group, index).encode("utf-8", "surrogatepass") + b"\0")
            text = f"{size} pictures, {names.hexdigest()[:12]}"
            sizes = ",".join(_sizes(source, group, size))
            if sizes:
                text += f", sizes {hashlib.sha256(sizes.encode()).hexdigest()[:8]}"
            found[group if part == "train" else f"{part}: {group}"] = text
    return found


def _sizes(source: ImageSource, group: str, count: int) -> Iterator[str]:
    """Bytes of the files of a group; nothing where its pictures are no files of their own."""
    if not isinstance(source, Locates) or not count:
        return
    if not any(os.path.isabs(path) and os.path.isfile(path) for path in source.where(group, 0).values()):
        return
    for index in range(0, count, -(-count // LOOKED_AT)):
        for path in source.where(group, index).values():
            try:
                yield str(os.stat(path).st_size)
            except OSError:
                yield "gone"


def same(was: str, now: str) -> bool:
    """Whether two fingerprints are of the same pictures, as far as both tell: older ones say nothing of sizes."""
    return was == now or now.startswith(f"{was}, sizes ") or was.startswith(f"{now}, sizes ")


def difference(key: str, was: str, now: str, listed: Compared | None = None) -> tuple[str, str]:
    """Which pictures are others than `fingerprint` said, and how, in words.

    Args:
        key: of the fingerprint: a group, or "validation: group".
        was, now: what it said then and says now; "none" where the group is gone.
        listed: what a list of the pictures tells besides.
    """
    part, held_out, group = key.partition(": ")
    which = f"{part} pictures of {group}" if held_out else f"training pictures of {key}"
    then, today = _count(was), _count(now)
    if was.partition(", sizes ")[0] == now.partition(", sizes ")[0]:
        return which, f"the names of all {then} are the same, the sizes of some files are not"
    if today == 0:
        return which, f"all {then} are gone"
    if listed is not None and listed.of == then and listed.now == today:
        return which, str(listed)
    return which, f"{then} then and now, of other names" if then == today else f"{then} then, {today} now"


def changed_pictures(key: str, was: str, now: str, listed: Compared | None = None) -> str:
    """That pictures are others than `fingerprint` said, in words, and what follows from it; see `difference`."""
    held_out = ": " in key
    replaced = was.partition(", sizes ")[0] == now.partition(", sizes ")[0]
    follows = "their order differs from that of an uninterrupted run"
    if replaced:
        follows = "the training sees others than until then"
    if held_out:
        follows = "what is drawn and measured does not compare with what was before"
    which, how = difference(key, was, now, listed)
    changed = "have changed under their names" if replaced else "have changed"
    return f"the {which} {changed} ({how}): from here on {follows}"


def _count(text: str) -> int:
    number = text.partition(" ")[0]
    return int(number) if number.isdecimal() else 0
