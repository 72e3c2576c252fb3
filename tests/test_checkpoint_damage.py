"""Whatever happens to a checkpoint's files is found by its checksums, named, and the previous checkpoint used."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.checkpoint_formats import HOME, RECIPE
from tests.test_checkpoint_formats import a_run, of_a_newer_format
from tests.test_checkpoint_memory import Process
from tests.test_resume import Notes
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import Problem
from toonforge.files import remove, sync
from toonforge.runs import inventory
from toonforge.runs.inventory import Inventory, damage, read_inventory, write_inventory
from toonforge.runs.metadata import NewerFormatError
from toonforge.train import checkpoint as checkpoint_module
from toonforge.train.checkpoint import Checkpoints
from toonforge.train.trainer import train

NEWEST = HOME / "format-2/checkpoints/step-000004"
FILES = sorted(path.name for path in NEWEST.iterdir())


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint; who changes a file of it puts it back."""
    return Path(shutil.copytree(NEWEST, tmp_path_factory.mktemp("run") / NEWEST.name))


class Changed:
    """A file with other contents for a while."""

    def __init__(self, path: Path, contents: bytes) -> None:
        self.path, self.contents, self.before = path, contents, path.read_bytes()

    def __enter__(self) -> None:
        self.path.write_bytes(self.contents)

    def __exit__(self, *error: object) -> None:
        self.path.write_bytes(self.before)


def found(folder: Path) -> str:
    problem = damage(folder)
    assert problem is not None, "nothing was found"
    return f"{problem.message}: {problem.found}"


@settings(max_examples=150)
@given(name=st.sampled_from(FILES), position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_found_wherever_it_is(checkpoint: Path, name: str, position: float, bit: int) -> None:
    contents = bytearray((checkpoint / name).read_bytes())
    contents[int(position * len(contents))] ^= 1 << bit
    with Changed(checkpoint / name, bytes(contents)):
        assert name in found(checkpoint)


def test_every_bit_of_the_description_counts(checkpoint: Path) -> None:
    contents = (checkpoint / "checkpoint.json").read_bytes()
    for position in range(len(contents)):
        for bit in range(8):
            changed = bytearray(contents)
            changed[position] ^= 1 << bit
            with pytest.raises((ValueError, KeyError, TypeError)):
                inventory.parsed(checkpoint, bytes(changed))


@settings(max_examples=60)
@given(name=st.sampled_from(FILES), length=st.floats(0, 1, exclude_max=True), zeros=st.booleans())
def test_a_truncated_file_is_found(checkpoint: Path, name: str, length: float, zeros: bool) -> None:
    contents = (checkpoint / name).read_bytes()
    kept = int(length * len(contents))
    with Changed(checkpoint / name, contents[:kept] + bytes(len(contents) - kept if zeros else 0)):
        assert name in found(checkpoint)


def link(path: Path) -> None:
    shutil.copy(path, path.parent.parent / "elsewhere")
    path.unlink()
    path.symlink_to(path.parent.parent / "elsewhere")


def put(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (Path.unlink, "is missing"),
    "empty": (lambda path: path.write_bytes(b""), "is empty"),
    "folder": (put(Path.mkdir), "is a folder"),
    "pipe": (put(os.mkfifo), "is no regular file"),
    "link to elsewhere": (link, "is a link"),
    "link to itself": (put(lambda path: path.symlink_to(path)), "is a link"),
    "another file of the run": (
        lambda path: shutil.copy(HOME / "format-2/checkpoints/step-000002/D.safetensors", path),
        "is not as it was written",
    ),
}


@pytest.mark.parametrize("name", ["D.safetensors", "checkpoint.json", "ops.rank0.safetensors"])
@pytest.mark.parametrize("harm", HARMS)
def test_what_is_no_longer_the_file_is_named(tmp_path: Path, name: str, harm: str) -> None:
    folder = a_run(tmp_path) / "checkpoints/step-000004"
    change, words = HARMS[harm]
    change(folder / name)
    told = found(folder)
    assert name in told
    if name != "checkpoint.json" or harm in ("folder", "pipe", "link to elsewhere", "link to itself"):
        assert words in told


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    folder = a_run(tmp_path) / "checkpoints/step-000004"
    (folder / "D.safetensors").unlink()
    (folder / "G.safetensors").write_bytes(b"")
    (folder / "VGG.safetensors").write_bytes(b"other")
    shutil.copy(folder / "G.ema.safetensors", folder / "F.safetensors")
    told = found(folder)
    for words in (
        f"{folder} is damaged",
        "D.safetensors is missing",
        "G.safetensors is empty",
        "VGG.safetensors is not as it was written",
        "F.safetensors is not of this checkpoint: checkpoint.json does not list it",
    ):
        assert words in told


def test_files_of_other_programs_are_no_damage(tmp_path: Path) -> None:
    folder = a_run(tmp_path) / "checkpoints/step-000004"
    for name in (".DS_Store", "._G.safetensors", "notes.txt", "G.onnx"):
        (folder / name).write_text("mine")
    assert damage(folder) is None


@pytest.mark.parametrize(
    "name", ["../step-000002/G.safetensors", "/etc/passwd", "a/b", "", ".", "..", "checkpoint.json", "a\0b"]
)
def test_only_files_of_the_folder_are_named(tmp_path: Path, name: str) -> None:
    folder = a_run(tmp_path) / "checkpoints/step-000004"
    about = read_inventory(folder)
    write_inventory(folder, Inventory(step=4, processes=1, files={**about.files, name: "0" * 64}))
    assert "which is no file of a checkpoint" in found(folder)


def test_a_checkpoint_under_another_steps_name_is_not_taken_for_it(tmp_path: Path) -> None:
    checkpoints = a_run(tmp_path) / "checkpoints"
    shutil.copytree(checkpoints / "step-000004", checkpoints / "step-000900")
    assert "it is of step 4, which is not its folder's" in found(checkpoints / "step-000900")


@settings(max_examples=100)
@given(
    about=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["format", "step", "processes", "files", "run", "a"]), inner, max_size=6)
        ),
        max_leaves=12,
    )
)
def test_no_description_whatever_it_holds_is_more_than_damage(checkpoint: Path, about: object) -> None:
    contents = json.dumps(about, indent=1).encode().removesuffix(b"\n}")
    for text in (contents, inventory.sealed(contents)):
        with Changed(checkpoint / "checkpoint.json", text):
            try:
                assert "checkpoint.json" in found(checkpoint)
            except NewerFormatError:
                assert isinstance(about, dict) and about["format"] > inventory.FORMAT


