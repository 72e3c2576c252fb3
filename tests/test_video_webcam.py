"""A webcam's newest pictures, recorded for as long as they lasted; without a webcam, one clear message."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests import films, videos
from tests.videos import NEGATIVE, SAME, Fake
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.use.video import camera as cameras
from toonforge.use.video import webcam, webcam_index


class Recorded:
    """A webcam that sends numbered pictures at its rate, and then no more."""

    def __init__(self, pictures: int, rate: float = 50.0) -> None:
        self.frames = list(films.numbered(films.scene(1, pictures)))
        self.rate, self.sent, self.released = rate, 0, False

    def read(self) -> tuple[bool, np.ndarray | None]:
        time.sleep(1 / self.rate)
        if self.sent == len(self.frames):
            return False, None
        self.sent += 1
        return True, self.frames[self.sent - 1][:, :, ::-1]

    def get(self, number: int) -> float:
        return self.rate if number == cv2.CAP_PROP_FPS else 0.0

    def release(self) -> None:
        self.released = True


def test_a_recording_lasts_as_long_as_it_took_and_its_colours_are_right(tmp_path: Path) -> None:
    camera = Recorded(30)
    outcome = webcam(NEGATIVE, 0, tmp_path / "me.mp4", show=False, camera=camera)
    assert camera.released and outcome.frames <= 30
    shown = videos.pictures(outcome.target)
    assert len(shown) == outcome.frames and outcome.size == (160, 120)
    assert videos.length(outcome.target) == pytest.approx(outcome.seconds, abs=2e-3)
    assert 0.5 < outcome.seconds < 3
    assert np.abs(255.0 - shown[0] - films.scene(1, 30)[0])[20:].mean() < 4


def test_a_model_slower_than_the_webcam_misses_pictures_and_is_not_behind(tmp_path: Path) -> None:
    def slow(pictures: torch.Tensor) -> torch.Tensor:
        time.sleep(0.1)
        return pictures

    outcome = webcam(Fake(slow), 0, tmp_path / "me.mkv", show=False, camera=Recorded(50))
    numbers = videos.numbers(outcome.target)
    assert numbers == sorted(set(numbers)) and len(numbers) < 25
    for number, when in zip(numbers, videos.times(outcome.target)):
        assert when >= (number - numbers[0]) / 50 * 0.9


def test_larger_pictures_are_scaled_down_first(tmp_path: Path) -> None:
    outcome = webcam(SAME, 0, tmp_path / "me.mp4", size=30, show=False, camera=Recorded(5))
    assert min(outcome.size) == 30 and min(videos.pictures(outcome.target)[0].shape[:2]) == 30


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_recording_that_is_whole(tmp_path: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    outcome = webcam(
        SAME,
        0,
        tmp_path / "me.mp4",
        show=False,
        camera=Recorded(500),
        progress=lambda done, _: signal.raise_signal(number) if done == 5 else None,
    )
    assert outcome.frames == 5 == len(videos.frames(tmp_path / "me.mp4"))
    assert signal.getsignal(number) is before
    assert [path.name for path in tmp_path.iterdir()] == ["me.mp4"]


def test_a_window_shows_what_is_translated_until_its_q(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[np.ndarray] = []
    keys = iter([255, 255, ord("q")])
    monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "destroyWindow", lambda *_: None)
    monkeypatch.setattr(cv2, "imshow", lambda _, picture: shown.append(picture))
    monkeypatch.setattr(cv2, "waitKey", lambda _: next(keys))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    outcome = webcam(NEGATIVE, 0, show=True, camera=Recorded(500))
    assert outcome.frames == 3 == len(shown)
    assert np.abs(255.0 - shown[0][:, :, ::-1] - films.scene(1, 500)[0])[20:].mean() < 1


def test_a_webcam_that_sends_nothing_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="webcam 0 sends no pictures"):
        webcam(SAME, 0, tmp_path / "me.mp4", show=False, camera=Recorded(0))
    assert not list(tmp_path.iterdir())


def test_no_webcam_is_one_message(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RunError, match="webcam 99 cannot be opened"):
        webcam(SAME, 99, tmp_path / "me.mp4", show=False)
    assert capfd.readouterr().err == "" and not list(tmp_path.iterdir())


def test_neither_a_window_nor_a_file_is_said_before_the_webcam_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "can_show", lambda: False)
    camera = Recorded(3)
    with pytest.raises(RunError, match=r"-o film\.mp4"):
        webcam(SAME, camera=camera)
    assert camera.sent == 0


def test_no_webcam_is_said_before_there_is_nowhere_to_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "can_show", lambda: False)
    with pytest.raises(RunError, match="webcam 99 cannot be opened"):
        webcam(SAME, 99)


def test_a_webcam_is_not_given_back_while_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "WAIT", 0.05)
    goes_on, camera = threading.Event(), Recorded(3)
    monkeypatch.setattr(camera, "read", lambda: (goes_on.wait(30), None))
    with cameras.Newest(camera) as newest:
        assert newest.next() is None
    assert not camera.released
    goes_on.set()
    newest._thread.join(30)
    assert camera.released


def test_the_command_says_nothing_of_a_webcam_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["translate", str(videos.model_file(tmp_path)), "99", "-o", "me.mp4", "--cpu"]) == 2
    said = capsys.readouterr().err
    assert "webcam 99 cannot be opened" in said and "is translated" not in said


def test_a_number_is_a_webcam_unless_a_file_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [webcam_index(text) for text in ("0", "12", "-1", "1.mp4", "²", "12345", "")] == [0, 12, *[None] * 5]
    Path("0").write_text("", "utf-8")
    assert webcam_index("0") is None and webcam_index(Path("1")) == 1


def test_the_command_records_a_webcam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cameras, "open_camera", lambda _: Recorded(10))
    arguments: list[Any] = ["translate", str(videos.model_file(tmp_path)), "0", "-o", "me.mp4", "--cpu"]
    assert main(arguments) == 0
    assert "me.mp4" in capsys.readouterr().out
    assert videos.frames(tmp_path / "me.mp4")
