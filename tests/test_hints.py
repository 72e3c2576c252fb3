"""Commands in messages can be typed as they stand, also where a path holds a space."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run_fixture import write_run
from toonforge.errors import ToonforgeError
from toonforge.report.state import state
from toonforge.runs.record import read_record
from toonforge.use.evaluate.api import evaluate
from toonforge.weights.chosen import find_weights


def words_after(text: str, verb: str) -> list[str]:
    """The words of the command in a text, as a shell reads them."""
    return shlex.split(text[text.index(f"toonforge {verb}") :].partition(";")[0].rstrip("."))[2:]


def sweep(folder: Path) -> Path:
    folder.mkdir()
    (folder / "sweep.json").write_text("{}", "utf-8")
    return folder


def recipe(path: Path) -> Path:
    path.write_text('name = "a"', "utf-8")
    return path


def checkpoint(run: Path) -> Path:
    folder = run / "checkpoints/step-000005"
    folder.mkdir(parents=True)
    (folder / "checkpoint.json").write_text(json.dumps({"step": 5}), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("verb", "named", "act"),
    [
        ("compare", "my sweep", lambda at: read_record(sweep(at / "my sweep"))),
        ("run", "my recipe.toml", lambda at: find_weights(recipe(at / "my recipe.toml"))),
        ("run", "my recipe.toml", lambda at: evaluate(recipe(at / "my recipe.toml"))),
        ("evaluate", "my run", lambda at: evaluate(checkpoint(write_run(at / "my run", end=None)))),
        ("evaluate", "my run", lambda at: evaluate(at, write_run(at / "my run", end=None))),
    ],
    ids=["sweep", "weights", "recipe", "checkpoint", "reference"],
)
def test_a_hint_names_a_path_in_one_word(tmp_path: Path, verb: str, named: str, act: Callable[[Path], object]) -> None:
    with pytest.raises(ToonforgeError) as caught:
        act(tmp_path)
    hint = caught.value.problems[0].hint
    assert hint is not None and str(tmp_path / named) in words_after(hint, verb)


def test_a_report_says_how_to_go_on_with_a_folder_whose_name_holds_a_space(tmp_path: Path) -> None:
    record = read_record(write_run(tmp_path / "my run", end="interrupted"))
    assert words_after(str(state(record)["told"]), "run") == [str(tmp_path / "my run"), "--resume"]
