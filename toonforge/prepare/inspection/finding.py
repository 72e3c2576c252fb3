"""What an inspection says: findings in order of weight, and the pictures shown with them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

MEND, LOOK, FINE = "mend", "look at", "fine"
SEVERITIES = (MEND, LOOK, FINE)
"""From worst to best: training loses pictures or goes wrong; training may suffer; nothing need be done."""

SHOWN = 8
"""Pictures shown with a finding."""
LISTED = 1000
"""Files named with a finding on the page; the manifest names them all."""


@attrs.frozen
class Shot:
    """A picture to show, and what is to be seen in it."""

    source: str
    """Its name in the manifest."""
    caption: str = ""
    label: str = ""
    """What to call it where it is shown; its name in the manifest when left out."""

    @property
    def title(self) -> str:
        """What to call it."""
        return printable(self.label or self.source)


Group = tuple[Shot, ...]
"""Pictures that belong together, such as duplicates; nearly always one picture alone."""


@attrs.frozen(kw_only=True)
class Finding:
    """One thing that an inspection has to say."""

    severity: str
    """One of `SEVERITIES`."""
    kind: str
    """What was looked for: "unreadable", "blurred", ...; the same on every data set."""
    folders: tuple[str, ...]
    """Labels of the folders concerned."""
    title: str
    """The finding in a line."""
    text: str = ""
    """What it means for training."""
    advice: str = ""
    """What to do."""
    command: str = ""
    """A command that does it."""
    lines: tuple[str, ...] = ()
    """The files concerned, one a line, with what was found in each."""
    groups: tuple[Group, ...] = ()
    """Some of the pictures, the worst first."""

    @property
    def names_folders(self) -> bool:
        """Whether the title says already which folders are meant."""
        return all(re.search(rf"(?<!\w){re.escape(folder)}(?!\w)", self.title) for folder in self.folders)


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The worst first; of one severity, kinds in the order in which they came up.

    What is said of several folders alike is said once.
    """
    said: dict[Finding, tuple[str, ...]] = {}
    for finding in findings:
        alike = attrs.evolve(finding, folders=())
        said[alike] = tuple(dict.fromkeys([*said.get(alike, ()), *finding.folders]))
    merged = [attrs.evolve(finding, folders=folders) for finding, folders in said.items()]
    kinds = list(dict.fromkeys(finding.kind for finding in merged))
    return tuple(sorted(merged, key=lambda f: (SEVERITIES.index(f.severity), kinds.index(f.kind))))


def singles(shots: Iterable[Shot]) -> tuple[Group, ...]:
    """Pictures that stand alone."""
    return tuple((shot,) for shot in shots)


def printable(name: str) -> str:
    """A file's name as text that neither a terminal nor a page is led astray by.

    Bytes that are no UTF-8, control characters and marks that turn the direction of writing come out as escapes.
    """
    return "".join(char if char.isprintable() or char in _JOINERS else _escaped(char) for char in name)


_JOINERS = "\u200c\u200d"  # hold emoji and some scripts together


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def some(count: int, one: str, many: str = "") -> str:
    """A number and what it counts: "1 picture", "1,200 pictures"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
