"""Patterns in the navigation: `how-to/*.md` stands for every page there that no other line names, in their order."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
from typing import Any


def expanded(nav: Sequence[Any], pages: Sequence[str]) -> list[Any]:
    """The navigation of mkdocs.yml with its patterns replaced by pages.

    Args:
        nav: pages, patterns, `{title: page}` and `{title: navigation below it}`.
        pages: every page, relative to docs/.
    """
    free = [page for page in pages if page not in set(named(nav))]
    return list(_written_out(nav, free))


def named(nav: Sequence[Any]) -> Iterator[str]:
    """Every page and pattern in the navigation, in its order."""
    for item in nav:
        for entry in item.values() if isinstance(item, dict) else [item]:
            yield from named(entry) if isinstance(entry, list) else [entry]


def _written_out(nav: Sequence[Any], free: list[str]) -> Iterator[Any]:
    """The items, patterns replaced; pages that a pattern takes are taken out of `free`. Empty sections are left out."""
    for item in nav:
        if isinstance(item, dict):
            ((title, below),) = item.items()
            if not isinstance(below, list):
                yield item
            elif inner := list(_written_out(below, free)):
                yield {title: inner}
        elif "*" in item:
            taken = [page for page in free if _matches(page, item)]
            free[:] = [page for page in free if page not in taken]
            yield from taken
        else:
            yield item


def _matches(page: str, pattern: str) -> bool:
    """Whether a page lies where the pattern says; a `*` goes no deeper than its folder, a `**` does."""
    return fnmatch.fnmatchcase(page, pattern) and ("**" in pattern or page.count("/") == pattern.count("/"))
