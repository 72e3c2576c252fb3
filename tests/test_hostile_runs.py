"""Folders of runs that somebody else made: going on with one changes nothing outside of it and waits for nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tiny
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.runs.alone import LOCK, alone, refuse_held
from toonforge.runs.folder import RunFolder
from toonforge.runs.links import refuse_links

tiny.register()

NAMES = ("optimizer", "checkpoint", "latest", "best", "ops", "G_ema")
"""Of networks: what a run's own files are called too, but for their dots."""

RECIPE = """
name = "hostile"
[data]
type = "tiny/pictures"
[phases.p]
updates = ["{first}", {names}]
[phases.p.losses]
{losses}
[train]
steps = 2
batch_size = 2
ema = 0.9
[train.checkpoint]
every = 1
[train.metrics]
every = 1
best = "mean"
[translations]
anime = "{first}(photo)"
[metrics]
mean = {{ type = "pixel-l1", input = "{first}(photo)", target = "photo" }}
[generators]
{generators}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps whose networks have the names of files."""
    home = tmp_path_factory.mktemp("trained")
    text = RECIPE.format(
        first=NAMES[0],
        names=", ".join(f'"{name}"' for name in NAMES[1:]),
        generators="\n".join(f'{name} = {{ type = "tiny/generator" }}' for name in NAMES),
        losses="\n".join(f'l_{name} = {{ type = "l1", input = "{name}(photo)", target = "photo" }}' for name in NAMES),
    )
    (home / "r.toml").write_text(text, "utf-8")
    assert main(["run", str(home / "r.toml"), "--out", str(home / "run"), "--cpu"]) == 0
    return home / "run"


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the run, and beside it a folder that nobody may change."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, tmp_path / "run")
    shutil.copytree(trained, tmp_path / "mine")
    (tmp_path / "mine/letter.txt").write_text("mine\n", "utf-8")
    return tmp_path / "run"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def resume(run: Path) -> int:
    return main(["run", str(run), "--resume", "--cpu", "--set", "train.steps=4"])


def test_networks_may_be_called_as_the_files_of_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {path.name for path in (run / "checkpoints/step-000002").iterdir()}
    assert {f"{name}.safetensors" for name in NAMES} | {f"{name}.ema.safetensors" for name in NAMES} <= files
    assert (run / "checkpoints/latest").is_file()
    assert resume(run) == 0
    assert (run / "checkpoints/latest").read_text() == "step-000004\n"
    capsys.readouterr()


# -- links that lead out of the folder ---------------------------------------------------------------------------------

ENTRIES = (
    *("metrics.jsonl", "data.csv", "lock.json", "recipe.toml", "report.html", "checkpoints", "samples", "metrics"),
    *("checkpoints/latest", "checkpoints/best", "checkpoints/step-000002", "samples/step-000002.jpg"),
    *("checkpoints/step-000002/checkpoint.json", "checkpoints/.partial-step-000003", "samples/step-000009.jpg"),
    *("evaluations.jsonl", LOCK, ".metrics.jsonl.7-0.partial"),
)


