"""How a recipe lies over the one it extends: tables merge, arrays replace, a changed `type` replaces its table."""

from __future__ import annotations

from typing import Any

import attrs

from toonforge.errors import Problem
from toonforge.names import did_you_mean
from toonforge.recipe.tree import Node, described

_ALTERNATIVES = ({"steps", "epochs"},)
"""Keys of which a table holds one: the one written later puts the other out."""


def merge(base: Node, over: Node) -> Node:
    """`over` laid over `base`. A table keeps the base's order; new keys follow in the order written."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if "type" in over.value and over.value["type"].plain() != _type(base):
        return over
    merged = dict(base.value)
    for pair in _ALTERNATIVES:
        given = pair & over.value.keys()
        if len(given) == 1:
            for other in pair - given:
                merged.pop(other, None)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return attrs.evolve(base, value=merged, where=over.where)


def _type(node: Node) -> object:
    name = node.table.get("type")
    return name.plain() if name is not None else None


def order_phases(root: Node, problems: list[Problem]) -> Node:
    """Move phases to where their `before` or `after` says, and take these keys away."""
    phases = root.table.get("phases")
    if phases is None or not isinstance(phases.value, dict):
        return root
    placed = dict(phases.value)
    for name, node in phases.value.items():
        wishes = [key for key in ("before", "after") if key in node.table]
        if not wishes:
            continue
        placed[name] = attrs.evolve(node, value={k: v for k, v in node.value.items() if k not in wishes})
        key = wishes[-1]
        wish = node.table[key]
        where: dict[str, Any] = {"where": wish.where, "key": f"phases.{name}.{key}", "found": described(wish)}
        others = [other for other in placed if other != name]
        if len(wishes) == 2:
            problems.append(Problem(message="both `before` and `after`", expected="one of them", **where))
        elif not isinstance(wish.value, str) or wish.value not in others:
            hint = did_you_mean(wish.value, others) if isinstance(wish.value, str) else None
            expected = f"one of {', '.join(others)}" if others else "another phase: there is none"
            problems.append(Problem(message="no such phase", expected=expected, hint=hint, **where))
        else:
            moved = placed.pop(name)
            names = list(placed)
            at = names.index(wish.value) + (key == "after")
            names.insert(at, name)
            placed = {other: moved if other == name else placed[other] for other in names}
    return attrs.evolve(root, value={**root.value, "phases": attrs.evolve(phases, value=placed)})
