"""The validation grid: pictures in labelled columns, one row a picture, wrapped so that it fits on a screen."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from toonforge.data.lettering import shorten

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

Column = tuple[str, "list[np.ndarray[Any, Any]]"]

ARROW = "→"
"""Starts the label of a column that is made from the column before it."""
TARGET = "target "
"""Starts the label of a column of what the column before it should be: drawn, filtered or photographed."""
PAPER, INK, FAINT = (250, 249, 246), (38, 38, 42), (120, 120, 126)
GAP, BAND_GAP, MARGIN = 6, 28, 20
SCREEN = 1080
"""No grid is taller than about this many pixels if wrapping or scaling can help it."""
SMALLEST = 96
"""Pictures are not scaled below this side."""
WIDEST_LABEL = 180
"""Columns of narrow pictures are widened up to this many pixels to hold their labels; longer ones are cut."""


def draw_grid(columns: list[Column], title: str) -> Image.Image:
    """Draw the grid.

    Columns that start with "→" or "target " belong to the column before them: such a group is kept together, groups are
    set beside each other, and rows wrap into as many bands as the screen's height asks for.

    Args:
        columns: label -> pictures (height, width, 3) of uint8; the i-th of each column make a row.
        title: written above.

    Returns:
        An RGB picture, dark on light.

    Raises:
        ValueError: when there is no picture at all.
    """
    from PIL import Image, ImageDraw

    groups = _groups([(label, pictures) for label, pictures in columns if pictures])
    if not groups:
        raise ValueError("no pictures to draw")
    rows = max(len(pictures) for group in groups for _, pictures in group)
    cell = _cell([picture for group in groups for _, pictures in group for picture in pictures])
    label_font, title_font = _label_font(cell), _font(max(18, min(28, cell[0] // 6)))
    top = MARGIN + _height(title_font) + 16
    above, stages = top + _height(label_font) + 8, max(map(len, groups))
    # Labels are as large as suits the pictures where they come out, and only then may they widen the columns.
    label_font = _label_font(_fit(cell, rows, len(groups), stages, above, 0)[0])
    head = _height(label_font) + 8
    room = min(max(_label_width(label, label_font) for group in groups for label, _ in group), WIDEST_LABEL)
    cell, per_band = _fit(cell, rows, len(groups), stages, above, room)
    bands = math.ceil(rows / per_band)
    column = max(cell[0], room)
    widths = [len(group) * (column + GAP) - GAP for group in groups]
    width = 2 * MARGIN + bands * (sum(widths) + BAND_GAP * len(groups)) - BAND_GAP
    height = top + head + per_band * (cell[1] + GAP) - GAP + MARGIN
    needed = math.ceil(title_font.getlength(title)) + 2 * MARGIN
    sheet = Image.new("RGB", (max(width, needed), height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((MARGIN, MARGIN), title, font=title_font, fill=INK)
    x = MARGIN
    for group, group_width in zip(groups, widths):
        for band in range(bands):
            _draw_band(sheet, draw, group, band * per_band, per_band, (x, top), cell, column, head, label_font)
            x += group_width + BAND_GAP
    return sheet


def _groups(columns: list[Column]) -> list[list[Column]]:
    """Columns that show stages of the same pictures, together."""
    groups: list[list[Column]] = []
    for column in columns:
        if column[0].startswith((ARROW, TARGET)) and groups:
            groups[-1].append(column)
        else:
            groups.append([column])
    return groups


def _cell(pictures: list[np.ndarray[Any, Any]]) -> tuple[int, int]:
    """Width and height that hold every picture; tiny pictures are shown larger."""
    width = max(picture.shape[1] for picture in pictures)
    height = max(picture.shape[0] for picture in pictures)
    scale = max(1, SMALLEST // max(width, height))
    return width * scale, height * scale


def _fit(
    cell: tuple[int, int], rows: int, groups: int, group_size: int, above: int, room: int
) -> tuple[tuple[int, int], int]:
    """Size of a picture and rows in a band: nearest to the shape of a screen, and no taller than one.

    No column is narrower than `room` pixels.

    Wrapping comes first; only where a sheet would grow wider than two screens are the pictures scaled down.
    """

    def size(bands: int, cell: tuple[int, int]) -> tuple[int, int]:
        per_band = math.ceil(rows / bands)
        width = 2 * MARGIN + bands * groups * (group_size * (max(cell[0], room) + GAP) + BAND_GAP)
        return width, above + per_band * (cell[1] + GAP) + MARGIN

    for percent in range(100, 0, -5):
        smaller = (max(1, cell[0] * percent // 100), max(1, cell[1] * percent // 100))
        last = max(smaller) * 95 // 100 < SMALLEST
        fitting = [n for n in range(1, rows + 1) if size(n, smaller)[1] <= SCREEN and size(n, smaller)[0] <= 2 * SCREEN]
        if fitting or last:
            bands = min(fitting, key=lambda n: _squareness(*size(n, smaller))) if fitting else rows
            return smaller, math.ceil(rows / bands)
    return cell, rows


def _squareness(width: int, height: int) -> float:
    """How far from 16:10, whatever the direction."""
    return abs(math.log(width / height / 1.6))


def _draw_band(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    group: list[Column],
    first: int,
    count: int,
    corner: tuple[int, int],
    cell: tuple[int, int],
    column: int,
    head: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Rows `first` to `first + count` of a group of columns, with their labels."""
    from PIL import Image

    for place, (label, pictures) in enumerate(group):
        x, y = corner[0] + place * (column + GAP), corner[1]
        _draw_label(draw, label, (x, y), column, font, INK if place == 0 else FAINT)
        for row, picture in enumerate(pictures[first : first + count]):
            shown = Image.fromarray(picture)
            scale = min(cell[0] / shown.width, cell[1] / shown.height)
            if scale != 1:
                size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
                shown = shown.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST)
            sheet.paste(shown, (x, y + head + row * (cell[1] + GAP)))


