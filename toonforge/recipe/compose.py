"""One tree from a recipe file, the recipes it extends, and what was given with --set."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path as FilePath

import attrs

from toonforge.errors import Location, Problem, RecipeError, UnknownNameError
from toonforge.names import close_matches, did_you_mean
from toonforge.recipe.layout import allowed
from toonforge.recipe.merge import merge, order_phases
from toonforge.recipe.positions import MAX_BYTES, read
from toonforge.recipe.references import resolve
from toonforge.recipe.scanner import Path, Scanner, TooDeep, Unexpected
from toonforge.recipe.tree import Node, described, dotted, quoted, tree
from toonforge.registries import plugins, recipes

MAX_CHAIN = 16
MAX_KEYS = 1_000
SET = "--set"


def compose(raw: bytes, source: str, folder: FilePath, path: FilePath | None, overrides: Sequence[str] = ()) -> Node:
    """The composed tree, references resolved; raises `RecipeError`.

    Args:
        raw: the file's bytes.
        source: what to call it in messages.
        folder: what a relative `extends` is relative to.
        path: the file itself, to notice that it extends itself.
        overrides: `path=value` texts, applied in order.
    """
    chain = [tree(read(raw, source))]
    seen = [(path.resolve() if path is not None else None, source)]
    while "extends" in chain[-1].table:
        extends = chain[-1].table["extends"]
        parent, name = _parent(extends, folder)
        seen.append((parent.resolve(), name))
        if seen[-1][0] in [known for known, _ in seen[:-1]]:
            raise _extends_problem("extends itself", extends, found=" -> ".join(text for _, text in seen))
        if len(seen) > MAX_CHAIN:
            raise _extends_problem("extends too many recipes", extends, expected=f"at most {MAX_CHAIN}")
        folder = parent.parent
        chain.append(tree(read(read_file(parent, extends), name)))
    problems: list[Problem] = []
    root = Node({}, Location(source))
    for layer in reversed(chain):
        over = attrs.evolve(layer, value={key: node for key, node in layer.value.items() if key != "extends"})
        root = order_phases(_of_bearable_size(merge(root, over)), problems)
    for override in overrides:
        try:
            root = order_phases(_of_bearable_size(merge(root, _override(override, root))), problems)
        except RecipeError as error:
            problems += error.problems
    if problems:
        raise RecipeError(*problems)
    return resolve(root)


def _of_bearable_size(root: Node) -> Node:
    """The tree; raises `RecipeError` for a table of so many keys that what compares them would take for ever."""
    waiting: list[tuple[Node, Path]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        if len(node.table) > MAX_KEYS:
            raise RecipeError(
                Problem(
                    message="too many keys in one table",
                    where=node.where,
                    key=dotted(path) or None,
                    found=f"{len(node.table):,} keys",
                    expected=f"at most {MAX_KEYS:,}",
                )
            )
        items = node.table.items() if node.table else enumerate(node.value if isinstance(node.value, list) else ())
        waiting += [(item, (*path, key)) for key, item in items if isinstance(item.value, dict | list)]
    return root


def read_file(path: FilePath, extends: Node | None = None) -> bytes:
    """A recipe file's bytes, at most one more than allowed; raises `RecipeError` for what cannot be read."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            raw = file.read(MAX_BYTES + 1)
        return raw if len(raw) <= MAX_BYTES else raw + bytes(max(0, size - len(raw)))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        where = extends.where if extends is not None else None
        key = "extends" if extends is not None else None
        raise RecipeError(
            Problem(message=f"cannot read the recipe: {reason}", where=where, key=key, found=str(path))
        ) from None


def _extends_problem(message: str, node: Node, **more: str | None) -> RecipeError:
    return RecipeError(Problem(message=message, where=node.where, key="extends", **more))


