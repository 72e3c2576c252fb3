"""Cuts the pictures into folds for cross-validation; pictures of one family are never in two folds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from toonforge_samples.credits import Sample

_KINDS = ("photo", "anime", "scene", "cutout")


def families(pictures: Sequence[Sample]) -> list[list[Sample]]:
    """The pictures in families: two that share an original are of one family."""
    found: list[tuple[set[str], list[Sample]]] = []
    for picture in pictures:
        sources, members = set(picture.sources), [picture]
        for other in [family for family in found if family[0] & sources]:
            sources |= other[0]
            members = other[1] + members
            found.remove(other)
        found.append((sources, members))
    return [sorted(members, key=lambda picture: picture.file) for _, members in found]


def cut_into_folds(pictures: Sequence[Sample], folds: int) -> list[list[Sample]]:
    """`folds` lists of about the same length that together hold each picture once; always the same ones.

    Whole families are dealt out, kind by kind and the largest first, to the fold that holds the fewest pictures. Some
    are empty where there are fewer families than folds.
    """

    def key(family: list[Sample]) -> tuple[int, int, str]:
        # A hash instead of the name: neighbours in the alphabet are often alike.
        return _KINDS.index(family[0].kind), -len(family), hashlib.sha256(family[0].path.stem.encode()).hexdigest()

    dealt: list[list[Sample]] = [[] for _ in range(folds)]
    for family in sorted(families(pictures), key=key):
        min(dealt, key=len).extend(family)
    return [sorted(fold, key=lambda picture: picture.path.name) for fold in dealt]
