"""The quick verbs answer without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROBE = """
import json, sys
from toonforge.cli import main
for words in json.loads(sys.argv[1]):
    code = main(words)
    print("\\nPROBE", json.dumps([code, sorted(sys.modules)]))
"""
HEAVY = {"torch", "accelerate", "torchvision", "cv2", "rich", "http"}
"""What none of the quick verbs may load."""
SLOW = {
    "concurrent.futures.thread",
    "difflib",
    "http.client",
    "numpy",
    "packaging.requirements",
    "ssl",
    "toonforge.cli.leaving",
    "toonforge.train",
    "urllib.request",
}
"""What those that are to answer in half a second may not load either: each takes a hundredth of that or more."""


QUICKEST = [["--help"], ["list"], ["check", "recipes/anime_unet.toml"], ["check", "cyclegan/cyclegan", "--no-data"]]
QUICK = [
    ["--version"],
    ["list", "generators"],
    ["show", "lsgan"],
    ["show", "cyclegan/cyclegan"],
    ["plugins"],
    ["schema", "--out", "-"],
    ["completion", "zsh"],
    ["doctor", "--help"],
    ["run", "--help"],
    ["sweep", "--help"],
    ["translate", "--help"],
]


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Command -> the modules that it or one before it has loaded when it is done: all in one process, in that order."""
    every = [*QUICKEST, *QUICK]
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(every)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    told = [json.loads(line.removeprefix("PROBE ")) for line in done.stdout.splitlines() if line.startswith("PROBE ")]
    assert [code for code, _ in told] == [0] * len(every), done.stderr
    return {" ".join(words): {*modules} for words, (_, modules) in zip(every, told, strict=True)}


@pytest.mark.parametrize("words", [*QUICKEST, *QUICK], ids=" ".join)
def test_quick_verbs_load_neither_torch_nor_rich(loaded: dict[str, set[str]], words: list[str]) -> None:
    assert not {name.split(".")[0] for name in loaded[" ".join(words)]} & HEAVY


@pytest.mark.parametrize("words", QUICKEST, ids=" ".join)
def test_the_quickest_verbs_load_nothing_slow_that_they_do_not_need(
    loaded: dict[str, set[str]], words: list[str]
) -> None:
    assert sorted(loaded[" ".join(words)] & SLOW) == []


def test_a_pipe_that_closes_early_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m toonforge list | head -n 1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stderr == ""


def test_output_that_is_no_terminal_has_no_colours() -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("FORCE_COLOR", "NO_COLOR")}
    done = subprocess.run(
        [sys.executable, "-m", "toonforge", "list"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=True,
    )
    assert "\x1b" not in done.stdout


def test_what_can_be_refused_is_refused_before_torch_is_loaded(tmp_path: Path) -> None:
    """A folder that is there and is no run; nothing to resume; no pictures."""
    fields = '{ photo = "pictures" }'
    recipe = (
        'name = "small"\n[data]\ntype = "unpaired-folders"\nfields = ' + fields + "\n"
        '[generators]\nG = { type = "cyclegan/unet", levels = 2 }\n[phases.generators]\nupdates = ["G"]\n'
        'losses.same = { type = "l1", input = "G(photo)", target = "photo" }\n[train]\nsteps = 4\n'
    )
    (tmp_path / "small.toml").write_text(recipe, "utf-8")
    (tmp_path / "runs/existing").mkdir(parents=True)
    (tmp_path / "runs/existing/mine.txt").write_text("")
    expected = {
        "--name existing": "runs/existing is there already, and it is no run",
        "--resume": "runs/small is no run to resume",
        "--name other": "small.toml:4:12: data.fields.photo: the folder pictures does not exist",
    }
    code = (
        "import sys\nfrom toonforge.cli import main\n"
        f"for more in {[*expected]!r}:\n"
        "    code = main(['run', 'small.toml', *more.split()])\n"
        "    print(code, 'torch' in sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    said = done.stderr.split("2 False\n")
    assert len(said) == len(expected) + 1, done.stderr
    for words, message in zip(expected.values(), said, strict=False):
        assert words in message
