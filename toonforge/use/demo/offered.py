"""Models for the page: loaded once, each under a name of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from toonforge.errors import RunError
from toonforge.use.demo.remembering import remembering
from toonforge.use.demo.work import Offered
from toonforge.use.model import Model, load


def offer(
    models: Sequence[str | Path | Model], *, checkpoint: str | int | None = None, cpu: bool = False
) -> list[Offered]:
    """Load what is not loaded.

    Args:
        models: as `toonforge.load` takes them, or loaded.

    Raises:
        RunError: there are none, or one cannot be loaded.
    """
    if not models:
        raise RunError("a demo needs a model")
    loaded = [
        (model.recipe, model)
        if isinstance(model, Model)
        else (os.fspath(model), load(model, checkpoint=checkpoint, cpu=cpu))
        for model in models
    ]
    offered: list[Offered] = []
    for given, model in loaded:
        called = model.card.get("title") or model.recipe
        if sum((other.card.get("title") or other.recipe) == called for _, other in loaded) > 1:
            called = f"{called} ({Path(given).stem})"
        taken = {other.label for other in offered}
        label = next(
            text for n in range(len(loaded) + 1) if (text := called if n == 0 else f"{called} {n + 1}") not in taken
        )
        offered.append(Offered(label=label, given=given, model=remembering(model)))
    return offered
