"""What this plugin supplies, under the namespace `samples`. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge.components import Dataset
from toonforge.plugins.hookspecs import hookimpl
from toonforge_samples.dataset import PhotoCartoon


@hookimpl
def toonforge_datasets() -> Mapping[str, type[Dataset]]:
    """The packaged pictures."""
    return {"photo-cartoon": PhotoCartoon}