def _draw_label(
    draw: ImageDraw.ImageDraw, label: str, corner: tuple[int, int], room: int, font: Any, ink: tuple[int, int, int]
) -> None:
    """A column's label; its arrow is drawn by hand, since the font has none."""
    x, y = corner
    if label.startswith(ARROW):
        label = label.removeprefix(ARROW).strip()
        low, high, advance = _arrow(font)
        middle, tip, head = y + (low + high) / 2, x + (high - low) * 1.6, (high - low) * 0.45
        draw.line([(x, middle), (tip, middle)], fill=ink, width=max(1, (high - low) // 6))
        draw.polygon([(tip + head, middle), (tip - head / 2, middle - head), (tip - head / 2, middle + head)], fill=ink)
        x, room = x + advance, room - advance
    draw.text((x, y), shorten(label, font, room), font=font, fill=ink)


def _arrow(font: Any) -> tuple[int, int, int]:
    """Top and bottom of the font's x, which the arrow is drawn after, and how far the text stands behind the arrow."""
    _, low, _, high = map(int, font.getbbox("x"))
    return low, high, math.ceil((high - low) * (1.6 + 0.45 + 0.6))


def _label_width(label: str, font: Any) -> int:
    """What a label takes, in pixels."""
    text = label.removeprefix(ARROW)
    arrow = _arrow(font)[2] if text != label else 0
    length: float = font.getlength(text.strip())
    return arrow + math.ceil(length)


def _label_font(cell: tuple[int, int]) -> Any:
    """The font of labels over pictures of this size."""
    return _font(max(13, min(20, cell[0] // 9)))


def _font(size: int) -> Any:
    """Pillow's own outline font, so that the grid looks the same on every machine."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def _height(font: Any) -> int:
    box = font.getbbox("Ag")
    return int(box[3])
