"""What is to be measured, worked out before torch is imported; and the measurement of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.components import ImageSource, Metric, Shape, expressions
from toonforge.errors import DataError, Problem
from toonforge.events import About
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.weights.chosen import Chosen

if TYPE_CHECKING:
    from PIL import Image

_NAMED = 5


@attrs.frozen(kw_only=True)
class Trained:
    """A run whose networks translate.

    Attributes:
        folder: the run's.
        recipe: as it was resolved.
        checkpoint: which of its checkpoints.
    """

    folder: Path
    recipe: Recipe
    checkpoint: Chosen

    @property
    def graph(self) -> Graph:
        """Of the recipe's expressions."""
        return Graph(self.recipe.modules, self.recipe.signals)


@attrs.frozen(kw_only=True)
class Subject:
    """What an evaluation is of.

    Attributes:
        run: the run's folder; None where pictures were made elsewhere.
        checkpoint: which of the run's checkpoints.
        part: of the run's data set; None where the pictures are those of a folder.
        target: the domain that was translated to; None where the recipe's own metrics say what is measured.
        generated, input, reference: folders.
    """

    run: Path | None = None
    checkpoint: Chosen | None = None
    part: str | None = None
    target: str | None = None
    generated: Path | None = None
    input: Path | None = None
    reference: Path | None = None


@attrs.frozen(kw_only=True, eq=False)
class Plan:
    """A measurement that can begin.

    Attributes:
        subject: what it is of.
        metrics: by name, over fields of `groups` and networks of `graph`.
        source, groups: the pictures, and their batch fields.
        graph: of the expressions.
        preparation: which pictures these are and how they are read, as a protocol says it.
        part: of a data set, where all pictures are of one.
        trained: the run whose networks translate; None where the pictures are translated already.
        notes: what the user should know.
    """

    subject: Subject
    metrics: Mapping[str, Metric]
    source: ImageSource
    groups: Mapping[str, Mapping[str, Shape]]
    graph: Graph
    preparation: str
    part: str = ""
    trained: Trained | None = None
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True, eq=False)
class Evaluation:
    """What was measured.

    Attributes:
        subject: what it is of.
        metrics: the metrics as they were configured, by name.
        values: metric -> its results: "" is its headline, "std" the standard error of that; "untranslated" and
            "filter" are the headline of the untranslated pictures, and of what a plain picture filter makes of them.
        about: metric -> how its numbers were made.
        drawings: metric -> the picture it drew, for those that draw one.
        skipped: unreadable pictures: path -> reason.
        notes: what the user should know.
        seconds: how long it took.
    """

    subject: Subject
    metrics: Mapping[str, Metric]
    values: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About]
    drawings: Mapping[str, Image.Image]
    skipped: Mapping[str, str]
    notes: tuple[str, ...]
    seconds: float


def measure(plan: Plan, *, cpu: bool = False, progress: Callable[[int, int], None] | None = None) -> Evaluation:
    """Carry a plan out.

    Args:
        cpu: stay on the CPU even where there is a GPU.
        progress: told (pictures done, pictures there are) after each batch.

    Raises:
        RunError: for weights that cannot be used.
        DataError: no picture at all could be read.
        ToonforgeError: for weights of metrics that are missing.
    """
    import torch

    from toonforge.train.state import DTYPES
    from toonforge.use.evaluate.inference import inference_of
    from toonforge.validation.measuring import Measuring
    from toonforge.validation.weights import weights_of

    device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    trained = plan.trained
    skipped: dict[str, str] = {}
    measuring = Measuring(
        plan.metrics,
        plan.source,
        plan.groups,
        plan.graph,
        device,
        DTYPES[trained.recipe.train.precision] if trained is not None else torch.float32,
        skipped.__setitem__,
        part=plan.part,
        weights=weights_of(trained.recipe) if trained is not None else {},
        preparation=plan.preparation,
    )
    results = measuring(inference_of(plan, device), progress)
    if skipped and not any(sum(about.pictures.values()) for about in results.about.values()):
        raise DataError(*_unreadable(skipped))
    return Evaluation(
        subject=plan.subject,
        metrics=plan.metrics,
        values=results.values,
        about=results.about,
        drawings=results.drawings,
        skipped=skipped,
        notes=plan.notes,
        seconds=results.seconds,
    )


def networks_of(plan: Plan) -> frozenset[str]:
    """The networks that the metrics need."""
    exprs = [expr for metric in plan.metrics.values() for expr in expressions(metric).values()]
    return frozenset().union(*map(plan.graph.networks_below, exprs))


def _unreadable(skipped: Mapping[str, str]) -> list[Problem]:
    some = list(skipped.items())[:_NAMED]
    more = [f"and {len(skipped) - _NAMED} more"] if len(skipped) > _NAMED else []
    found = "\n".join([*(f"{path}: {reason}" for path, reason in some), *more])
    return [Problem(message="no picture could be read, so there is nothing to measure", found=found)]
