"""Files that are whole or not there, whenever the machine stops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image


def write_atomic(path: Path, text: str) -> None:
    """Replace a small text file so that a reader finds the old or the new one, never a part."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(text, "utf-8")
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


def save_picture(picture: Image.Image, path: Path, **options: Any) -> Path:
    """Save a picture so that it is whole or not there; its folder is made. `options`: as Pillow's `save` takes them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    picture.save(temporary, **options)
    temporary.replace(path)
    return path


def sync(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
