"""`${path}`: a value taken from elsewhere in the composed recipe. `$${` stands for a literal `${`."""

from __future__ import annotations

import re

import attrs

from toonforge.errors import MOST_PROBLEMS, Problem, RecipeError
from toonforge.names import did_you_mean
from toonforge.recipe.scanner import Path, Scanner, TooDeep, Unexpected
from toonforge.recipe.tree import Node, described, dotted

MAX_NESTING = 64
MAX_VALUES = 100_000

_WHOLE = re.compile(r"\$\{([^{}]*)\}\Z")


def resolve(root: Node) -> Node:
    """The tree with every reference replaced; raises `RecipeError` with everything that is wrong in them."""
    resolver = _Resolver(root)
    resolved, _ = resolver.node(root, (), ())
    if resolver.problems:
        raise RecipeError(*dict.fromkeys(resolver.problems))
    return resolved


class _Resolver:
    def __init__(self, root: Node) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.done: dict[Path, tuple[Node, int]] = {}

    def node(self, node: Node, path: Path, trail: tuple[Path, ...]) -> tuple[Node, int]:
        """The resolved node and how many values it holds. `trail` are the references being followed."""
        if len(path) + len(trail) > MAX_NESTING:
            self._wrong(node, path, "references nested too deeply", expected=f"at most {MAX_NESTING} levels")
            return node, 1
        if isinstance(node.value, dict):
            items = {key: self.node(item, (*path, key), trail) for key, item in node.value.items()}
            made = attrs.evolve(node, value={key: item for key, (item, _) in items.items()})
            return self._counted(made, path, sum(size for _, size in items.values()))
        if isinstance(node.value, list):
            parts = [self.node(item, (*path, index), trail) for index, item in enumerate(node.value)]
            made = attrs.evolve(node, value=[item for item, _ in parts])
            return self._counted(made, path, sum(size for _, size in parts))
        if isinstance(node.value, str) and "${" in node.value:
            return self._text(node, path, trail)
        return node, 1

    def _counted(self, node: Node, path: Path, size: int) -> tuple[Node, int]:
        if size <= MAX_VALUES:
            return node, size + 1
        self._wrong(node, path, "references make it too large", expected=f"at most {MAX_VALUES:,} values")
        return attrs.evolve(node, value={}), 1

    def _text(self, node: Node, path: Path, trail: tuple[Path, ...]) -> tuple[Node, int]:
        text: str = node.value
        match = _WHOLE.match(text)
        if match is None:
            if "${" in text.replace("$${", ""):
                whole = "a reference is the whole value; write $${ for a literal ${"
                self._wrong(node, path, "not a reference", found=described(text), expected='"${path}"', hint=whole)
            return attrs.evolve(node, value=text.replace("$${", "${"), text=None), 1
        target = _path(match[1])
        found = self.root.find(target) if target else None
        if found is None:
            hint = did_you_mean(match[1], self.root.paths()) if len(self.problems) < MOST_PROBLEMS else None
            self._wrong(
                node, path, "reference to nothing", found=described(text), expected="a key of this recipe", hint=hint
            )
            return node, 1
        cyclic = target in trail or target == path[: len(target)]
        if cyclic:
            chain = " -> ".join(dotted(step) for step in (*trail, path, target))
            self._wrong(node, path, "references in a circle", found=chain, hint="write one of them out")
            return node, 1
        if target not in self.done:
            # A failure is kept too: it has been reported, and following it again could take for ever.
            self.done[target] = self.node(found, target, (*trail, path))
        value, size = self.done[target]
        return attrs.evolve(value, where=node.where), size

    def _wrong(
        self,
        node: Node,
        path: Path,
        message: str,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(
                Problem(message=message, where=node.where, key=dotted(path), found=found, expected=expected, hint=hint)
            )


def _path(text: str) -> Path:
    """A dotted key with array indices as plain numbers; () for a text that is none."""
    scanner = Scanner(text)
    try:
        parts = scanner.key()
    except (Unexpected, TooDeep):
        return ()
    return tuple(part for part, _ in parts) if scanner.at == len(text) else ()
