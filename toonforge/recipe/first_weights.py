"""`weights = …` of networks, structured: it stands in their tables, and is kept apart from the components."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import attrs
import cattrs

from toonforge.components import fields_of
from toonforge.recipe.initial import KEY, RANDOM, InitialWeights
from toonforge.recipe.layout import begins_with, class_of, item_kind
from toonforge.recipe.mistakes import Mistakes, collect
from toonforge.recipe.model import Recipe
from toonforge.recipe.scalars import Mistake, wrong_type
from toonforge.recipe.scope import NETWORK_TABLES
from toonforge.recipe.tree import described

Hook = Callable[[Any, Any], Any]


def recipe_hook(table: Hook, converter: cattrs.Converter) -> Hook:
    """Structures a recipe. `table` does so for one whose networks have no first weights."""

    def structure(value: Any, kind: Any) -> Any:
        if not isinstance(value, dict):
            return table(value, kind)
        given = dict(value)
        written = dict(_taken_out_of(given))

        def sources() -> dict[str, InitialWeights]:
            parts = [(path, partial(converter.structure, text, InitialWeights)) for path, text in written.items()]
            found = zip(written, collect(parts), strict=True)
            return {name: source for (_, name, _), source in found if source is not None}

        recipe, initial = collect([("", partial(table, given, kind)), ("", sources)])
        return attrs.evolve(recipe, initial=initial) if initial else recipe

    return structure


def _taken_out_of(given: dict[str, Any]) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """Take each network's first weights out of a recipe's tables; yields their keys and values."""
    for name in NETWORK_TABLES:
        kind, networks = item_kind(fields_of(Recipe)[name][0]), given.get(name)
        if not isinstance(networks, dict):
            continue
        given[name] = dict(networks)
        for network, table in networks.items():
            if isinstance(table, dict) and KEY in table and begins_with(class_of(kind, table)):
                given[name][network] = {key: item for key, item in table.items() if key != KEY}
                yield (name, network, KEY), table[KEY]


def source_hook(table: Hook) -> Hook:
    """Structures where a network's first weights come from, one text or a table; None says that they are drawn."""

    def structure(value: Any, kind: Any) -> InitialWeights | None:
        if isinstance(value, str) and value == RANDOM:
            return None
        if not isinstance(value, str | dict):
            raise wrong_type(value, f'the name of a model, a path, a table with `from`, or "{RANDOM}"')
        source: InitialWeights = table({"from": value} if isinstance(value, str) else value, kind)
        if not source.from_ or "\0" in source.from_:
            expected = "the name of an installed model, or the path of a run or of a weights file"
            mistake = Mistake("not a source of weights", found=described(source.from_), expected=expected)
            raise Mistakes([(("from",) if isinstance(value, dict) else (), mistake)])
        return source

    return structure
