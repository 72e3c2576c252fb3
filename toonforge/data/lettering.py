"""Lines of text in pictures: cut where there is no room, each letter in a font that has it.

Letters that no font here has, and control characters, come out as escapes. `can_draw` tells beforehand, where a text
has something better to stand for it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from toonforge.data.fonts import OWN, Face, face_for, has, load

if TYPE_CHECKING:
    from PIL import ImageDraw

_JOINERS = "\u200c\u200d"  # hold emoji and some scripts together
_PLAIN = str.maketrans({"×": "x", "÷": "/", "≈": "~"})  # of our own captions: these look alike on every machine
_DOTS = ("…", OWN)

Letters = list[tuple[str, Face]]
"""Letters, each with the font that draws it."""


def write(
    draw: ImageDraw.ImageDraw,
    corner: tuple[int, int],
    text: str,
    size: int,
    ink: tuple[int, int, int],
    room: int,
    middle: bool = False,
) -> int:
    """Write a line, cut with an ellipsis where it is wider than `room` pixels; returns where it ends.

    Args:
        middle: cut in the middle: of a path both tell something, the folder and the end of the file's name.
    """
    line = cut(lettered(text), size, room, middle)
    x, base = float(corner[0]), corner[1] + load(OWN, size).getbbox("A")[3]
    for words, face in _runs(line):
        font = load(face, size)
        draw.text((x, base), words, font=font, fill=ink, anchor="ls")
        x += font.getlength(words)
    return round(x)


def can_draw(text: str) -> bool:
    """Whether the fonts of this machine have every letter of a text; control characters are drawn as escapes."""
    return all(face is not None for _, face in _faces(_escaped(text)))


def lettered(text: str) -> Letters:
    """Every letter with its font; escapes in place of letters that no font has."""
    letters: Letters = []
    for char, face in _faces(_escaped(text.translate(_PLAIN))):
        letters += [(char, face)] if face is not None else [(part, OWN) for part in _escape(char)]
    return letters


def cut(line: Letters, size: int, room: int, middle: bool = False) -> Letters:
    """The line, or what `room` pixels hold of it, with an ellipsis: at its end or in its middle."""
    if _width(line, size) <= room:
        return line

    def fits(parts: tuple[int, int]) -> bool:
        return _width(_without(line, *parts), size) <= room

    steps = list(_steps(line, middle))
    place = bisect_left(steps, True, key=fits)
    return _without(line, *steps[min(place, len(steps) - 1)])


def _steps(line: Letters, middle: bool) -> Iterator[tuple[int, int]]:
    """How many letters stay at the beginning and at the end, fewer and fewer."""
    head, tail = (len(line) // 2, len(line) - len(line) // 2) if middle else (len(line), 0)
    folder = next((place for place, (char, _) in enumerate(line, start=1) if char == "/"), len(line))
    while head + tail:
        # The beginning is the first folder at most, and two parts of five.
        if not tail or (middle and head > folder) or 3 * head > 2 * tail:
            head -= 1
        else:
            tail -= 1
        yield head, tail


def _without(line: Letters, head: int, tail: int) -> Letters:
    return [*line[:head], _DOTS, *line[len(line) - tail :]]


def shorten(text: str, font: Any, room: int) -> str:
    """A text of one font, cut at its end with an ellipsis where it is wider than `room` pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"


def _faces(text: str) -> list[tuple[str, Face | None]]:
    """Every letter with a font that has it: one font for the whole text where that has it all."""
    each = [(char, face_for(char)) for char in text]
    faces = dict.fromkeys(face for _, face in each if face is not None)
    whole = next((face for face in faces if all(has(face, char) for char, _ in each)), None)
    return each if whole is None else [(char, whole) for char, _ in each]


def _escaped(text: str) -> str:
    return "".join(char if char.isprintable() or char in _JOINERS else _escape(char) for char in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _width(line: Letters, size: int) -> float:
    return float(sum(load(face, size).getlength(words) for words, face in _runs(line)))


def _runs(line: Letters) -> list[tuple[str, Face]]:
    """Neighbours of one font together."""
    return [("".join(char for char, _ in run), face) for face, run in groupby(line, key=lambda letter: letter[1])]
