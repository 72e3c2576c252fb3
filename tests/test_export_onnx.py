"""ONNX files: right for pictures of any number and size, and they say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from toonforge_cyclegan.generators import DoubleUnet, Resnet
from toonforge_mha_unet.generators import Unet as AttentionUnet
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

import toonforge
from tests.exporting import model_of
from toonforge import registries
from toonforge.cli.export import summary
from toonforge.components import Generator, Shape, component, param
from toonforge.errors import RunError
from toonforge.registry import Provenance
from toonforge.use.export import onnx_file
from toonforge.use.export.comparing import pictures
from toonforge.use.model import Model


@component
class Awkward(Generator):
    """Networks that exporters stumble over."""

    how: str = param("plain", doc="in which way")

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> nn.Module:
        return AwkwardNetwork(self.how)


class AwkwardNetwork(nn.Module):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.layer = how, nn.Conv2d(3, 3, 3, padding=1)
        if how == "spectral":
            spectral_norm(self.layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layer(x)
        if self.how == "by-size":
            return y * 2 if x.shape[-1] > 50 else y
        if self.how == "no-operator":
            return y + torch.special.bessel_j0(x) * 0.1
        if self.how == "by-value":
            return y if float(x.mean()) > 5 else -y
        return y


if "awkward/network" not in registries.generators:
    who = Provenance(plugin="awkward", distribution="tests", version="0")
    registries.generators.add("awkward/network", Awkward, who)


def run(path: Path, batch: torch.Tensor) -> torch.Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {session.get_inputs()[0].name: batch.numpy()})
    return torch.from_numpy(output)


def largest(path: Path, model: Model, *shape: int) -> float:
    batch = pictures(*shape)
    return (run(path, batch) - model.compute(batch)).abs().max().item()


def test_any_number_height_and_width(tmp_path: Path) -> None:
    model = model_of(tmp_path, Resnet(width=4, blocks=1, residual=True))
    done = toonforge.export(model, tmp_path / "a.onnx")
    assert 0 < done.difference < 1e-4 and done.decided == ()
    for shape in [(1, 2, 3), (3, 37, 50), (1, 33, 32), (5, 8, 8), (1, 7, 301)]:
        assert largest(done.path, model, *shape) < 1e-4, shape
    assert run(done.path, torch.zeros(2, 3, 1, 1)).shape == (2, 3, 1, 1)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    model = model_of(tmp_path, DoubleUnet(levels=1, width=4), {"anime": "blur(G(photo), 0.6)"}, step=12)
    path = toonforge.export(model, tmp_path / "a.onnx", card={"license": "CC0-1.0", "description": "Soft."}).path
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    (given,), (output,) = proto.graph.input, proto.graph.output
    assert (given.name, output.name) == ("photo", "anime")
    for each in (given, output):
        sides = each.type.tensor_type.shape.dim
        assert [side.dim_param or side.dim_value for side in sides] == ["batch", 3, "height", "width"]
        assert each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    said = {entry.key: entry.value for entry in proto.metadata_props}
    assert (said["title"], said["license"], proto.doc_string) == ("made", "CC0-1.0", "Soft.")
    told = json.loads(said["toonforge"])
    assert told["value_range"] == [-1, 1] and told["translation"] == "blur(G(photo), 0.6)"
    assert (told["from"], told["to"], told["step"], told["image_size"]) == ("photo", "anime", 12, 32)
    assert [each.version for each in proto.opset_import if each.domain in ("", "ai.onnx")] == [onnx_file.OPSET]


def test_it_runs_in_numpy_alone(tmp_path: Path) -> None:
    model = model_of(tmp_path, DoubleUnet(levels=1, width=4))
    path = toonforge.export(model, tmp_path / "a.onnx").path
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (output,) = session.run(["anime"], {"photo": np.zeros((1, 3, 9, 11), np.float32)})
    assert output.shape == (1, 3, 9, 11) and output.dtype == np.float32


@pytest.mark.parametrize(
    ("networks", "translations", "signals"),
    [
        ({"G": AttentionUnet(levels=2, width=4, heads=2)}, {"anime": "G(photo)"}, {}),
        ({"G": DoubleUnet(levels=1, width=4)}, {"anime": "blur(G(gray(photo)), 1.4)"}, {}),
        ({"G": DoubleUnet(levels=1, width=4, in_channels=6, residual=False)}, {"anime": "G(both)"}, {"both": "cat(photo, soft)", "soft": "blur(photo, 3)"}),
        ({"G": DoubleUnet(levels=1, width=4), "F": DoubleUnet(levels=1, width=4)}, {"photo": "F(pool(G(noise(photo, 0.5))))"}, {}),
        ({"G": DoubleUnet(levels=1, width=4, out_channels=1, residual=False)}, {"ink": "G(photo)"}, {}),
    ],
    ids=["attention", "ops", "signals", "two-networks", "one-channel"],
)  # fmt: skip
def test_translations_of_ops_signals_and_several_networks(
    tmp_path: Path, networks: Any, translations: dict[str, str], signals: dict[str, str]
) -> None:
    model = model_of(tmp_path, networks, translations, signals=signals)
    path = toonforge.export(model, tmp_path / "a.onnx").path
    for shape in [(1, 8, 13), (2, 31, 45), (1, 64, 20)]:
        assert largest(path, model, *shape) < 1e-4


def test_spectral_norm_is_folded_into_the_weights(tmp_path: Path) -> None:
    model = model_of(tmp_path, Awkward(how="spectral"))
    path = toonforge.export(model, tmp_path / "a.onnx").path
    proto = onnx.load(path)
    assert {node.op_type for node in proto.graph.node} <= {"Conv", "Clip", "Constant"}
    assert largest(path, model, 2, 9, 7) < 1e-5
    (layer,) = [m for m in model.inference.networks["G"].modules() if isinstance(m, nn.Conv2d)]
    assert hasattr(layer, "parametrizations"), "the model itself is left as it was"


# -- what cannot be exported ------------------------------------------------------------------------------------------


def refused(tmp_path: Path, how: str) -> Any:
    model = model_of(tmp_path, Awkward(how=how))
    with pytest.raises(RunError) as caught:
        toonforge.export(model, tmp_path / "a.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    return caught.value.problems[0]


def test_code_that_decides_by_the_size_is_found_out_and_named(tmp_path: Path) -> None:
    problem = refused(tmp_path, "by-size")
    assert "does not do what the model does: 1 x 32x32" in problem.message
    assert "test_export_onnx.py, line" in (problem.hint or "")


def test_code_that_decides_by_the_pixels_is_named(tmp_path: Path) -> None:
    """On the pictures that are compared both give the same, so that it is kept, with a note."""
    model = model_of(tmp_path, Awkward(how="by-value"))
    done = toonforge.export(model, tmp_path / "a.onnx")
    assert done.difference < 1e-5
    assert len(done.decided) == 1 and "test_export_onnx.py, line" in done.decided[0]
    assert "test_export_onnx.py, line" in summary([done])


def test_what_onnx_does_not_know_is_said_with_the_reason(tmp_path: Path) -> None:
    problem = refused(tmp_path, "no-operator")
    assert problem.message == "G(photo) cannot be exported to ONNX"
    assert "bessel" in (problem.found or "") and ".safetensors" in (problem.hint or "")


def test_what_does_not_fit_an_onnx_file_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "LARGEST", 300)
    problem = refused(tmp_path, "plain")
    assert "2 GiB" in problem.message