def test_a_description_that_is_deep_or_huge_is_damage(checkpoint: Path) -> None:
    for contents in (b"[" * 100_000, b" " * (1 << 25), b"\xff\xfe\0"):
        with Changed(checkpoint / "checkpoint.json", contents):
            assert "checkpoint.json" in found(checkpoint)


# -- what a run does with it ------------------------------------------------------------------------------------------


def resumed(run: Path) -> tuple[int, tuple[str, ...]]:
    heard = Notes()
    finished = train(recipes.load(run / "resolved.toml"), folder=run, resume=True, cpu=True, listeners=[heard])
    return finished.step, heard.notes


def another_runs_checkpoint(place: Path, override: str) -> Path:
    """One of a run that differs from the kept one in a key; without moving averages where that is not given."""
    text = RECIPE.read_text() if override else RECIPE.read_text().replace("ema = 0.9\n", "")
    more = ["train.checkpoint={every=2, keep=9}", *([override] if override else [])]
    train(recipes.loads(text, "other", more), folder=place, cpu=True)
    return place / "checkpoints/step-000004"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("generators.G.width=3", "G: 0.weight is 3x3x3x3 there and 2x3x3x3 here"),
        ("train.seed=6", "a run of the recipe 'every-state' with seed 6"),
        ("train.optimizer={type='rmsprop', lr=0.1}", "optimizer.train.G.safetensors is of RMSprop there and of Adam"),
        ("", "G.ema.safetensors is missing"),
    ],
)
def test_another_runs_checkpoint_is_not_trained_on_and_the_previous_one_is(
    tiny: None, tmp_path: Path, override: str, words: str
) -> None:
    run = a_run(tmp_path)
    place = run / "checkpoints/step-000004"
    shutil.rmtree(place)
    shutil.copytree(another_runs_checkpoint(tmp_path / "other", override), place)
    step, (note,) = resumed(run)
    assert step == 6
    assert f"{place} does not fit this run" in note and words in note
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "damaged"] == [2]


