"""What a recipe's metrics may compare is known before anything is trained."""

from __future__ import annotations

import pytest

from toonforge import registries
from toonforge.errors import RecipeError
from toonforge.recipe import loads

TEXT = """
name = "compared"
generators.G = { type = "cyclegan/unet" }
discriminators.D = { type = "cyclegan/patchgan" }
phases.p = { updates = ["G"], losses.fool = { type = "lsgan", logits = "D(G(photo))", real = true } }
train.steps = 1
data = { type = "synthetic", fields = { pair = ["photo", "cartoon"], other = ["anime"] } }
"""
PAIRWISE = {
    "classifier-gap": "target",
    "content-preservation": "output",
    "cosine-dissimilarity": "target",
    "fourier": "output",
    "lpips": "target",
    "pixel-l1": "target",
    "psnr": "target",
    "ssim": "target",
}


def test_these_are_the_metrics_that_compare_picture_by_picture() -> None:
    assert {name for name in registries.metrics if registries.metrics[name].together and "/" not in name} == set(
        PAIRWISE
    )


@pytest.mark.parametrize(("metric", "other"), PAIRWISE.items())
def test_pictures_that_are_drawn_apart_cannot_be_compared(metric: str, other: str) -> None:
    line = 'metrics.far = { type = "%s", input = "G(photo)", %s = "%s" }'
    loads(TEXT + line % (metric, other, "cartoon"))
    with pytest.raises(RecipeError) as caught:
        loads(TEXT + line % (metric, other, "anime"))
    (problem,) = caught.value.problems
    assert problem.key == "metrics.far" and problem.where is not None and problem.where.line == 8
    assert problem.found == f"input of photo, {other} of anime"
    assert "one data group" in str(problem.expected)


@pytest.mark.parametrize("metric", ["classifier-gap", "cosine-dissimilarity", "pixel-l1"])
def test_pictures_of_two_shapes_cannot_be_compared(metric: str) -> None:
    text = TEXT + f'metrics.far = {{ type = "{metric}", input = "G(photo)", target = "D(cartoon)" }}'
    with pytest.raises(RecipeError, match="input and target must have one shape"):
        loads(text)


def test_sets_may_come_from_any_group() -> None:
    loads(TEXT + 'metrics.kid = { type = "kid", generated = "G(photo)", reference = "anime" }')
