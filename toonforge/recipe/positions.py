"""TOML bytes -> data, and where every key of it was written; within limits that keep hostile files harmless."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import tomli

from toonforge.errors import Location, Problem, RecipeError
from toonforge.recipe.scanner import MAX_DEPTH, Mark, Path, Scanner, TooDeep, Unexpected

MAX_BYTES = 1_000_000


@attrs.frozen
class Document:
    """A parsed file. `marks` holds every path of `data`; `depth` of no path exceeds MAX_DEPTH."""

    source: str
    data: Mapping[str, Any]
    marks: Mapping[Path, Mark]

    def where(self, path: Path) -> Location:
        """The location of a path, or of what it lies in."""
        while path and path not in self.marks:
            path = path[:-1]
        mark = self.marks.get(path)
        return Location(self.source) if mark is None else Location(self.source, mark.line, mark.column)


def read(raw: bytes, source: str) -> Document:
    """Parse a TOML file of at most MAX_BYTES bytes and MAX_DEPTH levels; raises `RecipeError`."""
    text = decode(raw, source)
    scanner = Scanner(text)
    try:
        with suppress(Unexpected):  # tomli, the judge of syntax, says below what is wrong and where
            scanner.run()
    except TooDeep as error:
        line, column = scanner.line_and_column(error.at)
        raise RecipeError(
            Problem(
                message="nested too deeply",
                where=Location(source, line, column),
                expected=f"at most {MAX_DEPTH} levels of tables, arrays and dotted keys",
            )
        ) from None
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise RecipeError(_syntax_problem(error, text, source)) from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise RecipeError(Problem(message=f"not valid TOML: {error}", where=Location(source))) from None
    return Document(source, data, scanner.marks)


def decode(raw: bytes, source: str) -> str:
    """UTF-8 bytes as text with "\\n" line ends; a byte order mark is dropped. Raises `RecipeError`."""
    if len(raw) > MAX_BYTES:
        raise RecipeError(
            Problem(
                message="too large for a recipe",
                where=Location(source),
                found=f"{len(raw):,} bytes",
                expected=f"at most {MAX_BYTES:,} bytes",
            )
        )
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecipeError(
            Problem(
                message="not UTF-8 text",
                where=Location(source, 1, 1),
                found="a UTF-16 byte order mark",
                hint="save the file as UTF-8",
            )
        )
    try:
        return raw.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        start = raw.rfind(b"\n", 0, error.start) + 1
        line = raw.count(b"\n", 0, error.start) + 1
        column = len(raw[start : error.start].decode("utf-8", "replace").removeprefix("\ufeff")) + 1
        raise RecipeError(
            Problem(
                message="not UTF-8 text",
                where=Location(source, line, column),
                found=f"byte 0x{raw[error.start]:02x} at offset {error.start}",
                hint="save the file as UTF-8",
            )
        ) from None


def _syntax_problem(error: tomli.TOMLDecodeError, text: str, source: str) -> Problem:
    message = re.sub(r" \(at (line \d+, column \d+|end of document)\)$", "", str(error))
    place = re.search(r"line (\d+), column (\d+)\)$", str(error))
    if place is not None:
        line, column = int(place[1]), int(place[2])
    else:
        line, column = text.count("\n") + 1, len(text) - (text.rfind("\n") + 1) + 1
    return Problem(message=f"not valid TOML: {message}", where=Location(source, line, column))
