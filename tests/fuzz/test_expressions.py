"""Expressions: any text is one, whose text is one again, or is refused at a column; shapes follow, or an error at a key."""

from __future__ import annotations

from hypothesis import strategies as st

from tests import recipe_plugin
from tests.fuzz.fuzzed import REFUSED, VALID, fuzzed
from tests.fuzz.mutations import NASTY, texts
from tests.fuzz.test_recipes_as_text import judged
from toonforge.recipe.expr import MAX_DEPTH, MAX_LENGTH, Call, Expr, ExprError, Name, Number, walk

NAMES = st.sampled_from(["photo", "anime", "fake_anime", "G", "t/join", "a-b/c", "_", "nobody"]) | st.from_regex(
    r"[A-Za-z_][A-Za-z0-9_]{0,8}((-|/)[A-Za-z0-9_]{1,4}){0,2}", fullmatch=True
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TREES = st.recursive(
    NAMES.map(Name) | NUMBERS.map(Number),
    lambda inner: st.builds(lambda name, parts: Call(name, tuple(parts)), NAMES, st.lists(inner, max_size=4)),
    max_leaves=20,
)
EXPRESSIONS = [
    "G(photo)",
    "F(G(photo))",
    "cat(photo, noise(anime, 0.1), -1e-3)",
    "t/buffer(fake_anime, 50)",
    "( a , b )",
    "a(b)(c)",
]
ENDLESS = [
    "(" * 10**5, "G(" * 10**5 + "photo" + ")" * 10**5, "G(" * 900 + "photo" + ")" * 900, "a" * 10**5, "a/" * 10**4, "1" * 10**5, "1" * 1999, "." * 1999,
    "1e" + "9" * 1900, "cat(" + "photo," * 300 + "photo)", " " * 1999 + "a", "\t\n" * 900, "a-" * 999, "9" * 400 + "." + "9" * 400, "-" * 1999, "G(" * 33 + "photo" + ")" * 33,
    "0." + "1" * 1990, "1" + "0" * 309, "1" * 309 + "e-1",
]  # fmt: skip


def parsed(text: str) -> str:
    """An expression whose canonical text gives the same tree and text, within the limits; or a place and a reason."""
    refusal = None
    try:
        expr = Expr.parse(text)
    except ExprError as error:
        refusal = error
    if refusal is not None:
        assert 1 <= refusal.column <= len(text) + 1 and refusal.reason
        return REFUSED
    assert len(text) <= MAX_LENGTH
    again = Expr.parse(expr.text)
    assert again == expr and again.text == expr.text
    assert expr.text.count("(") <= MAX_LENGTH and depth(expr.root) <= MAX_DEPTH + 1
    assert set(expr.names()) <= {node.name for node in walk(expr.root) if isinstance(node, Name)}
    return VALID


def depth(node: object) -> int:
    return 1 + max(map(depth, node.arguments), default=0) if isinstance(node, Call) else 0


@fuzzed(
    texts(EXPRESSIONS).map(lambda raw: raw.decode("utf-8", "replace")) | st.text('()/,.-+_eE19aG \t\n"é', max_size=40),
    short=200,
    corpus=ENDLESS,
)
def test_a_text_is_an_expression_or_is_refused_at_a_column(text: str) -> str:
    return parsed(text)


@fuzzed(TREES.map(Expr), short=200)
def test_a_tree_is_the_same_after_it_was_written(expr: Expr) -> str:
    if len(expr.text) > MAX_LENGTH:
        return parsed(expr.text)
    assert Expr.parse(expr.text).text == expr.text
    return parsed(expr.text)


CALLS = [
    "G",
    "F",
    "D_anime",
    "cat",
    "blur",
    "gray",
    "noise",
    "augment",
    "image-pool",
    "pool",
    "t/join",
    "t/buffer",
    "detach",
]
VALUES = st.recursive(
    st.sampled_from(["photo", "anime", "fake_anime"]) | st.sampled_from(["0", "1", "-1", "0.5", "3", "1e300", "99999999999999999999", "7.0"]),
    lambda inner: st.builds(lambda name, parts: f"{name}({', '.join(parts)})", st.sampled_from(CALLS), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=8,
)  # fmt: skip


@fuzzed(st.lists(VALUES, min_size=1, max_size=3), short=150)
def test_shapes_of_any_expressions_are_told_or_refused_at_their_key(expressions: list[str]) -> str:
    recipe_plugin.register()
    signals = "\n".join(f"x{n} = '{text}'" for n, text in enumerate(expressions))
    uses = "\n".join(
        f"u{n} = {{ type = 't/distance', input = 'x{n}', target = '{text}' }}" for n, text in enumerate(expressions)
    )
    return judged(f'extends = "t/base"\n[signals]\n{signals}\n[phases.generators.losses]\n{uses}\n')


@fuzzed(st.sampled_from(NASTY) | st.sampled_from(ENDLESS), short=40)
def test_an_expression_in_a_recipe_is_refused_at_its_place(text: str) -> str:
    recipe_plugin.register()
    quoted = text if text[:1] in "\"'" else f"'''{text}'''"
    return judged(f'extends = "t/base"\n[signals]\nx = {quoted}\n')
