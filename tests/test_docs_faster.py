"""The page on making training faster: its commands, measured in this process, and one with processes of its own."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench_here import RECIPE, here
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/how-to/make-it-faster.md").read_text("utf-8")
QUICK = ["--turns", "1", "--steps", "1", "--cpu"]


def commands(marker: str) -> Iterator[list[str]]:
    (block,) = re.findall(rf"^<!-- run: {marker} -->\n```sh\n(.*?)```", PAGE, re.M | re.S)
    for line in block.splitlines():
        name, verb, *words = shlex.split(line)
        assert (name, verb) == ("toonforge", "bench")
        yield words


def first_words(text: str) -> set[str]:
    """Of each line that begins with one, but for lines that go on."""
    lines = [line.split() for line in text.splitlines() if line.strip() and not line.startswith(" " * 8)]
    return {words[0] for words in lines if words[0].isalpha()}


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: None) -> None:
    """Where the page's recipe stands, one whose networks take no time."""
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    Path("recipes/anime_unet.toml").write_text(RECIPE, "utf-8")


@pytest.mark.parametrize("marker", ["bench", "all", "try"])
def test_the_pages_commands_measure(
    quick: None, marker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    monkeypatch.setitem(TRICKS, "compile", TRICKS["cuda-graphs"])  # which takes a minute, and is tested elsewhere
    for words in commands(marker):
        assert main(["bench", *words, *QUICK]) == 0, words
        out = capsys.readouterr().out
        assert "failed" not in out and "advice" in out
        assert all(change in out for option, change in itertools.pairwise(words) if option == "--try")
        if "--all" in words:
            assert all(
                f"with {name}" in out or f"without {name}" in out or f"not measured: {name}" in out for name in TRICKS
            )


@pytest.mark.parametrize(
    "more", [["--set", 'train.precision="fp64"'], pytest.param([], marks=pytest.mark.soak)], ids=["alone", "two"]
)
def test_the_page_measures_with_processes_of_its_own(tmp_path: Path, more: list[str]) -> None:
    """In fp64 nothing is to be compared, so that there is one process only; with two:
    pytest -m soak tests/test_docs_faster.py
    """
    watch = (ROOT / "docs/how-to/watch-a-run.md").read_text("utf-8")
    (text,) = re.findall(r"^```toml\n(.*?)```", watch, re.M | re.S)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes/anime_unet.toml").write_text(text, "utf-8")
    (words,) = commands("bench")
    command = [sys.executable, "-m", "toonforge", "bench", *words, *QUICK, *more, "--json", "numbers.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    found = json.loads((tmp_path / "numbers.json").read_text("utf-8"))
    own, *others = found["variants"]
    assert bool(own["tricks"]) == (not more) and len(others) == (0 if more else 1)
    assert all(safe["tricks"] == [] and safe["ratio"] > 0 for safe in others)
    assert found["parts"]["generators"]["backward"] > 0 and 0 < found["share_of_peak"] < 2
    assert own["memory"] > 100e6
    assert sorted(path.name for path in tmp_path.iterdir()) == ["numbers.json", "recipes"]
    # The page shows what the command prints, but for the numbers, and a line that tells of a busy machine.
    (sample,) = re.findall(r"^```text\n(.*?)```", PAGE, re.M | re.S)
    assert first_words(sample) - {"the", "more", *(["as", "safe"] if more else [])} <= first_words(done.stdout)


def test_the_pages_recipe_is_the_repositorys() -> None:
    named = {words[0] for marker in ("bench", "all", "try") for words in commands(marker)}
    assert all((ROOT / name).is_file() for name in named)


def test_the_page_lists_every_trick_as_it_is() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*?) \| (yes|no) \| (yes|no) \|$", PAGE, re.M)
    autos = [choose("auto", Situation(device=device, platform="linux")) for device in ("cpu", "cuda")]
    assert rows == [
        (name, trick.doc, *("yes" if name in auto else "no" for auto in autos)) for name, trick in TRICKS.items()
    ]


def test_the_speeds_that_the_page_writes_can_be_written() -> None:
    written = re.findall(r"^(?:# )?(speed = .*?)(?: +#.*)?$", PAGE, re.M)
    assert len(written) == 3
    for line in written:
        assert recipes.load("cyclegan/cyclegan", [f"train.{line.replace(' = ', '=')}"]).train.speed


def test_the_pages_python_runs(
    quick: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here(monkeypatch)
    (code,) = re.findall(r"^```python\n(.*?)```", PAGE, re.M | re.S)
    exec(compile(code, "page", "exec"), {})
    assert capsys.readouterr().out == "[('as the recipe is', 2), ('safe', 2)]\n"


def test_help_and_mistakes_need_no_torch(tmp_path: Path) -> None:
    (tmp_path / "quick.toml").write_text('extends = "cyclegan/cyclegan"\n', "utf-8")
    code = (
        "import sys; from toonforge.cli import main\n"
        "assert main(['bench', '--help']) == 0\n"
        "assert main(['bench', 'quick.toml', '--tricks', 'none-such']) == 2\n"
        "assert main(['bench', 'quick.toml', '--set', 'train.speed=\"fast\"']) == 2\n"
        "sys.exit(90 if {'torch', 'rich', 'accelerate'} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "there is no trick 'none-such'" in done.stderr
