"""Batch fields that picture filters make of others, as recipes write them: "cartoonize(photo, classic, soft)"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs

from toonforge.data.filters.cartoonize import ABOUT_STYLES, STYLES
from toonforge.data.filters.edge_smoothing import smooth_edges
from toonforge.errors import FieldError
from toonforge.names import did_you_mean
from toonforge.recipe.expr import Call, Expr, Name

if TYPE_CHECKING:
    import numpy as np

    from toonforge.data.transforms import Picture

PLAIN = ""
"""The one style of a filter that has no named ones."""

FILTERS: Mapping[str, Mapping[str, Callable[[Picture], Picture]]] = {
    "cartoonize": STYLES,
    "smooth_edges": {PLAIN: smooth_edges},
}
"""Filter -> style -> function of an RGB picture (height, width, 3) of uint8. The first style is the default."""

ABOUT: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cartoonize": (
        "A cartoon of a photograph, in one of several styles. Needs OpenCV (toonforge[filters]).",
        ABOUT_STYLES,
    ),
    "smooth_edges": (
        "A cartoon with its edges blurred and the rest unchanged, which CartoonGAN's discriminator is told is no "
        "cartoon. It has no styles. Needs OpenCV (toonforge[filters]).",
        {},
    ),
}
"""Filter -> what it makes, and what each of its styles looks like; `toonforge show` prints it."""


@attrs.frozen
class Filtered:
    """How the pictures of one field are made from another's.

    Attributes:
        made_from: the field whose pictures are filtered.
        filter: one of `FILTERS`.
        styles: of that filter, at least one.
    """

    made_from: str
    filter: str
    styles: tuple[str, ...]

    def style(self, index: int, rng: np.random.Generator | None) -> str:
        """The style for item `index`: drawn where there are several, or the styles in turn without a generator."""
        if rng is None or len(self.styles) == 1:
            return self.styles[index % len(self.styles)]
        return self.styles[int(rng.integers(len(self.styles)))]


def read_filtered(expressions: Mapping[str, Expr]) -> dict[str, Filtered]:
    """Field -> how it is made.

    Raises:
        FieldError: an expression is no call of a filter with a field and, after it, some of the filter's styles.
    """
    return {field: _read(field, expression) for field, expression in expressions.items()}


def _read(field: str, expression: Expr) -> Filtered:
    call = expression.root
    if not isinstance(call, Call):
        wanted = "a filter of a field"
        raise _error(field, expression, wanted, f"write cartoonize({call})" if isinstance(call, Name) else None)
    if call.function not in FILTERS:
        raise _error(field, expression, f"one of the filters {_list(FILTERS)}", did_you_mean(call.function, FILTERS))
    names = [argument.name for argument in call.arguments if isinstance(argument, Name)]
    if not names or len(names) < len(call.arguments):
        hint = None
        if any(isinstance(argument, Call) for argument in call.arguments):
            hint = "give the inner one a field of its own, above this one"
        raise _error(field, expression, f"a field and names of styles: {call.function}(photo)", hint)
    made_from, *styles = names
    known = [style for style in FILTERS[call.function] if style != PLAIN]
    if styles and not known:
        raise _error(field, expression, f"{call.function}({made_from}), which has no styles")
    for style in styles:
        if style not in known:
            raise _error(field, expression, f"styles among {_list(known)}", did_you_mean(style, known))
        if styles.count(style) > 1:
            raise _error(field, expression, f"each style once, not {style} {styles.count(style)} times")
    default = next(iter(FILTERS[call.function]))
    return Filtered(made_from, call.function, tuple(styles) or (default,))


def _error(field: str, expression: Expr, expected: str, hint: str | None = None) -> FieldError:
    return FieldError(f"filtered.{field}", expression.text, expected, hint)


def _list(names: Mapping[str, object] | list[str]) -> str:
    return ", ".join(names)