def _parent(node: Node, folder: FilePath) -> tuple[FilePath, str]:
    """The file that `extends` means, and what to call it in messages."""
    expected = 'the path of a recipe, relative to this file, or "plugin/recipe"'
    text = node.value
    if not isinstance(text, str) or not text or "\0" in text:
        raise _extends_problem("wrong type", node, found=described(node), expected=expected)
    beside = folder / text
    there = os.path.isfile(beside)  # False too where a name is longer than any file's
    if text.endswith(".toml") or there:
        if there:
            return beside, os.path.relpath(beside) if not FilePath(text).is_absolute() else text
        near = [str(file.name) for file in beside.parent.glob("*.toml")] if os.path.isdir(beside.parent) else []
        hint = did_you_mean(beside.name, near)
        raise _extends_problem("no such recipe", node, found=quoted(text), expected=expected, hint=hint)
    try:
        return FilePath(recipes[text]), f"{text} ({FilePath(recipes[text]).name})"  # type: ignore[arg-type]
    except UnknownNameError as error:
        (problem,) = error.problems
        message = "no such recipe" if plugins.refusal(text) is None else problem.message
        raise _extends_problem(message, node, found=quoted(text), expected=expected, hint=problem.hint) from None


def _override(text: str, root: Node) -> Node:
    """One --set as a tree of its own; the path must exist in `root` or name a field there."""
    scanner = Scanner(text)
    where = Location(SET)
    try:
        path = tuple(part for part, _ in scanner.key())
    except (Unexpected, TooDeep):
        path = ()
    if not path or not text.startswith("=", scanner.at):
        raise RecipeError(
            Problem(message="not an override", where=where, found=text, expected="path=value, such as train.epochs=5")
        )
    known, keys = allowed(root, path)
    if not known:
        name = dotted(path)
        everywhere = [key for key in root.paths() if key.rsplit(".", 1)[-1] == str(path[-1])]
        near = close_matches(name, [*keys, *root.paths()])
        hint = f"did you mean {' or '.join(near)}?" if near else None
        if hint is None and everywhere:
            hint = f"did you mean {' or '.join(everywhere[:3])}?"
        if hint is None:
            hint = "a file that `extends` this recipe can add what is new"
        raise RecipeError(
            Problem(
                message="unknown path",
                where=where,
                key=name,
                expected=f"one of {', '.join(keys[:12])}{', …' if len(keys) > 12 else ''}" if keys else None,
                hint=hint,
            )
        )
    value = text[scanner.at + 1 :].strip()
    try:
        document = read(f"value = {value}".encode("utf-8", "surrogatepass"), SET)
    except RecipeError as error:
        problem = error.problems[0]
        strings = _quoted_strings(value)
        hint = f"quote a string: {SET} {shlex.quote(f'{dotted(path)}={strings}')}" if strings is not None else None
        raise RecipeError(
            Problem(
                message=problem.message,
                where=where,
                key=dotted(path),
                found=value or "nothing",
                expected="a TOML value",
                hint=hint,
            )
        ) from None
    if list(document.data) != ["value"]:
        raise RecipeError(Problem(message="more than one value", where=where, key=dotted(path), found=value))
    node = _relocated(tree(document).table["value"], where)
    for key in reversed(path):
        node = Node({str(key): node}, where)
    return node


_BARE = re.compile(r"([=\[,]\s*)(?!(?:true|false|inf|nan)\b)([A-Za-z_][\w./-]*)(?=\s*[,\]}])")
"""A string without its quotes, in an array or an inline table; what stands before an equals sign is a key."""


def _quoted_strings(value: str) -> str | None:
    """A value that is no TOML with its strings in quotes; None where that alone does not mend it."""
    if not value or "\n" in value:
        return None
    if not any(mark in value for mark in "\"'[]{}="):
        return quoted(value)
    mended = _BARE.sub(lambda found: found[1] + quoted(found[2]), value)
    try:
        read(f"value = {mended}".encode("utf-8", "surrogatepass"), SET)
    except RecipeError:
        return None
    return mended


def _relocated(node: Node, where: Location) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _relocated(item, where) for key, item in node.value.items()}, where)
    if isinstance(node.value, list):
        return Node([_relocated(item, where) for item in node.value], where)
    return Node(node.value, where)
