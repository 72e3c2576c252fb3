"""Files that are whole or not there, whenever the machine stops."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from PIL import Image


def write_atomic(path: Path, text: str) -> None:
    """Replace a small text file so that a reader finds the old or the new one, never a part."""
    with replacing(path) as file:
        file.write(text)


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file to write in place of another: a reader finds the old or the new one, never a part.

    Line ends are written as given.
    """
    temporary = _partial(path)
    with temporary.open("x", encoding="utf-8", newline="") as file:
        yield file
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> Path:
    """Save a picture so that it is whole or not there; its folder is made.

    Args:
        options: as Pillow's `save` takes them; the format is that of the path's ending where it is left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _partial(path)
    with temporary.open("xb") as file:
        picture.save(file, **({} if "format" in options else {"format": _format_of(path)}), **options)
    temporary.replace(path)
    return path


def _format_of(path: Path) -> str:
    from PIL import Image

    Image.init()
    return Image.EXTENSION[path.suffix.lower()]


def _partial(path: Path) -> Path:
    """Where a file is written until it is whole. What is left there is removed: it might be a link to elsewhere."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.unlink(missing_ok=True)
    return temporary


def sync(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
