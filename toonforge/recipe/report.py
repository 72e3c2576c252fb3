"""Collects the problems of a recipe with the places they have in its file."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from toonforge.components import expressions
from toonforge.errors import MOST_PROBLEMS, Problem, RecipeError
from toonforge.recipe.expr import Expr
from toonforge.recipe.model import Recipe
from toonforge.recipe.scanner import Path
from toonforge.recipe.tree import Node, dotted


@attrs.define
class Report:
    """Problems found so far.

    Args:
        root: the composed tree that the recipe came from; None for a recipe made in Python.
    """

    root: Node | None
    problems: list[Problem] = attrs.field(factory=list)

    def add(
        self,
        path: Path,
        message: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Record one problem at the key `path`; raises `RecipeError` with all of them when there are very many."""
        where = self.root.nearest(path).where if self.root is not None else None
        self.problems.append(
            Problem(message=message, where=where, key=dotted(path), found=found, expected=expected, hint=hint)
        )
        if len(self.problems) >= MOST_PROBLEMS:
            raise RecipeError(*self.problems)


def written(recipe: Recipe) -> Iterator[tuple[Path, Expr]]:
    """Every expression of a recipe with its key."""
    for name, expr in recipe.signals.items():
        yield ("signals", name), expr
    for phase_name, phase in recipe.phases.items():
        for loss_name, term in phase.losses.items():
            for key, expr in expressions(term.loss).items():
                yield ("phases", phase_name, "losses", loss_name, key), expr
    for name, expr in recipe.translations.items():
        yield ("translations", name), expr
    for name, metric in recipe.metrics.items():
        for key, expr in expressions(metric).items():
            yield ("metrics", name, key), expr
