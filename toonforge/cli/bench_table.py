"""A measurement on the terminal: the step, where it goes, the variants beside each other, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import click

from toonforge.bench.measured import Measurement, Row
from toonforge.bench.ratios import turns_for
from toonforge.bench.variants import AS_IS
from toonforge.cli.text import hanging, width

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

WAYS = ("forward", "backward")
BAR = 24
"""Columns of a bar as long as the whole step."""
NARROW = 76
"""Columns below which there is no room for bars."""
EIGHTHS = " ▏▎▍▌▋▊▉"
UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def show(measured: Measurement, advice: Sequence[str], remarks: Sequence[str]) -> None:
    """Print a measurement on stdout.

    Args:
        measured: what to print.
        advice: lines for its end.
        remarks: see `notes`.
    """
    from rich.console import Console

    console = Console(file=sys.stdout, width=width(), highlight=False)
    click.echo(heading(measured))
    for title, line in facts(measured).items():
        click.echo(hanging(line, f"  {title:<8}", " " * 10))
    click.echo()
    console.print(parts_table(measured, width()))
    if len(measured.rows) > 1:
        click.echo()
        console.print(variants_table(measured, width()))
    click.echo()
    for line in remarks:
        click.echo(click.style(hanging(line), dim=True))
    for line in advice:
        colour = "green" if line.startswith("nothing") else "yellow"
        click.echo(hanging(f"{click.style('advice', fg=colour, bold=True)}: {line}"))


# -- the step ---------------------------------------------------------------------------------------------------------


def heading(measured: Measurement) -> str:
    """What was measured, where."""
    about = measured.about
    hardware = f" ({about['hardware']})" if about["hardware"] else ""
    pictures = f"batches of {about['batch_size']}"
    if about["parts"] > 1:
        pictures += f" in {about['parts']} parts"
    first = f", from step {about['first']} on" if about["first"] else ""
    text = f"{click.style(about['name'], bold=True)} on {about['device']}{hardware}: {about['precision']}, {pictures}"
    return hanging(f"{text}, phases {', '.join(about['phases'])}{first}")


def facts(measured: Measurement) -> dict[str, str]:
    """Speed, memory, and the work in a step against what the device can do."""
    own, wanted = measured.own, measured.here.wanted
    assert own.times is not None
    step = click.style(seconds_text(own.times.median), fg="cyan", bold=True)
    spread = f" ± {own.times.spread:.0%}" if len(own.times.values) > 1 else ""
    lines = {"step": f"{step}{spread}, {own.images_per_second:.3g} images/s"}
    if own.memory:
        lines["memory"] = f"{memory_text(own.memory)} at most"
    if measured.flops is not None and measured.rate is not None:
        lines["work"] = f"{large(measured.flops)}FLOP a step: {large(measured.rate)}FLOP/s"
    if measured.peak_share is not None:
        best = max(measured.rates, key=measured.rates.__getitem__)
        lines["work"] += (
            f", {measured.peak_share:.0%} of the {large(measured.rates[best])}FLOP/s of a large {best} here, in "
            f"{measured.about['precision']}"
        )
    tricks = ", ".join(own.tricks) or "none"
    return {**lines, "tricks": tricks if wanted == "listed" or not own.tricks else f"{tricks} ({wanted})"}


def parts_table(measured: Measurement, room: int) -> Table:
    """Where a step's time goes, the largest part first, the rest last."""
    from rich.text import Text

    assert measured.parts is not None
    whole = sum(sum(row.values()) for row in measured.parts.values())
    unit, in_unit = ("s", 1.0) if whole >= 1 else ("ms", 1e3)
    digits = 2 if whole * in_unit < 10 or unit == "s" else 1
    bars = room >= NARROW
    table = plain_table()
    table.add_column("where it goes")
    for title in (*WAYS, f"both, {unit}", "share"):
        table.add_column(title, justify="right")
    if bars:
        table.add_column("")
    last = ("rest", "device idle")
    for kind, row in sorted(measured.parts.items(), key=lambda item: (item[0] in last, -sum(item[1].values()))):
        total = sum(row.values())
        share = total / whole if whole else 0.0
        ways = [f"{row[way] * in_unit:.{digits}f}" if way in row else "" for way in WAYS]
        cells = [Text(kind + names_of(measured, kind)), *map(Text, ways)]
        cells += [Text(f"{total * in_unit:.{digits}f}", "cyan"), Text(f"{share:.0%}")]
        table.add_row(*cells, *([Text(bar(share), "cyan")] if bars else []), style="dim" if kind in last else None)
    return table


def plain_table() -> Table:
    """Columns under a line."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, header_style="bold")


def names_of(measured: Measurement, kind: str) -> str:
    """The networks behind a kind's time, where they are few."""
    names = [name for name in measured.networks if measured.about["kinds"].get(name) == kind]
    text = f" {', '.join(names)}"
    return text if names and len(text) <= 20 else ""


