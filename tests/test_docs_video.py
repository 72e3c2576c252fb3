"""The page on videos does what it says: its commands, on a film of a moment, and its Python."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import films, videos
from toonforge.cli import main
from toonforge.use.video import WRITTEN

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "translate-video.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a film with sound, and a folder of films."""
    root = tmp_path_factory.mktemp("video")
    weights = root / "runs" / "anime_unet" / "checkpoints" / "step-000500"
    weights.mkdir(parents=True)
    videos.model_file(weights)
    (weights.parent / "latest").write_text("step-000500\n", "utf-8")
    (root / "runs" / "anime_unet" / "resolved.toml").write_text("", "utf-8")
    videos.with_sound(root / "holiday.mp4", films.scene(1, 12, 64, 96))
    (root / "films").mkdir()
    shutil.copyfile(root / "holiday.mp4", root / "films" / "one.mp4")
    films.film(root / "films" / "two.avi", films.scene(2, 8, 64, 96), codec="mpeg4")
    return root


def test_the_commands_of_the_page_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (block,) = re.findall(r"^<!-- run: film -->\n```sh\n(.*?)```", PAGE, re.M | re.S)
    for line in block.splitlines():
        assert main([*shlex.split(line)[1:], "--cpu"]) == 0, line
    for name in ("holiday-anime.mp4", "steady.mp4", "films-anime/one.mp4"):
        assert videos.packets(folder / name) == videos.packets(folder / "holiday.mp4")
    assert len(videos.frames(folder / "films-anime" / "two.mp4")) == 8


def test_the_python_of_the_page_runs(folder: Path) -> None:
    (code,) = re.findall(r"^<!-- run: python -->\n```python\n(.*?)```", PAGE, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout == "12 0.48 (96, 64) () ()\n"


def test_the_page_names_what_is_written() -> None:
    assert set(re.findall(r"`(\.\w+)`", PAGE)) == set(WRITTEN)
