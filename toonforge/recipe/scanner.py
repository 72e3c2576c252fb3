"""A light scan of TOML that finds where every key stands; tomli says what the values are."""

from __future__ import annotations

import bisect
import re

import attrs
import tomli

MAX_DEPTH = 32

Path = tuple[str | int, ...]
"""Keys and array indices from the top of a document down to a value."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_VOID = re.compile(r"(?:[ \t\n]+|#[^\n]*)*")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\[^\n])*)"')
_LITERAL = re.compile(r"'([^'\n]*)'")
_LONG = (
    # One way only to match each text: an unclosed string of a megabyte fails at once.
    re.compile(r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'{1,2}(?!'))*'{3,5}", re.DOTALL),
)
_SCALAR = re.compile(r"[^,\]}\n#]*")


@attrs.frozen
class Mark:
    """Where a value was written: line and column of its key, counted from 1.

    Attributes:
        text: line and column of the first character of a one-line string without escapes, else None.
    """

    line: int
    column: int
    text: tuple[int, int] | None = None


class TooDeep(Exception):
    """Nesting beyond MAX_DEPTH at offset `at`."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class Unexpected(Exception):
    """The text is not valid TOML here."""


class Scanner:
    """Finds where keys stand in valid TOML. Its recursion is bounded by MAX_DEPTH.

    Args:
        text: TOML with "\\n" line ends.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.marks: dict[Path, Mark] = {}
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._arrays: dict[Path, int] = {}

    def line_and_column(self, offset: int) -> tuple[int, int]:
        """Both counted from 1."""
        line = bisect.bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1

    def run(self) -> None:
        """Fill `marks`; raises `Unexpected` or `TooDeep`."""
        table: Path = ()
        while True:
            self._skip(_VOID)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def key(self) -> list[tuple[str, int]]:
        """The parts of a dotted key with their offsets."""
        parts: list[tuple[str, int]] = []
        while True:
            self._skip(_BLANK)
            start = self.at
            if match := _BARE.match(self.text, start):
                part = match[0]
            elif match := _LITERAL.match(self.text, start):
                part = match[1]
            elif match := _BASIC.match(self.text, start):
                part = _unescaped(match)
            else:
                raise Unexpected
            self.at = match.end()
            parts.append((part, start))
            self._skip(_BLANK)
            if not self._take("."):
                return parts
            if len(parts) >= MAX_DEPTH:
                raise TooDeep(self.at)

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        if match is not None:
            self.at = match.end()

    def _take(self, mark: str) -> bool:
        if self.text.startswith(mark, self.at):
            self.at += len(mark)
            return True
        return False

    def _expect(self, mark: str) -> None:
        if not self._take(mark):
            raise Unexpected

    def _mark(self, path: Path, offset: int, again: bool = False) -> None:
        if len(path) > MAX_DEPTH:
            raise TooDeep(offset)
        if again or path not in self.marks:
            self.marks[path] = Mark(*self.line_and_column(offset))

    def _header(self) -> Path:
        double = self.text.startswith("[[", self.at)
        start = self.at
        self.at += 2 if double else 1
        parts = self.key()
        self._expect("]]" if double else "]")
        path: Path = ()
        for part, offset in parts[:-1]:
            path = self._last((*path, part), offset)
        last, offset = parts[-1]
        path = (*path, last)
        if not double:
            self._mark(path, offset, again=True)
            return path
        self._mark(path, offset)
        self._arrays[path] = self._arrays.get(path, -1) + 1
        path = self._last(path, start)
        return path

    def _last(self, path: Path, offset: int) -> Path:
        """The path itself, or that of its newest item where it is an array of tables."""
        self._mark(path, offset)
        if path in self._arrays:
            path = (*path, self._arrays[path])
            self._mark(path, offset)
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for part, offset in self.key():
            path = (*path, part)
            self._mark(path, offset)
        self._expect("=")
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        if len(path) > MAX_DEPTH:
            raise TooDeep(self.at)
        if self._take("["):
            self._items(path)
        elif self._take("{"):
            self._pairs(path)
        elif match := next((m for p in _LONG if (m := p.match(self.text, self.at))), None):
            self.at = match.end()
        elif match := _BASIC.match(self.text, self.at) or _LITERAL.match(self.text, self.at):
            if match.re is _LITERAL or "\\" not in match[1]:
                self.marks[path] = attrs.evolve(self.marks[path], text=self.line_and_column(match.start(1)))
            self.at = match.end()
        else:
            self._skip(_SCALAR)

    def _items(self, path: Path) -> None:
        index = 0
        while True:
            self._skip(_VOID)
            if self._take("]"):
                return
            self._mark((*path, index), self.at)
            self._value((*path, index))
            index += 1
            self._skip(_VOID)
            if not self._take(","):
                self._expect("]")
                return

    def _pairs(self, path: Path) -> None:
        while True:
            self._skip(_VOID)
            if self._take("}"):
                return
            self._pair(path)
            self._skip(_VOID)
            if not self._take(","):
                self._expect("}")
                return


def _unescaped(match: re.Match[str]) -> str:
    if "\\" not in match[0]:
        return match[1]
    try:
        return next(iter(tomli.loads(f"{match[0]} = 0")))
    except tomli.TOMLDecodeError:
        raise Unexpected from None
