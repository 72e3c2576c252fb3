"""A run some of whose files are gone or damaged goes on where that can be honest, and says what was lost."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.test_engine_equality import CYCLEGAN
from toonforge import recipe as recipes
from toonforge.errors import RunError
from toonforge.events import RunInfo
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.train.meeting import find_run
from toonforge.train.trainer import train

TEXT = CYCLEGAN.format(data="", train="checkpoint = { every = 2, keep = 3 }\nlog.every = 1")


class Notes:
    """Listens to what a run says when it begins."""

    notes: tuple[str, ...] = ()
    step = -1

    @hookimpl
    def run_started(self, run: RunInfo) -> None:
        self.notes, self.step = run.notes, run.first_step


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps, with checkpoints at 2 and 4."""
    from tests import tiny as components

    components.register()
    place = tmp_path_factory.mktemp("trained")
    (place / "mine.toml").write_text(TEXT.replace("steps = 6", "steps = 4"), "utf-8")
    train(recipes.load(place / "mine.toml"), folder=place / "run", source=place / "mine.toml", cpu=True)
    return place / "run"


@pytest.fixture
def run(tiny: None, trained: Path, tmp_path: Path) -> Path:
    """A copy of it to damage."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def recipe(steps: int = 4, text: str = TEXT) -> Recipe:
    """That of the run, of another length if need be."""
    return recipes.loads(text.replace("steps = 6", f"steps = {steps}"))


def resumed(run: Path, of: Recipe | None = None) -> tuple[int, tuple[str, ...]]:
    """The step that a resume begins at, and what it says."""
    heard = Notes()
    train(of or recipe(), folder=run, resume=True, cpu=True, listeners=[heard])
    return heard.step, heard.notes


def events_of(run: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def contents(run: Path) -> dict[str, bytes]:
    """Every file of a run, but for the lock."""
    return {str(path): path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}


# -- lock.json ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("held", [None, b"", b'{"data": ', b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_lost_lock_json_is_a_note_and_is_written_anew(run: Path, held: bytes | None) -> None:
    before = json.loads((run / "lock.json").read_text("utf-8"))
    (run / "lock.json").unlink() if held is None else (run / "lock.json").write_bytes(held)
    step, (note,) = resumed(run)
    assert step == 4
    how = "missing" if held is None else "damaged"
    assert note == f"lock.json is {how}: whether pictures have changed since then is not known; it is written anew"
    assert json.loads((run / "lock.json").read_text("utf-8")) == before
    assert resumed(run)[1] == ()


def test_the_first_process_looks_for_no_run(tmp_path: Path) -> None:
    find_run(tmp_path / "nothing", 0, patience=0)


@pytest.mark.parametrize("name", [".lock", "checkpoints"])
def test_others_see_a_run_by_what_each_start_of_it_has(tmp_path: Path, name: str) -> None:
    with pytest.raises(RunError, match="process 1 does not see the run"):
        find_run(tmp_path, 1, patience=0)
    (tmp_path / name).mkdir()
    find_run(tmp_path, 1, patience=0)
