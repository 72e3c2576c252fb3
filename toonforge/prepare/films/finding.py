"""Finds the films that a command was given: files, and whatever films are in folders."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem
from toonforge.prepare.engine.sources import sources_of
from toonforge.prepare.engine.task import Source

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ogv", ".ogm", ".mpg", ".mpeg", ".vob", ".ts", ".m2ts", ".mts"),
    *(".wmv", ".asf", ".flv", ".3gp", ".3g2", ".mxf", ".divx", ".rm", ".rmvb"),
)
"""Files in folders with these endings, in upper or lower case, are taken for films. One given by name may be any."""


def find_films(given: Sequence[Path]) -> tuple[Path, tuple[Source, ...]]:
    """The folder that the films' names are relative to, and the films.

    Links are followed, loops are not; hidden files and folders are left out, and so are pipes and devices.

    Raises:
        DataError: something given is not there, a folder cannot be listed, or there is no film.
    """
    problems = [
        Problem(message=f"{shown(path)} is not there", expected="a film, or a folder with films")
        for path in given
        if not path.exists()
    ]
    if problems or not given:
        raise DataError(*(problems or [Problem(message="no film was given")]))
    root = Path(os.path.commonpath([os.path.abspath(path if path.is_dir() else path.parent) for path in given]))
    films = {film for path in given for film in (_below(path) if path.is_dir() else [Path(os.path.abspath(path))])}
    if not films:
        names = ", ".join(map(shown, given))
        raise DataError(
            Problem(message=f"there are no films in {names}", expected=f"files that end in {', '.join(SUFFIXES)}")
        )
    return root, sources_of(root, list(films))


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []
    try:
        _list(Path(os.path.abspath(folder)), (os.path.realpath(folder),), found)
    except OSError as error:
        raise DataError(
            Problem(message=f"the folder {shown(folder)} cannot be listed", found=error.strerror or str(error))
        ) from error
    return found


def _list(folder: Path, ancestors: tuple[str, ...], found: list[Path]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                mode: int | None = entry.stat().st_mode
            except OSError:  # a dangling link, or one that leads to itself: reading it says so
                mode = None
            if mode is not None and stat.S_ISDIR(mode):
                real = os.path.realpath(entry.path)
                if real not in ancestors:
                    _list(folder / entry.name, (*ancestors, real), found)
            elif entry.name.lower().endswith(SUFFIXES) and (mode is None or stat.S_ISREG(mode)):
                found.append(folder / entry.name)
