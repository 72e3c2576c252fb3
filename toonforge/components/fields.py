"""Fields of a component's config: how they are declared, documented, checked, read and changed."""

from __future__ import annotations

import inspect
import math
import sys
import types
import typing
from collections.abc import Mapping
from functools import cache, wraps
from typing import Any, TypeVar

import attrs

from toonforge import deprecation
from toonforge.components.types import FieldType, type_of
from toonforge.deprecation import Deprecation
from toonforge.errors import FieldError
from toonforge.names import did_you_mean
from toonforge.recipe.expr import Expr, Network

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
else:
    from typing_extensions import dataclass_transform

T = TypeVar("T")
_METADATA = "toonforge"
APART = "toonforge.apart"
"""In the metadata of a field that is no key of its table: a recipe writes it elsewhere."""


@attrs.frozen(kw_only=True)
class FieldInfo:
    """What a field's author says of it: shown by `toonforge show`, used by checks, schema and docs."""

    doc: str
    unit: str | None = None
    source: str | None = None
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    tiny: Any = ...
    key: str | None = None
    place: bool = False
    deprecated: Deprecation | None = None

    @property
    def limits(self) -> str | None:
        """The allowed range in words, or None where every value of the type will do."""
        words = {"above": "greater than", "at_least": "at least", "below": "less than", "at_most": "at most"}
        parts = [f"{word} {getattr(self, name):g}" for name, word in words.items() if getattr(self, name) is not None]
        return " and ".join(parts) or None

    def allows(self, value: float) -> bool:
        """Whether a number lies within the limits; nan never does."""
        return not (
            math.isnan(value)
            or (self.above is not None and value <= self.above)
            or (self.at_least is not None and value < self.at_least)
            or (self.below is not None and value >= self.below)
            or (self.at_most is not None and value > self.at_most)
        )


def param(
    default: Any = attrs.NOTHING,
    *,
    doc: str,
    unit: str | None = None,
    source: str | None = None,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    tiny: Any = ...,
    key: str | None = None,
    place: bool = False,
    deprecated: Deprecation | None = None,
) -> Any:
    """A documented config field.

    Args:
        default: the value when left out (the paper's); leave it out for a required field.
        doc: one sentence: what it does.
        unit: of the number ("pixels", "steps", "epochs", …).
        source: paper and table or section that the default comes from.
        above, at_least, below, at_most: limits of a number, or of each number in a tuple.
        tiny: the value that `tiny()` uses, for tests.
        key: the key in a recipe where it cannot be the attribute's name (`from`).
        place: of a data set: it says where pictures lie and nothing else, so a run goes on with another value where the
            same pictures lie there.
        deprecated: what to use in the field's place and when it goes. It still works until then: who gives it, in a
            recipe or in Python, is told. Its default must mean that it is not given.

    A mutable default is given as a function of no arguments.

    Raises:
        TypeError: for a deprecated field that is required.

    Examples:
        >>> from toonforge import Schedule, component, param
        >>> @component
        ... class Steep(Schedule):
        ...     "An example."
        ...     power: float = param(2.0, doc="of the time that is left", above=0, source="a paper, section 3")
        >>> Steep().power
        2.0
        >>> Steep(power=-1)
        Traceback (most recent call last):
        toonforge.errors.FieldError: Steep.power: found -1, expected a number greater than 0
    """
    if deprecated is not None and default is attrs.NOTHING:
        raise TypeError("a deprecated field needs a default, which means that it is not given")
    info = FieldInfo(
        doc=doc,
        unit=unit,
        source=source,
        above=above,
        at_least=at_least,
        below=below,
        at_most=at_most,
        tiny=tiny,
        key=key,
        place=place,
        deprecated=deprecated,
    )
    if default is not attrs.NOTHING and isinstance(default, type | types.FunctionType):
        return attrs.field(factory=default, metadata={_METADATA: info}, validator=_within_limits)
    return attrs.field(default=default, metadata={_METADATA: info}, validator=_within_limits)


def _within_limits(instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
    info: FieldInfo = attribute.metadata[_METADATA]
    numbers = value if isinstance(value, tuple | list) else (value,)
    for number in numbers:
        if isinstance(number, Count):
            number = number.epochs if number.steps is None else number.steps
        if isinstance(number, int | float) and not isinstance(number, bool) and not info.allows(number):
            raise FieldError(info.key or attribute.name, value, f"a number {info.limits or 'that is not nan'}")
    if info.deprecated is not None and value != default_of(attribute):
        deprecation.warn(f"{type(instance).__name__}.{info.key or attribute.name}", info.deprecated, above=3)


def default_of(attribute: attrs.Attribute[Any]) -> Any:
    """The value of a field that is left out; `attrs.NOTHING` for a required one."""
    default = attribute.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type, union-attr]


# `param` is no `field_specifiers`: type checkers know a default there by its keyword alone, and `param(4, …)` would be
# a required field to them. So they take every field as one with a default, and check names and types.
@dataclass_transform(frozen_default=True, kw_only_default=True)
def component(cls: type[T]) -> type[T]:
    """Class decorator: makes a config class frozen and keyword-only. Fields are declared with `param`.

    Examples:
        >>> from toonforge import Schedule, component, param
        >>> @component
        ... class Halving(Schedule):
        ...     "Half as much after every so many epochs."
        ...     epochs: int = param(10, doc="between two halvings", unit="epochs", at_least=1)
        ...
        ...     def factor(self, step, total, steps_per_epoch):
        ...         return 0.5 ** (step // (self.epochs * steps_per_epoch))
        >>> Halving(epochs=2).factor(step=250, total=1000, steps_per_epoch=100)
        0.5
    """
    for name, value in vars(cls).items():
        if _METADATA in getattr(value, "metadata", ()) and name not in inspect.get_annotations(cls):
            raise TypeError(f"{cls.__name__}.{name} has no type: write {name}: {_type_for(value._default)}")
    return _checking(attrs.frozen(kw_only=True)(cls))


