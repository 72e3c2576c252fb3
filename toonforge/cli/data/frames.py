"""`toonforge data frames`: pictures out of films."""

from __future__ import annotations

import re
from pathlib import Path

import click

from toonforge.cli.data.common import force_option, prune_option, run, workers_option


def seconds(context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Seconds of a time as 90, 1:30 or 0:01:30.5."""
    if value is None:
        return None
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d*)?", value):
        raise click.BadParameter(f"{value!r}: write seconds, or a time as 1:30 or 0:01:30.5", context, parameter)
    total = 0.0
    for part in value.split(":"):
        total = 60 * total + float(part)
    return total


@click.command()
@click.argument("films", nargs=-1, required=True, metavar="FILM...", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Folder to write to; FILM-frames, beside the first FILM, when left out.",
)
@click.option("--per-scene", type=int, default=1, show_default=True, metavar="N", help="Frames of each scene.")
@click.option(
    "--threshold",
    type=float,
    default=3.0,
    show_default=True,
    metavar="TIMES",
    help="How many times more than its neighbours a frame must change to be a cut; higher finds fewer scenes.",
)
@click.option(
    "--every", type=float, metavar="SECONDS", help="A frame every so many seconds, in place of those of each scene."
)
@click.option("--from", "start", metavar="TIME", default="0", callback=seconds, help="Where to begin: 90 or 1:30.")
@click.option("--until", metavar="TIME", callback=seconds, help="Where to end.")
@click.option("--size", type=int, metavar="PIXELS", help="Scale the short side down to this; never up.")
@click.option(
    "--format",
    type=click.Choice(["jpg", "png"]),
    default="jpg",
    show_default=True,
    help="JPEG of quality 95 with colours at full size, or PNG: lossless, four times as large.",
)
@click.option("--max", type=int, metavar="N", help="At most so many frames of each film, evenly spaced.")
@workers_option
@force_option
@prune_option
def command(
    films: tuple[Path, ...],
    out: Path | None,
    per_scene: int,
    threshold: float,
    every: float | None,
    start: float,
    until: float | None,
    size: int | None,
    format: str,
    max: int | None,
    workers: int | None,
    force: bool,
    prune: bool,
) -> int:
    """Take pictures out of films, and of all films in folders.

    The sharpest frame near the middle of each scene is taken, away from cuts, dissolves and fades; near-black frames
    are left out. Frames come out upright, with square pixels and 8 bits a colour; HDR is not tone-mapped. Each is
    OUT/FILM/000012.480s.jpg, with its time in seconds.

    Further films may be added by later calls with the same OUT and options. Films are worked on in pieces of half a
    minute. What is known of them lies in the hidden folders OUT/.films and OUT/.scenes, so that nothing is decoded
    twice; both may be deleted.

    \b
    Examples:
      toonforge data frames film.mkv -o frames
      toonforge data frames films/ --per-scene 3 --size 512
      toonforge data frames film.mkv --every 2 --from 1:30 --until 1:20:00
    """
    from toonforge.prepare.verbs.frames import frames

    return run(
        lambda bar: frames(
            films,
            out,
            every=every,
            per_scene=per_scene,
            threshold=threshold,
            start=start,
            until=until,
            size=size,
            format=format,
            max=max,
            workers=workers,
            force=force,
            prune=prune,
            progress=bar,
        ),
        "frame",
        "film piece",
    )
