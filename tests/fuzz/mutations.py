"""Texts and bytes made strange: pieces are taken out, doubled, swapped, cut, or replaced by what parsers trip over."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hypothesis import strategies as st

NUMBERS = [
    "1" + "0" * 400, "1e309", "-1e309", "nan", "-nan", "inf", "-inf", "-0", "-0.0", "0", "0.0", "1e-320", "5e-324", "-1", "2",
    "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "1_000_000_000", "1000000000",
    "0x7fffffffffffffff", "0b1", "0o7", "+1", "01", "1.", ".5", "1e5", "1" * 5000, "0." + "1" * 5000, "true", "false", "null", "NaN", "Infinity",
]  # fmt: skip
STRINGS = [
    '""', "''", '"', "'", '"""', "'''", '"\\ud800"', '"\\u0000"', '"\\x"', '"\u202e"', '"\U0001f3a8"', '"${train}"', '"${train.seed}"',
    '"${a"', '"$${"', '"${${train}}"', '"../../etc/passwd"', '"/dev/zero"', '"/dev/stdin"', '"~"', '"~nobody-there/x"', '"con"', '"' + "a" * 3000 + '"',
    '"' + "G(" * 500 + '"', '"G(photo)"', '"photo"', '"</script>"', '"%s%n{}{0.__class__}"', '"\\u001b[2J"',
]  # fmt: skip
MARKS = [
    "\ufeff", "\r", "\r\n", "\n", "\0", "\t", "\x0c", "\x85", "\u2028", " ", "#", "=", ".", ",", "[", "]", "{", "}", "[[", "]]", "(", ")", ":", ";", "$", "${",
    "[" * 40, "[" * 10_000, "{a=" * 50, '{"a":' * 5_000, "a." * 40 + "a=1", "a." * 5_000 + "a=1", "[" + "0," * 50_000 + "]",
    "[" + "[]," * 20_000 + "]", "x=1\n" * 2, "[a]\n[a]\n", "a.b=1\na=2\n", "[a.b]\n[a]\nb=1\n", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "{}", "[]",
]  # fmt: skip
NASTY = [*NUMBERS, *STRINGS, *MARKS]
BYTES = [
    b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\x80", b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0\0\0\x80",
    b"\xff\xff\xff\x7f", b"\0\0\0\0\0\0\0\x80", b"\xff\xff", b"\0\1", b"\1\0", b"\0\0", b"\0" * 64,
]  # fmt: skip
_TOKEN = re.compile(r"\"[^\"\n]*\"|'[^'\n]*'|[+-]?[0-9][0-9_.eE+-]*|[A-Za-z_][\w-]*|\s+|.", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d[\d_.eE+-]*")


@st.composite
def texts(draw: st.DrawFn, bases: Sequence[str], most: int = 4) -> bytes:
    """One of the texts with up to `most` changes that its grammar suggests, as UTF-8; at times with broken bytes."""
    text = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(1, most))):
        text = draw(st.sampled_from([_lines, _tokens, _tokens, _number, _inserted, _cut]))(draw, text, bases)
    raw = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(st.sampled_from(BYTES) | st.binary(max_size=4)) + raw[at + draw(st.integers(0, 4)) :]
    return raw


def _lines(draw: st.DrawFn, text: str, bases: Sequence[str]) -> str:
    """A line taken out, doubled, swapped with another, or replaced by one of another text."""
    lines = text.split("\n")
    one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
    how = draw(st.sampled_from(["out", "double", "swap", "foreign", "nasty"]))
    if how == "out":
        del lines[one]
    elif how == "double":
        lines.insert(other, lines[one])
    elif how == "swap":
        lines[one], lines[other] = lines[other], lines[one]
    elif how == "foreign":
        lines[one] = draw(st.sampled_from(draw(st.sampled_from(bases)).split("\n")))
    else:
        lines[one] = draw(st.sampled_from(NASTY))
    return "\n".join(lines)


def _tokens(draw: st.DrawFn, text: str, bases: Sequence[str]) -> str:
    """A word, number, string or mark taken out, doubled, or replaced by another of the text or a nasty one."""
    found = [match for match in _TOKEN.finditer(text) if not match[0].isspace()]
    if not found:
        return text
    match = draw(st.sampled_from(found))
    other = draw(st.sampled_from(found))[0]
    new = draw(st.sampled_from(["", match[0] * 2, other, other]) | st.sampled_from(NASTY) | st.text(max_size=6))
    return text[: match.start()] + new + text[match.end() :]


def _number(draw: st.DrawFn, text: str, bases: Sequence[str]) -> str:
    """A number replaced by one at or beyond a limit."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    match = draw(st.sampled_from(found))
    return text[: match.start()] + draw(st.sampled_from(NUMBERS) | st.integers().map(str)) + text[match.end() :]


def _inserted(draw: st.DrawFn, text: str, bases: Sequence[str]) -> str:
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(NASTY) | st.text(max_size=6)) + text[at:]


def _cut(draw: st.DrawFn, text: str, bases: Sequence[str]) -> str:
    start = draw(st.integers(0, len(text)))
    return text[:start] + text[draw(st.integers(start, min(len(text), start + draw(st.sampled_from([20, 10**6]))))) :]


@st.composite
def binaries(draw: st.DrawFn, bases: Sequence[bytes], head: int = 64, most: int = 4) -> bytes:
    """One of the files with up to `most` changes, half of them in its first `head` bytes."""
    raw = draw(st.sampled_from(bases))
    for _ in range(draw(st.integers(1, most))):
        last = min(len(raw), head) if draw(st.booleans()) else len(raw)
        at = draw(st.integers(0, last))
        how = draw(st.sampled_from(["put", "put", "put", "bit", "in", "out", "cut", "copy"]))
        new = draw(st.sampled_from(BYTES) | st.binary(min_size=1, max_size=4))
        if how == "put":
            raw = raw[:at] + new + raw[at + len(new) :]
        elif how == "bit" and at < len(raw):
            raw = raw[:at] + bytes([raw[at] ^ 1 << draw(st.integers(0, 7))]) + raw[at + 1 :]
        elif how == "in":
            raw = raw[:at] + new + raw[at:]
        elif how == "out":
            raw = raw[:at] + raw[at + draw(st.integers(1, 16)) :]
        elif how == "cut":
            raw = raw[:at]
        elif how == "copy":
            end = draw(st.integers(at, min(len(raw), at + 200)))
            raw = raw[:end] + raw[at:end] + raw[end:]
    return raw
