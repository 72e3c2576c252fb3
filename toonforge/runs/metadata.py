"""What the files of a checkpoint say of themselves, read without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toonforge.errors import Problem, RunError

FORMAT = 1
"""Of checkpoints and weights files; a newer one is refused, an older one is read."""


def read_metadata(path: Path) -> dict[str, Any]:
    """A weights file's own description; `RunError` where it is no safetensors file that a run wrote, or a newer one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            value = json.loads((file.metadata() or {})["toonforge"])
        if not isinstance(value, dict):
            raise ValueError(f"its description is {type(value).__name__}, not a table")
        written = int(value.get("format", FORMAT))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise no_weights_file(path, error) from None
    refuse_newer(path, written)
    return value


def no_weights_file(path: Path, error: Exception) -> RunError:
    """The error for a file that does not say of itself what a run's weights files say."""
    return RunError(
        Problem(
            message=f"{path} is no weights file of toonforge",
            found=f"{type(error).__name__}: {error}",
            expected="a .safetensors file that a run wrote",
        )
    )


def refuse_newer(path: Path, found: int) -> None:
    """Raise `RunError` for a format that only a later toonforge knows."""
    if found > FORMAT:
        raise RunError(
            Problem(
                message=f"{path} was written by a newer toonforge",
                found=f"format {found}",
                expected=f"{FORMAT} or older",
                hint="upgrade toonforge",
            )
        )
