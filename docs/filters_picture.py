"""Draws images/filters.jpg, the picture of reference/filters.md, of packaged sample pictures.

python docs/filters_picture.py
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from toonforge.data.filters.cartoonize import STYLES
from toonforge.data.filters.edge_smoothing import smooth_edges

TARGET = Path(__file__).parent / "images" / "filters.jpg"
PHOTOS = ("train/photo/cat-closeup.jpg", "train/photo/neuschwanstein-castle.jpg")
CARTOON = "validation/cartoon/anime-girl-green-smile.jpg"
SIDE, GAP, HEAD = 224, 8, 26
PAPER, INK = (250, 249, 246), (38, 38, 42)

Picture = np.ndarray


def square(name: str) -> Picture:
    """The middle of a sample picture, scaled to the size that the filters are made for."""
    with Image.open(str(files("toonforge_samples") / "pictures" / name)) as picture:
        side = min(picture.size)
        left, top = (picture.width - side) // 2, (picture.height - side) // 2
        cut = picture.convert("RGB").crop((left, top, left + side, top + side))
        return np.asarray(cut.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def rows() -> list[list[tuple[str, Picture]]]:
    """Each photograph in two rows, itself and its styles; then a cartoon, its copy, and parts of both."""
    shown = []
    for name in PHOTOS:
        photo = square(name)
        cells = [("photograph", photo), *((style, draw(photo)) for style, draw in STYLES.items())]
        shown += [cells[:5], cells[5:]]
    cartoon = square(CARTOON)
    smooth = smooth_edges(cartoon)
    pair = [("cartoon", cartoon), ("smooth_edges", smooth)]
    shown.append([*pair, *((f"{label}, 4 times as large", enlarged(picture)) for label, picture in pair)])
    return shown


def enlarged(picture: Picture) -> Picture:
    """The square in the middle, a quarter of the side, each pixel four times as large."""
    quarter, first = SIDE // 4, SIDE * 3 // 8
    return picture[first : first + quarter, first : first + quarter].repeat(4, 0).repeat(4, 1)


def main() -> None:
    """Write the picture."""
    table, font = rows(), ImageFont.load_default(15)
    width = max(map(len, table)) * (SIDE + GAP) + GAP
    sheet = Image.new("RGB", (width, len(table) * (SIDE + HEAD + GAP) + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, cells in enumerate(table):
        for column, (label, picture) in enumerate(cells):
            x, y = GAP + column * (SIDE + GAP), GAP + row * (SIDE + HEAD + GAP)
            draw.text((x, y + 3), label, font=font, fill=INK)
            sheet.paste(Image.fromarray(picture), (x, y + HEAD))
    sheet.save(TARGET, quality=70, optimize=True)


if __name__ == "__main__":
    main()
