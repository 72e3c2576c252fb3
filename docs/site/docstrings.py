"""What mkdocstrings cannot read of toonforge's code by itself, told to griffe, which reads it without importing it.

A config's fields are documented by `param(doc=…)`, not by a docstring, and one line of `Args:` may document several
arguments that belong together.
"""

from __future__ import annotations

import ast
import contextlib
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


def literal(value: griffe.Expr | str, module: griffe.Module) -> str | None:
    """A string of the source, written out or as the name of one that stands further up in the module."""
    if isinstance(value, griffe.ExprName) and value.name in module.members:
        value = module.members[value.name].value
    with contextlib.suppress(ValueError, SyntaxError):
        found = ast.literal_eval(str(value))
        return found if isinstance(found, str) else None
    return None


def field_text(call: griffe.ExprCall, module: griffe.Module) -> str | None:
    """What `param(doc=…, unit=…, source=…)` says, in sentences; None for any other call."""
    if str(call.function).rpartition(".")[2] != "param":
        return None
    arguments = {each.name: each.value for each in call.arguments if isinstance(each, griffe.ExprKeyword)}
    said = {name: literal(arguments[name], module) for name in ("doc", "unit", "source") if name in arguments}
    doc, unit, source = (said.get(name) for name in ("doc", "unit", "source"))
    if doc is None:
        return None
    sentences = [f"{doc[:1].upper()}{doc[1:].rstrip('.')}."]
    sentences += [f"In {unit}."] if unit else []
    sentences += [f"Default from {source}."] if source else []
    return " ".join(sentences)


def field_default(call: griffe.ExprCall) -> griffe.Expr | str | None:
    """The default that `param(default, doc=…)` gives; None for a required field."""
    given = [each for each in call.arguments if not isinstance(each, griffe.ExprKeyword)]
    return given[0] if given else None


class Documented(griffe.Extension):
    """Gives fields their documentation and their default, and takes shared lines of arguments apart."""

    def on_attribute_instance(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """A field: its docstring is what `param` was told, its value is the default and no call of `param`."""
        if isinstance(attr.value, griffe.ExprCall) and (text := field_text(attr.value, attr.module)):
            attr.docstring = attr.docstring or griffe.Docstring(text, parent=attr)
            attr.value = field_default(attr.value)

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Anything with a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = apart(obj.docstring.value)

    def on_class_members(self, *, cls: griffe.Class, **_: Any) -> None:
        """A class whose arguments are its fields, as attrs makes it: there is no signature that could name them."""
        if cls.docstring is not None and "__init__" not in cls.members:
            cls.docstring.value = cls.docstring.value.replace("\nArgs:\n", "\nAttributes:\n")
