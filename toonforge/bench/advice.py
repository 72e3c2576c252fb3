"""What a measurement says a recipe should be changed to: a line to write, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from toonforge.bench.measured import Measurement
from toonforge.bench.variants import AUTO, SAFE
from toonforge.speed.tricks import TRICKS

WAITS = 0.1
"""The share of a step in which it may wait for pictures before that is worth a word."""


def advice(measured: Measurement) -> tuple[str, ...]:
    """Lines for the user, the one on `train.speed` first; "nothing to do" stands alone."""
    more = (*_on_tries(measured), *_on_data(measured))
    change = _on_speed(measured)
    if change is not None:
        return (change, *more)
    return (f"{'leave train.speed as it is' if more else 'nothing to do'}: {_as_it_is(measured)}", *more)


def _on_speed(measured: Measurement) -> str | None:
    here = measured.here
    tried = [row for row in measured.rows if row.variant.trick is not None and measured.faster(row)]
    pays = [str(row.variant.trick) for row in tried if row.variant.trick not in here.chosen]
    costs = [str(row.variant.trick) for row in tried if row.variant.trick in here.chosen]
    if pays or costs:
        best = [name for name in TRICKS if name in {*here.chosen, *pays} - {*costs}]
        speed = AUTO if set(best) == set(here.auto) else best or SAFE
        return f"write speed = {json.dumps(speed)} in [train]: {_what(pays, costs)}"
    for name in (AUTO, SAFE):
        row = measured.row(name)
        if row is not None and measured.faster(row):
            return f'write speed = "{name}" in [train]: {1 - measured.factor(row):.0%} less time'
    return None


def _on_tries(measured: Measurement) -> Iterator[str]:
    """Further changes that are faster, the fastest first."""
    tried = [row for row in measured.rows if row.variant.change is not None and measured.faster(row)]
    for row in sorted(tried, key=measured.factor):
        key, _, value = str(row.variant.change).partition("=")
        table, _, name = key.strip().rpartition(".")
        where = f" in [{table}]" if table else ""
        saved = 1 - measured.factor(row)
        faster = f"{row.variant.change} is faster here, {saved:.0%} less time a picture"
        yield f"write {name} = {value.strip()}{where}: {faster}"


def _what(pays: list[str], costs: list[str]) -> str:
    """ "compile pays here, keep-pages does not"."""
    said = [f"{' and '.join(pays)} {'pays' if len(pays) == 1 else 'pay'} here"] if pays else []
    if costs:
        said.append(f"{' and '.join(costs)} {'does' if len(costs) == 1 else 'do'} not" + (" pay" * (not pays)))
    return ", ".join(said)


def _as_it_is(measured: Measurement) -> str:
    here, safe = measured.here, measured.row(SAFE)
    if not here.chosen:
        tricks = any(row.variant.change is None for row in measured.rows[1:])
        return "no trick pays here" if tricks else "it is computed as written, and auto would do so too"
    how = 'speed = "auto"' if here.wanted == "auto" else "the tricks listed"
    if safe is not None and measured.verdict(safe) == "slower":
        return f"{how} saves {1 - 1 / measured.factor(safe):.0%} of the time that a step takes without"
    return f"these turns do not tell {how} from no trick at all"


def _on_data(measured: Measurement) -> tuple[str, ...]:
    """Pictures that are waited for."""
    if measured.data_share < WAITS:
        return ()
    about = measured.about
    ways = [f"workers = {max(2, 2 * about['workers'])} in [train]"]
    if not about["kept"] and about["cache"] in ("memory", "none"):
        ways.append('cache = "disk" in [data]')
    return (f"{measured.data_share:.0%} of the time waits for pictures: try {', or '.join(ways)}",)
