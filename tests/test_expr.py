"""Expressions: what is one, how it is written canonically, and where the first fault stands."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.recipe.expr import MAX_DEPTH, Call, Expr, ExprError, Name, Node, Number

IDENTIFIERS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,5}", fullmatch=True)
NUMBERS = st.one_of(st.integers(-1000, 1000), st.floats(allow_nan=False, allow_infinity=False)).map(Number)
NODES = st.recursive(
    IDENTIFIERS.map(Name) | NUMBERS,
    lambda inner: st.builds(Call, IDENTIFIERS, st.lists(inner, max_size=3).map(tuple)),
    max_leaves=10,
)


@settings(max_examples=150)
@given(NODES)
def test_the_canonical_text_parses_to_the_same_tree(node: Node) -> None:
    assert Expr.parse(str(node)).root == node


@settings(max_examples=200)
@given(st.text("GF(),. 12e+-_/é\n", max_size=30) | st.text(max_size=20))
def test_any_text_is_an_expression_or_an_error_with_a_column(text: str) -> None:
    try:
        expr = Expr.parse(text)
    except ExprError as error:
        fault = error
    else:
        assert Expr.parse(expr.text) == expr
        return
    assert 1 <= fault.column <= len(text) + 1 and fault.reason


def test_white_space_does_not_matter() -> None:
    assert Expr.parse(" G( photo ,1 ) ") == Expr.parse("G(photo, 1)")
    assert Expr.parse("G(photo,1)").text == "G(photo, 1)"


def test_calls_and_names_are_listed_outermost_first() -> None:
    expr = Expr.parse("D(cat(a, G(b)), 2)")
    assert [call.function for call in expr.calls()] == ["D", "cat", "G"]
    assert list(expr.names()) == ["a", "b"]


def test_ops_of_plugins_have_a_namespace() -> None:
    assert Expr.parse("my-plugin/op-one(a)").root == Call("my-plugin/op-one", (Name("a"),))


@pytest.mark.parametrize(
    ("text", "column", "reason"),
    [
        ("", 1, "expected a name"),
        ("G(photo", 8, "before the end"),
        ("G(photo))", 9, "after the expression"),
        ("G photo", 3, "after the expression"),
        ("G(photo,)", 9, "expected a name"),
        ("a + b", 3, "unexpected '+'"),
        ("__import__('os')", 12, "unexpected"),
        ("G(1e999)", 3, "too large"),
        ("3a", 1, "unexpected '3'"),
        ("x" * 2001, 1, "longer"),
        ("f(" * 40 + "x" + ")" * 40, 2 * MAX_DEPTH + 3, "nested deeper"),
    ],
)
def test_a_fault_has_its_column_and_reason(text: str, column: int, reason: str) -> None:
    with pytest.raises(ExprError) as caught:
        Expr.parse(text)
    assert caught.value.column == column and reason in caught.value.reason
