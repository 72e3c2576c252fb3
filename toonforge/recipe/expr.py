"""Expressions of a recipe: names, calls and numbers, parsed into a tree. Nothing is evaluated here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

import attrs

MAX_LENGTH = 2_000
MAX_DEPTH = 32

_TOKEN = re.compile(
    r"\s*(?:(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w/]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:[-/][A-Za-z0-9_]+)*)"
    r"|(?P<mark>[(),]))"
)


class ExprError(ValueError):
    """A text that is no expression; `column` counts from 1 within the text."""

    def __init__(self, text: str, column: int, reason: str) -> None:
        super().__init__(reason)
        self.text, self.column, self.reason = text, column, reason


@attrs.frozen
class Name:
    """A batch field or a signal."""

    name: str

    def __str__(self) -> str:
        return self.name


@attrs.frozen
class Number:
    """A number argument of a network or an op."""

    value: int | float

    def __str__(self) -> str:
        return repr(self.value)


@attrs.frozen
class Call:
    """A network or an op applied to its arguments."""

    function: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Node = Name | Number | Call


@attrs.frozen(slots=False)
class Expr:
    """A parsed expression. Two expressions are equal when their canonical texts are.

    Args:
        root: the tree. Use `Expr.parse` to make one from text.

    Examples:
        >>> from toonforge import Expr
        >>> expr = Expr.parse("D(cat(photo, G(photo)))")
        >>> [call.function for call in expr.calls()], sorted(set(expr.names()))
        (['D', 'cat', 'G'], ['photo'])
    """

    root: Node

    @classmethod
    def parse(cls, text: str) -> Expr:
        """Parse `text`; raises `ExprError` with the column of the first thing that does not fit."""
        expr = cls(_Parser(text).parse())
        if len(expr.text) > MAX_LENGTH:  # what is written of it must be read again
            raise ExprError(text, 1, f"longer than {MAX_LENGTH} characters with a space after each comma")
        return expr

    @cached_property
    def text(self) -> str:
        """Canonical text: what memoisation, pools and checkpoints use as the expression's identity."""
        return str(self.root)

    def __str__(self) -> str:
        return self.text

    def calls(self) -> Iterator[Call]:
        """Every call in the tree, outermost first."""
        return (node for node in walk(self.root) if isinstance(node, Call))

    def names(self) -> Iterator[str]:
        """Every field or signal name in the tree, in reading order."""
        return (node.name for node in walk(self.root) if isinstance(node, Name))


class Network(str):
    """A config field's type for losses that need a network itself, not a tensor: holds its recipe name."""

    __slots__ = ()


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it, outermost first."""
    yield node
    if isinstance(node, Call):
        for argument in node.arguments:
            yield from walk(argument)


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise ExprError(text, 1, f"longer than {MAX_LENGTH} characters")
        self.tokens = list(self._scan())
        self.at = 0

    def _scan(self) -> Iterator[tuple[str, str, int]]:
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                rest = self.text[position:]
                column = position + len(rest) - len(rest.lstrip()) + 1
                raise ExprError(self.text, column, f"unexpected {self.text[column - 1]!r}")
            kind = match.lastgroup or ""
            yield kind, match[kind], match.start(kind) + 1
            position = match.end()

    def parse(self) -> Node:
        node = self._node(0)
        kind, value, column = self._peek()
        if kind:
            raise ExprError(self.text, column, f"unexpected {value!r} after the expression")
        return node

    def _peek(self) -> tuple[str, str, int]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("", "", len(self.text.rstrip()) + 1)

    def _take(self) -> tuple[str, str, int]:
        token = self._peek()
        self.at += 1
        return token

    def _node(self, depth: int) -> Node:
        kind, value, column = self._take()
        if depth > MAX_DEPTH:
            raise ExprError(self.text, column, f"nested deeper than {MAX_DEPTH} calls")
        if kind == "number":
            number = float(value)
            if number in (float("inf"), float("-inf")):
                raise ExprError(self.text, column, f"the number {value} is too large")
            return Number(int(value) if re.fullmatch(r"[+-]?\d+", value) else number)
        if kind != "name":
            raise ExprError(self.text, column, "expected a name or a number" + (f", found {value!r}" if value else ""))
        if self._peek()[1] != "(":
            return Name(value)
        self._take()
        arguments: list[Node] = []
        if self._peek()[1] == ")":
            self._take()
            return Call(value, ())
        while True:
            arguments.append(self._node(depth + 1))
            _, mark, column = self._take()
            if mark == ")":
                return Call(value, tuple(arguments))
            if mark != ",":
                found = f", found {mark!r}" if mark else " before the end"
                raise ExprError(self.text, column, f"expected ',' or ')'{found}")
