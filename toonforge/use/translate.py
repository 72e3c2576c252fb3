"""Translates picture files: each keeps its size, transparency, colour profile and EXIF block; none is overwritten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.pictures.pipeline import Outcome, Pipeline
from toonforge.use.pictures.plan import KEPT, Job, Plan, plan

if TYPE_CHECKING:
    from toonforge.use.model import Model


def translate(
    model: Model,
    jobs: Sequence[Job],
    to: str | None = None,
    *,
    look: Look = AS_IT_IS,
    size: int | None = None,
    batch: int | None = None,
) -> Iterator[Outcome]:
    """Translate pictures on one device; one that cannot be read or written does not stop the rest.

    Args:
        model: from `toonforge.load`.
        jobs: from `plan`.
        to: the domain to translate to; the recipe's first when left out.
        look: what is done after the networks.
        size: the short side to which larger pictures are scaled down first; None keeps their size.
        batch: pictures at once; None for as many as suit their size and the device.

    Yields:
        What became of each, in the order of the jobs.
    """
    return iter(Pipeline([model], jobs, to, look=look, size=size, batch=batch))


def translate_file(model: Model, job: Job, to: str | None = None, *, look: Look = AS_IT_IS) -> None:
    """Read, translate and write one picture.

    Raises:
        UnreadableImage: it cannot be read.
        ToonforgeError: it cannot be translated.
        OSError: the translation cannot be written.
    """
    from toonforge.use.pictures.computing import compute
    from toonforge.use.pictures.original import read_original
    from toonforge.use.pictures.written import write

    assert job.source is not None and job.target is not None
    original = read_original(job.source)
    (made,) = compute(model, [original], to, look)
    if isinstance(made, Exception):
        raise made
    write(original, made, job.target)


__all__ = ["KEPT", "Job", "Outcome", "Plan", "plan", "translate", "translate_file"]
