"""Where keys were written, and the limits that keep hostile files harmless."""

from __future__ import annotations

import string
import time

import pytest
import tomli
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st

from toonforge.errors import RecipeError
from toonforge.recipe.positions import MAX_BYTES, read
from toonforge.recipe.scanner import MAX_DEPTH, Path

KEYS = st.text(string.ascii_letters + "-_é\" .'\\#[]=\n", min_size=1, max_size=6)
SCALARS = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.booleans(),
    st.text(max_size=12),
    st.dates(),
    st.just("\"\"\"'''#[{"),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


def paths(value: object, path: Path = ()) -> list[Path]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*path, key))
    return found


@settings(max_examples=80)
@given(DOCUMENTS, st.booleans(), st.booleans())
def test_every_path_has_a_line_that_holds_its_key(data: dict[str, object], multiline: bool, crlf: bool) -> None:
    text = tomli_w.dumps(data, multiline_strings=multiline)
    if multiline and crlf:
        crlf = False  # CRLF inside a multi-line string is data
    document = read(text.replace("\n", "\r\n").encode() if crlf else text.encode(), "f")
    assert document.data == data
    lines = text.split("\n")
    for path in paths(data):
        assert path in document.marks
        key = path[-1]
        if isinstance(key, str):
            mark = document.marks[path]
            rest = lines[mark.line - 1][mark.column - 1 :]
            bare = all(c in string.ascii_letters + string.digits + "-_" for c in key)
            written = key if bare else tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
            assert rest.startswith((key, written))


def test_dotted_keys_headers_inline_tables_and_arrays_have_places() -> None:
    text = (
        'a.b = 1\n[c."d e".f]\ng = { h = [1,\n  { i = "text" }] } # [not]\n'
        "[[j]]\nk = 1\n[j.l]\nm = '''\n[no]'''\n[[j]]\nk = 2\n"
    )
    document = read(text.encode(), "f.toml")
    assert document.data == tomli.loads(text)
    places = {path: (mark.line, mark.column) for path, mark in document.marks.items()}
    assert places[("a", "b")] == (1, 3)
    assert places[("c", "d e")] == (2, 4)
    assert places[("c", "d e", "f", "g", "h", 1, "i")] == (4, 5)
    assert document.marks[("c", "d e", "f", "g", "h", 1, "i")].text == (4, 10)
    assert places[("j", 0, "l", "m")] == (8, 1)
    assert places[("j", 1, "k")] == (11, 1)
    assert str(document.where(("j", 1, "missing"))) == "f.toml:10:1"


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 10_000,
        "a = " + "[" * 10_000 + "]" * 10_000,
        "a = " + "{ a = " * 10_000 + "1" + "}" * 10_000,
        ".".join("a" * 10_000) + " = 1",
        "[" + ".".join("a" * 10_000) + "]",
        "[[" + ".".join("a" * 10_000) + "]]",
        "\n".join(f"[{'.'.join('a' * n)}]" for n in range(1, 60)),
    ],
)
def test_deep_nesting_is_a_clean_error(text: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text.encode(), "deep.toml")
    (problem,) = caught.value.problems
    assert problem.message == "nested too deeply"
    assert problem.where is not None and problem.where.line is not None
    assert str(MAX_DEPTH) in str(problem.expected)


def test_a_file_of_5_mb_is_refused_by_its_size() -> None:
    with pytest.raises(RecipeError) as caught:
        read(b'a = "' + b"x" * 5_000_000 + b'"', "big.toml")
    assert "too large" in caught.value.problems[0].message
    assert f"{MAX_BYTES:,}" in str(caught.value)


def test_a_string_just_below_the_limit_is_read() -> None:
    assert len(read(b'a = "' + b"x" * (MAX_BYTES - 100) + b'"', "big.toml").data["a"]) == MAX_BYTES - 100


def test_invalid_utf8_is_named_with_byte_and_line() -> None:
    with pytest.raises(RecipeError) as caught:
        read(b'a = 1\nb = "\xc3\xa9\xff"\n', "f.toml")
    (problem,) = caught.value.problems
    assert str(problem.where) == "f.toml:2:7"
    assert "0xff" in str(problem.found) and "UTF-8" in str(problem.hint)


def test_utf16_is_named() -> None:
    with pytest.raises(RecipeError, match="UTF-16"):
        read("a = 1".encode("utf-16"), "f.toml")


def test_a_byte_order_mark_is_dropped() -> None:
    document = read(b"\xef\xbb\xbfa = 1\n", "f.toml")
    assert document.data == {"a": 1} and document.marks[("a",)].column == 1


def test_crlf_lines_count_as_one() -> None:
    assert read(b"a = 1\r\n\r\nb = 2\r\n", "f.toml").marks[("b",)].line == 3


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a = 1\nb = foo", "2:5", "Invalid value"),
        ("a = 1\na = 2", "2:", "overwrite"),
        ("a = [1", "1:7", "Unclosed array"),
        ("[a]\n[a]", "2:", "twice"),
        ('x = "abc', "1:9", "Unterminated"),
    ],
)
def test_syntax_errors_have_file_line_and_column(text: str, place: str, words: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(text.encode(), "f.toml")
    assert f"f.toml:{place}" in str(caught.value) and words in str(caught.value)


def test_a_number_of_5000_digits_is_a_clean_error() -> None:
    with pytest.raises(RecipeError, match="not valid TOML"):
        read(b"a = " + b"1" * 5000, "f.toml")


@pytest.mark.parametrize("text", ['""x', "''x", '"', "\\", "# ", "\\\\"])
@pytest.mark.parametrize("quote", ['"""', "'''", '"'])
def test_a_long_unclosed_string_is_refused_at_once(quote: str, text: str) -> None:
    start = time.perf_counter()
    with pytest.raises(RecipeError):
        read(f"a = {quote}{text * (300_000 // len(text))}\nb = 1 2".encode(), "f")
    assert time.perf_counter() - start < 5


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text("ab.=[]{},\"'#\\\n 1-_", max_size=40).map(str.encode))
def test_any_bytes_are_a_document_or_a_clean_error(raw: bytes) -> None:
    try:
        document = read(raw, "f")
    except RecipeError as error:
        refusal = error
    else:
        assert set(paths(document.data)) <= set(document.marks)
        return
    assert refusal.problems[0].where is not None
