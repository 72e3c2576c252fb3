"""What the watch sees: whether something looks wrong now, and which of it was told already."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from toonforge.events import Warned
from toonforge.runs.record import Record


@attrs.frozen(kw_only=True)
class Over:
    """A warning that no longer holds.

    Attributes:
        step: steps done when that was seen.
        kind: the warning's.
        about: the warning's.
    """

    step: int
    kind: str
    about: str


@attrs.frozen(kw_only=True)
class Finding:
    """One judgement.

    Attributes:
        kind, about, message, hint: the warning's, should it be told: see `toonforge.events.Warned`.
        begins: a warning is due if there is none yet.
        lasts: a warning that was told still holds. Easier to meet than `begins`, so that a value close to its limit is
            not told again and again.
    """

    kind: str
    about: str
    begins: bool
    lasts: bool
    message: str
    hint: str


class Told:
    """The warnings that hold now: each is told once when it begins, and once when it is over."""

    def __init__(self) -> None:
        self._open: set[tuple[str, str]] = set()

    def changes(self, step: int, findings: Iterable[Finding]) -> list[Warned | Over]:
        """What is to be told of these judgements. A warning that none of them is about stays as it was."""
        changes: list[Warned | Over] = []
        for finding in findings:
            which = (finding.kind, finding.about)
            if which in self._open and not finding.lasts:
                self._open.remove(which)
                changes.append(Over(step=step, kind=finding.kind, about=finding.about))
            elif which not in self._open and finding.begins:
                self._open.add(which)
                warned = Warned(
                    step=step, kind=finding.kind, about=finding.about, message=finding.message, hint=finding.hint
                )
                changes.append(warned)
        return changes

    def restore(self, record: Record) -> None:
        """The warnings that hold according to a run's log."""
        self._open = {(w.warned.kind, w.warned.about) for w in record.warnings if w.until is None}
