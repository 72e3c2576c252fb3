"""Composed data -> `Recipe`; every mistake becomes a problem with file, line, key, found, expected and hint."""

from __future__ import annotations

from typing import Any

import attrs

from toonforge.errors import MOST_PROBLEMS, FieldError, Location, Problem, RecipeError
from toonforge.recipe.convert import structure_class
from toonforge.recipe.mistakes import flat
from toonforge.recipe.model import Recipe
from toonforge.recipe.scalars import Mistake
from toonforge.recipe.scanner import Path
from toonforge.recipe.tree import Node, described, dotted


def structure(root: Node) -> Recipe:
    """The recipe in a composed tree; raises `RecipeError` with every mistake in it."""
    try:
        recipe: Recipe = structure_class(Recipe, root.plain())
    except Exception as error:  # Mistakes; or what a component's own validation raised
        mistakes = flat(error)[:MOST_PROBLEMS]
        raise RecipeError(*ordered(problem_of(root, path, cause) for path, cause in mistakes)) from None
    return recipe


def ordered(problems: Any) -> list[Problem]:
    """Problems in the order of their places, each once."""

    def place(problem: Problem) -> tuple[str, int, int]:
        where = problem.where
        return (where.source, where.line or 0, where.column or 0) if where is not None else ("", 0, 0)

    return sorted(dict.fromkeys(problems), key=place)


def problem_of(root: Node, path: Path, error: Exception) -> Problem:
    """One mistake at one place, as a user reads it."""
    path = tuple(key for key in path if key != "")
    if isinstance(error, FieldError):
        path = path if path and path[-1] == error.field else (*path, *error.field.split("."))
        found = root.find(path)
        return Problem(
            message="out of range" if error.expected.startswith("a number") else "not allowed",
            where=root.nearest(path).where,
            key=dotted(path),
            found=described(error.found if found is None else found),
            expected=error.expected,
            hint=error.hint,
        )
    where = root.nearest(path).where
    if not isinstance(error, Mistake):
        return Problem(message=str(error) or type(error).__name__, where=where, key=dotted(path))
    return Problem(
        message=error.message,
        where=pointed(root, path, error.column) or where,
        key=dotted(path),
        found=error.found,
        expected=error.expected,
        hint=error.hint,
    )


def pointed(root: Node, path: Path, column: int | None) -> Location | None:
    """The place `column` characters into the string at `path`, where the file shows it as it is."""
    node = root.find(path)
    if column is None or node is None or node.text is None or node.text.column is None:
        return None
    return attrs.evolve(node.text, column=node.text.column + column - 1)
