"""The cattrs converter: plain data -> config classes, strictly, with every mistake collected."""

from __future__ import annotations

import pathlib
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from itertools import islice
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from toonforge.components import KINDS, Component, Count, Loss, NetworkComponent, fields_of
from toonforge.deprecation import silent
from toonforge.errors import MOST_PROBLEMS, UnknownNameError
from toonforge.names import did_you_mean
from toonforge.recipe.expr import Expr, Network
from toonforge.recipe.first_weights import recipe_hook, source_hook
from toonforge.recipe.initial import KEY, InitialWeights
from toonforge.recipe.layout import begins_with, class_of, component_kind, default_class, item_kind
from toonforge.recipe.mistakes import Mistakes, collect
from toonforge.recipe.model import RULES, Recipe, Term
from toonforge.recipe.scalars import (
    Mistake,
    to_bool,
    to_count,
    to_expr,
    to_float,
    to_int,
    to_network,
    to_path,
    to_str,
    within,
    wrong_type,
)
from toonforge.recipe.tree import described
from toonforge.registries import plugins
from toonforge.registry import singular

Hook = Callable[[Any, Any], Any]


def _table(cls: type, converter: cattrs.Converter) -> Hook:
    """Tables of one config class: unknown and missing keys named, every field structured."""
    fields = fields_of(cls)
    hooks = {key: _field(converter, cls, *field) for key, field in fields.items()}
    overrides = {fields[key][1].name: override(rename=key, struct_hook=hook) for key, hook in hooks.items()}
    inner: Hook = make_dict_structure_fn(cls, converter, _cattrs_detailed_validation=True, **overrides)  # type: ignore[arg-type]
    known = [*fields, "weight"] if issubclass(cls, Loss) else list(fields)
    known += [KEY] if begins_with(cls) else []
    required = [key for key, (_, attribute, _) in fields.items() if attribute.default is attrs.NOTHING]

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            rule = cls in RULES and type(value) is int
            raise wrong_type(value, "a table", f"write {{ every = {described(value)} }}" if rule else None)
        given = {key: item for key, item in value.items() if key in fields}
        unknown = islice((key for key in value if key not in fields), MOST_PROBLEMS)
        wrong = [(key, unknown_key(key, known)) for key in unknown]
        missing = [key for key in required if key not in value]
        wrong += [
            (key, Mistake("missing key", expected=fields[key][2].doc or f"a value for `{key}`")) for key in missing
        ]
        if not wrong:
            return inner(given, cls)
        return collect([(key, partial(hooks[key], item, None)) for key, item in given.items()], wrong)

    return structure


def unknown_key(key: str, known: Iterable[str]) -> Mistake:
    """A key that its table does not have."""
    names = list(known)
    return Mistake(
        "unknown key",
        found=key,
        expected=f"one of {', '.join(names)}" if names else "no keys",
        hint=did_you_mean(key, names),
    )


def _field(converter: cattrs.Converter, cls: type, kind: Any, attribute: attrs.Attribute[Any], info: Any) -> Hook:
    default = default_class(attribute)

    def hook(value: Any) -> Any:
        if default is not None and isinstance(value, dict) and "type" not in value and component_kind(kind) is not None:
            value = {"type": plugins.registries[default.kind].name_of(default), **value}
        try:
            return converter.structure(value, kind)
        except cattrs.StructureHandlerNotFoundError:
            named = f"{cls.__name__}.{info.key or attribute.name}"
            raise Mistake(
                f"{named} is of type {getattr(kind, '__name__', kind)}, which no recipe can hold",
                found=described(value),
                hint="leave it out, or tell the component's author: toonforge.testing tells which types there are",
            ) from None

    return within(info, attribute, hook)


def _component(kind: Any, converter: cattrs.Converter) -> Hook:
    """Tables with a `type`: the registry of the field's kind gives the class."""
    registry = component_kind(Loss if kind is Term else kind)
    assert registry is not None
    noun = singular(registry)
    weigh = _field(converter, Term, *fields_of(Term)["weight"])
    article = "an" if noun[0] in "aeiou" else "a"

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            hint = f'write {{ type = "{value}" }}' if isinstance(value, str) else None
            raise wrong_type(value, f"a table with the {noun}'s `type`", hint)
        name = value.get("type")
        if name is None:
            source = value.get(KEY) if issubclass(KINDS[registry], NetworkComponent) else None
            hint = f"what that is says: toonforge show {source}" if isinstance(source, str) else _some(registry)
            raise Mistakes([(("type",), Mistake("missing key", expected=f"the name of {article} {noun}", hint=hint))])
        if not isinstance(name, str):
            raise Mistakes([(("type",), wrong_type(name, f"the name of {article} {noun}"))])
        try:
            plugins.registries[registry][name]
        except UnknownNameError as error:
            problem = error.problems[0]
            mistake = Mistake(problem.message, found=described(name), hint=problem.hint)
            raise Mistakes([(("type",), mistake)]) from None
        cls: Any = class_of(kind, value)
        rest = {key: item for key, item in value.items() if key != "type"}
        if kind is not Term:
            return converter.structure(rest, cls)
        weight = {"weight": rest.pop("weight")} if "weight" in rest else {}
        parts: list[tuple[str | int, Callable[[], Any]]] = [("", partial(converter.structure, rest, cls))]
        parts += [(key, partial(weigh, item, None)) for key, item in weight.items()]
        loss, *weights = collect(parts)
        return Term(loss=loss, weight=weights[0] if weights else 1.0)

    return structure


