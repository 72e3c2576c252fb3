"""The packaged pictures as CREDITS.csv lists them: who made each, under which licence, from which source."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import attrs

PICTURES = Path(str(files("toonforge_samples"))) / "pictures"
"""Folder of the pictures, their credits and their licences."""

_CROP = re.compile(r"(.+)-[a-z]")


@attrs.frozen(kw_only=True)
class Sample:
    """One row of CREDITS.csv.

    Attributes:
        file: path below `PICTURES`: "train/photo/bee.jpg".
        kind: "photo", or a cartoon's "anime", "scene" or "cutout".
        licence: SPDX identifier, "Expat" or "public-domain".
        source_path: where the original lies in its source package; two paths joined by " + " for a composition.
    """

    file: str
    kind: str
    title: str
    author: str
    licence: str
    source_package: str
    source_path: str

    @property
    def path(self) -> Path:
        """Where the picture lies."""
        return PICTURES / self.file

    @property
    def split(self) -> str:
        """The shipped part: "train" or "validation"."""
        return self.file.split("/", 1)[0]

    @property
    def sources(self) -> frozenset[str]:
        """What it shares with pictures that must stay on its side of a split: originals, and crops of one."""
        name = self.path.stem
        crop = _CROP.fullmatch(name)
        originals = {f"{self.source_package}: {path}" for path in self.source_path.split(" + ")}
        return frozenset(originals | ({crop[1]} if crop else set()))


@cache
def samples() -> tuple[Sample, ...]:
    """Every packaged picture, in the order of CREDITS.csv."""
    with (PICTURES / "CREDITS.csv").open(encoding="utf-8", newline="") as rows:
        return tuple(Sample(**row) for row in csv.DictReader(rows))
