"""The file of weights that a config names. Needs no torch, so that configs can ask for it."""

from __future__ import annotations

from pathlib import Path

from toonforge.errors import Problem, ToonforgeError


def named_file(text: str, key: str, expected: str) -> Path:
    """The file that a field names.

    Args:
        key: the field.
        expected: what it takes.

    Raises:
        ToonforgeError: there is no such file.
    """
    path = Path(text).expanduser()
    if not path.is_file():
        hint = None if path.is_absolute() else f"it is looked for in {Path.cwd()}"
        raise ToonforgeError(Problem(message=f"there is no weights file {path}", key=key, expected=expected, hint=hint))
    return path
