"""Films through a model that costs nothing: frames per second and memory of films of 10 and 60 seconds, and the
flicker that `--steady` leaves of a film that flickers.

    python benchmarks/video.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from toonforge.use.video.steady import warping_error

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # films are drawn by the tests
from tests import films, videos
from tests.test_video_steady import flickering, panned, steadied

ROOT = Path(__file__).resolve().parent.parent
SECONDS = (10, 60)
CODE = """
import resource, sys, time
from tests.videos import NEGATIVE
from toonforge.use.video import translate_video
begun = time.monotonic()
outcome = translate_video(NEGATIVE, sys.argv[1], sys.argv[2], force=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(f"{outcome.seconds:.0f} s: {outcome.frames / (time.monotonic() - begun):.0f} frames/s, peak {peak} MiB")
"""


def memory(folder: Path) -> None:
    scene = films.scene(1, 50, 180, 320)
    there_and_back = [*scene, *scene[::-1]]
    for seconds in SECONDS:
        source = videos.with_sound(folder / f"{seconds}.mp4", [there_and_back[i % 100] for i in range(25 * seconds)])
        subprocess.run([sys.executable, "-c", CODE, str(source), str(folder / "out.mp4")], check=True, cwd=ROOT)


def flicker() -> None:
    frames = panned(frames=30)
    made = flickering(frames)
    print(f"warping error, levels of 255: the film itself {warping_error(frames, frames):.2f} (its noise)")
    for steady in (0.0, 0.25, 0.5, 0.75, 1.0):
        print(f"  --steady {steady}: {warping_error(frames, steadied(frames, made, steady)):.2f}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    flicker()
    with tempfile.TemporaryDirectory() as folder:
        memory(Path(folder))


if __name__ == "__main__":
    main()
