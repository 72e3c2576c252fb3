"""`toonforge data split`: a folder parted into training, validation and test pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.cli.data.common import force_option, link_option, prune_option, run, workers_option

if TYPE_CHECKING:
    from toonforge.prepare.engine.task import Progress
    from toonforge.prepare.verbs.split import SplitReport


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), help="Folder to write to; SOURCE-split, beside SOURCE, if left out."
)
@click.option(
    "--shares",
    default="60/20/20",
    show_default=True,
    metavar="T/V/T",
    help="Training, validation and test pictures in a hundred; 0 leaves a part out.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Another seed, another split.")
@click.option("--list-only", is_flag=True, help="Write no pictures, only manifest.csv, to train from with 'listed'.")
@link_option
@workers_option
@force_option
@prune_option
def command(
    sources: tuple[Path, ...],
    out: Path | None,
    shares: str,
    seed: int,
    list_only: bool,
    link: bool,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Part the pictures of a folder into OUT/train, OUT/validation and OUT/test.

    A picture's name decides, with the shares and the seed. So pictures that are added later move none of the others
    (but in sets of a handful, where no part may be empty), and data sets with the same shares and split_seed part
    SOURCE itself in the same way.

    Several folders are parted as one, matched by file name (endings aside): pictures of one name are in one part, in a
    folder for each SOURCE (OUT/train/photo, OUT/train/cartoon). Those without a match in every folder are left out.

    Files are copied and not opened: filter first, where some may be damaged.

    \b
    Examples:
      toonforge data split photos
      toonforge data split photos --shares 80/20/0 -o parted --link
      toonforge data split pairs/photo pairs/cartoon -o parted
      toonforge data split photos --list-only
    """
    from toonforge.prepare.verbs.split import split

    reports: list[SplitReport] = []

    def call(progress: Progress) -> SplitReport:
        report = split(
            sources,
            out,
            shares,
            seed=seed,
            list_only=list_only,
            link=link,
            workers=workers,
            force=force,
            prune=prune,
            progress=progress,
        )
        reports.append(report)
        return report

    code = run(call)
    for report in reports:
        _tell(report, list_only)
    return code


def _tell(report: SplitReport, list_only: bool) -> None:
    """How many are in each part, what changed its part, and how to train from a list."""
    from toonforge.data.reading.picture import shown

    click.echo("parts: " + ", ".join(f"{part} {number:,}" for part, number in report.parts.items()))
    if report.moved:
        name, (then, now) = next(iter(report.moved.items()))
        others = f" and {len(report.moved) - 1:,} more" if len(report.moved) > 1 else ""
        click.echo(f"in another part than before, since none may be empty: {name} ({then}, now {now}){others}")
    if list_only and not report.stopped:
        columns = report.columns
        fields = ", ".join(f"{_field(column, len(columns))} = {_quoted(column)}" for column in columns)
        click.echo("to train from it, write in a recipe:")
        click.echo(f'  [data]\n  type = "listed"\n  file = {_quoted(shown(report.out / "manifest.csv"))}')
        click.echo(f'  fields = {{ {fields} }}\n  part_column = "part"')


def _field(column: str, count: int) -> str:
    """A batch field's name for a column."""
    name = "photo" if count == 1 else re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_").lower()
    return name if re.match("[a-z]", name) else f"pictures_{name}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
