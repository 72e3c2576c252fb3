"""Folders among the inputs that look like outputs of before: `x1` in `.`, where `x1/sea/a.png` has its `sea/a.gif`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from toonforge.use.pictures.inputs import Source


def like_outputs(sources: Iterable[Source]) -> Mapping[str, int]:
    """Folders right below the searched one whose pictures are all called like pictures outside of them.

    Returns:
        Their names, and how many pictures lie in each.
    """
    inside: dict[str, set[Path]] = {}
    for source in sources:
        top = source.below.parts[0] if len(source.below.parts) > 1 else ""
        inside.setdefault(top, set()).add(source.below.with_suffix(""))
    every = set[Path]().union(*inside.values())
    return {
        top: len(names)
        for top, names in inside.items()
        if top and all((own := name.relative_to(top)) in every and own not in names for name in names)
    }
