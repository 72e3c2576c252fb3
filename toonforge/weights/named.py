"""Models by what a user calls them: a path, or the name of an installed one."""

from __future__ import annotations

import os
from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.registries import models, plugins

PLACES = "a run's folder, a checkpoint's folder, a .safetensors file, or the name of an installed model"


def find_model(model: str | os.PathLike[str]) -> Path:
    """Where a model lies.

    Args:
        model: a path; where nothing is there, the name of an installed model ("starter/photo-to-cartoon"), or the last
            part of it where only one is called so.

    Raises:
        RunError: nothing is there and no installed model has that name; several have.
    """
    if not isinstance(model, str | os.PathLike):
        raise RunError(Problem(message="a model is given by its path or name", found=repr(model)[:80], expected=PLACES))
    path, text = Path(model), os.fspath(model)
    if os.path.lexists(path):
        return path
    if text in models:
        return Path(models[text])  # type: ignore[arg-type]
    fitting = [name for name in models if name.rpartition("/")[2] == text]
    if len(fitting) == 1:
        return Path(models[fitting[0]])  # type: ignore[arg-type]
    if fitting:
        raise RunError(Problem(message=f"several installed models are called {text!r}", expected=" or ".join(fitting)))
    beside = [str(path.parent / other.name) for other in path.parent.iterdir()] if path.parent.is_dir() else []
    names = [*models, *(name.rpartition("/")[2] for name in models)]
    hint = did_you_mean(text, names) or did_you_mean(str(path), beside)
    if hint is None and (refusal := plugins.refusal(text)) is not None:
        raise RunError(refusal)
    hint = hint or plugins.explain(text, "models")
    raise RunError(Problem(message=f"{text} is not there", expected=PLACES, hint=hint))
