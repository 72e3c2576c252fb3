"""Model files that somebody else made: the model that they describe is loaded, or one message says what is wrong."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests import tiny
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.use.model import load

tiny.register()

SMALL = {"type": "tiny/generator", "width": 2, "norm": False, "dropout": 0.0, "in_channels": 3}
TENSORS = {
    "G.0.weight": torch.zeros(2, 3, 3, 3),
    "G.0.bias": torch.zeros(2),
    "G.4.weight": torch.zeros(3, 2, 3, 3),
    "G.4.bias": torch.zeros(3),
}
ABOUT: dict[str, Any] = {
    "format": 1,
    "needs": "0.1.0",
    "kind": "model",
    "recipe": "small",
    "step": 3,
    "image_size": 16,
    "value_range": [-1, 1],
    "translations": {"anime": "G(photo)"},
    "signals": {},
    "networks": {"G": {"kind": "generators", "component": SMALL, "averaged": False}},
    "card": {"title": "Small"},
}


def save(path: Path, change: Mapping[str, Any] = {}, tensors: Mapping[str, Any] = {}) -> Path:
    held = {name: value for name, value in {**TENSORS, **tensors}.items() if value is not None}
    save_file(held, path, {"toonforge": json.dumps({**ABOUT, **change})})
    return path


def network(**change: Any) -> dict[str, Any]:
    return {"networks": {"G": {**ABOUT["networks"]["G"], **change}}}


def test_the_file_that_is_changed_is_valid(tmp_path: Path) -> None:
    model = load(save(tmp_path / "one.safetensors"), cpu=True)
    assert (model.recipe, model.step, model.card) == ("small", 3, {"title": "Small"})
    assert model.compute(torch.zeros(1, 3, 5, 4)).shape == (1, 3, 5, 4)


CIRCLE = {"signals": {"a": "G(b)", "b": "blur(a, 1)"}, "translations": {"anime": "a"}}
DOUBLING = {
    "signals": {**{f"s{n}": f"cat(s{n + 1}, s{n + 1})" for n in range(40)}, "s40": "photo"},
    "translations": {"anime": "G(s0)"},
}


@pytest.mark.parametrize(
    ("change", "tensors", "message"),
    [
        ({}, {"G.0.weight": None}, "not in the file"),
        ({}, {"G.0.weight": torch.zeros(2, 3, 3, 2)}, r"\[2, 3, 3, 2\] in the file"),
        ({}, {"G.0.weight": torch.zeros(0)}, r"\[0\] in the file"),
        ({}, {"G.9.weight": torch.zeros(1)}, "Unexpected key"),
        ({}, {"F.0.weight": torch.zeros(1)}, "the tensor 'F.0.weight' is of no network"),
        ({}, {"0.weight": torch.zeros(1)}, "the tensor '0.weight' is of no network"),
        ({}, {f"F.{name[2:]}": value for name, value in TENSORS.items()} | dict.fromkeys(TENSORS), "is of no network"),
        (network(component={**SMALL, "width": 10**9}), {}, "does not fit|far larger"),
        (network(component={"type": "cyclegan/resnet", "blocks": 10**9}), {}, "does not fit|far larger"),
        (network(component={**SMALL, "type": "os.system"}), {}, "os.system"),
        (network(kind="datasets"), {}, "holds no network"),
        (network(averaged="yes"), {}, "averaged is str"),
        ({"networks": {}}, {}, "networks are called nothing"),
        ({"networks": {"G.x": ABOUT["networks"]["G"]}}, {}, "networks are called 'G.x'"),
        ({"networks": {"../G": ABOUT["networks"]["G"]}}, {}, "networks are called '../G'"),
        ({"networks": [1]}, {}, "networks is list"),
        ({"format": 2, "needs": "9.0"}, {}, "it needs toonforge 9.0 or newer"),
        ({"format": "x"}, {}, "no weights file"),
        (CIRCLE, {}, "no weights file|circle|itself"),
        ({"translations": {}}, {}, "offers no translation"),
        ({"translations": {"anime": "H(photo)"}}, {}, "offers no translation"),
        ({"translations": {"anime": "G(photo"}}, {}, "no weights file"),
        ({"translations": {"anime": "G(photo, drawing)"}}, {}, "offers no translation"),
        ({"image_size": "16"}, {}, "image_size is str"),
        ({"image_size": True}, {}, "image_size is bool"),
        ({"image_size": -5}, {}, "image_size is not from 1 to"),
        ({"image_size": 10**18}, {}, "image_size is not from 1 to"),
        ({"step": 1.5}, {}, "step is float"),
        ({"step": -1}, {}, "step is not from 0 to"),
        ({"step": 10**400}, {}, "step is not from 0 to"),
        ({"networks": {f"G{n}": ABOUT["networks"]["G"] for n in range(257)}}, {}, "257 networks, more than 256"),
        ({"networks": {**ABOUT["networks"], "cat": ABOUT["networks"]["G"]}}, {}, "a network is called 'cat', as an op is"),
        ({"translations": {"anime": "photo"}}, {}, "offers no translation"),
        ({"translations": {"anime": "s"}, "signals": {"s": "cat(photo, photo)"}}, {}, "offers no translation"),
        ({}, {"G.4.bias": torch.tensor([0, math.nan, 0])}, "not finite"),
        ({}, {"G.4.bias": torch.tensor([0, -math.inf, 0])}, "not finite"),
        ({}, {"G.4.bias": torch.tensor([0, 1e300, 0], dtype=torch.float64)}, "not finite"),
        ({"card": {"title": ["a"]}}, {}, "card.title is list"),
        ({"card": "free"}, {}, "card is str"),
        ({"recipe": None}, {}, "recipe is NoneType"),
    ],
)  # fmt: skip
def test_a_wrong_model_file_is_refused_in_one_message(
    tmp_path: Path, change: dict[str, Any], tensors: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path / "one.safetensors", change, tensors)
    with pytest.raises(RunError, match=message) as caught:
        load(path, cpu=True)
    assert str(path) in caught.value.problems[0].message
    assert main(["export", str(path), "-o", str(tmp_path / "two.safetensors")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert not (tmp_path / "two.safetensors").exists()


def test_values_of_absurd_size_are_refused_before_they_are_computed(tmp_path: Path) -> None:
    model = load(save(tmp_path / "one.safetensors", DOUBLING), cpu=True)
    with pytest.raises(RunError, match="cannot be computed"):
        model.compute(torch.zeros(1, 3, 8, 8))


def test_a_translation_without_a_network_beside_one_with_is_offered(tmp_path: Path) -> None:
    path = save(tmp_path / "one.safetensors", {"translations": {"anime": "G(photo)", "soft": "blur(photo, 1)"}})
    model = load(path, cpu=True)
    assert list(model.translations) == ["anime", "soft"]
    assert model.compute(torch.zeros(1, 3, 5, 4), "soft").shape == (1, 3, 5, 4)


def test_what_is_no_file_is_told_as_such(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for name, message in (("pipe", "is no regular file"), ("loop", "is a link that leads nowhere")):
        with pytest.raises(RunError, match=message) as caught:
            load(tmp_path / name)
        assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"), [("G.pth", "toonforge import"), ("G.ckpt", "toonforge import"), ("a.JPG", "this is a picture")]
)
def test_what_is_given_in_the_place_of_a_model_is_told_apart(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(RunError, match="is no weights file of toonforge") as caught:
        load(tmp_path / name)
    assert hint in str(caught.value.problems[0].hint) and "Safetensor" not in str(caught.value)


def test_weights_of_other_programs_are_to_be_imported(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "one.safetensors")
    with pytest.raises(RunError, match="is no weights file of toonforge") as caught:
        load(tmp_path / "one.safetensors")
    assert "toonforge import" in str(caught.value.problems[0].hint)


def test_a_model_that_is_no_path_is_refused() -> None:
    with pytest.raises(RunError, match="by its path or name"):
        load(5)  # type: ignore[arg-type]


def test_one_file_has_no_checkpoint_to_choose(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="one file: there is no checkpoint to choose") as caught:
        load(save(tmp_path / "one.safetensors"), checkpoint=3)
    assert "leave the checkpoint out" in str(caught.value.problems[0].hint)


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"\x08\x08" + b"x" * 40], ids=["empty", "zip", "protobuf"])
@pytest.mark.parametrize("suffix", [".safetensors", ".onnx", ".pt2"])
def test_what_is_no_model_file_is_refused(tmp_path: Path, raw: bytes, suffix: str) -> None:
    path = tmp_path / f"one{suffix}"
    path.write_bytes(raw)
    with pytest.raises(RunError, match=r"is no weights file|which other programs run"):
        load(path)


def test_half_precision_and_other_numbers_become_the_networks_own(tmp_path: Path) -> None:
    weight = torch.rand(2, 3, 3, 3)
    for kind in (torch.float16, torch.bfloat16, torch.float64):
        held = {"G.0.weight": weight.to(kind)}
        loaded = load(save(tmp_path / f"{kind}.safetensors", {}, held), cpu=True).inference.networks["G"]
        assert loaded[0].weight.dtype == torch.float32  # type: ignore[index]
        assert torch.allclose(loaded[0].weight, weight, atol=0.01)  # type: ignore[index]


@pytest.mark.parametrize("name", ["two.onnx", "two.pt2", "two.safetensors"])
def test_a_file_that_the_system_refuses_is_told_as_such(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    resource = pytest.importorskip("resource")
    path = save(tmp_path / "one.safetensors")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        assert main(["export", str(path), "-o", str(tmp_path / name)]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    told = capsys.readouterr().err
    assert f"cannot write {tmp_path / name}" in told.replace("\n", "") and "File too large" in told
    assert [each.name for each in tmp_path.iterdir()] == ["one.safetensors"]
