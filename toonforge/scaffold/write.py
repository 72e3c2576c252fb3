"""Puts a new plugin's files into a folder of their own: all of them, or none."""

from __future__ import annotations

import shutil
from pathlib import Path

from toonforge.errors import PluginError, Problem
from toonforge.scaffold.package import Package


def write(package: Package, folder: Path) -> None:
    """Make the folder and write the package into it.

    Raises:
        PluginError: for a folder that is there, even an empty one, or that cannot be written.
    """
    files = package.files
    try:
        folder.mkdir()
    except FileExistsError:
        hint = "give another with --out FOLDER, or another NAME; nothing is ever overwritten"
        raise PluginError(Problem(message=f"{folder} is there already", hint=hint)) from None
    except OSError as error:
        raise _cannot_write(folder, error) from None
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8", newline="\n")
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)  # it was made above, so all in it is ours
        if isinstance(error, OSError):
            raise _cannot_write(folder, error) from None
        raise


def _cannot_write(folder: Path, error: OSError) -> PluginError:
    hint = f"make the folder {folder.parent} first" if isinstance(error, FileNotFoundError) else None
    return PluginError(Problem(message=f"cannot write {folder}", found=error.strerror or str(error), hint=hint))
