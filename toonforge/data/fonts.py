"""Which font has a letter: Pillow's own, or one of this machine.

Pillow's font has little more than ASCII, and fonts for the rest are far too large to ship. Found are: what fontconfig
knows (Linux), the fonts of macOS and Windows that have many letters, and DejaVu Sans where matplotlib is installed.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any

Face = tuple[str, int]
"""A font: the file's name, and which of the file's fonts."""

OWN: Face = ("", 0)
"""Pillow's own, which looks the same on every machine."""

KNOWN = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "Hiragino Sans GB.ttc",
    "segoeui.ttf",
    "YuGothM.ttc",
    "msgothic.ttc",
    "malgun.ttf",
    "seguisym.ttf",
)
"""Fonts with many letters that Pillow finds by their names where they are installed."""

_TRIED = 16  # pixels: any size will do
_SECONDS = 5


@lru_cache(64)
def load(face: Face, size: int) -> Any:
    """The font, `size` pixels high. Raises `OSError`."""
    from PIL import ImageFont

    return ImageFont.load_default(size) if face == OWN else ImageFont.truetype(face[0], size, face[1])


@lru_cache(4096)
def face_for(char: str) -> Face | None:
    """A font that has the letter, `OWN` where it does; None where none is found."""
    for face in (OWN, *_installed()):
        if has(face, char):
            return face
    # First whatever has the middle of its block of 256 letters, which mostly has them all: that is asked only once.
    for code in ((ord(char) | 0xFF) - 0x7F, ord(char)):
        asked = _of_fontconfig(code)
        if asked is not None and has(asked, char):
            return asked
    return None


@lru_cache(16384)
def has(face: Face, char: str) -> bool:
    """Whether a font has the letter: what it draws is not what it draws for a letter that there is not."""
    font = _plain(face)
    drawn, absent = font.getmask(char), font.getmask("\uffff")
    return drawn.size != absent.size or bytes(drawn) != bytes(absent)


@lru_cache(64)
def _plain(face: Face) -> Any:
    """The font, letter by letter: with the layout of scripts, a mark that it lacks would be drawn with a circle."""
    from PIL import ImageFont

    return load(face, _TRIED).font_variant(layout_engine=ImageFont.Layout.BASIC)


@lru_cache(1)
def _installed() -> tuple[Face, ...]:
    """Fonts that are found without asking for a letter."""
    matplotlib = importlib.util.find_spec("matplotlib")
    folders = matplotlib.submodule_search_locations or [] if matplotlib is not None else []
    files = [str(Path(folder, "mpl-data", "fonts", "ttf", "DejaVuSans.ttf")) for folder in folders]
    return tuple(face for name in (*KNOWN[:1], *files, *KNOWN[1:]) if _loads(face := (name, 0)))


@lru_cache(4096)
def _of_fontconfig(code: int) -> Face | None:
    """The font that fontconfig has for a letter; it names one even where none has it."""
    command = shutil.which("fc-match")
    if command is None:
        return None
    ask = [command, "--format", "%{index} %{file}", f":charset={code:x}"]
    try:
        done = subprocess.run(ask, capture_output=True, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    index, _, file = done.stdout.decode("utf-8", "surrogateescape").partition(" ")
    face = (file, int(index) & 0xFFFF if index.isdigit() else 0)  # above these bits: which variant of the font
    return face if file and _loads(face) else None


def _loads(face: Face) -> bool:
    try:
        load(face, _TRIED)
    except OSError:
        return False
    return True
