"""Composed data in which every value still knows where it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from toonforge.errors import Location
from toonforge.recipe.positions import Document
from toonforge.recipe.scanner import Path


@attrs.define
class Node:
    """A table, an array or a plain value.

    Attributes:
        value: a dict of nodes, a list of nodes, or a plain TOML value.
        where: where its key was written.
        text: where the first character of a one-line string without escapes stands.
    """

    value: Any
    where: Location
    text: Location | None = None

    @property
    def table(self) -> dict[str, Node]:
        """The nodes of a table; empty for anything else."""
        return self.value if isinstance(self.value, dict) else {}

    def plain(self) -> Any:
        """The value without locations."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def child(self, key: str | int) -> Node | None:
        """The node under a key or an index."""
        if isinstance(self.value, list):
            index = int(key) if isinstance(key, int) or (key.isdecimal() and len(key) < 10) else -1
            return self.value[index] if 0 <= index < len(self.value) else None
        return self.table.get(str(key))

    def find(self, path: Path) -> Node | None:
        """The node at a path."""
        node: Node | None = self
        for key in path:
            node = node.child(key) if node is not None else None
        return node

    def nearest(self, path: Path) -> Node:
        """The node at a path, or the innermost one around it."""
        node = self
        for key in path:
            child = node.child(key)
            if child is None:
                break
            node = child
        return node

    def paths(self) -> Iterator[str]:
        """The dotted key of everything below."""
        for key, node in self.table.items():
            yield dotted((key,))
            for below in node.paths():
                yield f"{dotted((key,))}.{below}"


def dotted(path: Path) -> str:
    """A path as a user writes it: bare keys where that is possible, array items as [index]."""
    text = ""
    for key in path:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            bare = key.replace("-", "").replace("_", "").isalnum() and key.isascii()
            text += ("." if text else "") + (key if bare else quoted(key))
    return text


def quoted(text: str, limit: int = 60) -> str:
    """A string as TOML would write it, shortened to about `limit` characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\u{ord(c):04x}") for c in short) + '"'


def described(value: Any) -> str:
    """What was found, for an error message."""
    if isinstance(value, Node):
        value = value.plain()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "a table" + (f" with {', '.join(map(str, list(value)[:4]))}" if value else " that is empty")
    if isinstance(value, list):
        return f"an array of {len(value)}"
    text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def tree(document: Document) -> Node:
    """A parsed file as nodes."""

    def node(value: Any, path: Path) -> Node:
        where = document.where(path)
        if isinstance(value, dict):
            return Node({key: node(item, (*path, key)) for key, item in value.items()}, where)
        if isinstance(value, list):
            return Node([node(item, (*path, index)) for index, item in enumerate(value)], where)
        mark = document.marks.get(path)
        text = Location(document.source, *mark.text) if mark is not None and mark.text is not None else None
        return Node(value, where, text)

    return node(document.data, ())
