"""Where each translation goes, decided before anything is read. This is the one place that names outputs.

- A picture keeps its name, in OUT; one of a folder (or of a pattern) also its place below that folder (or below the
  part of the pattern that has no wildcard): `photos/sea/a.jpg` of `photos` becomes `OUT/sea/a.jpg`.
- It keeps its ending where that kind of picture is written (`KEPT`), else it gets `.png`; `--format` gives one to all.
- A video keeps its name too; its ending where such files are written, else it gets `.mp4`.
- OUT is a file where it ends like one, for a single input, and a folder where it ends in a slash; `-` is standard
  output.
- Standard input is called `stdin`, and gets the ending of the kind of picture that it is.

Nothing is overwritten without being asked for, an input never is, and every conflict is told at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import attrs

from toonforge.data.reading.header import kind_of
from toonforge.data.reading.picture import SUFFIXES
from toonforge.errors import Problem, RunError
from toonforge.files import refuse_special
from toonforge.use.pictures.conflicts import IS_INPUT, IS_THERE, SHARED, Conflict, cannot_write, in_words
from toonforge.use.pictures.earlier import like_outputs
from toonforge.use.pictures.inputs import STANDARD, Inputs, Source, gather
from toonforge.use.video.kinds import WRITTEN, target_suffix

KEPT = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""Endings under which a translated picture is written; every other one becomes .png."""
FORMATS = ("png", "jpg", "webp")
"""What all outputs may be asked to be."""


