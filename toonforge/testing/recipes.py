"""What a recipe promises: it checks, survives a round trip, says how to run it, trains once it is shrunk, and "
"resumes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from toonforge.components import Count, changed
from toonforge.events import Checkpoint, Finished, RunInfo
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe import find, load, loads
from toonforge.recipe.model import CheckpointRule, Recipe
from toonforge.recipe.resolved import dump
from toonforge.testing.shrinking import shrink

if TYPE_CHECKING:
    import pytest

__all__ = ["RECIPES", "RecipeSuite", "shrink"]

RECIPES: list[type[RecipeSuite]] = []
"""Every suite of this process that has a recipe: `PluginSuite` looks up what is covered."""


@attrs.frozen
class Trained:
    """A shrunk recipe's training, and its folder as it was when half of the steps were done."""

    recipe: Recipe
    finished: Finished
    folder: Path
    half: Path
    step: int


_TRAINED: dict[tuple[str, tuple[str, ...]], Trained] = {}


class RecipeSuite:
    """A recipe file or packaged recipe.

    Attributes:
        recipe: path, or "plugin/name". It is trained on made-up pictures in the fields of its own data set.
        overrides: as given to `--set`.
    """

    recipe: ClassVar[str | Path]
    overrides: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        if hasattr(cls, "recipe"):
            RECIPES.append(cls)

    def test_checks(self) -> None:
        load(self.recipe, self.overrides)

    def test_survives_a_round_trip(self) -> None:
        recipe = load(self.recipe, self.overrides)
        assert loads(dump(recipe)) == recipe, "the recipe with every default filled in reads back as another one"

    def test_its_header_says_how_to_run_it(self) -> None:
        source = find(self.recipe)
        head = header(source.path.read_text("utf-8"))
        packaged = isinstance(self.recipe, str) and self.recipe != str(source.path)
        own = str(self.recipe) if packaged else source.path.stem
        assert any("toonforge run" in line and own in line for line in head), (
            f"begin {source.path.name} with comments that say what it trains and how to run it:\n"
            f"#     toonforge run {self.recipe if packaged else source.path.name}"
        )

    def test_trains_when_shrunk(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        trained = self.trained(tmp_path_factory)
        assert trained.finished.reason == "done"
        seen = {name for losses in losses_of(trained.folder).values() for name in losses}
        wanted = {f"{p}.{t}" for p, ph in trained.recipe.phases.items() for t, term in ph.losses.items() if term.weight}
        assert seen == wanted, f"losses that were never computed: {sorted(wanted - seen)}"
        assert set(trained.finished.metrics) == set(trained.recipe.metrics), "metrics that were never measured"

    def test_resumes_bit_for_bit(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """Ended after half of its steps as by a power cut, and resumed: the same networks, optimizers and losses."""
        from toonforge.train.trainer import train

        whole = self.trained(tmp_path_factory)
        folder = tmp_path_factory.mktemp("resumed") / "run"
        shutil.copytree(whole.half, folder)
        finished = train(whole.recipe, folder=folder, resume=True, cpu=True)
        assert finished.step == whole.finished.step
        ours, theirs = losses_of(folder), losses_of(whole.folder)
        for step in range(whole.step + 1, finished.step + 1):
            assert ours.get(step) == theirs.get(step), (
                f"after a resume the losses of step {step} are {ours.get(step)}, without one {theirs.get(step)}: "
                "something "
                "remembers and is in no checkpoint. Buffers of networks are; give an op or a loss that remembers "
                "state_dict() and load_state_dict() of tensors, and draw at random only from torch's, numpy's and "
                "Python's global state, or from the `rng` of an item"
            )
        files, others = files_of(folder), files_of(whole.folder)
        wrong = sorted(name for name in files.keys() | others.keys() if files.get(name) != others.get(name))
        assert not wrong, f"after a resume the last checkpoint has other {', '.join(wrong)}"

    def trained(self, folders: pytest.TempPathFactory) -> Trained:
        """The shrunk recipe's training, made once for all tests of this recipe."""
        key = (str(self.recipe), tuple(self.overrides))
        if key not in _TRAINED:
            _TRAINED[key] = _train(shrink(load(self.recipe, self.overrides)), folders.mktemp("recipe"))
        return _TRAINED[key]


class _Copying:
    """Copies a run's folder as soon as the checkpoint of a step is on disk."""

    def __init__(self, step: int, to: Path) -> None:
        self.step, self.to = step, to

    @hookimpl
    def checkpoint_saved(self, run: RunInfo, checkpoint: Checkpoint) -> None:
        if checkpoint.step == self.step:
            shutil.copytree(run.folder, self.to)


def _train(recipe: Recipe, folder: Path) -> Trained:
    from toonforge.train.trainer import train

    step = (recipe.train.steps or 2) // 2
    rule = CheckpointRule(every=Count(steps=step), keep=1)
    recipe = changed(recipe, train=changed(recipe.train, checkpoint=rule))
    whole, half = folder / "run", folder / "half"
    return Trained(recipe, train(recipe, folder=whole, listeners=[_Copying(step, half)], cpu=True), whole, half, step)


def header(text: str) -> list[str]:
    """The comments that a recipe begins with."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    return lines[:end]


def losses_of(folder: Path) -> Mapping[int, Mapping[str, float]]:
    """Step -> losses, as the run's log has them; of steps that were logged twice, the last."""
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return {event["step"]: event["losses"] for event in events if event["event"] == "step"}


def files_of(folder: Path) -> Mapping[str, bytes]:
    """Name -> content of every file of the newest checkpoint."""
    newest = (folder / "checkpoints" / "latest").read_text("utf-8").strip()
    return {path.name: path.read_bytes() for path in (folder / "checkpoints" / newest).iterdir()}
