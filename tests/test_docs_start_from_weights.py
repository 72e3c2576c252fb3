"""The page on starting from weights does what it says: its recipe, its commands and what they print."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import attrs
import pytest
from toonforge_samples.credits import samples

from tests.test_docs_measure import RECIPE
from toonforge import recipe as recipes
from toonforge.cli import main, sweep_process
from toonforge.components import fields_of
from toonforge.recipe.initial import InitialWeights
from toonforge.sweeps.api import Here
from toonforge.train.trainer import train

DOCS = Path(__file__).parent.parent / "docs"
PAGE = (DOCS / "how-to" / "start-from-weights.md").read_text("utf-8")
(OURS,) = re.findall(r"^```toml\n(.*?)```", PAGE, re.M | re.S)
RUN = RECIPE.replace("train.steps = 1", "train.steps = 4").replace("validation = 0.3, test = 0.3", "validation = 0.3")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a run that was trained on them, and others that it is tuned to."""
    root = tmp_path_factory.mktemp("tune")
    for kind, name in (("photo", "photos"), ("anime", "drawings")):
        known = [sample for sample in samples() if sample.kind == kind]
        for place, some in ((root / name, known[:6]), (root / "my" / name, known[6:10])):
            place.mkdir(parents=True)
            for sample in some:
                shutil.copyfile(sample.path, place / sample.path.name)
    (root / "mine.toml").write_text(OURS, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        train(attrs.evolve(recipes.loads(RUN), metrics={}), folder=Path("runs/portraits"), cpu=True)
    return root


def block(kind: str, name: str) -> str:
    (text,) = re.findall(rf"^<!-- {kind}: {name} -->\n```\w+\n(.*?)```", PAGE, re.M | re.S)
    return str(text)


def test_every_command_of_the_page_runs(
    folder: Path, undrawn: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert PAGE.count("```sh") == 2
    for line in block("run", "tune").splitlines():
        assert main(shlex.split(line)[1:]) == 0, line
        if line.startswith("toonforge check"):
            assert capsys.readouterr().out == block("said", "check")
    assert "starts from runs/portraits" in Path("runs/mine/metrics.jsonl").read_text("utf-8")
    monkeypatch.setattr(sweep_process, "Processes", lambda *given: Here(cpu=True))  # not a process a run, for speed
    (sweep,) = block("run", "sweep").splitlines()
    assert main(shlex.split(sweep)[1:]) == 0
    assert {path.name for path in Path("sweeps/mine").iterdir() if path.is_dir()} == {
        "weights=random",
        "weights=runs-portraits",
    }


def test_a_wider_network_is_refused_in_the_words_of_the_page(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    wider = ["--set", "generators.G.width=8", "--set", 'generators.G.weights="runs/portraits"']
    assert main(["check", "mine.toml", *wider]) == 2
    assert capsys.readouterr().err == block("said", "wider")


def test_the_reference_names_every_key() -> None:
    text = (DOCS / "reference" / "recipe-language.md").read_text("utf-8")
    for key, (_, _, info) in fields_of(InitialWeights).items():
        assert f"| `{key}` |" in text and info.doc in text
