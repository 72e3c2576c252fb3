"""Any kind of training resumes exactly: parts, workers, precisions, optimizers, processes, what draws at random."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState

from tests.exact import RECIPE, Killed, Way, assert_same, checkpoint_of, in_parts, recipe, start
from tests.ranks import together
from tests.tiny import BuiltTinyMetric, TinyMetric, TinySource
from toonforge import recipe as recipes
from toonforge.train.saving import Saving
from toonforge.train.trainer import train

KINDS = {
    "workers, cosine": "workers = 1",
    "accumulate, momentum": 'accumulate = 2\noptimizer = { type = "sgd", lr = 0.01, momentum = 0.9 }',
    "bf16, rmsprop": 'precision = "bf16"\noptimizer = { type = "rmsprop", lr = 0.01 }',
    "fp64, clip": 'precision = "fp64"\nclip = 0.5',
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_training_resumes_exactly(tiny: None, tmp_path: Path, kind: str) -> None:
    text = RECIPE.format(train=KINDS[kind])
    if "cosine" in kind:
        linear = '{ type = "linear-decay", start = 3 }'
        assert linear in text
        text = text.replace(linear, '{ type = "cosine", warmup = 2 }')
    one = recipes.loads(text)
    train(one, folder=tmp_path / "whole", cpu=True)
    in_parts(one, tmp_path / "parts", [Way("stop", 3), Way("kill", 4, "checkpoint"), Way("kill", 7)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[3])


def test_two_processes_resume_exactly(tiny: None, tmp_path: Path) -> None:
    """Each process its own pools; stopped by a signal to one of them, and killed after a checkpoint."""
    one = recipe("processes = 2")

    def work(rank: int) -> None:
        AcceleratorState._reset_state(reset_partial_state=True)  # of what this process was forked from
        train(one, folder=tmp_path / "whole", cpu=True)
        save = Saving.save

        def killed(self: Saving, step: int) -> None:
            save(self, step)
            if step == 4:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Saving, "save", killed)
            with pytest.raises(Killed):
                train(one, folder=tmp_path / "parts", cpu=True)
        stopped = start(tmp_path / "parts", Way("stop", 6, "measuring"), one, resume=True)
        assert (stopped.reason, stopped.step) == ("interrupted", 6)
        assert train(one, folder=tmp_path / "parts", resume=True, cpu=True).reason == "done"

    together(2, work)
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[6])
    files = checkpoint_of(tmp_path / "parts", "latest")
    assert files["ops.rank0.safetensors"] != files["ops.rank1.safetensors"]


class BuiltRandom(BuiltTinyMetric):
    """A metric that draws from the global streams of all libraries whenever it is asked for anything."""

    def __init__(self) -> None:
        super().__init__()
        self.means += [draw()]

    def update(self, **tensors: torch.Tensor) -> None:
        super().update(**tensors)
        self.means += [draw()]

    def compute(self) -> dict[str, float]:
        return {"": sum(self.means) + draw()}

    def draw(self) -> Any:
        return None


def draw() -> float:
    return float(torch.rand(())) + float(np.random.rand()) + random.random()


def test_metrics_and_pictures_that_draw_random_numbers_are_the_same_after_a_resume(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One metric is of untranslated pictures alone: it is measured once in each start, and draws nothing after that."""
    item = TinySource.item

    def noisy(self: TinySource, group: str, index: int, rng: Any) -> Any:
        return {key: value + draw() / 100 for key, value in item(self, group, index, rng).items()}

    monkeypatch.setattr(TinySource, "item", noisy)
    monkeypatch.setattr(TinyMetric, "build", lambda self, device: BuiltRandom())
    plain = '[metrics]\nplain = { type = "tiny/mean", input = "photo" }\n'
    one = recipes.loads(RECIPE.format(train="").replace("[metrics]\n", plain))
    train(one, folder=tmp_path / "whole", cpu=True)
    in_parts(one, tmp_path / "parts", [Way("stop", 3), Way("kill", 5)])
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=[3])
