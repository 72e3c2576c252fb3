"""Which files a recipe means by "data/train-{0000..0099}.tar": braces, globs and `~`, with errors that name the key."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from itertools import islice, product

from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem

MOST = 100_000
"""A pattern that stands for more files than this is taken for a slip."""

_BRACES = re.compile(r"\{([0-9]+\.\.[0-9]+|[^{}]*,[^{}]*)\}")
_NAMED = 5


def shard_files(key: str, patterns: Sequence[str]) -> tuple[str, ...]:
    """The files of some patterns, in the order of the patterns, each once; those of a glob are sorted.

    Args:
        key: where the recipe names them.
        patterns: paths with `{0000..0099}`, `{a,b}`, `*`, `?`, `[…]`, `**` and a leading `~`.

    Raises:
        DataError: a pattern matches no file, or files are missing.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for pattern in patterns:
        paths = [os.path.expanduser(path) for path in islice(expand(pattern), MOST + 1)]
        if len(paths) > MOST:
            problems.append(
                Problem(message=f"the pattern {shown(pattern)} stands for more than {MOST:,} files", key=key)
            )
            continue
        missing: list[str] = []
        for path in paths:
            files = [path] if os.path.isfile(path) else sorted(filter(os.path.isfile, glob.iglob(path, recursive=True)))
            for file in files:
                found.setdefault(os.path.realpath(file), file)
            if not files:
                missing.append(path)
        if missing:
            problems.append(_missing(key, pattern, missing, len(paths)))
    if problems:
        raise DataError(*problems)
    return tuple(found.values())


def expand(pattern: str) -> Iterator[str]:
    """A pattern without braces for each choice that its braces leave, in the shell's order: "{08..10}" -> 08, 09, 10.

    Braces around neither two numbers nor a list with commas stay as they are.
    """
    parts = _BRACES.split(pattern)
    if len(parts) == 1:
        yield pattern
        return
    choices = [_choices(part) if at % 2 else (part,) for at, part in enumerate(parts)]
    for chosen in product(*choices):
        yield from expand("".join(chosen))


def _choices(inside: str) -> Sequence[str]:
    first, dots, last = inside.partition("..")
    if "," in inside or not dots:
        return inside.split(",")
    padded = any(len(number) > 1 and number.startswith("0") for number in (first, last))
    width = max(len(first), len(last)) if padded else 0
    step = 1 if int(first) <= int(last) else -1
    numbers = range(int(first), int(last) + step, step)
    return [f"{number:0{width}d}" for number in numbers[: MOST + 1]]


def _missing(key: str, pattern: str, missing: list[str], count: int) -> Problem:
    named = ", ".join(shown(path) for path in missing[:_NAMED])
    rest = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
    first = missing[0]
    hint = None if os.path.isabs(first) else f"it is looked for in {shown(os.getcwd())}"
    if os.path.isdir(first):
        hint = f"{first} is a folder; write {os.path.join(first, '*.tar')}"
    elif "://" in first or first.startswith("pipe:"):
        hint = "shards are read at random places, so they must be files: download or mount them"
    if count > 1:
        message = f"{len(missing)} of the {count} shards of {shown(pattern)} are missing"
        return Problem(message=message, key=key, found=f"no {named}{rest}", hint=hint)
    return Problem(message=f"there is no shard {named}", key=key, expected="tar files", hint=hint)
