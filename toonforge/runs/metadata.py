"""What the files of a checkpoint say of themselves, read without torch."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from toonforge.errors import Problem, RunError
from toonforge.runs.header import read_header

FORMAT = 1
"""Of weights files; a newer one is refused, an older one is read."""
NEEDS = "0.1.0"
"""The toonforge from which on the formats are read that this one writes: of weights files and of checkpoints."""
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){0,3}\Z", re.ASCII)


OTHERS = (".pth", ".pt", ".pkl", ".ckpt", ".bin")
"""Endings of weights that other programs write."""
IMPORTED = "weights of other programs are imported first: toonforge import {}"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif")


class NewerFormatError(RunError):
    """A file in a format that only a later toonforge knows: whole, but not for this one."""


def read_metadata(path: Path) -> dict[str, Any]:
    """A weights file's own description; `RunError` where it is no safetensors file that a run wrote, or a newer one."""
    try:
        about = read_header(path).about
        if "toonforge" not in about:
            raise no_weights_file(path, None, IMPORTED.format(shlex.quote(str(path))))
        value = json.loads(str(about["toonforge"]))
        if not isinstance(value, dict):
            raise ValueError(f"its description is {type(value).__name__}, not a table")
        written = int(value.get("format", FORMAT))
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        suffix = path.suffix.lower()
        if suffix in PICTURES:
            raise no_weights_file(
                path, None, "this is a picture: the model comes first, then what it translates"
            ) from None
        if suffix in OTHERS:
            raise no_weights_file(path, None, IMPORTED.format(shlex.quote(str(path)))) from None
        raise no_weights_file(path, error) from None
    refuse_newer(path, written, FORMAT, value.get("needs"))
    return value


def tensor_names(path: Path) -> list[str]:
    """What a safetensors file calls its tensors; it can be read."""
    return [*read_header(path).names]


def no_weights_file(path: Path, error: Exception | None, hint: str | None = None) -> RunError:
    """The error for a file that does not say of itself what a run's weights files say.

    Args:
        error: what was wrong in it; None where it is of another kind.
        hint: what to do.
    """
    return RunError(
        Problem(
            message=f"{path} is no weights file of toonforge",
            found=None if error is None else f"{type(error).__name__}: {error}",
            expected="a .safetensors file that a run or `toonforge export` wrote",
            hint=hint,
        )
    )


def refuse_newer(path: Path, found: int, known: int, needs: object) -> None:
    """Raise `NewerFormatError` for a format that only a later toonforge knows.

    Args:
        path: of the file.
        found, known: the format that it has, and the newest that can be read.
        needs: the version that it asks for, as the file says it.
    """
    from toonforge import __version__

    if found <= known:
        return
    version = needs if isinstance(needs, str) and _VERSION.match(needs) else None
    raise NewerFormatError(
        Problem(
            message=f"{path} was written by a newer toonforge"
            + (f": it needs toonforge {version} or newer; this is {__version__}" if version else ""),
            found=f"format {found}",
            expected=f"{known} or older",
            hint=f"install {f'toonforge {version} or newer' if version else 'a newer toonforge'} from its checkout or "
            "wheel: pip install PLACE",
        )
    )