def bar(share: float) -> str:
    """A share as a bar of eighths of a column."""
    eighths = round(max(0.0, min(1.0, share)) * BAR * 8)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


# -- the variants -----------------------------------------------------------------------------------------------------


@attrs.frozen
class _Column:
    title: str
    cells: list[Text]

    @property
    def size(self) -> int:
        return max(len(self.title), *(len(cell) for cell in self.cells))


def variants_table(measured: Measurement, room: int) -> Table:
    """A row a variant; a narrow terminal goes without pictures a second, memory and ranges, in this order."""
    from rich.text import Text

    rows = measured.rows
    columns = [
        _Column("", [_name(measured, row) for row in rows]),
        _Column("step", [_step(row) for row in rows]),
        _Column("images/s", [Text(f"{row.images_per_second:.3g}" if row.times else "") for row in rows]),
        _Column("memory", [Text(memory_text(row.memory) if row.times else "") for row in rows]),
        _Column("time a picture", [_ratio(measured, row) for row in rows]),
        _Column("from – to", [_range(row) for row in rows]),
    ]
    for title in ("images/s", "memory", "from – to"):
        if sum(column.size + 3 for column in columns) - 3 < room:
            break
        columns = [column for column in columns if column.title != title]
    table = plain_table()
    for column in columns:
        left = column.title in ("", "time a picture")
        table.add_column(column.title, justify="left" if left else "right", no_wrap=True)
    for index in range(len(rows)):
        table.add_row(*(column.cells[index] for column in columns))
    return table


def _name(measured: Measurement, row: Row) -> Text:
    from rich.text import Text

    if row.variant.name != AS_IS:
        return Text(row.variant.name)
    wanted = measured.here.wanted
    return Text(AS_IS if wanted == "listed" else f"{AS_IS}: {wanted}", "bold")


def _step(row: Row) -> Text:
    from rich.text import Text

    if row.times is None:
        return Text("failed", "red")
    spread = f" ±{row.times.spread:>4.0%}" if len(row.times.values) > 1 else ""
    return Text(f"{seconds_text(row.times.median)}{spread}")


def _ratio(measured: Measurement, row: Row) -> Text:
    """Against the recipe as it is, by the medians beside it, and in a word where the turns agree."""
    from rich.text import Text

    if row.ratio is None:
        return Text("1.00" if row.times is not None else "", "dim")
    verdict = measured.verdict(row)
    style = {"faster": "green", "slower": "yellow", None: "dim"}[verdict]
    return Text(f"{measured.factor(row):.2f}{f' {verdict}' if verdict else ''}", style)


def _range(row: Row) -> Text:
    from rich.text import Text

    return Text("" if row.ratio is None else f"{row.ratio.low:.2f} – {row.ratio.high:.2f}", "dim")


# -- below it ---------------------------------------------------------------------------------------------------------


def notes(measured: Measurement, left_out: Mapping[str, str]) -> list[str]:
    """What must be known to read the numbers. `left_out`: trick -> why it was wanted but cannot be measured here."""
    lines = [f"{count(measured.turns, 'turn')} of {count(measured.steps, 'step')} each"]
    if measured.turns > 1:
        lines[0] += ", in turn; medians, ± half the range"
    compared = sum(row.ratio is not None for row in measured.rows)
    if compared:
        needed = turns_for(compared)
        test = "a sign test over the turns" + (f", by Holm for {compared} rows" if compared > 1 else "")
        lines[0] += f"; slower and faster: by {test}"
        lines[0] += f", of which {needed} can tell" if measured.turns < needed else ""
    busy = max(row.busy for row in measured.rows)
    if busy:
        lines.append(
            f"the machine was busy: times spread by up to ±{busy:.0%}, and no difference below a row's spread is told; "
            "more --turns tell more"
        )
    lines += [f"{row.variant.name} failed: {row.problem}" for row in measured.rows if row.times is None]
    lines += [f"not measured: {trick} ({why})" for trick, why in left_out.items()]
    return [*lines, *measured.notes]


def count(number: int, noun: str) -> str:
    """ "1 step", "5 steps"."""
    return f"{number} {noun}{'s' * (number != 1)}"


def seconds_text(seconds: float) -> str:
    """Three digits: "1.82 s", "182 ms", "0.04 ms"."""
    if seconds >= 0.9995:
        return f"{seconds:.3g} s"
    if seconds >= 0.0995:
        return f"{seconds * 1e3:.0f} ms"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.00995 else f"{seconds * 1e3:.2f} ms"


def memory_text(size: int) -> str:
    """ "1.21 GB", "640 MB"."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def large(number: float) -> str:
    """A number before a unit: 1.88e12 -> "1.88 T"."""
    for limit, prefix in UNITS:
        if number >= limit:
            return f"{number / limit:.3g} {prefix}"
    return f"{number:.3g} "
