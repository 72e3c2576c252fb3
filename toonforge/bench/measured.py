"""What came of a measurement, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

import attrs

from toonforge.bench.ratios import BUSY, LEAST, Ratio, Times, told_apart
from toonforge.bench.variants import Here, Variant

FORMAT = 1
"""Of what `as_json` writes; another where keys change their meaning or go."""
UNITS = {
    "seconds, median, data": "seconds a step",
    "spread": "half the range over the median",
    "ratio, ratios": "time a picture over that of the first variant: of the medians, and turn by turn",
    "images_per_second": "pictures a second",
    "memory": "bytes",
    "parts, networks": "seconds a step",
    "flops": "floating-point operations a step",
    "rates": "floating-point operations a second",
    "share_of_peak, data_share": "shares, 0 to 1",
}


@attrs.frozen(kw_only=True)
class Row:
    """One variant.

    Attributes:
        variant: which.
        tricks: those it used.
        pictures: in a step.
        times: seconds a step, of each turn; None where it failed.
        waits: those of them in which it waited for pictures.
        memory: the peak in bytes; 0 where the system does not say.
        ratio: its time a picture over that of the recipe as it is, turn by turn; None for that itself.
        problem: why it failed, in a line.
    """

    variant: Variant
    tricks: tuple[str, ...] = ()
    pictures: int = 1
    times: Times | None = None
    waits: Times | None = None
    memory: int = 0
    ratio: Ratio | None = None
    problem: str | None = None

    @property
    def images_per_second(self) -> float:
        """By the median step."""
        return 0.0 if self.times is None else self.pictures / self.times.median

    @property
    def busy(self) -> float:
        """The spread of its times, where it says that the machine was busy; else 0."""
        return 0.0 if self.times is None or self.times.spread <= BUSY else self.times.spread


@attrs.frozen(kw_only=True)
class Measurement:
    """A recipe, measured.

    Attributes:
        about: what the recipe's process said of it: device, phases, sizes.
        here: its tricks.
        rows: the recipe as it is first.
        steps: in a turn.
        turns: of each variant.
        parts: kind -> direction -> seconds of a step, of the recipe as it is; adds up to its median. None where
            turns were all that was wanted.
        networks: network -> direction -> the same.
        flops: of a step; None where unknown.
        rates: operations a second that the device comes to, by what it computes.
        notes: what must be known to read it.
    """

    about: Mapping[str, Any]
    here: Here
    rows: tuple[Row, ...]
    steps: int
    turns: int
    parts: Mapping[str, Mapping[str, float]] | None = None
    networks: Mapping[str, Mapping[str, float]] = attrs.field(factory=dict)
    flops: int | None = None
    rates: Mapping[str, float] = attrs.field(factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def own(self) -> Row:
        """The recipe as it is."""
        return self.rows[0]

    def row(self, name: str) -> Row | None:
        """A variant's, if it was measured and came to an end."""
        return next((row for row in self.rows if row.variant.name == name and row.times is not None), None)

    def factor(self, row: Row) -> float:
        """A variant's time a picture over that of the recipe as it is, by their median steps; below 1 is faster."""
        return self.own.images_per_second / row.images_per_second

    def verdict(self, row: Row) -> str | None:
        """ "faster", "slower", or None where these turns do not tell a variant from the recipe as it is.

        The turns must agree so far that chance hardly explains it, for all rows together; the median steps must say the
        same, and by more than what the times spread where the machine was busy.
        """
        rows = [one for one in self.rows if one.ratio is not None]
        sure = told_apart([one.ratio for one in rows if one.ratio is not None])
        if row.ratio is None or not any(one is row and told for one, told in zip(rows, sure, strict=True)):
            return None
        change = self.factor(row) - 1
        agree = change * (row.ratio.median - 1) > 0
        if not agree or abs(change) < max(LEAST, self.own.busy, row.busy):
            return None
        return "faster" if change < 0 else "slower"

    def faster(self, row: Row | None) -> bool:
        """Whether it surely is."""
        return row is not None and self.verdict(row) == "faster"

    @property
    def data_share(self) -> float:
        """The share of a step in which it waits for pictures."""
        assert self.own.times is not None and self.own.waits is not None
        return self.own.waits.median / self.own.times.median

    @property
    def rate(self) -> float | None:
        """Operations a second of the recipe as it is."""
        return None if self.flops is None or self.own.times is None else self.flops / self.own.times.median

    @property
    def peak_share(self) -> float | None:
        """The part that this is of the device's best."""
        return None if self.rate is None or not self.rates else self.rate / max(self.rates.values())


def as_json(measured: Measurement, advice: Sequence[str], notes: Sequence[str]) -> dict[str, Any]:
    """The whole measurement with every turn, for programs; `notes` are all that stand below the tables."""
    return {
        "format": FORMAT,
        "toonforge": version("toonforge"),
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "units": dict(UNITS),
        **measured.about,
        "steps": measured.steps,
        "turns": measured.turns,
        "flops": measured.flops,
        "rates": dict(measured.rates),
        "share_of_peak": measured.peak_share,
        "data_share": measured.data_share,
        "parts": None if measured.parts is None else {kind: dict(row) for kind, row in measured.parts.items()},
        "networks": {name: dict(row) for name, row in measured.networks.items()},
        "variants": [_row(measured, row) for row in measured.rows],
        "notes": list(notes),
        "advice": list(advice),
    }


def _row(measured: Measurement, row: Row) -> dict[str, Any]:
    found: dict[str, Any] = {"name": row.variant.name, "trick": row.variant.trick, "tricks": list(row.tricks)}
    if row.times is None or row.waits is None:
        return {**found, "problem": row.problem}
    ratio = row.ratio
    return {
        **found,
        "batch_size": row.pictures,
        "seconds": list(row.times.values),
        "median": row.times.median,
        "spread": row.times.spread,
        "data": row.waits.median,
        "images_per_second": row.images_per_second,
        "memory": row.memory,
        "ratio": None if ratio is None else measured.factor(row),
        "ratios": None if ratio is None else list(ratio.values),
        "verdict": None if ratio is None else measured.verdict(row) or "not sure",
    }