def test_where_no_checkpoint_is_whole_one_message_says_what_to_do(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path)
    before = (run / "metrics.jsonl").read_bytes(), (run / "resolved.toml").read_bytes()
    (run / "checkpoints/step-000004/G.safetensors").unlink()
    (run / "checkpoints/step-000002/checkpoint.json").write_bytes(b"")
    assert main(["run", str(run), "--resume", "--cpu", "--set", "train.steps=9"]) == 2
    err = capsys.readouterr().err
    assert err.count("error: ") == 1 and "Traceback" not in err
    for words in (
        f"no checkpoint of {run} can be resumed",
        "checkpoints/step-000004 is damaged: G.safetensors is missing",
        "checkpoints/step-000002 is no whole checkpoint: checkpoint.json: ",
        "put back the folder of a checkpoint from a copy of the run",
        f"toonforge run {run}/recipe.toml --out {run}-2",
    ):
        assert words in err, words
    assert before == ((run / "metrics.jsonl").read_bytes(), (run / "resolved.toml").read_bytes()), "nothing was changed"


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), (9, 90, 200)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("name", ["G.safetensors", "G.ema.safetensors", "D.safetensors", "checkpoint.json"])
@pytest.mark.parametrize("harm", ["missing", "flip", "empty", "folder"])
def test_damaged_weights_are_not_used_and_others_are_named(
    tiny: None, tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str], name: str, harm: str
) -> None:
    run = a_run(tmp_path)
    (run / "checkpoints/best").unlink()
    file = run / "checkpoints/step-000004" / name
    if harm == "flip":
        contents = bytearray(file.read_bytes())
        contents[-40] ^= 4
        file.write_bytes(bytes(contents))
    else:
        HARMS[harm][0](file)
    use = ["translate", str(run), str(picture), "-o", str(tmp_path / "out.png"), "--cpu"]
    if (name, harm) == ("checkpoint.json", "missing"):
        assert main(use) == 0, "weights that were copied without it are used"
        return
    for command in (use, ["evaluate", str(run), "--cpu"]):
        assert main(command) == 2
        err = capsys.readouterr().err
        assert err.count("error: ") == 1 and "Traceback" not in err and name in err
        assert "take another checkpoint with --checkpoint: 2" in err
    assert main([*use, "--checkpoint", "2"]) == 0


