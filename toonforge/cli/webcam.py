"""`toonforge translate MODEL 0`: what a webcam sees, in a window, recorded, or both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from toonforge.errors import escaped
from toonforge.files import remove_left

if TYPE_CHECKING:
    from toonforge.use.look import Look


def translate_webcam(
    model: str,
    checkpoint: str | None,
    cpu: bool,
    index: int,
    out: str | None,
    to: str,
    look: Look,
    steady: float,
    size: int | None,
    force: bool,
) -> int:
    """Translate till it is ended, and say what came of it; returns the exit code."""
    from toonforge.use.video.live import ready

    place = None if out is None else Path(out)
    ready(place, steady=steady, force=force, index=index)
    remove_left([] if place is None else [place])

    from toonforge.cli.translating import Telling, named
    from toonforge.use.video import webcam
    from toonforge.use.video.camera import open_camera

    camera = open_camera(index)
    try:
        from toonforge.use.model import load

        loaded = load(model, checkpoint=checkpoint, cpu=cpu)
    except BaseException:
        camera.release()
        raise
    how = "Ctrl-C" if out else "q or Ctrl-C"
    click.echo(f"webcam {index} is translated to {to}; {how} ends", err=True)
    with Telling("picture", None, f"webcam {index}") as telling:
        outcome = webcam(
            loaded,
            index,
            place,
            to,
            look=look,
            steady=steady,
            size=size,
            force=force,
            progress=telling.reach,
            camera=camera,
        )
    if out is None:
        click.echo(f"{outcome.frames:,} pictures translated to {to} ({telling.rate})")
    else:
        said = f"{outcome.seconds:.1f} s, {outcome.frames:,} frames, {telling.rate}"
        click.echo(f"webcam {index} translated to {to}: {named(out)} ({said}, {escaped(loaded.recipe)}; no sound)")
    return 0
