"""What trackers want in ways of their own: where they write, how a resumed run finds itself again, pictures, texts."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import uuid4

import attrs
import numpy as np
from PIL import Image

from toonforge.events import RunInfo

PROJECT = "toonforge"
TEXTS_NOT_TAKEN = frozenset({"aim", "clearml", "dvclive", "mlflow", "swanlab", "trackio"})
"""Their `log` takes numbers alone; Accelerate documents text for its own trackers' interface."""


@attrs.frozen(kw_only=True)
class Settings:
    """How a tracker is started.

    Attributes:
        project: Accelerate's first argument: the project that runs are grouped by; of TensorBoard a folder's name.
        keywords: further ones of the tracker.
        identity: from the tracker once it runs, what to keep for a resumed run.
    """

    project: str
    keywords: Mapping[str, Any] = attrs.field(factory=dict)
    identity: Callable[[Any], str | None] = lambda tracker: None


def settings(name: str, run: RunInfo, folder: Path, identity: str | None) -> Settings:
    """How to start a tracker.

    Args:
        folder: for what it writes.
        identity: what was kept of an earlier start of the same run.
    """
    called = run.folder.resolve().name
    keywords: dict[str, Any]
    if name == "tensorboard":
        # Its readers drop what an earlier start wrote at this step or later.
        again = (folder / name).is_dir()
        return Settings(project=name, keywords={"purge_step": run.first_step + 1} if again else {})
    if name == "wandb":
        known = identity or uuid4().hex[:12]
        keywords = {"name": called, "id": known, "resume": "allow", "dir": str(folder)}
        return Settings(
            project=os.environ.get("WANDB_PROJECT", PROJECT), keywords=keywords, identity=lambda tracker: known
        )
    if name == "trackio":
        known = identity or f"{called}-{uuid4().hex[:6]}"
        return Settings(project=PROJECT, keywords={"name": known, "resume": "allow"}, identity=lambda tracker: known)
    if name == "mlflow":
        keywords = {"run_name": called, **({"run_id": identity} if identity else {})}
        return Settings(project=PROJECT, keywords=keywords, identity=lambda tracker: tracker.tracker.info.run_id)
    if name == "dvclive":
        keywords = {"dir": str(folder / name), "resume": identity is not None, "dvcyaml": None}
        return Settings(project=PROJECT, keywords=keywords, identity=lambda tracker: called)
    return Settings(project=PROJECT)


def store_recipe(name: str, tracker: Any, values: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Give a tracker the run's configuration.

    TensorBoard gets it into the run itself: Accelerate would open two more folders at every start, which TensorBoard
    shows as runs of their own, without the metrics.
    """
    if name != "tensorboard":
        tracker.store_init_configuration(dict(values))
        return
    package = type(tracker.writer).__module__.rpartition(".")[0]
    written = import_module(f"{package}.summary").hparams(dict(values), {f"metric/{metric}": 0 for metric in metrics})
    for summary in written:
        tracker.writer.file_writer.add_summary(summary)
    tracker.writer.flush()


def takes_text(name: str) -> bool:
    """Whether a tracker's `log` takes text."""
    return name not in TEXTS_NOT_TAKEN


def pictures_for(name: str, picture: Image.Image) -> tuple[Any, dict[str, Any]]:
    """A picture as a tracker's `log_images` wants it, and further keywords."""
    if name == "tensorboard":
        return np.asarray(picture)[None], {"dataformats": "NHWC"}  # 1,H,W,3
    return (picture if name in ("aim", "clearml") else [picture]), {}
