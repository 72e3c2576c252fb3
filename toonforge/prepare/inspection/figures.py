"""The figures of a folder's pictures, column by column: a hundred thousand pictures take a few arrays of numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.prepare.engine.manifest import Row
from toonforge.prepare.engine.task import FAILED, UNREADABLE
from toonforge.prepare.inspection.finding import Shot
from toonforge.prepare.inspection.folder import Beside

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Column = npt.NDArray[np.float64]

MEASURED = "measured"
"""The action of a picture that was read."""

NUMBERS = ("width", "height", "brightness", "contrast", "colourfulness", "colour_spread", "sharpness", "bars")
"""Columns of the manifest that hold a number for each picture."""
WORDS = ("format", "mode", "converted")
"""Columns that hold words."""
PRINTS = ("digest", "hash")
"""Columns that tell which pictures are the same: a digest of the file's bytes, and a perceptual hash."""


@attrs.frozen(kw_only=True, eq=False)
class Folder:
    """One folder, measured. A file is called by its name in the manifest: its label before it where there are several.

    Attributes:
        label: what the folder is called.
        path: as it was given.
        prefix: what its files' names in the manifest begin with: "photo/", or nothing where it is the only folder.
        beside: what else lies in it.
        names: of the pictures that were read, sorted.
        numbers: column -> one value for each of them.
        words, prints: likewise.
        unreadable: (name, reason) of the others.
    """

    label: str
    path: Path
    prefix: str
    beside: Beside
    names: tuple[str, ...]
    numbers: Mapping[str, Column]
    words: Mapping[str, tuple[str, ...]]
    prints: Mapping[str, tuple[str, ...]]
    unreadable: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    @property
    def files(self) -> tuple[str, ...]:
        """All files that are pictures by their names, read or not."""
        return tuple(sorted([*self.names, *(name for name, _ in self.unreadable)]))

    @property
    def short_side(self) -> Column:
        """Of each picture, in pixels."""
        import numpy as np

        return np.minimum(self.numbers["width"], self.numbers["height"])

    @property
    def aspect(self) -> Column:
        """Width by height of each picture."""
        return self.numbers["width"] / self.numbers["height"]

    @property
    def length(self) -> Column:
        """Long side by short side of each picture."""
        import numpy as np

        return np.maximum(self.aspect, 1 / self.aspect)

    def bare(self, name: str) -> str:
        """A file's path below the folder."""
        return name.removeprefix(self.prefix)

    def shot(self, name: str, caption: str = "") -> Shot:
        """A picture to show where it is plain which folder it is of."""
        return Shot(name, caption, self.bare(name))

    def converted(self) -> Mapping[str, tuple[str, ...]]:
        """What reading makes of pictures that are not plain -> which they are."""
        found: dict[str, list[str]] = {}
        for name, kinds in zip(self.names, self.words["converted"]):
            for kind in filter(None, kinds.split(";")):
                found.setdefault(kind, []).append(name)
        return {kind: tuple(names) for kind, names in found.items()}

    def count(self, column: str) -> Counter[str]:
        """How many pictures have each word."""
        return Counter(self.words[column])


def folder_of(label: str, path: Path, prefix: str, beside: Beside, rows: Sequence[Row]) -> Folder:
    """A folder of its rows of the manifest."""
    import numpy as np

    read = [row for row in rows if row.action == MEASURED]
    return Folder(
        label=label,
        path=path,
        prefix=prefix,
        beside=beside,
        names=tuple(row.source for row in read),
        numbers={column: np.array([_number(row.figures[column]) for row in read], np.float64) for column in NUMBERS},
        words={column: tuple(str(row.figures[column]) for row in read) for column in WORDS},
        prints={column: tuple(str(row.figures[column]) for row in read) for column in PRINTS},
        unreadable=tuple((row.source, row.reason) for row in rows if row.action in (UNREADABLE, FAILED)),
    )


def _number(figure: Any) -> float:
    try:
        return float(figure)
    except ValueError:
        return float("nan")
