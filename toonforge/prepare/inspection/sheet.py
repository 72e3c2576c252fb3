"""The contact sheet: rows of small pictures under headings, to be taken in at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from toonforge.data.grid import FAINT, INK, PAPER
from toonforge.data.lettering import write
from toonforge.prepare.duplicates.caption import caption
from toonforge.prepare.inspection.finding import Group, Shot

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

CELL = (176, 132)
"""Room for a picture, in pixels."""
COLUMNS = 8
GAP, MARGIN, LABEL, CAPTION, HEADING, BAND_GAP = 10, 28, 13, 13, 20, 18
WELL, RULE = (239, 237, 231), (208, 204, 194)
TIE = (196, 112, 24)
HEADINGS = {
    "black": "nearly black",
    "bars": "bars, frames",
    "duplicates": "copies",
    "duplicates-between": "in both",
    "near-duplicates-between": "nearly in both",
    "pair-aspects": "pairs of two shapes",
}
"""What bands of findings are called, by their kind; the others by the kind itself."""
_HEADING_ROOM = 44
_ROW_ROOM = CELL[1] + 2 * 17 + 14
_NARROWEST = 2
"""Columns that a band and the sheet take at least, for their headings."""


@attrs.frozen(kw_only=True)
class Band:
    """A heading and the pictures under it."""

    title: str
    note: str = ""
    groups: tuple[Group, ...]


@attrs.frozen(kw_only=True)
class _Laid:
    """A band in its place: rows of pictures, each with whether it is tied to the next; in columns from `first` on."""

    band: Band
    rows: list[list[tuple[Shot, bool]]]
    first: int
    columns: int


def draw_sheet(
    title: str, bands: Sequence[Band], thumbs: Mapping[str, Image.Image], lines: Mapping[str, int]
) -> Image.Image:
    """Draw the sheet: dark on light, RGB. Pictures without a small copy are left out, and bands without any.

    Bands of few pictures stand beside each other where they fit; pictures of one group stay in one row. The sheet is as
    wide as its widest shelf.

    Args:
        lines: source -> the row of the manifest that it stands in, which is named where its name cannot be drawn.
    """
    from PIL import Image, ImageDraw

    shelves = _shelves(bands, thumbs)
    heights = [_HEADING_ROOM + max(len(laid.rows) for laid in shelf) * _ROW_ROOM for shelf in shelves]
    columns = max((shelf[-1].first + shelf[-1].columns for shelf in shelves), default=0)
    width = 2 * MARGIN + _span(max(columns, _NARROWEST))
    sheet = Image.new("RGB", (width, 2 * MARGIN + 52 + sum(heights) + BAND_GAP * len(shelves)), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (MARGIN, MARGIN), title, 26, INK, width - 2 * MARGIN)
    y = MARGIN + 52
    if not shelves:
        write(draw, (MARGIN, y - 12), "no picture could be read", LABEL, FAINT, width - 2 * MARGIN)
    for shelf, height in zip(shelves, heights):
        for laid in shelf:
            _draw_band(sheet, draw, (MARGIN + laid.first * (CELL[0] + GAP), y), laid, thumbs, lines)
        y += height + BAND_GAP
    return sheet


def _shelves(bands: Sequence[Band], thumbs: Mapping[str, Image.Image]) -> list[list[_Laid]]:
    """Bands in their order, on shelves of `COLUMNS`."""
    shelves: list[list[_Laid]] = []
    free = 0
    for band in bands:
        groups = [there for group in band.groups if (there := [shot for shot in group if shot.source in thumbs])]
        if not groups:
            continue
        columns = min(COLUMNS, max(_NARROWEST, sum(map(len, groups))))
        if columns > free:
            shelves.append([])
            free = COLUMNS
        shelves[-1].append(_Laid(band=band, rows=_rows(groups, columns), first=COLUMNS - free, columns=columns))
        free -= columns
    return shelves


def _rows(groups: Sequence[Sequence[Shot]], columns: int) -> list[list[tuple[Shot, bool]]]:
    """The pictures in rows; a group begins a new one rather than being broken, unless it is longer than any row."""
    rows: list[list[tuple[Shot, bool]]] = [[]]
    for group in groups:
        if rows[-1] and len(rows[-1]) + min(len(group), columns) > columns:
            rows.append([])
        for number, shot in enumerate(group, start=1):
            if len(rows[-1]) == columns:
                rows.append([])
            rows[-1].append((shot, number < len(group)))
    return rows


def _span(columns: int) -> int:
    """Pixels that columns take."""
    return columns * (CELL[0] + GAP) - GAP


def _draw_band(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    laid: _Laid,
    thumbs: Mapping[str, Image.Image],
    lines: Mapping[str, int],
) -> None:
    x, y = corner
    room = _span(laid.columns)
    draw.line((x, y, x + _span(max(map(len, laid.rows))) - 1, y), fill=RULE)
    end = write(draw, (x, y + 8), laid.band.title, HEADING, INK, room) + 12
    if end < x + room:
        write(draw, (end, y + 14), laid.band.note, CAPTION, FAINT, x + room - end)
    for number, row in enumerate(laid.rows):
        top = y + _HEADING_ROOM + number * _ROW_ROOM
        for place, (shot, tied) in enumerate(row):
            left = x + place * (CELL[0] + GAP)
            name = caption(shot.title, lines.get(shot.source))
            _draw_cell(sheet, draw, (left, top), name, shot.caption, thumbs[shot.source])
            if tied and place + 1 < len(row):
                _draw_tie(draw, (left + CELL[0], top + CELL[1] // 2))


def _draw_cell(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    name: str,
    told: str,
    thumb: Image.Image,
) -> None:
    from PIL import Image

    x, y = corner
    draw.rectangle((x, y, x + CELL[0] - 1, y + CELL[1] - 1), fill=WELL)
    scale = min(CELL[0] / thumb.width, CELL[1] / thumb.height, 1)
    size = (max(1, round(thumb.width * scale)), max(1, round(thumb.height * scale)))
    small = thumb.resize(size, Image.Resampling.LANCZOS) if scale < 1 else thumb
    sheet.paste(small, (x + (CELL[0] - size[0]) // 2, y + (CELL[1] - size[1]) // 2))
    write(draw, (x, y + CELL[1] + 5), name, LABEL, INK, CELL[0], middle=True)
    write(draw, (x, y + CELL[1] + 22), told, CAPTION, FAINT, CELL[0])


def _draw_tie(draw: ImageDraw.ImageDraw, start: tuple[int, int]) -> None:
    """What holds two pictures together: a short bar over the gap between them."""
    x, y = start
    draw.rectangle((x, y - 2, x + GAP - 1, y + 2), fill=TIE)
