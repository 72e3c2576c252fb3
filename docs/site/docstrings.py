"""What mkdocstrings cannot read of toonforge's code by itself, told to griffe, which reads it without importing it.

A config's fields are documented by `param(doc=…)`, not by a docstring, and one line of `Args:` may document several
arguments that belong together.
"""

from __future__ import annotations

import ast
import re
from typing import Any

import griffe

SECTION = re.compile(r"^(?:Args|Attributes):\n(?:(?:[ ]{4}.*|)(?:\n|\Z))+", re.M)
TOGETHER = re.compile(r"^[ ]{4}(\w+(?:, \w+)+): (.*(?:\n[ ]{8}.*)*)", re.M)


def apart(docstring: str) -> str:
    """A docstring with a line of its own for each argument: `a, b: limits` becomes `a: limits` and `b: limits`."""

    def one_by_one(match: re.Match[str]) -> str:
        return "\n".join(f"    {name}: {match[2]}" for name in match[1].split(", "))

    return SECTION.sub(lambda section: TOGETHER.sub(one_by_one, section[0]), docstring)


def field_text(call: griffe.ExprCall) -> str | None:
    """What `param(doc=…, unit=…, source=…)` says, as a sentence; None for any other call."""
    if str(call.function).rpartition(".")[2] != "param":
        return None
    said = {
        argument.name: ast.literal_eval(str(argument.value))
        for argument in call.arguments
        if isinstance(argument, griffe.ExprKeyword) and argument.name in ("doc", "unit", "source")
    }
    if "doc" not in said:
        return None
    unit = f" In {said['unit']}." if said.get("unit") else ""
    source = f" From {said['source']}." if said.get("source") else ""
    return f"{said['doc'][:1].upper()}{said['doc'][1:].rstrip('.')}.{unit}{source}"


class Documented(griffe.Extension):
    """Gives fields their documentation, and takes shared lines of arguments apart."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """A field: its docstring is what `param` was told."""
        if attr.docstring is None and isinstance(attr.value, griffe.ExprCall) and (text := field_text(attr.value)):
            attr.docstring = griffe.Docstring(text, parent=attr)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Anything with a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = apart(obj.docstring.value)
