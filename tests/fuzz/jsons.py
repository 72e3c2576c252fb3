"""Plain data made strange: values replaced by ones of other types, sizes and depths; keys taken out, added, renamed."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


STRANGE = st.sampled_from(
    [None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**18, 0.5, -0.0, 1e308, 1e-320, float("nan"), float("inf"), "", "\0", "a", "a" * 3000,
     "../../x", "/etc/passwd", "\ud800", "G(photo)", "G(G(photo))", "s", "1", "NaN", "</script>", [], {}, [[]], [1, 2, 3], ["a"], {"": None}, {"a": {"b": {}}}, nested(70), nested(900)]
)  # fmt: skip
VALUES = st.one_of(STRANGE, STRANGE, st.integers(-9, 9), st.text(max_size=5), st.lists(STRANGE, max_size=3))


def copied(value: Any) -> Any:
    """The data anew: what is changed later is not to be the strategy's own. `copy` would go down twice as far."""
    if isinstance(value, dict):
        return dict(zip(value, map(copied, value.values()), strict=True))
    return list(map(copied, value)) if isinstance(value, list) else value


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += _places(item, (*path, key))
    return found


@st.composite
def changed(draw: st.DrawFn, base: Any, most: int = 3) -> Any:
    """The data with up to `most` changes."""
    data = copied(base)
    for _ in range(draw(st.integers(1, most))):
        places = _places(data)
        if not places:
            return copied(draw(VALUES))
        *way, last = draw(st.sampled_from(places))
        holder = data
        for key in way:
            holder = holder[key]
        how = draw(st.sampled_from(["replace", "replace", "replace", "out", "add", "rename", "copy"]))
        if how == "out":
            del holder[last]
        elif how == "copy":
            other: Any = data
            for key in draw(st.sampled_from(places)):
                other = other[key]
            holder[last] = copied(other)
        elif isinstance(holder, dict) and how == "add":
            key = draw(st.text(max_size=5) | st.sampled_from(["", "format", "type", "G", "__metadata__"]))
            holder[key] = copied(draw(VALUES))
        elif isinstance(holder, dict) and how == "rename":
            holder[draw(st.text(max_size=5))] = holder.pop(last)
        else:
            holder[last] = copied(draw(VALUES))
    return data
