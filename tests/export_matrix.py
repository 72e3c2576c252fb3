"""Every generator there is, with every option that it offers, exported and compared with the model.

python -m tests.export_matrix             # the table of all, in about ten minutes
python -m tests.export_matrix cyclegan/*  # of some
"""

from __future__ import annotations

import fnmatch
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import attrs

from tests.exporting import model_of
from toonforge import registries
from toonforge.components import Generator, changed
from toonforge.errors import RecipeError, ToonforgeError
from toonforge.use.export import FORMATS, export
from toonforge.use.export.comparing import pictures
from toonforge.use.export.formats import SUFFIXES

EXTRA: dict[str, tuple[Any, ...]] = {"dropout": (0.5,), "heads": (0, 2), "last_kernel": (3, 7), "levels": (3, 8)}
"""Values of fields that are tried besides those that a field's type lists."""
MADE_HERE = ("tiny", "negative", "awkward")
"""Namespaces of generators that tests register."""


def cases(pattern: str = "*") -> Iterator[tuple[str, Generator]]:
    """(name, config): each generator as it is when small, then with each value of each of its choices."""
    for name in registries.generators:
        if name.split("/")[0] in MADE_HERE or not fnmatch.fnmatch(name, pattern):
            continue
        cls = registries.generators[name]
        base = cls().tiny()
        yield name, base
        hints = get_type_hints(cls)
        for field in attrs.fields(cls):
            for value in choices(field.name, hints[field.name]):
                try:
                    config = changed(base, **{field.name: value})
                except (RecipeError, ToonforgeError, ValueError):
                    continue
                if value != getattr(base, field.name):
                    yield f"{name} {field.name}={value}", config


def choices(name: str, hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return (True, False) if hint is bool else EXTRA.get(name, ())


def difference(config: Generator, format: Any) -> float:
    """The largest that any size gives."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        side = 512 if "mha" in type(config).__module__ and config.levels == 8 and config.heads else 64  # type: ignore[attr-defined]
        called = "G(photo, 0)" if hasattr(config, "domains") else "G(photo)"
        model = model_of(path, config, {"anime": called}, image_size=side)
        spread = model.compute(pictures(1, side, side)).std().item()
        assert 0.02 < spread < 0.95, f"nothing to compare: the outputs' standard deviation is {spread:.2g}"
        return export(model, path / f"out{SUFFIXES[format]}").difference


def main(pattern: str = "*") -> None:
    print("| generator | " + " | ".join(FORMATS) + " |\n|---|" + "---|" * len(FORMATS))
    for name, config in cases(pattern):
        found = " | ".join(f"{difference(config, format):.0e}" for format in FORMATS)
        print(f"| {name} | {found} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
