"""Translates picture files: each keeps its size, its transparency and its colour profile; none is overwritten."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.reading.picture import SUFFIXES, list_pictures, read_picture
from toonforge.errors import Problem, RunError, UnreadableImage
from toonforge.files import refuse_special, save_picture

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from toonforge.use.model import Model

KEPT = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF", ".tiff": "TIFF"}
"""Endings under which a translated picture is written; every other one becomes .png."""
OPAQUE = ("JPEG", "BMP")


@attrs.frozen
class Job:
    """One picture and where its translation goes."""

    source: Path
    target: Path


@attrs.frozen
class Outcome:
    """What became of one picture: `problem` is None when it was translated."""

    job: Job
    problem: str | None = None


def plan(inputs: Sequence[Path], out: Path, force: bool = False) -> list[Job]:
    """Which picture goes where, before anything is read.

    Args:
        inputs: pictures, and folders that are searched for them.
        out: a folder; or, for a single picture, a file with a picture's ending.
        force: overwrite what is there (never an input).

    Raises:
        RunError: with every target that is there already, that two pictures share, that is an input, or of a kind
            that is not written.
        DataError: for a folder that cannot be listed.
    """
    single = len(inputs) == 1 and not inputs[0].is_dir()
    if out.suffix.lower() in set(SUFFIXES) - set(KEPT) and not out.is_dir():
        raise RunError(
            Problem(
                message=f"{out}: this kind of picture is read but not written", expected=f"one of {', '.join(KEPT)}"
            )
        )
    if out.suffix.lower() in KEPT and not out.is_dir():
        if not single:
            raise RunError(Problem(message=f"{out} is one file, for several pictures", hint="give a folder with -o"))
        jobs = [Job(inputs[0], out)]
    else:
        jobs = [Job(source, out / relative.with_name(_output_name(relative))) for source, relative in _sources(inputs)]
    if not jobs:
        raise RunError(
            Problem(
                message=f"no pictures in {', '.join(map(str, inputs))}",
                expected=f"files ending in {', '.join(SUFFIXES)}",
            )
        )
    if problems := list(_conflicts(jobs, force)):
        raise RunError(*problems)
    return jobs


def _sources(inputs: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each picture with its path below the output folder; folders keep their inner structure."""
    for given in inputs:
        if given.is_dir():
            for path in list_pictures(given):
                yield path, path.relative_to(given)
        else:
            yield given, Path(given.name)


def _output_name(relative: Path) -> str:
    return relative.name if relative.suffix.lower() in KEPT else f"{relative.stem}.png"


def _special(target: Path) -> Problem | None:
    try:
        refuse_special(target)
    except OSError as error:
        return Problem(message=f"cannot write {target}", found=error.strerror, hint="choose another -o")
    return None


def _conflicts(jobs: Sequence[Job], force: bool) -> Iterator[Problem]:
    inputs = {_identity(job.source) for job in jobs}
    owners: dict[str, Path] = {}
    for job in jobs:
        identity = _identity(job.target)
        if identity in owners:
            yield Problem(
                message=f"{owners[identity]} and {job.source} would both become {job.target}",
                hint="translate them into folders of their own with -o",
            )
        elif identity in inputs:
            yield Problem(message=f"{job.target} is an input", hint="choose another folder with -o")
        elif job.target.exists() and not force:
            yield Problem(message=f"{job.target} is there already", hint="overwrite with --force, or choose another -o")
        elif (problem := _special(job.target)) is not None:
            yield problem
        owners[identity] = job.source


def _identity(path: Path) -> str:
    return os.path.realpath(path)


def translate(model: Model, jobs: Sequence[Job], target: str | None = None) -> Iterator[Outcome]:
    """Translate one picture after another; a picture that cannot be read or written does not stop the rest.

    Args:
        model: from `load`.
        jobs: from `plan`.
        target: the domain to translate to; the recipe's first when left out.
    """
    model.choose(target)
    for job in jobs:
        try:
            translate_file(model, job, target)
        except UnreadableImage as error:
            yield Outcome(job, error.reason)
        except OSError as error:
            yield Outcome(job, f"cannot write {job.target}: {error.strerror or error}")
        else:
            yield Outcome(job)


def translate_file(model: Model, job: Job, target: str | None = None) -> None:
    """Read, translate and write one picture; raises `UnreadableImage` or `OSError`."""
    from PIL import Image

    pixels = read_picture(job.source, max_aspect=None)
    alpha, profile = _extras(job.source)
    image = Image.fromarray(translate_pixels(model, pixels, target))
    kind = KEPT[job.target.suffix.lower()]
    if alpha is not None and alpha.size == image.size and kind not in OPAQUE:
        image.putalpha(alpha)
    _write(image, job.target, kind, profile)


def translate_pixels(model: Model, pixels: np.ndarray[Any, Any], target: str | None = None) -> np.ndarray[Any, Any]:
    """H,W,3 of uint8 -> H,W,3 of uint8."""
    import numpy as np
    import torch

    batch = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 127.5 - 1
    output = model(batch, target)[0]
    values: np.ndarray[Any, Any] = ((output + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()
    return values


def _extras(path: Path) -> tuple[Image.Image | None, bytes | None]:
    """A picture's transparency (upright) and its RGB colour profile, where it has them."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        # Bytes 16 to 20 name the colours that a profile describes; the output holds RGB, whatever the input held.
        profile = profile if isinstance(profile, bytes) and profile[16:20] == b"RGB " else None
        upright = ImageOps.exif_transpose(image)
        has_alpha = "transparency" in upright.info or upright.mode in ("RGBA", "LA", "PA", "RGBa", "La")
        if not has_alpha:
            return None, profile
        plain = upright.convert("LA") if upright.mode == "La" else upright
        return plain.convert("RGBA").getchannel("A"), profile


def _write(image: Image.Image, path: Path, kind: str, profile: bytes | None) -> None:
    """Write the picture whole or not at all."""
    options: dict[str, Any] = {"quality": 95} if kind in ("JPEG", "WEBP") else {}
    if profile is not None and kind != "BMP":
        options["icc_profile"] = profile
    save_picture(image, path, format=kind, **options)
