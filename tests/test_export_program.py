"""Programs of torch.export: right for pictures of any number and size. `test_docs_export` runs one without toonforge."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
import torch
from toonforge_pix2pix.generators import Unet

import toonforge
from tests.exporting import model_of
from tests.test_export_onnx import Awkward
from toonforge.errors import RunError
from toonforge.use.export import program
from toonforge.use.export.comparing import pictures


def test_a_program_takes_any_number_and_size(tmp_path: Path) -> None:
    """Its U-Net halves sides three times: 1, 8 and 9 pixels end in one and in two inside."""
    config = Unet(levels=3, width=4, padding="reflect", upsample="resize")
    model = model_of(tmp_path, config, {"anime": "blur(G(photo), 0.6)"}, card={"license": "CC0-1.0"})
    done = toonforge.export(model, tmp_path / "a.pt2")
    assert done.difference < 1e-4 and done.format == "torch"
    module = torch.export.load(done.path).module()
    for shape in [(1, 33, 47), (3, 64, 64), (1, 9, 8), (2, 16, 100)]:
        batch = pictures(*shape)
        assert (module(batch) - model.compute(batch)).abs().max() < 1e-4, shape
    assert module(torch.zeros(1, 3, 1, 1)).shape == (1, 3, 1, 1)
    with zipfile.ZipFile(done.path) as file:
        (name,) = [name for name in file.namelist() if name.endswith(program.ABOUT)]
        told = json.loads(json.loads(file.read(name))["toonforge"])
        assert sum(item.file_size for item in file.infolist() if "sample_inputs" in item.filename) < 100_000
    assert told["card"]["license"] == "CC0-1.0" and told["value_range"] == [-1, 1]


@pytest.mark.parametrize("how", ["by-value", "by-size"])
def test_code_that_decides_by_its_input_is_refused_in_words(tmp_path: Path, how: str) -> None:
    model = model_of(tmp_path, Awkward(how=how))
    with pytest.raises(RunError) as caught:
        toonforge.export(model, tmp_path / "a.pt2")
    problem = caught.value.problems[0]
    assert "cannot be exported to a torch.export program" in problem.message or "does not do what" in problem.message
    assert problem.found and "\n" not in problem.found
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_an_old_torch_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(tmp_path, Awkward())
    monkeypatch.setattr(torch, "__version__", "2.5.1+cu121")
    with pytest.raises(RunError, match="needs a newer torch"):
        toonforge.export(model, tmp_path / "a.pt2")
