"""The pages on watching and comparing runs do what they say: their commands, with runs of seconds."""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from toonforge import recipe as recipes
from toonforge.cli import main, sweep_process
from toonforge.recipe.trackers import KNOWN
from toonforge.runs.record import read_record
from toonforge.sweeps.api import Here

ROOT = Path(__file__).parent.parent
WATCH, COMPARE = ((ROOT / f"docs/how-to/{name}.md").read_text("utf-8") for name in ("watch-a-run", "compare-runs"))


def commands(page: str, kind: str, marker: str) -> Iterator[list[str]]:
    """The words of each command in the block after `<!-- KIND: MARKER -->`."""
    (block,) = re.findall(rf"^<!-- {kind}: {marker} -->\n```sh\n(.*?)```", page, re.M | re.S)
    for line in block.splitlines():
        name, *words = shlex.split(line)
        assert name == "toonforge"
        yield words


def run(page: str, marker: str) -> None:
    for words in commands(page, "run", marker):
        assert main(words) == 0, words


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the recipe of the page, and a run of it."""
    root = tmp_path_factory.mktemp("watch")
    (text,) = re.findall(r"^```toml\n(.*?)```", WATCH, re.M | re.S)
    (root / "quick.toml").write_text(text, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        run(WATCH, "watch")
    return root


@pytest.fixture(autouse=True)
def _there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def test_a_run_has_its_page_its_best_checkpoint_and_its_tracker(folder: Path) -> None:
    record = read_record("runs/quick")
    assert record.best is not None and record.best.metric == "pixel_l1"
    assert [sample.step for sample in record.samples][:3] == [20, 40, 60]
    assert list(Path("runs/quick/trackers/tensorboard").glob("events.*"))
    Path("runs/quick/report.html").unlink()
    run(WATCH, "page")
    assert Path("runs/quick/report.html").is_file()


def test_the_page_on_a_runs_folder_names_all_that_lies_in_it(folder: Path) -> None:
    page = (ROOT / "docs/reference/run-folder.md").read_text("utf-8")
    (tree,) = re.findall(r"^```text\n(.*?)```", page, re.M | re.S)
    named = set(re.findall(r"^  ([\w.]+)/?(?:  |$)", tree, re.M))
    assert {path.name for path in Path("runs/quick").iterdir()} <= named
    assert named - {path.name for path in Path("runs/quick").iterdir()} == {
        "metrics",
        "evaluations.jsonl",
        "metrics.jsonl.damaged",
    }
    assert {"best", "latest"} <= {path.name for path in Path("runs/quick/checkpoints").iterdir()}
    strips = json.loads(next(Path("runs/quick/samples").glob("*/strips.json")).read_text("utf-8"))
    keys = {*strips, *strips["translations"][0], *strips["translations"][0]["columns"][0]}
    assert keys <= set(re.findall(r"`(\w+)`", page[page.index("## strips.json") : page.index("## metrics.jsonl")]))
    assert main(["evaluate", "runs/quick"]) == 0
    (line,) = map(json.loads, Path("runs/quick/evaluations.jsonl").read_text("utf-8").splitlines())
    assert set(line) <= set(re.findall(r"`(\w+)`", page[page.index("## metrics.jsonl") :]))


def test_the_checkpoints_that_the_page_names_are_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (64, 64), (90, 160, 70)).save("cartoon.jpg")
    run(WATCH, "translate")
    said = capsys.readouterr().out
    assert ", best checkpoint, step " in said and ", latest checkpoint, step 60," in said
    assert ", checkpoint of step 40," in said


def test_the_page_names_every_tracker_and_every_kind_of_warning() -> None:
    listed = WATCH[WATCH.index("Accelerate](") : WATCH.index("Each needs its package")]
    assert set(re.findall(r"`(\w+)`", listed)) == set(KNOWN)
    kinds = set(re.findall(r"^\| `([a-z-]+)` \|", WATCH, re.M))
    code = "".join(path.read_text("utf-8") for path in (ROOT / "toonforge/train").rglob("*.py"))
    assert kinds == set(re.findall(r'(?:\bkind=|^KIND = )"([a-z-]+)"', code, re.M))


def test_runs_and_sweeps_are_compared(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """With fewer and smaller steps than the page's recipe has, and runs of a sweep in this process."""
    text = (folder / "quick.toml").read_text("utf-8")
    for large, small in (("steps = 60", "steps = 20"), ("image_size = 64", "image_size = 32")):
        assert large in text
        text = text.replace(large, small)
    (tmp_path / "quick.toml").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    run(COMPARE, "two")
    (tree,) = re.findall(r"^```text\n(\S+)\n(.*?)```", COMPARE, re.M | re.S)
    place, lines = Path(tree[0]), tree[1].splitlines()
    named = {name for line in lines for name in re.findall(r"[\w-]+\.(?:html|json|jpg|md|csv|png|svg)", line[:27])}
    assert {path.name for path in place.iterdir()} == named
    monkeypatch.setattr(sweep_process, "Processes", lambda *given: Here(cpu=True))
    request.getfixturevalue("undrawn")
    run(COMPARE, "sweep")
    page = Path("comparisons/batches/compare.html").read_text("utf-8")
    assert "batch_size=1" in page and "fast" in page
    (code,) = re.findall(r"^```python\n(.*?)```", COMPARE, re.M | re.S)
    capsys.readouterr()
    exec(compile(code, "compare-runs.md", "exec", dont_inherit=True), {"__name__": "page"})
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith("compare.html ['slow', 'fast']")
    assert second == "['train.optimizer.lr']"


@pytest.mark.parametrize("marker", ["toon2real", "table3", "paper table3", "batches", "small"])
def test_the_documents_comparisons_can_be_trained_and_give_curves(marker: str) -> None:
    (words,) = commands(COMPARE, "check", marker)
    assert words.pop(0) == "sweep"
    files = list(itertools.takewhile(lambda word: not word.startswith("--"), words))
    options = list(zip(words[len(files) :: 2], words[len(files) + 1 :: 2], strict=True))
    fixed = [value for option, value in options if option == "--set"]
    grids = [value.split("=", 1) for option, value in options if option == "--grid"]
    for file, values in itertools.product(files, itertools.product(*(values.split(",") for _, values in grids))):
        chosen = [f"{key}={value}" for (key, _), value in zip(grids, values, strict=True)]
        recipe = recipes.load(ROOT / file, [*fixed, *chosen])
        assert recipe.train.metrics.every is not None and recipe.metrics
        assert marker != "toon2real" or "fid" in {metric.partition("_")[0] for metric in recipe.metrics}


@pytest.mark.parametrize("marker", ["table3", "paper table3"])
def test_the_methods_of_a_table_are_measured_on_the_same_pictures_alike(marker: str) -> None:
    """Otherwise the comparison marks no best: the numbers would be different measurements."""
    (words,) = commands(COMPARE, "check", marker)
    table = [recipes.load(ROOT / file) for file in words[1:]]
    assert [next(iter(recipe.translations)) for recipe in table] == ["photo"] * 3
    for name in ("fid", "weighted_fid"):
        assert len({recipe.metrics[name].protocol() for recipe in table}) == 1
    assert {recipe.metrics["weighted_fid"].target_weight for recipe in table} == {0.8}
    assert len({recipe.data.preparation("validation") for recipe in table}) == 1
    assert len({str(recipe.data.groups().keys()) for recipe in table}) == 1