@pytest.mark.parametrize(("name", "absolute"), [(name, number % 2 == 0) for number, name in enumerate(ENTRIES)])
def test_a_run_with_a_link_that_leads_out_is_not_resumed(
    run: Path, name: str, absolute: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, there = run.parent / "mine", run / name
    target = mine / name if (mine / name).exists() else mine / "letter.txt"
    remove(there)
    there.symlink_to(target if absolute else os.path.relpath(target, there.parent))
    before = contents(mine)
    assert resume(run) == 2
    err = capsys.readouterr().err
    assert "is a link that leads out of the run's folder" in err and name in err and "Traceback" not in err
    assert contents(mine) == before


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def test_a_resolved_recipe_behind_a_link_is_not_gone_on_with(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    remove(run / "resolved.toml")
    (run / "resolved.toml").symlink_to(run.parent / "mine/resolved.toml")
    assert resume(run) == 2 and "leads out" in capsys.readouterr().err


def test_links_within_a_run_and_a_link_to_the_whole_of_it_are_followed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "samples").rename(run / "drawn")
    (run / "samples").symlink_to("drawn")
    (run.parent / "link").symlink_to(run, target_is_directory=True)
    assert resume(run.parent / "link") == 0
    assert (run / "drawn/step-000004.jpg").is_file()
    capsys.readouterr()


def test_what_a_tracker_keeps_is_its_own_business(run: Path) -> None:
    (run / "wandb").mkdir()
    (run / "wandb/latest-run").symlink_to(run.parent / "mine", target_is_directory=True)
    refuse_links(run)


def test_a_folder_that_is_not_there_has_no_links(tmp_path: Path) -> None:
    refuse_links(tmp_path / "absent")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", [name for name in ENTRIES if "." in name])
def test_a_pipe_in_a_run_is_refused_and_not_waited_for(
    run: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    remove(run / name)
    os.mkfifo(run / name)
    assert resume(run) == 2
    assert "is neither a file nor a folder" in capsys.readouterr().err


def test_the_lock_of_a_new_run_is_no_way_to_empty_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds nothing but a lock may be begun in; the lock is written into."""
    (tmp_path / "letter.txt").write_text("mine\n", "utf-8")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "letter.txt")
    with (
        pytest.raises(RunError, match=r"cannot write|is there already"),
        RunFolder(tmp_path / "run").alone(resume=False),
    ):
        pass
    with pytest.raises(OSError, match="symbolic"), alone(tmp_path / "run", lambda holder: pytest.fail(holder)):
        pass
    refuse_held(tmp_path / "run", lambda holder: pytest.fail(holder))
    assert (tmp_path / "letter.txt").read_text("utf-8") == "mine\n"


def test_links_are_refused_before_torch_is_loaded(run: Path) -> None:
    (run / "samples/x.jpg").symlink_to("/etc/passwd")
    code = (
        "import sys\nfrom pathlib import Path\nfrom toonforge.runs.folder import RunFolder\n"
        f"try:\n    RunFolder(Path({str(run)!r})).refuse(True)\nexcept Exception as error:\n"
        "    print(type(error).__name__, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["RunError", "False"]


def test_a_folder_whose_name_begins_alike_is_elsewhere(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = run.with_name(f"{run.name}-x")
    beside.mkdir()
    (beside / "letter.txt").write_text("mine")
    remove(run / "report.html")
    (run / "report.html").symlink_to(beside / "letter.txt")
    assert resume(run) == 2
    assert "is a link that leads out of the run's folder" in capsys.readouterr().err
    assert (beside / "letter.txt").read_text() == "mine"


# -- what only reads ---------------------------------------------------------------------------------------------------


def evil_links(run: Path) -> None:
    """Everything that is written beside a run leads elsewhere."""
    mine = run.parent / "mine"
    for name in ("evaluations.jsonl", "report.html", ".report.html.7-0.partial"):
        remove(run / name)
        (run / name).symlink_to(mine / "letter.txt")
    remove(run / "metrics")
    (run / "metrics").symlink_to(mine, target_is_directory=True)


@pytest.mark.parametrize(
    "words",
    [
        ["translate", "run", "a.png", "-o", "out", "--cpu"],
        ["evaluate", "run", "--cpu"],
        ["report", "run"],
        ["compare", "run", "mine", "-o", "compared"],
    ],
)
def test_what_reads_a_run_writes_through_no_link(
    run: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.pictures import save

    save(run.parent / "a.png")
    evil_links(run)
    before = contents(run.parent / "mine")
    code = main(words)
    told = capsys.readouterr()
    assert code == 0, told.err
    assert contents(run.parent / "mine") == before
    if words[0] == "evaluate":
        assert "not recorded in the run's folder" in told.err and "leads out" in told.err


def test_translating_writes_nothing_into_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.pictures import save

    save(run.parent / "a.png")
    before = contents(run)
    assert main(["translate", "run", "a.png", "-o", "out", "--cpu"]) == 0
    assert contents(run) == before
    capsys.readouterr()


@pytest.mark.parametrize(
    "text", ["../../mine/checkpoints/step-000002", "/etc", "..", ".", "step-000002/../step-000001"]
)
def test_a_pointer_names_a_checkpoint_beside_it(run: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.pictures import save

    save(run.parent / "a.png")
    for name in ("latest", "best"):
        (run / "checkpoints" / name).write_text(text + "\n", "utf-8")
    assert main(["translate", "run", "a.png", "-o", "out", "--cpu"]) == 2
    assert "names no checkpoint" in capsys.readouterr().err


def test_a_checkpoint_that_lists_files_elsewhere_is_damaged_and_they_are_untouched(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    about = run / "checkpoints/step-000002/checkpoint.json"
    data = json.loads(about.read_text("utf-8"))
    data["files"] = {"../../../mine/letter.txt": "0" * 64, "/etc/passwd": "0" * 64, **data["files"]}
    about.write_text(json.dumps(data), "utf-8")
    before = contents(run.parent / "mine")
    assert resume(run) == 0
    told = capsys.readouterr()
    assert "damaged" in told.err + told.out + (run / "metrics.jsonl").read_text("utf-8")
    assert contents(run.parent / "mine") == before


# -- newer files -------------------------------------------------------------------------------------------------------


def newer_log(run: Path) -> None:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines(keepends=True)
    start = json.loads(lines[0])
    lines[0] = json.dumps({**start, "format": 99, "what": {"a": [1]}}) + "\n"
    lines.append(json.dumps({"event": "of-the-future", "step": 2, "x": {"y": "z"}}) + "\n")
    (run / "metrics.jsonl").write_text("".join(lines), "utf-8")


def newer_sweep(run: Path) -> None:
    (run / "sweep.json").write_text(json.dumps({"format": 99, "runs": []}), "utf-8")


def newer_strips(run: Path) -> None:
    for path in run.glob("samples/*/strips.json"):
        path.write_text(json.dumps({"format": 99, "pictures": "elsewhere"}), "utf-8")


@pytest.mark.parametrize("make", [newer_log, newer_strips])
def test_a_page_of_a_newer_run_is_drawn_with_what_is_understood(
    run: Path, make: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make(run)
    assert main(["report", "run"]) == 0
    assert "</html>" in (run / "report.html").read_text("utf-8")
    capsys.readouterr()


def test_a_newer_sweep_is_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newer_sweep(run)
    assert main(["sweep", "run", "--resume", "--cpu"]) == 2
    assert "another version" in capsys.readouterr().err


def test_a_folder_that_a_newer_verb_wrote_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.pictures import fill

    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "photo", 3)
    assert main(["data", "filter", "photo", "-o", "out"]) == 0
    begun = tmp_path / "out/manifest.json"
    begun.write_text(json.dumps({**json.loads(begun.read_text("utf-8")), "format": 99}), "utf-8")
    before = contents(tmp_path / "out")
    for force in ([], ["--force"]):
        capsys.readouterr()
        assert main(["data", "filter", "photo", "-o", "out", *force]) == 2
        assert "another version of toonforge" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before
