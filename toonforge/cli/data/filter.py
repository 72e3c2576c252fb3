"""`toonforge data filter`: pictures that training suffers from, put aside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import click

from toonforge.cli.data.common import force_option, link_option, out_option, prune_option, run, workers_option
from toonforge.prepare.quality.judging import Limits

if TYPE_CHECKING:
    from toonforge.prepare.engine.work import Progress, Report


def limit_options(command: Any) -> Any:
    """`--min-side 256` and so on, for every field of `Limits`."""
    for field in reversed(attrs.fields(Limits)):
        kind = click.IntRange if isinstance(field.default, int) else click.FloatRange
        option = click.option(
            f"--{field.name.replace('_', '-')}",
            type=kind(0, field.metadata["most"]),
            default=field.default,
            show_default=bool(field.default),
            metavar="N" if kind is click.IntRange else "X",
            help=field.metadata["help"],
        )
        command = option(command)
    return command


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@out_option("filtered")
@limit_options
@click.option("--keep-gray", is_flag=True, help="The same as --min-colour 0.")
@click.option(
    "--letterbox",
    type=click.Choice(["aside", "crop", "keep"]),
    default="aside",
    show_default=True,
    help="What becomes of pictures with bars or frames; crop: kept without them, saved anew.",
)
@link_option
@workers_option
@force_option
@prune_option
def command(
    source: Path,
    out: Path | None,
    keep_gray: bool,
    letterbox: str,
    link: bool,
    workers: int | None,
    force: bool,
    prune: bool,
    **limits: Any,
) -> int:
    """Sort out pictures that training suffers from.

    Pictures of SOURCE are copied into OUT/kept, or into OUT/aside with what is wrong with them: small, long, empty,
    dark, gray (or toned, like sepia), blurred, letterbox (bars or a frame), and, where asked for, no-face, small-face
    and large-face. OUT/manifest.csv has every figure of every picture. A limit of 0 is switched off.

    Faces are frontal ones, as OpenCV's cascade finds them: it misses some, drawn ones above all, and takes a few other
    things for faces.

    \b
    Examples:
      toonforge data filter photos
      toonforge data filter film-frames --letterbox crop --min-sharpness 20
      toonforge data filter drawings --keep-gray --min-side 200 -o good-drawings
      toonforge data filter portraits --min-face 0.4 --link
    """
    from toonforge.prepare.verbs.filter import filter_pictures

    chosen = Limits(**limits | ({"min_colour": 0.0} if keep_gray else {}))
    options: Any = {
        "limits": chosen,
        "letterbox": letterbox,
        "link": link,
        "workers": workers,
        "force": force,
        "prune": prune,
    }
    reports: list[Report] = []

    def call(progress: Progress) -> Report:
        reports.append(filter_pictures(source, out, progress=progress, **options))
        return reports[0]

    code = run(call)
    if tally := Counter(row.output.split("/")[1] for row in reports[0].rows if row.action == "aside"):
        each = (f"{fault} {count:,}" for fault, count in tally.most_common())
        click.echo(f"aside, each by its gravest fault: {', '.join(each)}")
    return code
