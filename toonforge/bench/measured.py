"""What came of a measurement, and how it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from toonforge.bench.ratios import Ratio, Times
from toonforge.bench.variants import Here, Variant


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


def as_json(measured: Measurement, advice: tuple[str, ...]) -> dict[str, Any]:
    """The whole measurement with every turn, for programs."""
    return {
        **measured.about,
        "steps": measured.steps,
        "turns": measured.turns,
        "flops": measured.flops,
        "rates": dict(measured.rates),
        "share_of_peak": measured.peak_share,
        "data_share": measured.data_share,
        "parts": None if measured.parts is None else {kind: dict(row) for kind, row in measured.parts.items()},
        "networks": {name: dict(row) for name, row in measured.networks.items()},
        "variants": [_row(row) for row in measured.rows],
        "notes": list(measured.notes),
        "advice": list(advice),
    }


def _row(row: Row) -> dict[str, Any]:
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
        "ratio": None if ratio is None else ratio.median,
        "ratios": None if ratio is None else list(ratio.values),
        "verdict": None if ratio is None else "faster" if ratio.faster else "slower" if ratio.slower else "not sure",
    }
