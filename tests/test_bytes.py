"""Pictures are bytes until they are on the device; what networks and metrics see is the plain float pipeline's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.pictures import gradient
from toonforge import recipe as recipes
from toonforge.data.loader import TrainLoader
from toonforge.data.prefetch import on_device
from toonforge.recipe.model import Recipe
from toonforge.train.step import Training
from toonforge.train.trainer import train

TEXT = """
name = "bytes"
generators.G = {{ type = "tiny/generator" }}
phases.p = {{ updates = ["G"], losses.content = {{ type = "l1", input = "G(photo)", target = "photo" }} }}
train = {{ steps = 1, batch_size = 2 }}
translations.anime = "G(photo)"
metrics.brightness = {{ type = "tiny/mean", input = "photo" }}

[data]
type = "unpaired-folders"
fields = {{ photo = "{folder}" }}
validation_fields = {{ photo = "{folder}" }}
image_size = 16
load_size = 16
flip = false
"""


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, np.ndarray]:
    """Two that need neither scaling nor cutting, as the classic code makes floats of them."""
    (tmp_path / "photo").mkdir()
    floats = {}
    for seed in range(2):
        Image.fromarray(gradient(16, 16, seed)).save(tmp_path / "photo" / f"{seed}.png")
        floats[str(seed)] = (gradient(16, 16, seed).astype(np.float32) / 255 - 0.5).transpose(2, 0, 1) / 0.5
    return floats


def recipe(folder: Path) -> Recipe:
    return recipes.loads(TEXT.format(folder=folder / "photo"))


def same(tensor: torch.Tensor, picture: np.ndarray) -> bool:
    return tensor.dtype == torch.float32 and np.allclose(tensor.numpy(), picture, rtol=0, atol=2e-7)


def test_networks_see_floats_from_minus_one_to_one(tiny: None, tmp_path: Path, pictures: dict[str, np.ndarray]) -> None:
    config = recipe(tmp_path)
    training = Training(config, 1, 1)
    seen: list[torch.Tensor] = []
    training.networks["G"].register_forward_pre_hook(lambda network, given: seen.append(given[0].detach()))
    loader = TrainLoader(config.data.build("train"), seed=0, batch_size=2, total_steps=1)
    for batch in on_device(loader, training.device):
        assert all(value.dtype == torch.uint8 for part in batch.parts for value in part.values())
        training.step(0, batch.parts)
    found = sorted(seen[0], key=lambda picture: float(picture.sum()))
    expected = sorted(pictures.values(), key=lambda picture: float(picture.sum()))
    assert all(same(tensor, picture) for tensor, picture in zip(found, expected))


def test_metrics_see_the_same(tiny: None, tmp_path: Path, pictures: dict[str, np.ndarray]) -> None:
    finished = train(recipe(tmp_path), folder=tmp_path / "run", cpu=True)
    mean = float(np.mean([picture.mean() for picture in pictures.values()]))
    assert next(iter(finished.metrics["brightness"].values())) == pytest.approx(mean, abs=1e-6)
