"""Sets of pictures that ought to have nothing to do with each other: what is said of numbers where they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from toonforge.components import Metric
from toonforge.recipe.expr import Expr

ERRORS = 3
"""A distance so many standard errors below 0 is no accident of two independent sets."""
PARTS = {"": "", "untranslated": "untranslated is ", "filter": "plain filter is "}


def dependence(
    config: Metric,
    exprs: Mapping[str, Expr],
    values: Mapping[str, float],
    groups_of: Callable[[Expr], frozenset[str]],
) -> list[str]:
    """Cautions for a metric whose `independent` sets are not independent; none for other metrics.

    An unbiased distance is one of independent sets: each picture that stands beside itself, or beside its pair, in the
    other set draws it below 0. That is known where both sets are of one data group, and seen in the number itself.

    Args:
        exprs: `Expr` field -> what it holds.
        values: the metric's results with those of what stands beside it, and their standard errors.
        groups_of: the data groups that an expression is made of.
    """
    if not config.independent:
        return []
    first, *others = (groups_of(exprs[key]) for key in config.independent)
    if all(first & other for other in others):
        sets = " and ".join(config.independent)
        return [
            f"{sets} are two sides of pairs, so they are not independent: the number comes out too low where the "
            "pictures of a pair are alike"
        ]
    errors = {part: values.get(f"{part}_std" if part else "std", 0.0) for part in PARTS}
    low = [part for part, error in errors.items() if error > 0 and values.get(part, 0.0) < -ERRORS * error]
    return [
        f"{PARTS[part]}far below 0: the two sets are not independent: the same or paired pictures stand in both"
        for part in low
    ]
