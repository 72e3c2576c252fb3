"""Every generator there is, with every option: pytest -m soak tests/test_export_matrix.py (ten minutes)."""

from __future__ import annotations

from pathlib import Path

import pytest

import toonforge
from tests.export_matrix import MADE_HERE, cases, difference
from tests.exporting import model_of
from tests.test_export_onnx import largest
from toonforge import registries
from toonforge.components import Generator
from toonforge.use.export import FORMATS, Format


@pytest.mark.soak
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case[0])
def test_every_generator_does_what_it_did(case: tuple[str, Generator], format: Format) -> None:
    assert difference(case[1], format) < 1e-4


@pytest.mark.soak
def test_a_picture_that_is_much_larger_than_those_that_are_compared(tmp_path: Path) -> None:
    model = model_of(tmp_path, registries.generators["cyclegan/resnet"](width=8, blocks=2))
    path = toonforge.export(model, tmp_path / "a.onnx").path
    assert largest(path, model, 1, 1501, 2003) < 1e-4


def test_the_matrix_holds_every_generator_and_every_option() -> None:
    names = [name for name, _ in cases()]
    for generator in registries.generators:
        if generator.split("/")[0] not in MADE_HERE:
            assert generator in names
    for option in ("norm=group", "norm=batch", "upsample=resize", "upsample=pixel-shuffle", "padding=zero"):
        assert f"cyclegan/unet {option}" in names or f"cyclegan/resnet {option}" in names
    assert {"toon2real/resnet as_printed=True", "mha-unet/unet heads=0", "pix2pix/unet statistics=running"} <= set(
        names
    )