def test_weights_that_are_given_by_themselves_need_no_others(
    tiny: None, tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = a_run(tmp_path) / "checkpoints/step-000004"
    (checkpoint / "D.safetensors").write_bytes(b"damaged")
    use = [str(picture), "-o", str(tmp_path / "out.png"), "--cpu", "--force"]
    assert main(["translate", str(checkpoint / "G.safetensors"), *use]) == 0
    (tmp_path / "mine").mkdir()
    for name in ("G.safetensors", "checkpoint.json"):
        shutil.copy(checkpoint / name, tmp_path / "mine")
    assert main(["translate", str(tmp_path / "mine"), *use]) == 0
    (tmp_path / "mine/G.safetensors").write_bytes((checkpoint / "VGG.safetensors").read_bytes())
    capsys.readouterr()
    assert main(["translate", str(tmp_path / "mine"), *use]) == 2
    assert "G.safetensors is not as it was written" in capsys.readouterr().err


def test_a_newer_checkpoint_is_not_passed_over(tmp_path: Path) -> None:
    checkpoint = a_run(tmp_path) / "checkpoints/step-000004"
    of_a_newer_format(checkpoint, files={})
    with pytest.raises(NewerFormatError):
        damage(checkpoint)
    assert isinstance(damage(checkpoint.with_name("step-000002")), Problem | None)


def test_what_a_killed_process_left_is_put_in_order(tiny: None, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    checkpoints = run / "checkpoints"
    (checkpoints / "step-000004").rename(checkpoints / ".old-step-000004")  # its successor was about to take its place
    shutil.copytree(checkpoints / "step-000002", checkpoints / ".old-step-000002")  # its successor has taken it
    for half in (".partial-step-000006", ".removed-step-000001"):
        (checkpoints / half).mkdir()
        (checkpoints / half / "G.safetensors").write_bytes(b"cut")
    (run / "trackers").mkdir()
    for file in (
        ".report.html.7-0.partial",
        ".metrics.jsonl.7-12.partial",
        "trackers/.ids.json.7-0.partial",
        "checkpoints/.latest.7-0.partial",
    ):
        (run / file).write_text("cut")
    assert resumed(run) == (6, ())
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [event["step"] for event in events if event["event"] == "start"] == [0, 4], "nothing whole was lost"
    assert [path.name for path in run.rglob(".*")] == [".lock"]


def before_each_change(patch: pytest.MonkeyPatch, folder: Path, act: Callable[[], object]) -> None:
    """Have something done before each renaming, removal and new folder below a folder."""
    busy = False

    def watched(change: Callable[..., object]) -> Callable[..., object]:
        def wrapped(path: Path, *args: object, **more: object) -> object:
            nonlocal busy
            if not busy and str(path).startswith(str(folder)):
                busy = True
                act()
                busy = False
            return change(path, *args, **more)

        return wrapped

    for name in ("rename", "replace", "unlink", "mkdir"):
        patch.setattr(Path, name, watched(getattr(Path, name)))

    def half_way(path: Path) -> None:
        for file in sorted(path.iterdir())[:1] if path.is_dir() else ():
            file.unlink()
            watched(lambda path: None)(path)
        remove(path)

    patch.setattr(checkpoint_module, "remove", watched(half_way))


def test_a_kill_between_any_two_operations_of_saving_leaves_a_whole_newest_checkpoint(tmp_path: Path) -> None:
    checkpoints, process, states, newest = Checkpoints(tmp_path / "c", 1), Process(1), list[Path](), 2

    def copied() -> None:
        states.append(tmp_path / f"state-{len(states)}-{newest}")
        shutil.copytree(checkpoints.folder, states[-1])

    checkpoints.save(2, process.saved())
    checkpoints.name_best(2, 2)
    with pytest.MonkeyPatch.context() as patch:
        before_each_change(patch, checkpoints.folder, copied)
        for step in (4, 6, 6):  # the last one takes its own place
            checkpoints.save(step, process.saved())
            checkpoints.name_best(step, step)
            newest = step
    assert len(states) > 20
    for state in states:
        after = Checkpoints(state, 1)
        after.clean()
        found, problems = after.newest_whole(process.saved())
        assert found is not None and not problems, state
        named = after.path(0).with_name((state / "latest").read_text("utf-8").strip())
        assert named in map(after.path, after.steps()), f"what is translated with is there in {state}"
        assert int(found.name.removeprefix("step-")) >= int(state.name.rpartition("-")[2]), state
        assert all(map(after.whole, after.steps())), "what goes loses its name first"
        best = after.best()
        assert best is not None and after.whole(best), state


def test_what_a_power_cut_keeps_is_flushed_before_what_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints, process, done = Checkpoints(tmp_path / "c", 1), Process(1), list[tuple[str, str]]()
    checkpoints.save(2, process.saved())

    def noted(what: str, change: Callable[..., object]) -> Callable[..., object]:
        def wrapped(path: Path, *args: object) -> object:
            done.append((what, path.name))
            return change(path, *args)

        return wrapped

    monkeypatch.setattr(checkpoint_module, "sync", noted("sync", sync))
    for name in ("rename", "replace"):
        monkeypatch.setattr(Path, name, noted(name, getattr(Path, name)))
    path = checkpoints.save(4, process.saved())
    named = done.index(("rename", ".partial-step-000004"))
    before = [name for what, name in done[:named] if what == "sync"]
    assert before[-1] == ".partial-step-000004" and sorted(before[:-1]) == sorted(file.name for file in path.iterdir())
    assert done[named + 1] == ("sync", "c")
    assert [what for what, _ in done[named + 2 :]] == ["replace", "rename"], "latest, and only then the old one goes"


def test_a_disk_that_fills_up_while_a_checkpoint_is_written_leaves_nothing_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, about: Inventory) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    checkpoints = Checkpoints(tmp_path / "c", 1)
    monkeypatch.setattr(checkpoint_module, "write_inventory", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save(2, Process(1).saved())
    assert list((tmp_path / "c").iterdir()) == []


def test_a_newer_checkpoint_that_is_damaged_counts_for_none_that_is_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "c", 1)
    (tmp_path / "c/step-000009").mkdir(parents=True)
    for step in (2, 4):
        checkpoints.save(step, Process(1).saved())
    assert checkpoints.steps() == [4, 9] and checkpoints.whole(4)
