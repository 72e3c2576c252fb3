"""What varies in a sweep: keys with their values, read from `KEY=VALUE,VALUE`, and how folders are called for them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from toonforge.errors import Location, Problem, RecipeError
from toonforge.recipe.positions import read
from toonforge.recipe.scanner import Scanner, TooDeep, Unexpected
from toonforge.recipe.tree import dotted
from toonforge.recipe.words import inline, short_paths

GRID = "--grid"
RECIPE = "recipe"
"""The key of the axis that several recipes make."""

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_LONGEST_LABEL, _LONGEST_NAME = 40, 120


@attrs.frozen
class Value:
    """One value of an axis.

    Attributes:
        text: as TOML, or the recipe as it was given.
        plain: what it stands for.
        label: short, and safe in a folder's name; unlike every other of its axis.
    """

    text: str
    plain: Any
    label: str


@attrs.frozen
class Axis:
    """A key that varies. `label` is its shortest ending that no other axis of the grid shares."""

    key: str
    label: str
    values: tuple[Value, ...]


def read_grid(texts: Sequence[str]) -> list[Axis]:
    """The axes of `KEY=VALUE,VALUE` texts; raises `RecipeError` with every problem found."""
    axes, problems = parse_grid(texts)
    if problems:
        raise RecipeError(*problems)
    return axes


def parse_grid(texts: Sequence[str]) -> tuple[list[Axis], list[Problem]]:
    """The axes of those texts that can be read, and what is wrong with the others."""
    problems: list[Problem] = []
    found: dict[str, list[tuple[str, Any]]] = {}
    for text in texts:
        try:
            key, values = _read(text)
            if key in found:
                raise _problem("given twice", key, expected="all its values after one --grid")
            found[key] = values
        except RecipeError as error:
            problems += error.problems
    return make_axes(found), problems


def make_axes(found: Mapping[str, Sequence[tuple[str, Any]]]) -> list[Axis]:
    """Axes of keys and their (text, plain) values, with labels."""
    short = short_keys(found)
    return [Axis(key, short[key], tuple(map(Value, *zip(*values), labels(values)))) for key, values in found.items()]


def from_data(grid: Mapping[str, Iterable[Any]]) -> list[str]:
    """`KEY=VALUE,VALUE` texts of plain Python values; `RecipeError` for what holds no values."""
    for key, values in grid.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise _problem("not a list of values", key=key, found=repr(values), expected=f"{{{key!r}: [{values!r}]}}")
    return [f"{key}={','.join(inline(value) for value in values)}" for key, values in grid.items()]


def _problem(message: str, key: str | None = None, **more: str | None) -> RecipeError:
    return RecipeError(Problem(message=message, where=Location(GRID), key=key, **more))


def _read(text: str) -> tuple[str, list[tuple[str, Any]]]:
    scanner = Scanner(text)
    try:
        path = tuple(part for part, _ in scanner.key())
    except (Unexpected, TooDeep):
        path = ()
    if not path or not text.startswith("=", scanner.at):
        raise _problem("not a grid", found=text, expected="KEY=VALUE,VALUE such as train.batch_size=1,8,64")
    key, rest = dotted(path), text[scanner.at + 1 :]
    values: list[tuple[str, Any]] = []
    problems: list[Problem] = []
    for piece in split(rest):
        try:
            values.append(_value(key, piece))
        except RecipeError as error:
            problems += error.problems
    seen: list[Any] = []
    for written, plain in values:
        if any(plain == other and type(plain) is type(other) for other in seen):
            problems += _problem("a value is given twice", key, found=written).problems
        seen.append(plain)
    if problems:
        raise RecipeError(*problems)
    return key, values


def _value(key: str, piece: str) -> tuple[str, Any]:
    """A value as TOML text and as plain data; a bare word is a string."""
    if not piece:
        raise _problem("a value is missing", key, expected="VALUE,VALUE with a value before and after each comma")
    try:
        document = read(f"value = {piece}".encode("utf-8", "surrogatepass"), GRID)
    except RecipeError as error:
        if _WORD.match(piece):
            return json.dumps(piece), piece
        raise _problem(
            error.problems[0].message,
            key,
            found=piece,
            expected="TOML values with commas between them",
            hint=f'quote a string: {GRID} \'{key}="…","…"\'' if not set(piece) & set("\"'[]{}") else None,
        ) from None
    if list(document.data) != ["value"]:
        raise _problem("more than one value between two commas", key, found=piece)
    return piece, document.data["value"]


def split(text: str) -> list[str]:
    """The parts between commas that stand outside quotes and brackets, stripped."""
    parts, start, depth, quote, at = [], 0, 0, "", 0
    while at < len(text):
        mark = text[at]
        if quote:
            if mark == "\\" and quote == '"':
                at += 1
            elif mark == quote:
                quote = ""
        elif mark in "\"'":
            quote = mark
        elif mark in "[{":
            depth += 1
        elif mark in "]}":
            depth -= 1
        elif mark == "," and depth <= 0:
            parts.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*parts, text[start:].strip()]


def short_keys(keys: Iterable[str]) -> dict[str, str]:
    """Key -> its shortest ending that says enough, and that no other key has."""
    paths = {key: tuple(part for part, _ in Scanner(key).key()) for key in keys}
    short = {key: _safe(label) for key, label in short_paths(paths).items()}
    return dict(zip(short, _distinct(short.values())))


def labels(values: Sequence[tuple[str, Any]]) -> list[str]:
    """What to call (text, plain) values in names of folders: readable, safe, all different (whatever their case)."""
    return _distinct(_safe(text if isinstance(plain, int | float) else _text(plain)) for text, plain in values)


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, numbered where one has been there before in whatever case."""
    given: list[str] = []
    for name in names:
        label, number = name, 2
        while label.lower() in [other.lower() for other in given]:
            label, number = f"{name}-{number}", number + 1
        given.append(label)
    return given


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "+".join(map(_text, value)) or "none"
    if isinstance(value, Mapping):
        rest = [f"{key}-{_text(item)}" for key, item in value.items() if key != "type"]
        return "+".join([*([_text(value["type"])] if "type" in value else []), *rest]) or "none"
    return str(value)


def _safe(text: str) -> str:
    short = _UNSAFE.sub("-", text).strip(".-" if not re.match(r"-[\d.]", text) else ".")
    return short[:_LONGEST_LABEL].rstrip(".-") or "value"


def run_name(parts: Sequence[tuple[str, str]]) -> str:
    """`batch_size=8,lr=0.001` from labels, a recipe's without its key; of bearable length, and never a path."""
    name = ",".join(value if key == RECIPE else f"{key}={value}" for key, value in parts)
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
