"""What a component made in Python takes: names and types are looked at as in a recipe, and told with its name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest

from toonforge.components import Count, Optimizer, Schedule, changed, component, param
from toonforge.components.types import type_of
from toonforge.errors import FieldError
from toonforge.optimizers import Adam
from toonforge.recipe.convert import structure_class
from toonforge.recipe.expr import Expr, Network
from toonforge.recipe.mistakes import flat


@component
class Everything(Schedule):
    """A field of each type."""

    whole: int = param(1, doc="a number", at_least=0)
    number: float = param(1.0, doc="a number")
    yes: bool = param(False, doc="whether")
    text: str = param("a", doc="a text")
    choice: Literal["a", 1] = param("a", doc="a choice")
    maybe: int | None = param(None, doc="a number or none")
    pair: tuple[float, float] = param((0.0, 1.0), doc="two")
    many: tuple[str, ...] = param((), doc="several")
    place: Path = param(Path("x"), doc="a path")
    names: Mapping[str, int] = param(dict, doc="by name")
    picture: Expr = param(Expr.parse("x"), doc="an expression")
    network: Network = param(Network("G"), doc="a network")
    from_: Count = param(Count(steps=0), doc="a moment", key="from")
    optimizer: Optimizer | None = param(None, doc="a component")
    loose: list[int] = param(list, doc="of a type that recipes do not check")
    read: int = attrs.field(default=1, converter=int)


@component
class Odd(Schedule):
    """A field of a type that no recipe can hold."""

    eps: complex = param(0j, doc="a number")


def test_a_type_that_no_recipe_can_hold_is_told_in_our_words() -> None:
    with pytest.raises(Exception) as caught:
        structure_class(Odd, {"eps": 0.5})
    ((path, mistake),) = flat(caught.value)
    assert path == ("eps",) and str(mistake) == "Odd.eps is of type complex, which no recipe can hold"


RIGHT: list[tuple[str, Any]] = [
    ("whole", 3),
    ("number", 3),
    ("number", 0.5),
    ("yes", True),
    ("choice", 1),
    ("maybe", None),
    ("maybe", 2),
    ("pair", (1, 0.5)),
    ("pair", [1, 0.5]),
    ("many", ("a", "b")),
    ("place", Path("y")),
    ("place", "y"),
    ("text", Path("y")),
    ("names", {"a": 1}),
    ("picture", Expr.parse("G(x)")),
    ("network", Network("D")),
    ("from_", Count(epochs=1)),
    ("optimizer", Adam(lr=0.1)),
    ("loose", "anything"),
    ("read", "3"),
]
WRONG: list[tuple[str, Any, str]] = [
    ("whole", "a", "whole: found 'a', expected a whole number"),
    ("whole", 1.5, "whole: found 1.5, expected a whole number"),
    ("whole", True, "whole: found True, expected a whole number"),
    ("whole", -1, "whole: found -1, expected a number at least 0"),
    ("number", "1", "number: found '1', expected a number"),
    ("number", True, "number: found True, expected a number"),
    ("yes", 1, "yes: found 1, expected True or False"),
    ("text", 1, "text: found 1, expected a text"),
    ("choice", "b", "choice: found 'b', expected one of 'a', 1"),
    ("choice", True, "choice: found True, expected one of 'a', 1"),
    ("maybe", "x", "maybe: found 'x', expected a whole number or None"),
    ("pair", (1.0,), "pair: found (1.0,), expected (a number, a number)"),
    ("pair", (1.0, "a"), "pair: found (1.0, 'a'), expected (a number, a number)"),
    ("many", "ab", "many: found 'ab', expected a tuple, each a text"),
    ("many", ("a", 1), "many: found ('a', 1), expected a tuple, each a text"),
    ("place", 1, "place: found 1, expected a path"),
    ("names", ["a"], "names: found ['a'], expected a mapping"),
    ("picture", "G(x)", "picture: found 'G(x)', expected an expression, Expr.parse(\"G(photo)\")"),
    ("network", "G", "network: found 'G', expected a network's name, Network(\"G\")"),
    ("from_", 3, "from: found 3, expected Count"),
    ("optimizer", "adam", "optimizer: found 'adam', expected Optimizer or None"),
]


@pytest.mark.parametrize(("name", "value"), RIGHT)
def test_what_fits_is_taken_as_it_is(name: str, value: Any) -> None:
    assert getattr(Everything(**{name: value}), name) == (3 if name == "read" else value)


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_what_does_not_is_told_with_the_component(name: str, value: Any, said: str) -> None:
    for make in (lambda: Everything(**{name: value}), lambda: changed(Everything(), **{name: value})):
        with pytest.raises(FieldError) as caught:
            make()
        assert str(caught.value) == f"Everything.{said}"
        assert caught.value.component == "Everything"


def test_a_name_that_no_field_has_is_told_with_a_near_one() -> None:
    with pytest.raises(TypeError, match=r"^Everything has no field 'hole': did you mean 'whole'"):
        Everything(hole=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^Adam has no field 'zzz': it has .*betas"):
        Adam(zzz=1)  # type: ignore[call-arg]


def test_what_a_component_says_itself_is_told_with_its_name() -> None:
    @component
    class Even(Schedule):
        """An even number."""

        number: int = param(2, doc="even")

        def __attrs_post_init__(self) -> None:
            if self.number % 2:
                raise FieldError("number", self.number, "an even number")

    with pytest.raises(FieldError, match=r"^Even\.number: found 3, expected an even number$"):
        Even(number=3)
    with pytest.raises(FieldError, match=r"^number: found 3"):
        raise FieldError("number", 3, "an even number")


def test_its_signature_stays() -> None:
    assert list(inspect.signature(Adam).parameters) == [a.alias for a in attrs.fields(Adam)]


@pytest.mark.parametrize("kind", [list, list[int], set, dict, tuple, Any, object])
def test_types_that_recipes_do_not_have(kind: Any) -> None:
    assert type_of(kind) is None and type_of(kind | None if isinstance(kind, type) else tuple[kind, ...]) is None
