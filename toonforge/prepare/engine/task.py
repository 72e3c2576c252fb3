"""What a verb does with one file, and what came of it: the words that the engine and the verbs share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import attrs

Figure = str | int | float
"""One figure of a file, in a column of its own."""

UNREADABLE = "unreadable"
"""The action of a file that cannot be read. It is tried again by the next call: what was wrong may be mended."""

FAILED = "failed"
"""The action of a file at which the task itself broke, or its process died. It is tried again by the next call."""


@attrs.frozen
class Source:
    """One file to work on.

    Attributes:
        name: its posix path below the source folder, "summer/beach.JPG"; unique, and printable whatever bytes the
            file's name holds.
        path: where it lies.
        target: the posix path below OUT that the verb wants its picture at, where that follows from the whole listing
            (`toonforge.prepare.engine.sources.with_targets`); "" where the task decides.
    """

    name: str
    path: Path
    target: str = ""


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one file.

    Attributes:
        action: in a word: "written", "kept", "aside", "unreadable", "measured", …
        output: posix path below OUT of what was written; "" where nothing was.
        reason: in words, for every action but plain success.
        figures: the verb's own columns.
    """

    action: str
    output: str = ""
    reason: str = ""
    figures: Mapping[str, Figure] = attrs.field(factory=dict)


class Task(Protocol):
    """The work on one file: an attrs class at the top of a module, so that worker processes can be handed it.

    It writes what it makes so that it is whole or not there (`copying.place`, `copying.write_whole`,
    `files.save_picture`), and gives the same for the same file whichever process it runs in.

    It may have `places`: names of figures that are outputs too, posix paths below OUT, where one row stands for several
    files.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all figures; a class attribute will do."""

    def __call__(self, source: Source, out: Path) -> Outcome | Sequence[Outcome]:
        """Work on one file; several outcomes are several rows of the manifest (a film's frames), at least one.

        Raises:
            UnreadableImage: the file cannot be read: an outcome "unreadable" with the reason.
            OSError: the output cannot be written: the whole work stops, as it does for a full disk.
            ToonforgeError: the user must mend something: the whole work stops.
        """


class Progress(Protocol):
    """Is told how far the work is.

    Examples:
        >>> from toonforge.prepare import Outcome, Progress, cartoonize
        >>> class Dots(Progress):
        ...     said = ""
        ...     def advance(self, outcome: Outcome) -> None:
        ...         self.said += "." if outcome.action == "written" else "!"
        >>> dots = Dots()
        >>> report = cartoonize("photos", "dotted", size=32, workers=1, progress=dots)
        >>> dots.said
        '....'
    """

    def begin(self, what: str, total: int, done: int) -> None:
        """So many files in all, `done` of them by an earlier call. May be called again for a further pass."""

    def advance(self, outcome: Outcome) -> None:
        """One more file is done; of several outcomes, the first."""
