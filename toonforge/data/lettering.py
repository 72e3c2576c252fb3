"""Lines of text in pictures, in Pillow's own font: cut where there is no room, in letters that it has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import ImageDraw


def write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    size: int,
    ink: tuple[int, int, int],
    room: int,
    keep_end: bool = False,
) -> int:
    """Write a line, cut with an ellipsis where it is wider than `room` pixels; returns where it ends.

    Args:
        keep_end: cut in front: the end of a path tells more than its beginning.
    """
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    line = shorten(_drawable(text, font), font, room, keep_end)
    draw.text(corner, line, font=font, fill=ink)
    return corner[0] + round(font.getlength(line))


def shorten(text: str, font: Any, room: int, keep_end: bool = False) -> str:
    """The text, cut with an ellipsis where it is wider than `room` pixels: behind, or in front."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength("…" + text) > room:
        text = text[1:] if keep_end else text[:-1]
    return "…" + text if keep_end else text + "…"


_PLAIN = str.maketrans({"×": "x", "÷": "/", "–": "-", "—": "-", "≈": "~", "ß": "ss"})


def _drawable(text: str, font: Any) -> str:
    """The text in letters that the font has: without accents where it lacks them, "?" where it lacks the letter."""
    absent = bytes(font.getmask("\uffff"))
    drawn = []
    for char in text.translate(_PLAIN):
        if bytes(font.getmask(char)) != absent:
            drawn.append(char)
        elif not unicodedata.combining(char):
            plain = unicodedata.normalize("NFKD", char)[:1]
            drawn.append(plain if plain.isascii() else "?")
    return "".join(drawn)