def _some(registry: str) -> str:
    names = list(plugins.registries[registry])
    more = ", …" if len(names) > 6 else ""
    return f"there are {', '.join(names[:6])}{more}" if names else f"see: toonforge list {registry}"


def _mapping(kind: Any, converter: cattrs.Converter) -> Hook:
    item = item_kind(kind)

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise wrong_type(value, "a table")
        parts = [(key, partial(converter.structure, inner, item)) for key, inner in value.items()]
        return dict(zip(value, collect(parts), strict=True))

    return structure


def _tuple(kind: Any, converter: cattrs.Converter) -> Hook:
    kinds = typing.get_args(kind)
    many = len(kinds) == 2 and kinds[1] is ...

    def structure(value: Any, _: Any) -> Any:
        if not isinstance(value, list | tuple):
            raise wrong_type(value, "an array", _as_array(value) if kinds[0] is str else None)
        if not many and len(value) != len(kinds):
            raise Mistake("wrong length", found=described(list(value)), expected=f"an array of {len(kinds)}")
        each = [kinds[0]] * len(value) if many else kinds
        pairs = list(zip(value, each, strict=True))
        return tuple(collect((i, partial(converter.structure, v, k)) for i, (v, k) in enumerate(pairs)))

    return structure


def _choice(kind: Any, converter: cattrs.Converter) -> Hook:
    choices = typing.get_args(kind)

    def structure(value: Any, _: Any) -> Any:
        for choice in choices:
            if value == choice and type(value) is type(choice):
                return choice
        hint = did_you_mean(value, map(str, choices)) if isinstance(value, str) else None
        expected = "one of " + ", ".join(described(choice) for choice in choices)
        raise Mistake("not among the choices", found=described(value), expected=expected, hint=hint)

    return structure


def _union(kind: Any, converter: cattrs.Converter) -> Hook:
    kinds = [part for part in typing.get_args(kind) if part is not type(None)]

    def structure(value: Any, _: Any) -> Any:
        expected = []
        arrays = [part for part in kinds if typing.get_origin(part) is tuple]
        if isinstance(value, list) and len(arrays) == 1:  # what is wrong with an item is then said of the item
            return converter.structure(value, arrays[0])
        for part in kinds:
            try:
                return converter.structure(value, part)
            except Mistake as error:
                if len(kinds) == 1:
                    raise
                expected.append(error.expected or error.message)
            except Mistakes:
                if len(kinds) == 1:
                    raise
                expected.append(str(part))
        hint = _meant(value, kinds) if isinstance(value, str) else None
        raise wrong_type(value, " or ".join(expected), hint)

    return structure


def _words(value: Any) -> list[str]:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else []


def _as_array(value: Any) -> str | None:
    """A text, or several with commas between them, as the array that was meant."""
    return f"write [{', '.join(map(described, _words(value)))}]" if _words(value) else None


def _meant(value: str, kinds: Iterable[Any]) -> str | None:
    """What a text may have been meant as where choices, or an array of others, are allowed."""
    literals = [part for part in kinds if typing.get_origin(part) is typing.Literal]
    choices = [choice for part in literals for choice in typing.get_args(part)]
    arrays = [typing.get_args(part)[0] for part in kinds if typing.get_origin(part) is tuple]
    items = [choice for part in arrays for choice in typing.get_args(part) if isinstance(choice, str)]
    if items and set(_words(value)) <= set(items):
        return _as_array(value)
    near = did_you_mean(value, [*map(str, choices), *items])
    return near or (f"an array holds some of {', '.join(items)}" if items else None)


@cache
def converter() -> cattrs.Converter:
    """The one converter of this process."""
    made = cattrs.Converter(detailed_validation=True)
    plain: dict[Any, Hook] = {int: to_int, float: to_float, bool: to_bool, str: to_str, pathlib.Path: to_path}
    plain |= {Expr: to_expr, Network: to_network, Count: to_count}

    def table(kind: Any) -> bool:
        return isinstance(kind, type) and issubclass(kind, Component) and attrs.has(kind)

    factories: list[tuple[Callable[[Any], bool], Callable[..., Hook]]] = [
        (lambda kind: kind is Recipe, lambda kind, made: recipe_hook(_table(kind, made), made)),
        (table, _table),
        (lambda kind: kind in (Term, *KINDS.values()), _component),
        (lambda kind: item_kind(kind) is not None, _mapping),
        (lambda kind: typing.get_origin(kind) is tuple, _tuple),
        (lambda kind: typing.get_origin(kind) is typing.Literal, _choice),
        (lambda kind: typing.get_origin(kind) in (typing.Union, types.UnionType), _union),
    ]
    for predicate, factory in factories:
        made.register_structure_hook_factory(predicate, factory)
    plain[InitialWeights] = source_hook(_table(InitialWeights, made))
    for kind, hook in plain.items():
        made.register_structure_hook(kind, hook)
    return made


def structure_class(cls: type, data: Mapping[str, Any]) -> Any:
    """Plain data as a config class; raises `Mistakes` and the like, which `flat` takes apart."""
    with silent():  # what is on its way out is told with its place in the recipe, by `toonforge.recipe.outdated`
        return converter().structure(dict(data), cls)
