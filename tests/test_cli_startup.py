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
code = main(json.loads(sys.argv[1]))
print("PROBE", json.dumps([code, sorted(sys.modules)]))
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


def loaded_by(words: list[str]) -> set[str]:
    """The modules that a command has loaded when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(words)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    code, loaded = json.loads(done.stdout.rpartition("PROBE ")[2])
    assert code == 0, done.stderr
    return set(loaded)


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["list"],
        ["list", "generators"],
        ["show", "lsgan"],
        ["show", "cyclegan/cyclegan"],
        ["check", "cyclegan/cyclegan", "--no-data"],
        ["plugins"],
        ["schema", "--out", "-"],
        ["completion", "zsh"],
        ["doctor", "--help"],
        ["run", "--help"],
        ["sweep", "--help"],
        ["translate", "--help"],
    ],
    ids=" ".join,
)
def test_quick_verbs_load_neither_torch_nor_rich(words: list[str]) -> None:
    assert not {name.split(".")[0] for name in loaded_by(words)} & HEAVY


@pytest.mark.parametrize(
    "words", [["--help"], ["list"], ["check", "recipes/anime_unet.toml"], ["check", "cyclegan/cyclegan", "--no-data"]]
)
def test_the_quickest_verbs_load_nothing_slow_that_they_do_not_need(words: list[str]) -> None:
    assert sorted(loaded_by(words) & SLOW) == []


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


@pytest.mark.parametrize("what", ["existing", "no-run", "no-data"])
def test_what_can_be_refused_is_refused_before_torch_is_loaded(tmp_path: Path, what: str) -> None:
    fields = '{ photo = "pictures" }'
    recipe = (
        'name = "small"\n[data]\ntype = "unpaired-folders"\nfields = ' + fields + "\n"
        '[generators]\nG = { type = "cyclegan/unet", levels = 2 }\n[phases.generators]\nupdates = ["G"]\n'
        'losses.same = { type = "l1", input = "G(photo)", target = "photo" }\n[train]\nsteps = 4\n'
    )
    (tmp_path / "small.toml").write_text(recipe, "utf-8")
    if what == "existing":
        (tmp_path / "runs/small").mkdir(parents=True)
        (tmp_path / "runs/small/mine.txt").write_text("")
    arguments = ["run", "small.toml", *(["--resume"] if what == "no-run" else [])]
    code = f"import sys; from toonforge.cli import main; code = main({arguments!r}); sys.exit(90 if 'torch' in sys.modules else code)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    expected = {
        "existing": "runs/small is there already, and it is no run",
        "no-run": "runs/small is no run to resume",
        "no-data": "small.toml:4:12: data.fields.photo: the folder pictures does not exist",
    }
    assert expected[what] in done.stderr
