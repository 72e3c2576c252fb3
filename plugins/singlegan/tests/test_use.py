"""A trained run offers both directions from its one generator; so does what is exported of it."""

from __future__ import annotations

from pathlib import Path

import torch

import toonforge
from toonforge.testing.recipes import shrink
from toonforge.train.trainer import train


def test_a_run_translates_both_ways_with_one_generator(tmp_path: Path) -> None:
    recipe = shrink(toonforge.load_recipe("singlegan/singlegan"))
    train(recipe, folder=tmp_path / "run", cpu=True)
    model = toonforge.load(tmp_path / "run", cpu=True)
    x = torch.rand(1, 3, 40, 33) * 2 - 1
    made = {to: model.compute(x, to) for to in ("photo", "cartoon")}
    assert list(model.translations) == ["photo", "cartoon"]
    with torch.no_grad():
        generator = model.inference.networks["G"].eval()
        assert torch.allclose(made["photo"], generator(x, 1), atol=1e-6)
        assert torch.allclose(made["cartoon"], generator(x, 0), atol=1e-6)
    assert not torch.allclose(made["photo"], made["cartoon"], atol=1e-3)
    weights = {path.name for path in tmp_path.glob("run/checkpoints/*/G*.safetensors")}
    assert weights == {"G.safetensors"}
