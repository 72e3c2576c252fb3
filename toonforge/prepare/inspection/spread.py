"""How a folder's pictures spread over sizes, shapes and tones: counts by bin, alike for all folders to be compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import attrs

from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import printable
from toonforge.prepare.inspection.judge import DARK, percent
from toonforge.prepare.quality.judging import Limits

if TYPE_CHECKING:
    from toonforge.prepare.inspection.figures import Column

LOWEST = 2.0
"""Percent of a bar's room that a bin with few pictures takes at least, so that it is seen."""

MOST_TICKS = 8
"""Ticks under single bars that have room beside each other; of more, every second is left out."""


@attrs.frozen(kw_only=True)
class Bar:
    """One bin: its height in percent, whether it is on the wrong side of a limit, and what it says when pointed at."""

    height: float
    low: bool
    told: str


@attrs.frozen(kw_only=True)
class Spread:
    """One folder's bars, and what they amount to in words."""

    label: str
    summary: str
    spoken: str
    bars: tuple[Bar, ...]


@attrs.frozen(kw_only=True)
class Measure:
    """One figure of all folders, on one scale."""

    title: str
    note: str
    low: str
    rows: tuple[Spread, ...]
    ticks: tuple[str, ...]
    ends: bool
    """Whether the ticks stand at the ends of the scale, evenly, in place of one under each bar."""


def spreads(folders: Sequence[Folder], limits: Limits) -> tuple[Measure, ...]:
    """The figures that are drawn; none where no picture was read."""
    there = [folder for folder in folders if len(folder)]
    if not there:
        return ()
    sides = tuple(sorted({64, 128, 256, 512, 1024, 2048, limits.min_side}))
    side_ticks = (f"<{sides[0]}", *(f"{low}+" for low in sides))
    tones = tuple(i / 20 for i in range(1, 20))
    sharp = tuple(limits.min_sharpness * 2.0**step for step in range(-2, 8))
    return (
        _measure(
            "Short side",
            "Of each picture, in pixels.",
            f"smaller than {limits.min_side}",
            there,
            lambda folder: folder.short_side,
            sides,
            side_ticks,
            lambda low, high: high <= limits.min_side,
            lambda value: f"{value:,.0f}",
        ),
        _measure(
            "Shape",
            "Width ÷ height: upright pictures on the left, square ones in the middle, wide ones on the right.",
            "",
            there,
            lambda folder: folder.aspect,
            (0.5, 0.7, 0.9, 1.1, 1.4, 2.0),
            ("<1:2", "0.5+", "0.7+", "0.9+", "1.1+", "1.4+", ">2:1"),
            lambda low, high: False,
            lambda value: f"{value:.2f}",
        ),
        _measure(
            "Brightness",
            "Mean of each picture, 0 is black and 1 is white.",
            f"dark: under {DARK:g}",
            there,
            lambda folder: folder.numbers["brightness"],
            tones,
            ("0", "0.25", "0.5", "0.75", "1"),
            lambda low, high: high <= DARK,
            lambda value: f"{value:.2f}",
        ),
        _measure(
            "Sharpness",
            "Variance of the Laplacian at a short side of 256 pixels; each bar is twice as sharp as the one before.",
            f"blurred: under {limits.min_sharpness:g}",
            there,
            lambda folder: folder.numbers["sharpness"],
            sharp,
            (f"<{sharp[0]:g}", *(f"{low:g}+" for low in sharp)),
            lambda low, high: high <= limits.min_sharpness,
            lambda value: f"{value:,.0f}",
        ),
        _measure(
            "Colourfulness",
            "After Hasler and Süsstrunk: 15 is slightly, 45 averagely, 82 highly colourful.",
            "",
            there,
            lambda folder: folder.numbers["colourfulness"],
            tuple(range(10, 150, 10)),
            ("0", "50", "100", "150"),
            lambda low, high: False,
            lambda value: f"{value:.0f}",
        ),
        _measure(
            "Contrast",
            "Standard deviation of brightness in each picture, 0 to 0.5.",
            "",
            there,
            lambda folder: folder.numbers["contrast"],
            tuple(i / 40 for i in range(1, 20)),
            ("0", "0.125", "0.25", "0.375", "0.5"),
            lambda low, high: False,
            lambda value: f"{value:.2f}",
        ),
    )


def _measure(
    title: str,
    note: str,
    low: str,
    folders: Sequence[Folder],
    values: Callable[[Folder], Column],
    bounds: Sequence[float],
    ticks: Sequence[str],
    is_low: Callable[[float, float], bool],
    tell: Callable[[float], str],
) -> Measure:
    """Bars of shares, so that folders of different sizes compare; the tallest bar of all folders fills the room."""
    import numpy as np

    counts = [np.bincount(np.searchsorted(bounds, values(f), side="right"), minlength=len(bounds) + 1) for f in folders]
    tallest = max(float(number.max()) / len(folder) for number, folder in zip(counts, folders))
    bins = list(zip([float("-inf"), *bounds], [*bounds, float("inf")]))
    ranges = [_range(tell, *pair) for pair in bins]
    rows = []
    for folder, numbers in zip(folders, counts):
        shares = [int(number) / len(folder) for number in numbers]
        bars = tuple(
            Bar(
                height=round(max(LOWEST, 100 * share / tallest), 1) if share else 0,
                low=is_low(*pair),
                told=f"{where}: {int(number):,} ({percent(share)})",
            )
            for share, number, where, pair in zip(shares, numbers, ranges, bins)
        )
        least, median, most = (float(q) for q in np.percentile(values(folder), (0, 50, 100)))
        spoken = (
            f"{printable(folder.label)}: least {tell(least)}, median {tell(median)}, most {tell(most)}. "
            + "; ".join(bar.told for bar in bars if bar.height)
        )
        rows.append(Spread(label=printable(folder.label), summary=f"median {tell(median)}", spoken=spoken, bars=bars))
    ends = len(ticks) != len(bounds) + 1
    if not ends and len(ticks) > MOST_TICKS:
        ticks = [tick if place % 2 == 0 else "" for place, tick in enumerate(ticks)]
    return Measure(title=title, note=note, low=low, rows=tuple(rows), ticks=tuple(ticks), ends=ends)


def _range(tell: Callable[[float], str], low: float, high: float) -> str:
    if low == float("-inf"):
        return f"under {tell(high)}"
    return f"{tell(low)} and more" if high == float("inf") else f"{tell(low)} to {tell(high)}"