def _type_for(default: object) -> str:
    """The type that a field with this default is likely to hold, and the rest of its declaration."""
    if type(default) in (bool, int, float, str, Expr, Network, Count):
        return f"{type(default).__name__} = param(...), or whatever it holds"
    return "TYPE = param(...), with what it holds as TYPE, such as float, int, str or Expr"


def deprecation_of(cls: type) -> Deprecation | None:
    """What to use in a component's place, for one on its way out. Classes derived from it are not."""
    own: Deprecation | None = cls.__dict__.get("deprecated")
    return own


def _checking(cls: type[T]) -> type[T]:
    """The class, which refuses unknown names and values of another type than their field's, and tells of itself where
    it is on its way out. What is wrong with a field is told with the class's name."""
    make, going = cls.__init__, deprecation_of(cls)

    @wraps(make)
    def __init__(self: T, *values: Any, **named: Any) -> None:
        if going is not None and type(self) is cls:
            deprecation.warn(cls.__name__, going)
        try:
            if named:
                _check_types(cls, named)
            make(self, *values, **named)
        except FieldError as error:
            error.component = error.component or type(self).__name__
            raise

    cls.__init__ = __init__  # type: ignore[assignment]
    return cls


def _check_types(cls: type, named: Mapping[str, Any]) -> None:
    known = _types(cls)
    for name, value in named.items():
        if name not in known:
            hint = did_you_mean(name, known) or f"it has {', '.join(known) or 'none'}"
            raise TypeError(f"{cls.__name__} has no field {name!r}: {hint}")
        key, kind = known[name]
        if kind is not None and not kind.takes(value):
            raise FieldError(key, value, kind.expected)


@cache
def _types(cls: Any) -> Mapping[str, tuple[str, FieldType | None]]:
    """What a class is made with -> the field's key, and its type. Values with a converter are what that makes them."""
    kinds = {attribute.name: (key, kind) for key, (kind, attribute, _) in fields_of(cls).items()}
    return {
        a.alias: (kinds[a.name][0], type_of(kinds[a.name][1]))
        if a.name in kinds and a.converter is None
        else ("", None)
        for a in attrs.fields(cls)
        if a.init
    }


def fields_of(cls: type) -> Mapping[str, tuple[Any, attrs.Attribute[Any], FieldInfo]]:
    """Key in a recipe -> (resolved type, attribute, what its author says), for a component class.

    A class's own fields come before those of its bases: what is particular to it is read first.

    Examples:
        >>> import toonforge
        >>> from toonforge.components import fields_of
        >>> kind, attribute, info = fields_of(toonforge.optimizers["sgd"])["lr"]
        >>> kind, info.limits
        (<class 'float'>, 'greater than 0')
    """
    return _fields_of(cls)


@cache
def _fields_of(cls: Any) -> Mapping[str, tuple[Any, attrs.Attribute[Any], FieldInfo]]:
    depth = {name: at for at, base in reversed([*enumerate(cls.__mro__)]) for name in inspect.get_annotations(base)}
    own_first = sorted(
        (a for a in attrs.fields(cls) if a.init and APART not in a.metadata), key=lambda a: depth[a.name]
    )
    infos = [(a, a.metadata.get(_METADATA, FieldInfo(doc=""))) for a in own_first]
    kinds = {name: kind for base in reversed(cls.__mro__) for name, kind in _kinds(base).items()}
    return {info.key or a.name: (kinds[a.name], a, info) for a, info in infos}


@cache
def _kinds(cls: type) -> Mapping[str, Any]:
    """The types of what a class itself declares as a field, as `typing.get_type_hints` would resolve them.

    That resolves what a base declares anew for every class below it, which is felt as a plugin of many is loaded.
    """
    fields = attrs.fields_dict(cls) if attrs.has(cls) else {}
    own = {name: kind for name, kind in inspect.get_annotations(cls).items() if name in fields}
    holder = types.SimpleNamespace(__annotations__=own)
    return typing.get_type_hints(holder, dict(vars(cls)), vars(sys.modules[cls.__module__]))


def changed(config: T, **values: Any) -> T:
    """The same component with other values, validated anew; keys are attribute names.

    Examples:
        >>> import toonforge
        >>> from toonforge.components import changed
        >>> changed(toonforge.optimizers["adam"](lr=1e-4), lr=3e-4).lr
        0.0003
    """
    with deprecation.silent():
        return attrs.evolve(config, **values)  # type: ignore[misc]


def tiny(config: T) -> T:
    """The same component shrunk for a test: every field that declares a `tiny` value takes it."""
    changes = {
        attribute.name: info.tiny for _, attribute, info in fields_of(type(config)).values() if info.tiny is not ...
    }
    return changed(config, **changes)


@attrs.frozen(kw_only=True)
class Count:
    """A number of steps, or of epochs that becomes steps once the data set's size is known.

    Examples:
        >>> from toonforge import Count
        >>> Count(epochs=1.5).in_steps(steps_per_epoch=100), str(Count(steps=500))
        (150, '500 steps')
    """

    steps: int | None = None
    epochs: float | None = None

    def in_steps(self, steps_per_epoch: int) -> int:
        """The count in steps; epochs are rounded to the nearest step."""
        return self.steps if self.steps is not None else round((self.epochs or 0) * steps_per_epoch)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.epochs:g} epochs"
