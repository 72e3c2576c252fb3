"""Programs of torch.export: torch alone loads and runs them."""

from __future__ import annotations

import json
import subprocess
import sys
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

ALONE = """
import sys

class Nothing:
    def find_spec(self, name, *more):
        if name.split(".")[0].startswith("toonforge"):
            raise ImportError(f"{name} is not wanted here")

sys.meta_path.insert(0, Nothing())
import torch
path, given, out = sys.argv[1:]
module = torch.export.load(path).module()
torch.save([module(batch) for batch in torch.load(given)], out)
assert not [name for name in sys.modules if name.startswith("toonforge")]
"""


def test_a_program_runs_without_toonforge_for_any_number_and_size(tmp_path: Path) -> None:
    """Its U-Net halves sides three times: 1, 8 and 9 pixels end in one and in two inside."""
    config = Unet(levels=3, width=4, padding="reflect", upsample="resize")
    model = model_of(tmp_path, config, {"anime": "blur(G(photo), 0.6)"}, card={"license": "CC0-1.0"})
    done = toonforge.export(model, tmp_path / "a.pt2")
    assert done.difference < 1e-4 and done.format == "torch"
    batches = [pictures(*shape) for shape in [(1, 33, 47), (3, 64, 64), (1, 9, 8), (2, 16, 100)]]
    torch.save(batches, tmp_path / "given.pt")
    words = [sys.executable, "-c", ALONE, str(done.path), str(tmp_path / "given.pt"), str(tmp_path / "out.pt")]
    subprocess.run(words, check=True, cwd=tmp_path)
    for batch, output in zip(batches, torch.load(tmp_path / "out.pt"), strict=True):
        assert (output - model.compute(batch)).abs().max() < 1e-4
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
