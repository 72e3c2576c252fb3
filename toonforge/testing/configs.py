"""Configs drawn at random within what a component's fields allow, for properties that must hold of every one."""

from __future__ import annotations

import math
import pathlib
import types
import typing
from typing import TYPE_CHECKING, Any

from toonforge.components import Component, Count, FieldInfo, changed, fields_of
from toonforge.errors import ToonforgeError
from toonforge.recipe.expr import Expr, Network

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

EXPRESSIONS = ("photo", "G(photo)", "D(cat(a, G(b, 1)))", "pool(fake, 20)", "E-1(x)")
LARGEST_INT = 10**6


def drawn(config: Component) -> SearchStrategy[Component]:
    """Configs of one's class in which any number of fields have other values, as far as the class accepts them.

    Fields whose type is not plain (tables, mappings, paths that must exist) keep the value of `config`.
    """
    from hypothesis import strategies as st

    values = {
        attribute.name: st.just(getattr(config, attribute.name))
        | values_of(kind, info, getattr(config, attribute.name))
        for kind, attribute, info in fields_of(type(config)).values()
    }
    return st.fixed_dictionaries(values).map(lambda chosen: _accepted(config, chosen))


def _accepted(config: Component, chosen: dict[str, Any]) -> Component:
    for name, value in chosen.items():
        try:
            config = changed(config, **{name: value})
        except (ValueError, ToonforgeError):  # a value that does not go with those of other fields
            continue
    return config


def values_of(kind: Any, info: FieldInfo, own: Any) -> SearchStrategy[Any]:
    """Values of a field's type within its limits; `own` for types that are not plain."""
    from hypothesis import strategies as st

    parts = typing.get_args(kind)
    origin = typing.get_origin(kind)
    if kind is type(None):
        return st.none()
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(part, info, own) for part in parts])
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin is tuple and parts and parts[-1] is ...:
        return (
            st.lists(values_of(parts[0], info, _first(own)), max_size=3).map(tuple) if _plain(parts[0]) else _kept(own)
        )
    if origin is tuple and all(map(_plain, parts)):
        return st.tuples(*(values_of(part, info, None) for part in parts))
    if kind is bool:
        return st.booleans()
    if kind is int:
        return _integers(info)
    if kind is float:
        return _floats(info)
    if kind is str:
        return st.text(max_size=12)
    if kind is Expr:
        return st.sampled_from(EXPRESSIONS).map(Expr.parse)
    if kind is Network:
        return st.sampled_from(("G", "D_anime", "V2")).map(Network)
    if kind is Count:
        epochs = st.integers(0, 1000).map(lambda n: Count(epochs=n / 4))
        return _integers(FieldInfo(doc="", at_least=0)).map(lambda n: Count(steps=n)) | epochs
    if kind is pathlib.Path:
        return st.sampled_from(("data/photo", "a b.txt", "../x")).map(pathlib.Path)
    return _kept(own)


def _plain(kind: Any) -> bool:
    return (
        kind in (bool, int, float, str, Expr, Network, Count, pathlib.Path) or typing.get_origin(kind) is typing.Literal
    )


def _kept(own: Any) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    return st.just(own)


def _first(own: Any) -> Any:
    return own[0] if isinstance(own, tuple) and own else None


def _integers(info: FieldInfo) -> SearchStrategy[int]:
    from hypothesis import strategies as st

    lows = [-LARGEST_INT if info.above is None else math.floor(info.above) + 1]
    highs = [LARGEST_INT if info.below is None else math.ceil(info.below) - 1]
    lows += [] if info.at_least is None else [math.ceil(info.at_least)]
    highs += [] if info.at_most is None else [math.floor(info.at_most)]
    return st.integers(max(lows), max(max(lows), min(highs)))


def _floats(info: FieldInfo) -> SearchStrategy[float]:
    from hypothesis import strategies as st

    low = info.above if info.above is not None else info.at_least
    high = info.below if info.below is not None else info.at_most
    return st.floats(
        None if low is None else float(low),
        None if high is None else float(high),
        exclude_min=info.above is not None,
        exclude_max=info.below is not None,
        allow_nan=False,
        allow_infinity=False,
    )
