"""The contact sheet: rows of small pictures under headings, to be taken in at a glance."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.grid import FAINT, INK, PAPER
from toonforge.prepare.inspect_finding import Group, Shot

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

CELL = (176, 132)
"""Room for a picture, in pixels."""
COLUMNS = 8
GAP, MARGIN, LABEL, CAPTION, HEADING, BAND_GAP = 10, 28, 13, 13, 20, 30
WELL = (239, 237, 231)
TIE = (196, 112, 24)
_HEADING_ROOM = 34
_ROW_ROOM = CELL[1] + 2 * 17 + 14


@attrs.frozen(kw_only=True)
class Band:
    """A heading and the pictures under it."""

    title: str
    note: str = ""
    groups: tuple[Group, ...]


def draw_sheet(title: str, bands: Sequence[Band], thumbs: Mapping[str, Image.Image]) -> Image.Image:
    """Draw the sheet: dark on light, RGB. Pictures without a small copy are left out, and bands without any."""
    from PIL import Image, ImageDraw

    laid = [(band, cells) for band in bands if (cells := _cells(band.groups, thumbs))]
    rows = sum(-(-len(cells) // COLUMNS) for _, cells in laid)
    width = 2 * MARGIN + COLUMNS * (CELL[0] + GAP) - GAP
    height = 2 * MARGIN + 40 + len(laid) * (_HEADING_ROOM + BAND_GAP) - BAND_GAP * bool(laid) + rows * _ROW_ROOM
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN), title, 26, INK, width - 2 * MARGIN)
    y = MARGIN + 40 + 12
    for band, cells in laid:
        end = write(draw, (MARGIN, y), band.title, HEADING, INK, width - 2 * MARGIN)
        write(draw, (end + 14, y + 6), band.note, CAPTION, FAINT, width - MARGIN - end - 14)
        y += _HEADING_ROOM
        for start in range(0, len(cells), COLUMNS):
            row = cells[start : start + COLUMNS]
            for place, (shot, tied) in enumerate(row):
                _draw_cell(sheet, draw, (MARGIN + place * (CELL[0] + GAP), y), shot, thumbs[shot.source])
                if tied and place + 1 < len(row):
                    _draw_tie(draw, (MARGIN + (place + 1) * (CELL[0] + GAP) - GAP, y + CELL[1] // 2))
            y += _ROW_ROOM
        y += BAND_GAP
    return sheet


def _cells(groups: Sequence[Group], thumbs: Mapping[str, Image.Image]) -> list[tuple[Shot, bool]]:
    """Pictures in their order, and whether each is tied to the next."""
    cells: list[tuple[Shot, bool]] = []
    for group in groups:
        there = [shot for shot in group if shot.source in thumbs]
        cells += [(shot, number + 1 < len(there)) for number, shot in enumerate(there)]
    return cells


def _draw_cell(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], shot: Shot, thumb: Image.Image
) -> None:
    from PIL import Image

    x, y = corner
    draw.rectangle((x, y, x + CELL[0] - 1, y + CELL[1] - 1), fill=WELL)
    scale = min(CELL[0] / thumb.width, CELL[1] / thumb.height, 1)
    size = (max(1, round(thumb.width * scale)), max(1, round(thumb.height * scale)))
    small = thumb.resize(size, Image.Resampling.LANCZOS) if scale < 1 else thumb
    sheet.paste(small, (x + (CELL[0] - size[0]) // 2, y + (CELL[1] - size[1]) // 2))
    write(draw, (x, y + CELL[1] + 5), shot.title, LABEL, INK, CELL[0], keep_end=True)
    write(draw, (x, y + CELL[1] + 22), shot.caption, CAPTION, FAINT, CELL[0])


def _draw_tie(draw: ImageDraw.ImageDraw, start: tuple[int, int]) -> None:
    """What holds two pictures together: a short bar over the gap between them."""
    x, y = start
    draw.rectangle((x, y - 2, x + GAP - 1, y + 2), fill=TIE)


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
    line = _shorten(_drawable(text, font), font, room, keep_end)
    draw.text(corner, line, font=font, fill=ink)
    return corner[0] + round(font.getlength(line))


def _shorten(text: str, font: Any, room: int, keep_end: bool) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength("…" + text) > room:
        text = text[1:] if keep_end else text[:-1]
    return "…" + text if keep_end else text + "…"


def _drawable(text: str, font: Any) -> str:
    """The text in letters that the font has: without accents where it lacks them, "?" where it lacks the letter."""
    absent = bytes(font.getmask("\uffff"))
    drawn = []
    for char in text:
        if bytes(font.getmask(char)) != absent:
            drawn.append(char)
        elif not unicodedata.combining(char):
            plain = unicodedata.normalize("NFKD", char)[:1]
            drawn.append(plain if plain.isascii() else "?")
    return "".join(drawn)
