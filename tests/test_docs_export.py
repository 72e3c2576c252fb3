"""The page on exports does what it says: its commands, its Python, and a program that runs without toonforge."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toonforge_cyclegan.generators import DoubleUnet
from toonforge_samples.credits import samples

from tests.exporting import lively
from toonforge.cli import main
from toonforge.recipe.resolved import component_data
from toonforge.use.model import load
from toonforge.weights.tensors import write_tensors

PAGE = (Path(__file__).parent.parent / "docs/how-to/export.md").read_text("utf-8")
ABOUT = {
    "format": 1,
    "kind": "generators",
    "recipe": "portraits",
    "translations": {"anime": "G(photo)", "photo": "F(anime)"},
    "signals": {},
    "value_range": [-1, 1],
    "image_size": 32,
}
ALONE = """
import sys

class Nothing:
    def find_spec(self, name, *more):
        if name.split(".")[0].startswith("toonforge"):
            raise ImportError(f"{name} is not wanted here")

sys.meta_path.insert(0, Nothing())
"""


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^<!-- run: {kind} -->\n```\w+\n(.*?)```", PAGE, re.M | re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run leaves of its networks, a photograph, and what the page's commands export."""
    root = tmp_path_factory.mktemp("export")
    photo = next(sample for sample in samples() if sample.kind == "photo")
    Image.open(photo.path).convert("RGB").resize((90, 70)).save(root / "photo.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        for seed, name in enumerate("GF"):
            config = DoubleUnet(width=4, levels=2)
            state = lively(config.build(), seed).state_dict()
            about = {**ABOUT, "network": name, "component": component_data(config)}
            Path("runs/portraits").mkdir(parents=True, exist_ok=True)
            write_tensors(Path(f"runs/portraits/{name}.safetensors"), state, about)
        for line in "".join(blocks("shell")).splitlines():
            words = shlex.split(line)
            assert words[0] == "toonforge"
            # As an ONNX file, whose card the page reads.
            card = ["--card", "license=CC-BY-4.0"] if "portraits.onnx" in words else []
            assert main([*words[1:], *card]) == 0, line
    return root


def test_every_command_of_the_page_runs(folder: Path) -> None:
    assert PAGE.count("```sh") == len(blocks("shell"))
    one = load(folder / "portraits.safetensors", cpu=True)
    assert one.card["title"] == "Portraits to anime" and one.card["license"] == "CC-BY-4.0"
    assert (folder / "small.safetensors").stat().st_size < (folder / "portraits.safetensors").stat().st_size


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_the_files_run_without_toonforge_as_the_page_says(folder: Path, kind: str) -> None:
    (code,) = blocks(f"python {kind}")
    done = subprocess.run([sys.executable, "-c", ALONE + code], cwd=folder, capture_output=True, text=True, check=True)
    if kind == "onnx":
        assert done.stdout.strip() == "CC-BY-4.0"
    wanted = np.asarray(load(folder / "runs/portraits", cpu=True)(Image.open(folder / "photo.png")), np.int16)
    found = np.asarray(Image.open(folder / f"anime-{kind}.png"), np.int16)
    assert found.shape == wanted.shape == (70, 90, 3)
    assert abs(found - wanted).max() <= 1  # a number in the middle between two levels may go either way


def test_the_python_of_the_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (code,) = blocks("python api")
    exec(compile(code, "export.md", "exec"), {})
    assert (folder / "again.onnx").is_file()


def test_the_table_is_what_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sizes and the columns; differences are another processor's."""
    (shown,) = re.findall(r"```\n(portraits\.onnx  .*?)```", PAGE, re.S)
    assert main(["export", str(folder / "runs/portraits"), "-o", str(folder / "table.onnx")]) == 0
    printed = capsys.readouterr().out

    def columns(text: str) -> list[str]:
        return [line.split("  ")[1].strip() for line in text.splitlines() if line.startswith("  ")]

    assert columns(printed) == columns(shown)
    assert "runs, not compared" in shown and "runs, not compared" in printed
