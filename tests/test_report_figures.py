"""What metrics drew, in a page that stays small."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.run_fixture import write_run
from toonforge.report.figures import drawn
from toonforge.report.gallery import gallery
from toonforge.report.page import draw_report
from toonforge.report.pictures import Pictures
from toonforge.runs.record import read_record


def draw(run: Path, metric: str, steps: Sequence[int], side: int, evaluated: bool = False) -> None:
    """Noise, which no format makes small, as the picture of a metric at every step."""
    lines = []
    for step in steps:
        noise = np.random.default_rng(step).integers(0, 256, (side, side, 3), dtype=np.uint8)
        name = f"metrics/{metric}-{step}-{evaluated}.png"
        Image.fromarray(noise).save(run / name, compress_level=0)
        more = {"metrics": {metric: 1.0}, "about": {}, "pictures": {metric: name}}
        lines.append(json.dumps({"event": "metrics", "step": step, "time": 1.8e9 + step, **more}))
    with (run / ("evaluations.jsonl" if evaluated else "metrics.jsonl")).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_what_metrics_draw_keeps_the_page_below_twelve_megabytes_and_the_page_says_how_much_is_shown(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", total=40, grids=[20, 40], names=["a", "b"])
    draw(run, "spectrum", range(41, 51), 900)
    draw(run, "other", range(51, 61), 900)
    draw(run, "spectrum", range(61, 65), 900, evaluated=True)
    text = draw_report(read_record(run))
    assert 500_000 < len(text) < 5_000_000
    assert re.search(r"[23] of 10 pictures shown, evenly spaced, to keep the page small.", text)
    assert "They are saved anew, smaller than they were drawn." in text


def test_pictures_of_metrics_that_fit_are_shown_as_they_were_drawn_and_of_others_fewer_steps(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", total=40, grids=[20, 40], names=["a"])
    draw(run, "spectrum", range(41, 49), 60)
    pictures = Pictures()
    fourier, spectrum = drawn(read_record(run), pictures)
    assert len(fourier["steps"]) == 2 and len(spectrum["steps"]) == 8 and fourier["note"] == spectrum["note"] == ""
    assert {mime for mime, _ in pictures.data()} == {"image/png"}
    few = Pictures()
    fourier, spectrum = drawn(read_record(run), few, budget=pictures.size // 2)
    assert few.size <= pictures.size // 2 and {mime for mime, _ in few.data()} == {"image/png"}
    assert 2 <= len(spectrum["steps"]) < 8 and [step["step"] for step in spectrum["steps"]][-1] == 48
    assert spectrum["note"].startswith(f"{len(spectrum['steps'])} of 8 pictures shown") and fourier["note"] == ""


@pytest.mark.parametrize("metrics", [1, 3, 9])
def test_no_number_of_metrics_takes_more_than_their_part_of_the_page(tmp_path: Path, metrics: int) -> None:
    run = write_run(tmp_path / "run", total=40, grids=[20, 40], names=["a"])
    for place in range(metrics):
        draw(run, f"metric{place}", range(41, 44), 400)
    pictures = Pictures()
    found = drawn(read_record(run), pictures, budget=200_000)
    assert 20_000 < pictures.size <= 200_000
    assert len(found) == metrics + 1 and all(figure["steps"] for figure in found)
    assert all(figure["steps"][-1]["step"] == 43 for figure in found[1:])


def test_a_grid_too_large_for_the_page_is_shown_smaller(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", total=40, grids=[40], names=["a"])
    (run / "samples/step-000040/strips.json").unlink()
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(run / "samples/step-000040.jpg", quality=100)
    pictures = Pictures()
    shown = gallery(read_record(run), pictures, str, budget=700_000).data
    assert shown is not None and shown["sheets"] and 100_000 < pictures.size < 700_000
