"""What to do where none of the files that a list names is there."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from toonforge.data.reading.picture import is_picture_name, shown
from toonforge.errors import Problem

_NO_FILES = {
    "webdataset": re.compile(r"\.tar: "),
    "side-by-side": re.compile(r" \(\d+ of \d+ (across|down)\)$"),
    "hugging-face": re.compile(r", row \d+, [^,]+$"),
}
"""Data set -> what shows that a cell is what its runs write into data.csv, of pictures that are no files of their own.

See `where` of their pictures.
"""


def not_there(file: Path, field: str, folder: Path, cells: Sequence[str]) -> Problem:
    """The error for cells of a list that lead to no file.

    Args:
        file: the list.
        field: the batch field that they are of.
        folder: what they are relative to.
        cells: some of them, at least one.
    """
    for data_set, pattern in _NO_FILES.items():
        if pattern.search(cells[0]):
            return Problem(
                message=f"{shown(file)} names no files",
                key=f"data.fields.{field}",
                found=shown(cells[0]),
                expected="paths of files; a run's data.csv has them where each picture is a file of its own",
                hint=f'this looks like the data.csv of a run on "{data_set}": train from the same set again; the same '
                "shares and split_seed hold out the same pictures",
            )
    hint = None
    if (found := _source_folder(file, cells)) is not None:
        hint = f"they are in the folder that the verb read: folders = {{ {field} = {json.dumps(shown(found))} }}"
    return Problem(
        message=f"the pictures that {shown(file)} names are not there",
        key=f"data.fields.{field}",
        found=f"no {shown(os.path.join(folder, cells[0]))}",
        expected=f"whole paths, or paths relative to {shown(folder)}",
        hint=hint,
    )


def _source_folder(file: Path, cells: Sequence[str]) -> Path | None:
    """Where the files are, if the list is the manifest of a verb and they are what the verb has read."""
    try:
        source = json.loads(file.with_name("manifest.json").read_bytes())["source"]
        folders = (Path(source), Path(source).parent)  # verbs of several folders begin paths with the folder's name
        pictures = [cell for cell in cells if is_picture_name(cell.rpartition("/")[2])]  # and no films
        return next((folder for folder in folders if any((folder / cell).is_file() for cell in pictures)), None)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # none there, or none of ours
        return None
