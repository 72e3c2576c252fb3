"""What a recipe uses that is on its way out, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toonforge.components import Component, deprecation_of, fields_of
from toonforge.errors import Problem
from toonforge.recipe.expr import Expr
from toonforge.recipe.model import Recipe, Term
from toonforge.recipe.scanner import Path
from toonforge.recipe.structure import ordered
from toonforge.recipe.tree import Node, dotted
from toonforge.registries import ops


def outdated(recipe: Recipe, root: Node) -> list[Problem]:
    """Deprecated keys, component types and ops of a recipe, in the order of their places.

    Args:
        recipe: what the tree was structured to.
        root: the composed tree: a key counts where it is written, whatever its value.
    """
    return ordered(_within(recipe, root, ()))


def _within(value: Any, root: Node, path: Path) -> Iterator[Problem]:
    if isinstance(value, Term):
        yield from _within(value.loss, root, path)
    elif isinstance(value, Component | Recipe):
        if (going := deprecation_of(type(value))) is not None:
            yield _problem(root, (*path, "type"), str(going))
        for key, (_, attribute, info) in fields_of(type(value)).items():
            if info.deprecated is not None and root.find((*path, key)) is not None:
                yield _problem(root, (*path, key), str(info.deprecated))
            yield from _within(getattr(value, attribute.name), root, (*path, key))
    elif isinstance(value, Expr):
        yield from _called(value, root, path)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _within(item, root, (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _within(item, root, (*path, index))


def _called(expr: Expr, root: Node, path: Path) -> Iterator[Problem]:
    """The deprecated ops of an expression. Whatever else is called is a network: the two share no names."""
    for call in expr.calls():
        if call.function in ops and (going := deprecation_of(ops[call.function])) is not None:
            yield _problem(root, path, str(going), f"op {call.function!r} is deprecated")


def _problem(root: Node, path: Path, what_to_do: str, message: str = "deprecated") -> Problem:
    return Problem(message=message, where=root.nearest(path).where, key=dotted(path), hint=what_to_do)
