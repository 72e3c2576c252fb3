"""How large the values of a translation become, known before any of them is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from toonforge.components import NetworkComponent, Shape
from toonforge.deprecation import quietly
from toonforge.errors import ShapeError
from toonforge.recipe.expr import Expr, Name, Node, Number
from toonforge.recipe.limits import MAX_NUMBERS, shown
from toonforge.registries import ops

SPARE = 16
"""So many times the picture's own numbers may all values have, where that is more than `MAX_NUMBERS`."""


def refuse_absurd_values(
    expr: Expr, signals: Mapping[str, Expr], networks: Mapping[str, NetworkComponent], fields: Mapping[str, Shape]
) -> None:
    """Raise `ShapeError` where an expression's values together have more numbers than any translation needs.

    A few words in a file can ask for values of any size: `cat` doubled forty times through signals.

    Args:
        signals: by name, without a circle.
        networks: by the names that the expression calls them by.
        fields: shape of one sample of each data field.
    """
    left = max(MAX_NUMBERS, SPARE * sum(map(math.prod, fields.values())))
    known: dict[str, Any] = {}

    def value(node: Node) -> Any:
        if isinstance(node, Number):
            return node.value
        text = str(node)
        if text not in known:
            known[text] = named(node.name) if isinstance(node, Name) else called(node.function, text, node.arguments)
        return known[text]

    def named(name: str) -> Any:
        return value(signals[name].root) if name in signals else fields[name]

    def called(function: str, text: str, arguments: tuple[Node, ...]) -> Shape:
        nonlocal left
        inputs = [value(argument) for argument in arguments]
        if function not in networks and ops[function].evaluation == "identity":
            return tuple(inputs[0])
        config = networks[function] if function in networks else quietly(ops[function])
        shape = tuple(config.shape(*inputs))
        left -= math.prod(shape)
        if left < 0:
            raise ShapeError(f"far too large: {text} is {shown(shape)}")
        return shape

    value(expr.root)
