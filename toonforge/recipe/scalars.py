"""Strict values: nothing is coerced silently. A whole number may stand for a float; that is all."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Callable
from typing import Any

import attrs

from toonforge.components import Count, FieldInfo
from toonforge.errors import FieldError
from toonforge.names import IDENTIFIER
from toonforge.recipe.expr import Expr, ExprError, Network, Number
from toonforge.recipe.tree import described

LARGEST = 2**63 - 1


class Mistake(ValueError):
    """A value that does not fit its field.

    Args:
        message: what is wrong, in a few words.
        key: where below the field it is wrong, if not at the field itself.
        column: offset within a string, counted from 1.
    """

    def __init__(
        self,
        message: str,
        *,
        found: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
        key: str | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.found, self.expected, self.hint = message, found, expected, hint
        self.key, self.column = key, column


def wrong_type(value: object, expected: str, hint: str | None = None) -> Mistake:
    """A value of another type than expected."""
    return Mistake("wrong type", found=described(value), expected=expected, hint=hint)


def to_int(value: object, _: object = None) -> int:
    """A whole number; `true`, 3.0 and "3" are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        whole = isinstance(value, float) and value.is_integer()
        raise wrong_type(value, "a whole number", _unquoted(value) or (f"write {value:.0f}" if whole else None))
    if abs(value) > LARGEST:
        raise Mistake("out of range", found=described(value), expected="a number of at most 64 bits")
    return value


def to_float(value: object, _: object = None) -> float:
    """A finite number; whole numbers are taken."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong_type(value, "a number", _unquoted(value))
    if not math.isfinite(value) if isinstance(value, float) else abs(value) > LARGEST:
        raise Mistake("out of range", found=described(value), expected="a finite number")
    return float(value)


def to_bool(value: object, _: object = None) -> bool:
    """`true` or `false`; 0 and 1 are none."""
    if not isinstance(value, bool):
        lowered = str(value).lower()
        raise wrong_type(value, "true or false", f"write {lowered}" if lowered in ("true", "false") else None)
    return value


def to_str(value: object, _: object = None) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(value, "a string", f'write "{value}"' if isinstance(value, int | float) else None)
    return value


def to_path(value: object, _: object = None) -> pathlib.Path:
    """A file or folder, written as a string."""
    text = to_str(value)
    if not text or "\0" in text:
        raise Mistake("not a path", found=described(value), expected="the path of a file or folder")
    return pathlib.Path(text)


def to_expr(value: object, _: object = None) -> Expr:
    """An expression that yields a tensor."""
    if not isinstance(value, str):
        raise wrong_type(value, 'an expression in quotes, such as "G(photo)"')
    try:
        expr = Expr.parse(value)
    except ExprError as error:
        raise Mistake(
            f"not an expression: {error.reason} at column {error.column} of the text",
            found=described(value),
            expected='names, calls and numbers, such as "G(photo)"',
            column=error.column,
        ) from None
    if isinstance(expr.root, Number):
        raise Mistake("a number is no tensor", found=described(value), expected="a name or a call")
    return expr


def to_network(value: object, _: object = None) -> Network:
    """The name of a network."""
    expected = "the name of a network"
    if not isinstance(value, str):
        raise wrong_type(value, expected)
    if not IDENTIFIER.match(value):
        hint = "this loss takes the network, not a call of it" if "(" in value else None
        raise Mistake("not a network", found=described(value), expected=expected, hint=hint)
    return Network(value)


def to_count(value: object, _: object = None) -> Count:
    """Steps as a whole number, or a table `{ epochs = n }` or `{ steps = n }`."""
    expected = "a number of steps, or { epochs = n }"
    if isinstance(value, int) and not isinstance(value, bool):
        count = Count(steps=to_int(value))
    elif isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("steps", "epochs"):
        count = Count(steps=to_int(value["steps"])) if "steps" in value else Count(epochs=to_float(value["epochs"]))
    else:
        raise wrong_type(value, expected)
    if (count.steps or 0) < 0 or (count.epochs or 0) < 0:
        raise Mistake("out of range", found=described(value), expected="a number that is at least 0")
    return count


def within(info: FieldInfo, attribute: attrs.Attribute[Any], hook: Callable[[object], object]) -> Callable[..., object]:
    """`hook`, followed by a check of the field's limits."""
    key = info.key or attribute.name
    expected = f"a number {info.limits}"

    def checked(value: object, _: object = None) -> object:
        result = hook(value)
        parts = result if isinstance(result, tuple) else (result,)
        for part in parts:
            if isinstance(part, Count):
                part = part.steps if part.steps is not None else part.epochs
            if isinstance(part, int | float) and not isinstance(part, bool) and not info.allows(part):
                raise FieldError(key, value, expected)
        return result

    return checked


def _unquoted(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    try:
        float(value)
    except ValueError:
        return None
    return f"write {value.strip()} without quotes"
