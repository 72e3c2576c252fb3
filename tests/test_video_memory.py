"""A long film takes no more memory than a short one: `pytest -m soak tests/test_video_memory.py` (a minute)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import films, videos

CODE = """
import resource, sys
from tests.videos import NEGATIVE
from toonforge.use.video import translate_video
outcome = translate_video(NEGATIVE, sys.argv[1], sys.argv[2], steady=float(sys.argv[3]))
print(outcome.frames, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def peak(source: Path, steady: float) -> tuple[int, int]:
    """Frames, and the most memory that a process of its own held, in MiB."""
    said = subprocess.run(
        [sys.executable, "-c", CODE, str(source), str(source.with_name("out.mp4")), str(steady)],
        capture_output=True,
        text=True,
        check=True,
    )
    source.with_name("out.mp4").unlink()
    frames, memory = map(int, said.stdout.split())
    return frames, memory


@pytest.mark.soak
@pytest.mark.parametrize("steady", [0.0, 0.5])
def test_a_minute_takes_no_more_memory_than_ten_seconds(tmp_path: Path, steady: float) -> None:
    scene = films.scene(1, 50, 180, 320)
    there_and_back = [*scene, *scene[::-1]]
    found = {}
    for seconds in (10, 60):
        pictures = [there_and_back[i % 100] for i in range(25 * seconds)]
        found[seconds] = peak(videos.with_sound(tmp_path / f"{seconds}.mp4", pictures), steady)
    print(found)
    assert [frames for frames, _ in found.values()] == [250, 1500]
    # A minute of such frames is 250 MiB as RGB.
    assert found[60][1] - found[10][1] < 40
