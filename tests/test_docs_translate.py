"""The page on translating does what it says: its commands, on sample pictures and a model of random weights."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from toonforge_samples.credits import samples

import toonforge
from tests.test_use_translate import about
from toonforge.cli import main
from toonforge.cli.translate import command
from toonforge.use.pictures.plan import FORMATS, KEPT
from toonforge.use.smoothing import CONTRAST, WINDOWS

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "translate.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, a drawing, and a model that translates both ways."""
    root = tmp_path_factory.mktemp("translate")
    torch.manual_seed(0)
    for name in ("G", "F"):
        described = about(name, {"anime": "G(photo)", "photo": "F(anime)"})
        described["component"] = {"type": "cyclegan/unet", "width": 2, "levels": 2}
        (root / "runs" / "portraits").mkdir(parents=True, exist_ok=True)
        state = toonforge.generators["cyclegan/unet"](width=2, levels=2).build().state_dict()
        save_file(state, root / "runs" / "portraits" / f"{name}.safetensors", {"toonforge": json.dumps(described)})
    (root / "holidays" / "sea").mkdir(parents=True)
    photos = [sample.path for sample in samples() if sample.kind == "photo"][:4]
    targets = ["photo.jpg", "holidays/a.jpg", "holidays/sea/b.jpg", "holidays/sea/c.jpg"]
    for path, target in zip(photos, targets):
        shutil.copyfile(path, root / target)
    drawn = next(sample.path for sample in samples() if sample.kind == "anime")
    Image.open(drawn).convert("RGB").save(root / "drawing.png")
    return root


def test_every_command_of_the_page_runs(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    monkeypatch.chdir(folder)
    blocks = re.findall(r"^<!-- run: \w+ -->\n```sh\n(.*?)```", PAGE, re.M | re.S)
    for line in "".join(blocks).splitlines():
        words = shlex.split(line)
        assert words[0] == "toonforge"
        if "--skip-existing" in words:
            Path("holidays-anime/sea/b.jpg").unlink()
        assert main(words[1:]) == 0, line
    assert {str(path.relative_to("pattern")) for path in Path("pattern").rglob("*.*")} == {
        "a.jpg",
        "sea/b.jpg",
        "sea/c.jpg",
    }
    assert Path("together/photo.png").is_file() and Path("holidays-anime/sea/b.jpg").is_file()
    (line,) = re.findall(r"^<!-- pipe: pipe -->\n```sh\n(.*?)```", PAGE, re.M | re.S)
    *words, _, source, _, target = shlex.split(line)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(Path(source).read_bytes())))
    capsysbinary.readouterr()
    assert main(words[1:]) == 0 and target == "anime.jpg"
    assert Image.open(io.BytesIO(capsysbinary.readouterr().out)).size == Image.open(source).size
    assert PAGE.count("```sh") == len(blocks) + 1


def test_the_python_of_the_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (code,) = re.findall(r"^```python\n(.*?)```", PAGE, re.M | re.S)
    exec(compile(code, "translate.md", "exec"), {})
    assert Image.open("anime.jpg").size == Image.open("photo.jpg").size


def test_the_page_names_every_option_and_every_kind_that_is_written() -> None:
    options = {name for option in command.params for name in option.opts if name.startswith("-")}
    named = set(re.findall(r"(?<![\w-])--?[a-z]+(?:-[a-z]+)*", PAGE))
    assert options - {"--out"} <= named
    assert named <= options
    assert all(f"`{ending}`" in PAGE for ending in KEPT)
    assert f"--format {'|'.join(FORMATS)}" in PAGE


def test_the_page_knows_how_it_is_smoothed() -> None:
    assert CONTRAST / 2 == 1 / 8 and "S/8 of the whole range" in PAGE  # of values from -1 to 1
    assert WINDOWS == 100 and "a hundredth of the shorter side" in PAGE
