"""A run that was killed before it had described itself is begun again in its folder; nothing else is ever removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.test_engine_equality import CYCLEGAN
from toonforge import recipe as recipes
from toonforge.errors import RunError
from toonforge.runs.begun import only_begun
from toonforge.runs.folder import RunFolder
from toonforge.train.trainer import train


def begun(folder: Path) -> Path:
    """As a run leaves it just before `resolved.toml`."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "samples").mkdir()
    for name in (".lock", "recipe.toml", "base.toml", "lock.json", ".resolved.toml.7-0.partial"):
        (folder / name).write_text("of a start that was killed")
    return folder


def test_it_is_begun_again_and_nothing_of_the_first_start_stays(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=tmp_path / "whole", cpu=True)
    train(recipe, folder=begun(tmp_path / "run"), cpu=True)
    names = [
        sorted(path.relative_to(tmp_path / run).as_posix() for path in (tmp_path / run).rglob("*"))
        for run in ("whole", "run")
    ]
    assert names[0] == names[1] and "base.toml" not in names[1]


def test_its_own_recipe_may_begin_it_again(tiny: None, tmp_path: Path) -> None:
    folder, text = begun(tmp_path / "run"), CYCLEGAN.format(data="", train="")
    (folder / "recipe.toml").write_text(text, "utf-8")
    train(recipes.loads(text), folder=folder, source=folder / "recipe.toml", cpu=True)
    assert (folder / "recipe.toml").read_text("utf-8") == text


def test_what_can_be_resumed_is_not_begun_again(tiny: None, tmp_path: Path) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train=""))
    train(recipe, folder=tmp_path / "run", cpu=True)
    for name in ("metrics.jsonl", "report.html", "data.csv"):
        (tmp_path / "run" / name).unlink()
    shutil.rmtree(tmp_path / "run/checkpoints")
    with pytest.raises(RunError, match="--resume"):
        train(recipe, folder=tmp_path / "run", cpu=True)


@pytest.mark.parametrize("mine", ["mine.txt", "checkpoints/mine.txt", "samples/mine.jpg", "resolved.toml"])
def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path, mine: str) -> None:
    folder = begun(tmp_path / "run")
    (folder / mine).write_text("kept")
    assert not only_begun(folder)
    with pytest.raises(RunError, match="there already"):
        RunFolder(folder).refuse(resume=False)
    assert (folder / mine).read_text() == "kept"


@pytest.mark.parametrize("name", ["recipe.toml", "lock.json", "checkpoints"])
def test_a_link_is_nothing_that_a_run_has_left(tmp_path: Path, name: str) -> None:
    folder = begun(tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious.txt").write_text("kept")
    shutil.rmtree(folder / name) if name == "checkpoints" else (folder / name).unlink()
    (folder / name).symlink_to(tmp_path / ("mine" if name == "checkpoints" else "mine/precious.txt"))
    assert not only_begun(folder)


def test_a_folder_that_merely_has_a_recipe_in_it_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("years of work")
    assert not only_begun(tmp_path)
    assert not only_begun(tmp_path / "nothing")
