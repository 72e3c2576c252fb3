"""The page on photo-to-cartoon: its command runs, its table is the model card's, and its judge measures what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "explanation" / "photo-to-cartoon.md"
CARD = ROOT / "plugins" / "starter" / "README.md"


def test_the_pages_command_draws_a_photograph(tmp_path: Path) -> None:
    text = PAGE.read_text("utf-8")
    (command,) = re.findall(r"^<!-- run: \w+ -->\n```sh\n(.*?)```", text, re.M | re.S)
    photo = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "photo.jpg")
    program, *arguments = command.split()
    assert program == "toonforge"
    run = subprocess.run(
        [sys.executable, "-m", "toonforge", *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    (drawn,) = (tmp_path / "translated").iterdir()
    assert Image.open(drawn).size == (60, 40)


def test_the_card_has_the_pages_figures() -> None:
    rows = [line for line in CARD.read_text("utf-8").splitlines() if re.match(r"\| .* \| -?\d+\.\d ± ", line)]
    assert len(rows) == 7
    assert all(row in PAGE.read_text("utf-8") for row in rows)


def test_the_judge_finds_drawings_nearest_and_photographs_where_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import judge

    rng = np.random.default_rng(0)
    drawings, photos = rng.normal(1, 1, (20, 8)), rng.normal(0, 1, (10, 8))
    ways = {"photograph": photos, "nothing": photos, "drawn": photos + 1}
    lines = judge.table(ways, ways, (drawings, drawings), 20).splitlines()
    cells = {row.split(" | ")[0].strip("| "): row.split(" | ")[1:] for row in lines[2:]}
    assert cells["nothing"][1] == cells["nothing"][3] == "+0.0 ± 0.0"
    assert cells["nothing"][4].startswith("100.0 ± 0.0")
    gain, error = map(float, cells["drawn"][1].split(" ± "))
    assert gain < -2 * error < 0
