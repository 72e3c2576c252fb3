"""`toonforge data pair`: two folders brought together by file name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.cli.data.common import force_option, link_option, prune_option, run, workers_option

if TYPE_CHECKING:
    from toonforge.prepare.engine.task import Progress
    from toonforge.prepare.engine.work import Report


@click.command()
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; FIRST-SECOND-pairs, beside FIRST, when left out.",
)
@click.option(
    "--side-by-side",
    is_flag=True,
    help="One PNG a pair, FIRST on the left, SECOND on the right and scaled to FIRST's size.",
)
@click.option(
    "--strip",
    multiple=True,
    metavar="ENDING",
    help="An ending of names that does not count; may be repeated. Example: --strip _photo --strip _cartoon",
)
@click.option("--ignore-case", is_flag=True, help="Take Beach.jpg and beach.png for one name.")
@link_option
@workers_option
@force_option
@prune_option
def command(
    first: Path,
    second: Path,
    out: Path | None,
    side_by_side: bool,
    strip: tuple[str, ...],
    ignore_case: bool,
    link: bool,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Bring the pictures of two folders together that have one name, their endings aside.

    Writes OUT/FIRST's name and OUT/SECOND's name with the same names in both, for the data set 'paired-folders', or
    one file a pair with --side-by-side, for 'side-by-side' and pix2pix code. Files without a match, pictures that
    cannot be read and pairs of different aspect are left out; manifest.csv says which and why.

    \b
    Examples:
      toonforge data pair photos cartoons
      toonforge data pair photos cartoons -o pairs --side-by-side
      toonforge data pair shots drawings --strip _shot --strip _drawing --link
    """
    from toonforge.prepare.verbs.pair import pair

    if side_by_side and link:
        raise click.UsageError("--side-by-side makes new files; --link has nothing to link")
    reports: list[Report] = []

    def call(progress: Progress) -> Report:
        report = pair(
            first,
            second,
            out,
            side_by_side=side_by_side,
            strip=strip,
            ignore_case=ignore_case,
            link=link,
            workers=workers,
            force=force,
            prune=prune,
            progress=progress,
        )
        reports.append(report)
        return report

    code = run(call, piece="pair")
    for report in reports:
        click.echo(f"pairs: {report.counts.get('written', 0):,}")
    return code
