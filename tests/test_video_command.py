"""`toonforge translate MODEL film.mp4`: one line for what came of it, its notes, and the right exit code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from toonforge_cyclegan import Resnet

import toonforge
from tests import films, tiled_networks, videos
from toonforge.cli import main
from toonforge.use.pictures.pipeline import Pipeline
from toonforge.use.pictures.plan import plan
from toonforge.use.video import is_video, target_suffix, translate_video


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    videos.model_file(tmp_path)
    videos.with_sound(tmp_path / "film.mkv", films.scene(1, 60, 64, 96))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_film_goes_through_a_generator(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["translate", "G.safetensors", "film.mkv", "-o", "out.mp4", "--steady", "0.5", "--cpu"]) == 0
    said = capsys.readouterr()
    assert "film.mkv translated to anime: out.mp4 (2.4 s, 60 frames" in said.out and not said.err.strip()
    assert [data for _, data in videos.packets(folder / "out.mp4")] == [
        data for _, data in videos.packets(folder / "film.mkv")
    ]


def test_each_frame_is_what_the_model_makes_of_it(folder: Path) -> None:
    model = toonforge.load(folder / "G.safetensors", cpu=True)
    source = films.film(folder / "a.mkv", films.scene(2, 5, 64, 96), codec="ffv1", pixels="bgr0")
    out = translate_video(model, source, folder / "out.mkv").target
    for before, after in zip(videos.pictures(source), videos.pictures(out)):
        batch = torch.from_numpy(before.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        expected = ((model.translate(batch)[0].permute(1, 2, 0) + 1) * 127.5).numpy()
        assert np.abs(expected - after).mean() < 3


def test_larger_frames_are_scaled_down_first(folder: Path) -> None:
    assert main(["translate", "G.safetensors", "film.mkv", "-o", "out.mp4", "--size", "32", "--cpu"]) == 0
    assert {picture.shape for picture in videos.pictures(folder / "out.mp4")} == {(32, 48, 3)}
    assert videos.times(folder / "out.mp4") == pytest.approx(videos.times(folder / "film.mkv"), abs=1e-3)


def test_a_torn_film_is_translated_as_far_as_it_goes_and_exits_with_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (folder / "film.mkv").read_bytes()
    (folder / "torn.mkv").write_bytes(content[: len(content) // 2])
    assert main(["translate", "G.safetensors", "torn.mkv", "-o", "out.mp4", "--cpu"]) == 2
    assert "the file ends after" in capsys.readouterr().err
    assert videos.frames(folder / "out.mp4")


def test_what_is_no_film_is_one_message(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "text.mp4").write_text("Once upon a time", "utf-8")
    assert main(["translate", "G.safetensors", "text.mp4", "-o", "out.mp4", "--cpu"]) == 2
    said = capsys.readouterr().err
    assert "no film of a known kind" in said and "Traceback" not in said
    assert not (folder / "out.mp4").exists()


def test_which_files_are_films_is_known_without_torch_and_pyav() -> None:
    names = ("a.mp4", "b.MOV", "c.webm", "d.jpg", "e", "f.gif")
    assert [is_video(name) for name in names] == [True, True, True, False, False, False]
    assert [target_suffix(name) for name in ("a.MOV", "a.avi", "a.webm")] == [".MOV", ".mp4", ".webm"]
    code = "import sys, toonforge.use.video as v; v.is_video('a.mp4'); print({'torch', 'av', 'cv2'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


class Opaque(torch.nn.Module):
    """Its trace is refused: what it does hangs on the numbers."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * (self.calls % 7 / 7) if float(x.sum()) > -1e9 else -x  # no frame is as far off as the one before


def test_that_frames_are_approximated_in_tiles_is_said_once_a_film_and_once_a_picture(
    folder: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr("toonforge.use.tiled.any_size.allowed_bytes", lambda device: 1)
    model = tiled_networks.model_of({"G": Opaque()}, "G(photo)", {"G": Resnet().fit((3, 9, 9))})
    said: list[str] = []
    source = films.film(folder / "short.mkv", films.scene(2, 8, 32, 48))
    outcome = translate_video(model, source, folder / "out.mp4", batch=3, note=said.append)
    assert len(said) == 1 and "the difference to the whole picture is" in said[0]
    assert outcome.frames == 8 and outcome.notes == tuple(said)
    for name in ("a", "b"):
        Image.fromarray(films.scene(3, 1, 40, 50)[0]).save(folder / f"{name}.png")
    said.clear()
    jobs = plan([folder / "a.png", folder / "b.png"], folder / "out").jobs
    assert all(each.problem is None for each in Pipeline([model], jobs, note=said.append))
    assert 1 <= len(said) <= 2 and all("the difference to the whole picture is" in text for text in said)
    assert not [each for each in recwarn.list if "in tiles" in str(each.message)]
