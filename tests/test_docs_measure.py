"""The page on measuring does what it says: its commands, on sample pictures and a run of a moment."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from toonforge_samples.credits import samples

from toonforge import recipe as recipes
from toonforge import registries
from toonforge.cli import main
from toonforge.train.trainer import train

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "measure.md").read_text("utf-8")
RECIPE = """
extends = "cyclegan/cyclegan"
name = "portraits"
data = { type = "unpaired-folders", fields = { photo = "photos", anime = "drawings" }, validation = 0.3, test = 0.3,
         image_size = 32, load_size = 36 }
generators.G = { type = "cyclegan/unet", width = 4, levels = 3 }
generators.F = { type = "cyclegan/unet", width = 4, levels = 3 }
discriminators.D_anime.width = 4
discriminators.D_photo.width = 4
train.steps = 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, drawings, and a run that was trained on them for one step."""
    root = tmp_path_factory.mktemp("measure")
    for kind, name in (("photo", "photos"), ("anime", "drawings")):
        (root / name).mkdir()
        for sample in [sample for sample in samples() if sample.kind == kind][:6]:
            shutil.copyfile(sample.path, root / name / sample.path.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        train(recipes.loads(RECIPE), folder=Path("runs/portraits"), cpu=True)
    return root


def blocks() -> list[str]:
    return re.findall(r"^<!-- run: \w+ -->\n```sh\n(.*?)```", PAGE, re.M | re.S)


def test_every_command_of_the_page_runs(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert len(blocks()) == PAGE.count("```sh")
    for line in "".join(blocks()).splitlines():
        words = shlex.split(line)
        assert words[0] == "toonforge"
        assert main(words[1:]) == 0, line
    assert "untranslated" in capsys.readouterr().out
    noted = [json.loads(line) for line in Path("runs/portraits/evaluations.jsonl").read_text("utf-8").splitlines()]
    assert [line["part"] for line in noted] == ["test", "validation", "test", "test", None]
    assert json.loads(Path("beside.json").read_text("utf-8"))["metrics"] == noted[-1]["metrics"]


def test_the_python_of_the_page_runs(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, pictures in (("photos", "photos"), ("drawings", "drawings"), ("cartoons", "photos")):
        shutil.copytree(folder / pictures, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)```", PAGE, re.M | re.S)
    exec(compile(code, "measure.md", "exec", dont_inherit=True), {"__name__": "page"})
    (said,) = re.findall(r"\)  # (\[.*\])$", code, re.M)
    parts, protocol = capsys.readouterr().out.splitlines()
    assert parts == said
    assert "sha256" in protocol and "128x128 cut from the middle" in protocol


def test_the_table_names_every_metric_there_is() -> None:
    table = PAGE[PAGE.index("| Question") : PAGE.index("None of them is enough")]
    own = {name for name in registries.metrics if "/" not in name}
    assert set(re.findall(r"`([a-z0-9-]+)`", table)) == own
