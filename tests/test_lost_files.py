"""A run some of whose files are gone or damaged goes on where that can be honest, and says what was lost."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.test_engine_equality import CYCLEGAN
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.events import RunInfo
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs import log
from toonforge.runs.described import refuse_damaged, with_its_recipe
from toonforge.runs.disk import unwritable
from toonforge.runs.folder import RunFolder
from toonforge.runs.kinds import FILES, FOLDERS
from toonforge.runs.record import read_record
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


# -- resolved.toml -----------------------------------------------------------------------------------------------------


def cut_at_a_line(text: str) -> str:
    """Also TOML, but without what comes last."""
    return text[: text.index("[train]")]


def cut_in_the_last_table(text: str) -> str:
    """What is left is no recipe with a mistake in it: only the file knows that it ends too early."""
    return text[: text.rstrip().rindex("\n") + 1]


LOSSES: dict[str, Callable[[str], str | None]] = {
    "missing": lambda text: None,
    "half": lambda text: text[: len(text) // 2] + '"',
    "line": cut_at_a_line,
    "table": cut_in_the_last_table,
    "letter": lambda text: text.removesuffix("\n"),
    "empty": lambda text: "",
}


def lose(run: Path, how: str) -> None:
    text = LOSSES[how]((run / "resolved.toml").read_text("utf-8"))
    (run / "resolved.toml").unlink() if text is None else (run / "resolved.toml").write_text(text, "utf-8")


@pytest.mark.parametrize("how", LOSSES)
def test_a_run_without_its_resolved_recipe_goes_on_with_the_recipe_given(run: Path, how: str) -> None:
    whole = (run / "resolved.toml").read_text("utf-8")
    lose(run, how)
    step, (note,) = resumed(run)
    assert step == 4
    assert note.startswith("resolved.toml is missing: " if how == "missing" else "resolved.toml cannot be read (")
    assert "whether the recipe is the one that the run was begun with is not known" in note
    assert (run / "resolved.toml").read_text("utf-8") == whole
    assert [event["change"] for event in events_of(run) if event["event"] == "changed"] == [note]
    assert resumed(run)[1] == ()


@pytest.mark.parametrize("change", [("name = ", "name = 'other' # "), ("seed = 3", "seed = 9")])
def test_what_checkpoints_know_of_the_recipe_is_compared_all_the_same(run: Path, change: tuple[str, str]) -> None:
    lose(run, "missing")
    before = contents(run)
    with pytest.raises(RunError, match=r"no checkpoint of .* can be resumed"):
        resumed(run, recipe(6, TEXT.replace(*change)))
    assert contents(run) == before


@pytest.mark.parametrize("how", ["missing", "half", "line", "empty"])
def test_a_folder_alone_says_the_command_that_goes_on(run: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    lose(run, how)
    command = ["run", str(run / "recipe.toml"), "--out", str(run), "--resume"]
    assert main(["run", str(run), "--resume", "--cpu"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert f"{run}/resolved.toml cannot be read" in told and f"toonforge {' '.join(command)}" in told
    assert main([*command[:2], *command[2:4], "--cpu"]) == 2
    assert "continue it with --resume" in " ".join(capsys.readouterr().err.split())
    assert main([*command, "--cpu"]) == 0
    capsys.readouterr()


def test_the_reports_reader_says_the_same_of_a_damaged_one(run: Path) -> None:
    lose(run, "half")
    with pytest.raises(RunError) as resuming:
        refuse_damaged(run)
    with pytest.raises(RunError) as reading:
        read_record(run)
    assert str(resuming.value) == str(reading.value) and "--resume" in str(reading.value)


def test_a_recipe_that_extends_another_is_told_with_its_base(run: Path) -> None:
    lose(run, "missing")
    (run / "recipe.toml").write_text('extends = "../mine.toml"\n', "utf-8")
    assert "it extends ../mine.toml, which must lie where it says" in with_its_recipe(run)
    (run / "base.toml").write_text(TEXT, "utf-8")
    assert 'first replace extends = "../mine.toml" in it by "base.toml"' in with_its_recipe(run)
    (run / "recipe.toml").write_text('extends = "base.toml"\n', "utf-8")
    assert "replace" not in with_its_recipe(run)
    (run / "recipe.toml").unlink()
    assert f"continue with the recipe that the run was begun with: toonforge run RECIPE --out {run}" in str(
        with_its_recipe(run)
    )


def test_neither_a_recipe_nor_a_checkpoint_is_no_run(run: Path) -> None:
    lose(run, "missing")
    shutil.rmtree(run / "checkpoints")
    with pytest.raises(RunError, match="no run to resume") as caught:
        resumed(run)
    (problem,) = caught.value.problems
    assert problem.hint == "choose another folder with --out to begin one", "the folder is not empty"
    with pytest.raises(RunError, match="there already, and it is no run"):
        train(recipe(), folder=run, cpu=True)


# -- checkpoints -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("all_of_it", [True, False])
def test_checkpoints_of_which_the_log_tells_are_missed_and_nothing_is_trained_over(run: Path, all_of_it: bool) -> None:
    for path in [run / "checkpoints"] if all_of_it else [*(run / "checkpoints").glob("step-*")]:
        shutil.rmtree(path)
    before = contents(run)
    with pytest.raises(RunError, match=r"no checkpoint of .* can be resumed") as caught:
        resumed(run)
    (problem,) = caught.value.problems
    assert problem.found == "checkpoints/ holds none, but metrics.jsonl tells of checkpoints at steps 2, 4"
    assert "put back" in str(problem.hint) and contents(run) == before


def test_a_note_on_damage_is_a_sentence_and_the_last_message_names_one_a_line(run: Path) -> None:
    (run / "checkpoints/step-000004/G.safetensors").unlink()
    (note,) = resumed(Path(shutil.copytree(run, run.with_name("copy"))))[1]
    assert note.endswith("/step-000004 is damaged: G.safetensors is missing")
    (run / "checkpoints/step-000002/checkpoint.json").unlink()
    with pytest.raises(RunError) as caught:
        resumed(run)
    assert [line.strip() for line in str(caught.value).splitlines()[1:3]] == [
        "found:    checkpoints/step-000004 is damaged: G.safetensors is missing",
        "checkpoints/step-000002 is no whole checkpoint: checkpoint.json: it is missing",
    ]


# -- metrics.jsonl -----------------------------------------------------------------------------------------------------


def test_a_missing_log_is_told(run: Path) -> None:
    (run / "metrics.jsonl").unlink()
    step, notes = resumed(run)
    assert step == 4
    assert notes == ("metrics.jsonl is missing: curves and measurements begin anew where they are lost",)
    assert not (run / "metrics.jsonl.damaged").exists() and resumed(run)[1] == ()


@pytest.mark.parametrize(
    ("garbage", "words"),
    [
        (b"\0\xff\n" * 3, "no line of it can be read"),
        (b"\0" * 99, "no line of it can be read"),
        (b"", "no line of it can be read"),
        (None, "1 of its lines cannot be read"),
    ],
)
def test_a_damaged_log_is_told_and_kept_as_it_is(run: Path, garbage: bytes | None, words: str) -> None:
    log = run / "metrics.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    held = b"".join([*lines[:3], b"{garbage}\n", *lines[3:]]) if garbage is None else garbage
    log.write_bytes(held)
    for name in ("metrics.jsonl.damaged", "metrics.jsonl.damaged-2")[: 2 if held else 1]:
        log.write_bytes(held + b" " * len(name))  # other contents each time
        (note,) = resumed(run)[1]
        assert note.startswith(f"metrics.jsonl is damaged: {words}: ")
        assert note.endswith(f"kept as {name}") and (run / name).read_bytes() == held + b" " * len(name)
    assert resumed(run)[1] == ()
    if garbage is None:
        assert [event for event in events_of(run) if event["event"] == "step"] == [
            event for event in map(json.loads, lines) if event["event"] == "step"
        ]


def test_a_last_line_cut_short_is_no_damage(run: Path) -> None:
    with (run / "metrics.jsonl").open("ab") as file:
        file.write(b'{"event": "st')
    assert resumed(run)[1] == () and not (run / "metrics.jsonl.damaged").exists()


# -- one kind in place of another --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_a_file_in_a_folders_place_and_the_other_way_round_is_told_at_the_start(
    run: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    was = "file" if name in FOLDERS else "folder"
    if (run / name).is_dir():
        shutil.rmtree(run / name)
    else:
        (run / name).unlink(missing_ok=True)
    (run / name).write_text("mine") if was == "file" else (run / name).mkdir()
    with pytest.raises(RunError) as caught:
        RunFolder(run).refuse(resume=True)
    (problem,) = caught.value.problems
    assert problem.message == f"{run / name} is a {was}" and problem.hint == "move it away"
    assert problem.expected == ("a folder" if was == "file" else "a file")
    if name in ("samples", ".lock", "resolved.toml"):
        assert main(["run", str(run), "--resume", "--cpu"]) == 2
        assert f"{run / name} is a {was}" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_run_that_may_not_be_written_is_not_sent_elsewhere(run: Path, number: int) -> None:
    (problem,) = unwritable(run, OSError(number, os.strerror(number), str(run / "metrics.jsonl"))).problems
    assert "make it writable, or copy the run" in str(problem.hint) and "--out" not in str(problem.hint)
    (problem,) = unwritable(run / "new", OSError(number, os.strerror(number), str(run / "new"))).problems
    assert "--out" in str(problem.hint)


@pytest.mark.parametrize("left", ["", '{"event": "sta'])
def test_a_run_that_was_killed_in_its_first_line_has_lost_no_log(tmp_path: Path, left: str) -> None:
    (tmp_path / log.NAME).write_text(left, "utf-8")
    assert not log.begun(tmp_path)
    (tmp_path / log.NAME).write_text("garbage\n" + left, "utf-8")
    assert log.begun(tmp_path)
