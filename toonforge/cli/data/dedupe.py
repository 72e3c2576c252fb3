"""`toonforge data dedupe`: near-duplicates, put aside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from toonforge.cli.data.common import force_option, link_option, out_option, prune_option, run, workers_option
from toonforge.errors import DataError, Problem


@click.command()
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@out_option("deduped")
@click.option(
    "--distance",
    type=click.IntRange(0, 12),
    default=6,
    show_default=True,
    help="Bits of 64 by which near-duplicates differ at most: 2 finds copies of other size or quality, 6 also slight"
    " crops and brighter ones, 10 more of those and, now and then, different pictures.",
)
@click.option("--mirrored", is_flag=True, help="Pictures mirrored left to right are near-duplicates too.")
@link_option
@workers_option
@force_option
@prune_option
def command(
    sources: tuple[Path, ...],
    out: Path | None,
    distance: int,
    mirrored: bool,
    link: bool,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Sort out near-duplicates.

    Pictures of SOURCE that look alike are grouped by a perceptual hash. The best of each group is copied into OUT/kept,
    the others into OUT/aside; OUT/duplicates.jpg shows the groups. With several folders, their pictures are compared
    with each other too; OUT must be given then.

    The best is the largest, but one with colour is preferred to a grey one (or one toned like sepia) of up to twice its
    pixels; of equally large ones it is the sharpest, then the first by name.

    The hash does not see colour: the same drawing in other colours counts as a near-duplicate.

    \b
    Examples:
      toonforge data dedupe photos
      toonforge data dedupe photos --distance 2 --link
      toonforge data dedupe flickr wikimedia own-photos -o photos
      toonforge data dedupe film-frames --distance 10 --mirrored
    """
    from toonforge.data.reading.picture import shown
    from toonforge.prepare.engine.sources import beside
    from toonforge.prepare.verbs.dedupe import SHEET, dedupe

    if out is None and len(sources) > 1:
        raise DataError(Problem(message="several folders are given", expected="-o, the folder to write to"))
    there = out or beside(sources[0], "deduped")
    options: Any = {
        "distance": distance,
        "mirrored": mirrored,
        "link": link,
        "workers": workers,
        "force": force,
        "prune": prune,
    }
    code = run(lambda progress: dedupe(sources, there, progress=progress, **options))
    if code == 0 and (there / SHEET).exists():
        click.echo(f"the groups: {shown(there / SHEET)}")
    return code
