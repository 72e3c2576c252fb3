"""The page on pictures of any size does what it says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from toonforge_cyclegan import DoubleUnet

import toonforge
from tests.test_docs import block
from tests.tiled_networks import drawn, model_of, picture


def test_the_pages_example_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    config = DoubleUnet(width=4, levels=2, norm="instance").fit((3, 64, 64))
    model = model_of({"G": drawn(config, dtype=torch.float32)}, "G(photo)", {"G": config})
    monkeypatch.setattr(toonforge, "load", lambda name: model)
    pictures = picture(80, 60, torch.float32)
    given: dict[str, Any] = {"pictures": pictures}
    outputs: list[torch.Tensor] = []
    for line in block("explanation/any-size.md", "python", "any-size").splitlines():
        exec(line, given)
        if line.startswith("output"):
            outputs.append(given["output"])
    assert len(outputs) == 4
    assert all(float((output - outputs[-1]).abs().max()) < 1e-5 for output in outputs)
    assert "60x80 pixels are computed in parts" in capsys.readouterr().out
