"""What shapes a recipe's networks take and yield, worked out without torch."""

from __future__ import annotations

from collections.abc import Iterator

from toonforge import registries
from toonforge.components import Shape
from toonforge.deprecation import quietly
from toonforge.names import shape_text
from toonforge.recipe.expr import Call, Expr, Name, Node, Number
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe


def network_shapes(recipe: Recipe) -> dict[str, str]:
    """Network -> "cyclegan/unet 3x128x128 -> 3x128x128", for its first call in the recipe; and what it starts from."""
    walker = _Shapes(recipe)
    for expr in expressions_of(recipe):
        walker.of(expr.root)
    texts = {}
    for name, config in recipe.modules.items():
        kind = registries.plugins.registries[type(config).kind].name_of(type(config))
        seen = walker.calls.get(name)
        texts[name] = f"{kind} {seen[0]} -> {seen[1]}" if seen else kind
        if name in recipe.initial:
            texts[name] += f", starts from {recipe.initial[name]}"
    return texts


def expressions_of(recipe: Recipe) -> Iterator[Expr]:
    """Every expression that is evaluated at some time, training's first."""
    graph = Graph(recipe.modules, recipe.signals)
    for phase in recipe.phases.values():
        yield from graph.expressions_of(phase)
    yield from recipe.translations.values()


class _Shapes:
    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.fields = {field: shape for group in recipe.data.groups().values() for field, shape in group.items()}
        self.calls: dict[str, tuple[str, str]] = {}
        self.memo: dict[str, Shape] = {}

    def of(self, node: Node) -> Shape | float:
        if isinstance(node, Number):
            return node.value
        text = str(node)
        if text not in self.memo:
            self.memo[text] = self._name(node) if isinstance(node, Name) else self._call(node)
        return self.memo[text]

    def _name(self, node: Name) -> Shape:
        if node.name not in self.recipe.signals:
            return self.fields[node.name]
        shape = self.of(self.recipe.signals[node.name].root)
        return shape if isinstance(shape, tuple) else ()

    def _call(self, node: Call) -> Shape:
        inputs = [self.of(argument) for argument in node.arguments]
        if node.function not in self.recipe.modules:
            return quietly(registries.ops[node.function]).shape(*inputs)
        shapes = [shape for shape in inputs if isinstance(shape, tuple)]
        output = self.recipe.modules[node.function].shape(*inputs)  # type: ignore[arg-type]
        self.calls.setdefault(node.function, (" and ".join(map(shape_text, shapes)), shape_text(output)))
        return output