@attrs.frozen
class Job:
    """One piece of work.

    Attributes:
        source: the file; None for standard input.
        target: where its translation goes; None for standard output.
        ending: of the kind that goes to standard output, with its dot; None for the kind of the input.
        kind: a picture or a video.
        data: what standard input holds.
    """

    source: Path | None
    target: Path | None
    ending: str | None = None
    kind: Literal["picture", "video"] = "picture"
    data: bytes | None = attrs.field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What to call its input."""
        return "standard input" if self.source is None else str(self.source)


@attrs.frozen(kw_only=True)
class Plan:
    """What is to be done.

    Attributes:
        jobs: in the order of the inputs.
        done: those whose output is there already, where such are left out.
        earlier: folders among the inputs that look like outputs of before, and how many pictures each holds.
    """

    jobs: tuple[Job, ...]
    done: tuple[Job, ...] = ()
    earlier: Mapping[str, int] = attrs.field(factory=dict)


def plan(
    words: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    *,
    force: bool = False,
    skip_existing: bool = False,
    ending: str | None = None,
    data: bytes | None = None,
) -> Plan:
    """Which picture goes where, before anything is read.

    Args:
        words: as `toonforge.use.pictures.inputs.gather` takes them.
        out: a folder; for a single input also a file, or "-" for standard output. Left out, it is the folder
            `translated`, and standard output where the only input is standard input.
        force: overwrite what is there (never an input).
        skip_existing: leave out inputs whose output is there.
        ending: of all pictures: one of `FORMATS`.
        data: what standard input holds, where it is an input.

    Raises:
        RunError: with every target that is there already, that two inputs share, that is an input, or of a kind
            that is not written; where nothing is there to be translated.
        DataError: for a folder that cannot be listed.
    """
    texts = [os.fspath(word) for word in words]
    place = os.fspath(out) if out is not None else (STANDARD if texts == [STANDARD] else "translated")
    inputs = gather(texts, None if place == STANDARD else Path(place))
    _refuse_nothing(inputs, texts)
    suffix = None if ending is None else f".{ending}"
    if place == STANDARD:
        jobs = [_to_standard_output(inputs, suffix)]
    elif _is_file(place):
        jobs = [_to_file(inputs, Path(place), suffix)]
    else:
        if os.path.lexists(place) and not os.path.isdir(place):
            hint = f"give a folder, or a file that ends in {', '.join(KEPT)}, with -o"
            raise RunError(Problem(message=f"{place} is no folder", hint=hint))
        _refuse_unknown_ending(inputs, place)
        jobs = [_below(source, Path(place), suffix, data) for source in inputs.sources]
    jobs = [attrs.evolve(job, data=data) if job.source is None else job for job in jobs]
    there = [skip_existing and job.target is not None and job.target.is_file() for job in jobs]
    left = [job for job, done in zip(jobs, there) if not done]
    if problems := in_words(_conflicts(jobs, left, force)):
        raise RunError(*problems, *map(_missing, inputs.missing))
    finished = tuple(job for job, done in zip(jobs, there) if done)
    return Plan(jobs=tuple(left), done=finished, earlier=like_outputs(inputs.sources))


def _refuse_nothing(inputs: Inputs, texts: Sequence[str]) -> None:
    if len(inputs.missing) == len(texts):
        raise RunError(*map(_missing, texts))
    if not inputs.sources:
        named = ", ".join(text for text in texts if text not in inputs.missing)
        raise RunError(Problem(message=f"no pictures in {named}", expected=f"files ending in {', '.join(SUFFIXES)}"))


def _missing(text: str) -> Problem:
    if set(text) & set("*?["):
        return Problem(message=f"{text} matches no pictures", expected=f"files ending in {', '.join(SUFFIXES)}")
    return Problem(message=f"{text} is not there", expected="a picture, a folder, a pattern, a video or -")


def _is_file(place: str) -> bool:
    """Whether it names a file by its ending, and no folder of that name is there."""
    return not _is_folder(place) and Path(place).suffix.lower() in {*KEPT, *SUFFIXES, *WRITTEN}


def _is_folder(place: str) -> bool:
    return os.path.isdir(place) or not os.path.basename(place)


def _refuse_unknown_ending(inputs: Inputs, place: str) -> None:
    """One input, and what looks like a file of a kind that is not written: a folder of that name is not meant."""
    suffix = Path(place).suffix
    if inputs.single and not _is_folder(place) and re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{1,4}", suffix):
        hint = f"for a folder of that name end it in a slash: -o {place}/"
        expected = f"one of {', '.join(KEPT if inputs.sources[0].kind == 'picture' else WRITTEN)}"
        raise RunError(Problem(message=f"{place}: no {suffix} is written", expected=expected, hint=hint))


def _to_standard_output(inputs: Inputs, suffix: str | None) -> Job:
    if not inputs.single:
        raise RunError(Problem(message="standard output takes one picture", hint="give a folder with -o"))
    source = inputs.sources[0]
    if source.kind == "video":
        raise RunError(Problem(message="a video cannot go to standard output", hint="give a file with -o: -o out.mp4"))
    return Job(source.path, None, suffix)


def _to_file(inputs: Inputs, out: Path, suffix: str | None) -> Job:
    if not inputs.single:
        raise RunError(Problem(message=f"{out} is one file, for several pictures", hint="give a folder with -o"))
    source, ending = inputs.sources[0], out.suffix.lower()
    if source.kind == "video":
        if ending not in WRITTEN:
            raise RunError(Problem(message=f"{source.path} is a video, {out} a picture", hint="end it in .mp4"))
        return Job(source.path, out, kind="video")
    if ending not in KEPT:
        found = "this kind of picture is read but not written" if ending in SUFFIXES else "a video of one picture"
        raise RunError(Problem(message=f"{out}: {found}", expected=f"one of {', '.join(KEPT)}"))
    if suffix is not None and KEPT[suffix] != KEPT[ending]:
        raise RunError(
            Problem(message=f"{out} does not end in {suffix}", key="--format", hint="leave out one of the two")
        )
    return Job(source.path, out)


def _below(source: Source, out: Path, suffix: str | None, data: bytes | None) -> Job:
    if source.kind == "video":
        return Job(source.path, out / _named(source.below, target_suffix(source.below)), kind="video")
    ending = source.below.suffix.lower() if source.path is not None else ending_of(data or b"")
    if suffix is not None and KEPT.get(ending) != KEPT[suffix]:  # with --format jpg, a .jpeg stays one
        ending = suffix
    return Job(source.path, out / _named(source.below, ending if ending in KEPT else ".png"))


def ending_of(data: bytes) -> str:
    """The ending of the kind of picture that bytes are; .png where it is none that is written."""
    kind = kind_of(data)
    return next((ending for ending, known in KEPT.items() if known == kind), ".png")


def _named(below: Path, ending: str) -> Path:
    """The path with another ending; with its own, letter by letter, where it is the same."""
    return below if below.suffix.lower() == ending else below.with_name(f"{below.stem}{ending}")


def _conflicts(jobs: Sequence[Job], left: Sequence[Job], force: bool) -> Iterator[tuple[Conflict, str]]:
    inputs = {_identity(job.source) for job in jobs if job.source is not None}
    owners: dict[str, Job] = {}
    ours = {id(job) for job in left}
    for job in jobs:
        if job.target is None:
            continue
        identity = _identity(job.target)
        if identity in owners:
            yield SHARED, f"{owners[identity].name} and {job.name} would both become {job.target}"
        elif identity in inputs:
            yield IS_INPUT, str(job.target)
        elif id(job) in ours:
            yield from _in_the_way(job.target, force)
        owners[identity] = job


def _in_the_way(target: Path, force: bool) -> Iterator[tuple[Conflict, str]]:
    if target.exists() and not force:
        yield IS_THERE, str(target)
        return
    try:
        refuse_special(target)
    except OSError as error:
        yield cannot_write(error.strerror), str(target)


def _identity(path: Path) -> str:
    return os.path.realpath(path)
