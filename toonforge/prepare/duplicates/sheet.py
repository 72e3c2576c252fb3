"""The contact sheet of near-duplicates: each group on a panel of its own, the picture that is kept first.

Groups whose pictures differ most come first: whether the distance was chosen well is seen there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.data.grid import FAINT, INK, PAPER
from toonforge.data.lettering import write
from toonforge.data.reading.picture import read_picture
from toonforge.errors import UnreadableImage
from toonforge.prepare.duplicates.caption import caption
from toonforge.prepare.engine.copying import write_whole

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

COLUMNS, LINES, LONGEST = 8, 16, 4
"""Pictures in a line, lines on the sheet, pictures of a group: what does not fit is in the manifest alone."""
CELL = (170, 128)
"""Room for a picture, in pixels."""
PANEL, KEPT = (239, 237, 231), (46, 125, 80)
MARGIN, PAD, GAP, TITLE, LABEL = 28, 10, 16, 26, 13
_CAPTIONS = 2 * 17 + 4
_LINE = CELL[1] + _CAPTIONS + 2 * PAD
_STEP = CELL[0] + PAD
_LEAST = 4 * _STEP


@attrs.frozen(kw_only=True)
class Member:
    """A picture of a group.

    Attributes:
        name, line: of the file, and the row of the manifest that it stands in.
        size, modified: as the manifest has them; the size in words.
        distance: to the one that is kept, in bits.
    """

    name: str
    line: int
    path: Path
    size: str
    modified: int
    distance: int


Group = tuple[Member, tuple[Member, ...]]
"""The picture that is kept, and its near-duplicates."""


def draw_sheet(groups: Sequence[Group], path: Path) -> None:
    """Draw the groups and save them as JPEG, unless the file shows them already.

    Long groups and many groups are cut, and the sheet says so.
    """
    from PIL import Image, ImageDraw

    told = _digest(groups)
    if _comment(path) == told:
        return
    ordered = sorted(groups, key=lambda group: (-max(one.distance for one in group[1]), group[0].name))
    lines = list(_lines(ordered))[:LINES]
    drawn = sum(map(len, lines))
    found = f"{len(groups):,} group{'s' * (len(groups) != 1)} of near-duplicates"
    note = "" if drawn == len(groups) else f"the {drawn} whose pictures differ most; manifest.csv has all"
    widest = max(sum(_cells(group) * _STEP + PAD + GAP for group in line) - GAP for line in lines)
    width = 2 * MARGIN + max(widest, _LEAST)
    sheet = Image.new("RGB", (width, 2 * MARGIN + 52 + len(lines) * (_LINE + GAP) - GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    end = write(draw, (MARGIN, MARGIN), found, TITLE, INK, width - 2 * MARGIN)
    write(draw, (end + 16, MARGIN + 10), note, LABEL, FAINT, width - MARGIN - end - 16)
    y = MARGIN + 52
    for line in lines:
        x = MARGIN
        for group in line:
            _draw_group(sheet, draw, (x, y), group)
            x += _cells(group) * _STEP + PAD + GAP
        y += _LINE + GAP
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=90, comment=told)
    write_whole(path, file.getvalue())


def _digest(groups: Sequence[Group]) -> bytes:
    """Stands for all that the sheet is drawn from."""
    digest = hashlib.blake2b(digest_size=16)
    for kept, others in groups:
        for one in (kept, *others):
            digest.update(repr((one.name, one.line, one.size, one.modified, one.distance, one is kept)).encode())
    return digest.hexdigest().encode()


def _comment(path: Path) -> bytes | None:
    """The comment of a JPEG file; None where there is no such file."""
    from PIL import Image

    try:
        with Image.open(path) as sheet:
            comment = sheet.info.get("comment")
    except (OSError, ValueError, SyntaxError):
        return None
    return comment if isinstance(comment, bytes) else None


def _cells(group: Group) -> int:
    return min(1 + len(group[1]), LONGEST)


def _lines(groups: Sequence[Group]) -> Iterator[list[Group]]:
    """Groups side by side while there is room."""
    line: list[Group] = []
    for group in groups:
        if sum(map(_cells, line)) + _cells(group) > COLUMNS:
            yield line
            line = []
        line.append(group)
    if line:
        yield line


def _draw_group(sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], group: Group) -> None:
    kept, others = group
    x, y = corner
    draw.rounded_rectangle((x, y, x + _cells(group) * _STEP + PAD - 1, y + _LINE - 1), 8, PANEL)
    nearest_last = sorted(others, key=lambda one: (-one.distance, one.name))
    shown = [kept, *nearest_last[: LONGEST - 1]]
    more = 1 + len(others) - len(shown)
    for place, one in enumerate(shown):
        spot = x + PAD + place * _STEP, y + PAD
        _draw_picture(sheet, draw, spot, one)
        below = spot[1] + CELL[1] + 4
        write(draw, (spot[0], below), caption(one.name, one.line), LABEL, INK, CELL[0], middle=True)
        words, ink = ("kept", KEPT) if one is kept else (f"distance {one.distance}", FAINT)
        end = f", and {more:,} more" if more and place == LONGEST - 1 else f"  {one.size}"
        write(draw, (spot[0], below + 17), words + end, LABEL, ink, CELL[0])


def _draw_picture(sheet: Image.Image, draw: ImageDraw.ImageDraw, spot: tuple[int, int], one: Member) -> None:
    from PIL import Image

    try:
        picture = Image.fromarray(read_picture(one.path))
    except UnreadableImage:  # it has gone since it was hashed
        write(draw, (spot[0], spot[1] + CELL[1] // 2), "not readable any more", LABEL, FAINT, CELL[0])
        return
    scale = min(CELL[0] / picture.width, CELL[1] / picture.height)
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    small = picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
    sheet.paste(small, (spot[0] + (CELL[0] - size[0]) // 2, spot[1] + (CELL[1] - size[1]) // 2))
