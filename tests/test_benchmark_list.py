"""Every file at the top of benchmarks/ is a command: it is listed, explains itself, and refuses what it cannot do."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
SCRIPTS = sorted(path.name for path in BENCHMARKS.glob("*.py"))


def call(monkeypatch: pytest.MonkeyPatch, name: str, *words: str) -> int:
    """The exit status of a script run here, where torch is there already."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    monkeypatch.setattr(sys, "argv", [name, *words])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(BENCHMARKS / name), run_name="__main__")
    assert isinstance(caught.value.code, int), caught.value.code
    return caught.value.code


def test_every_script_is_listed_and_every_listed_one_exists() -> None:
    rows = re.findall(r"^\| `python benchmarks/(\w+\.py)[^|]*\|", (BENCHMARKS / "README.md").read_text("utf-8"), re.M)
    assert sorted(rows) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_the_whole_docstring(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, name, "--help") == 0
    said = capsys.readouterr().out
    docstring = (BENCHMARKS / name).read_text("utf-8").split('"""')[1]
    assert docstring.strip() in said
    assert f"python benchmarks/{name}" in docstring


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("step.py pix2pix --ours fast", "no trick is called 'fast'; there are auto, safe, "),
        ("step.py pix2pix --ours auto quick-norms,safer", "no trick is called 'safer'"),
        ("processes.py --speed fast", "no trick is called 'fast'"),
        ("losses.py --speed fast", "no trick is called 'fast'"),
        ("by_hand.py --speed fast", "no trick is called 'fast'"),
        ("by_hand.py nonsense", "no method is called nonsense; there are cyclegan, pix2pix"),
        ("startup.py x", "unrecognized arguments: x"),
        ("kernels.py 256", "unrecognized arguments: 256"),
    ],
)
def test_a_mistake_is_told_in_a_line_before_any_work(
    words: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words.split()) == 2
    assert message in capsys.readouterr().err
