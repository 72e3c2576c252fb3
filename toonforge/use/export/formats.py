"""What a model can be exported as, and where to: known before torch is imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import attrs

from toonforge.errors import Problem, RunError
from toonforge.extras import need
from toonforge.files import refuse_special
from toonforge.names import did_you_mean
from toonforge.use.export.comparing import LIMIT

Format = Literal["safetensors", "onnx", "torch"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: Mapping[Format, str] = {"safetensors": ".safetensors", "onnx": ".onnx", "torch": ".pt2"}


@attrs.frozen
class Target:
    """One file to write."""

    path: Path
    format: Format


def target_of(path: Path, format: str | None = None) -> Target:
    """Where to and as what; the format follows the file's ending unless it is given.

    Raises:
        RunError: for an unknown format or ending, or one that is that of another format.
    """
    if format is not None and format not in FORMATS:
        hint = did_you_mean(format, FORMATS)
        raise RunError(Problem(message=f"no such format: {format!r}", expected=", ".join(FORMATS), hint=hint))
    by_ending = {suffix: name for name, suffix in SUFFIXES.items()}
    named = by_ending.get(path.suffix.lower())
    if named is not None and format not in (None, named):
        raise RunError(
            Problem(
                message=f"{path} is called like {named}, not like {format}",
                expected=f"a name that ends in {SUFFIXES[format]}",
            )
        )
    chosen = format or named
    if chosen is None:
        raise RunError(
            Problem(
                message=f"{path}: its ending names no format",
                expected=", ".join(SUFFIXES.values()),
                hint=f"or say which with --format: {', '.join(FORMATS)}",
            )
        )
    return Target(path, chosen)


def targets(paths: Sequence[Path], formats: Sequence[str], name: str) -> list[Target]:
    """What to write: the files that are named; else one of each format, called by the model, in the current folder.

    Raises:
        RunError: see `target_of`; or formats that belong to no one of several files.
    """
    if not paths:
        return [
            target_of(Path(name + SUFFIXES[target_of(Path(name), each).format]), each)
            for each in formats or FORMATS[:1]
        ]
    if not formats:
        return [target_of(path) for path in paths]
    if len(paths) > 1 or len(formats) > 1:
        raise RunError(
            Problem(
                message="--format says what one file is",
                found=f"{len(paths)} files, {len(formats)} formats",
                hint="leave --format out: the files' endings say it; or leave -o out",
            )
        )
    return [target_of(paths[0], formats[0])]


def refuse_targets(wanted: Sequence[Target], force: bool, half: bool, limit: float = LIMIT) -> None:
    """Raise what speaks against writing these files: nothing is computed in vain.

    Raises:
        RunError: for files that are there already, that cannot be written or are named twice; for `half` with a format
            that does not know it; for another limit than the usual one where nothing is rounded, or none at all.
        ToonforgeError: for a package that is not installed.
    """
    problems = [problem for target in wanted if (problem := _conflict(target.path, force)) is not None]
    names = [target.path.resolve() for target in wanted]
    problems += [Problem(message=f"{name} is named twice") for name in dict.fromkeys(names) if names.count(name) > 1]
    if half and any(target.format != "safetensors" for target in wanted):
        problems.append(Problem(message="--half is for .safetensors files", hint="leave it out, or the other formats"))
    if limit != LIMIT and not (half and 0 < limit <= 2):
        problems.append(
            Problem(
                message="--limit is for what --half changes",
                found=f"{limit:g}" + ("" if half else " without --half"),
                expected="a difference between numbers in [-1, 1], above 0",
            )
        )
    if problems:
        raise RunError(*problems)
    for target in wanted:
        if target.format == "onnx":
            need("onnx", "exporting to ONNX needs")
            need("onnxruntime", "comparing what was exported to ONNX needs")


def _conflict(path: Path, force: bool) -> Problem | None:
    try:
        refuse_special(path)
    except OSError as error:
        return Problem(message=f"cannot write {path}", found=error.strerror, hint="choose another -o")
    if path.exists() and not force:
        return Problem(message=f"{path} is there already", hint="overwrite with --force, or choose another -o")
    if not path.parent.is_dir():
        return Problem(message=f"cannot write {path}", found=f"there is no folder {path.parent}")
    return None
