"""The figures of folders beside each other, as a table of texts: for the page and for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import printable
from toonforge.prepare.inspection.judge import DARK, LIGHT, marked, percent
from toonforge.prepare.quality.judging import Limits

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.prepare.inspection.figures import Column

MODES = {
    "1": "black and white",
    "L": "grey",
    "LA": "grey with transparency",
    "P": "palette",
    "PA": "palette with transparency",
    "RGBA": "RGB with transparency",
    "I;16": "16-bit grey",
    "I;16B": "16-bit grey",
    "I": "32-bit grey",
    "YCbCr": "YCbCr",
}
"""What Pillow's modes are called here; the others are called what Pillow calls them."""
_SHOWN = 4


@attrs.frozen
class Line:
    """One figure: what it is called, and its value in each folder."""

    label: str
    cells: tuple[str, ...]
    brief: bool = False
    """Whether it is shown on the terminal too."""


def make_table(folders: Sequence[Folder], limits: Limits) -> tuple[Line, ...]:
    """The table's rows, one column a folder; a dash where no picture was read."""
    rows = (
        ("picture files", True, lambda f: f"{len(f.files):,}"),
        ("cannot be read", True, lambda f: f"{len(f.unreadable):,}"),
        ("formats", False, lambda f: _counted(f.count("format"))),
        ("colours as stored", False, lambda f: _counted(_modes(f))),
        ("width × height, median", True, _size),
        ("short side: least – median – most", False, lambda f: _three(f.short_side, ".0f")),
        (f"smaller than {limits.min_side}", True, lambda f: _share(f, marked(f, limits)["small"])),
        ("width ÷ height: least – median – most", False, lambda f: _three(f.aspect, ".2f")),
        ("brightness: least – median – most", True, lambda f: _three(f.numbers["brightness"], ".2f")),
        (f"dark (under {DARK:g})", True, lambda f: _share(f, f.numbers["brightness"] < DARK)),
        (f"light (over {LIGHT:g})", True, lambda f: _share(f, f.numbers["brightness"] > LIGHT)),
        ("grey", True, lambda f: _share(f, marked(f, limits)["grey"])),
        ("blurred", True, lambda f: _share(f, marked(f, limits)["blurred"])),
        ("with bars", True, lambda f: _share(f, marked(f, limits)["bars"])),
        ("licences", False, lambda f: ", ".join(f.beside.licences[:3]) or "none found"),
    )
    beside = ("picture files", "cannot be read", "licences")
    return tuple(
        Line(label, tuple(printable(tell(f)) if len(f) or label in beside else "–" for f in folders), brief)
        for label, brief, tell in rows
    )


def _modes(folder: Folder) -> Counter[str]:
    found: Counter[str] = Counter()
    for mode, number in folder.count("mode").items():
        found[MODES.get(mode, mode)] += number
    return found


def _counted(counts: Counter[str]) -> str:
    parts = [f"{number:,} {word or 'unknown'}" for word, number in counts.most_common()]
    more = [f"{len(parts) - _SHOWN} more kinds"] if len(parts) > _SHOWN else []
    return ", ".join(parts[:_SHOWN] + more)


def _size(folder: Folder) -> str:
    import numpy as np

    return " × ".join(f"{np.median(folder.numbers[column]):.0f}" for column in ("width", "height"))


def _three(values: Column, form: str) -> str:
    """Least, median and largest."""
    import numpy as np

    return " – ".join(format(float(q), form) for q in np.percentile(values, (0, 50, 100)))


def _share(folder: Folder, which: npt.NDArray[np.bool_]) -> str:
    number = int(which.sum())
    return f"{number:,} ({percent(number / len(folder))})" if number else "0"
