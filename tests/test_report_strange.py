"""A run's folder that somebody else made: links out of it, pipes, and numbers and depths that no training writes."""

from __future__ import annotations

import io
import json
import os
import socket
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.run_fixture import write_run
from toonforge.errors import RunError
from toonforge.report.page import draw_report
from toonforge.report.recipe_part import LONGEST, recipe_part
from toonforge.runs.log import read_events, truncate
from toonforge.runs.reading import DEEPEST, shallow
from toonforge.runs.record import read_record

SECRET = "dGhlIHNlY3JldA-of-another-folder"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", total=40, grids=[20, 40], names=["a", "b"])


def drawn(run: Path) -> str:
    return draw_report(read_record(run))


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


# -- only what lies in the folder ---------------------------------------------------------------------------------------

SECRETS = {
    "recipe.toml": f'name = "{SECRET}"\n',
    "base.toml": f'name = "{SECRET}"\n',
    "data.csv": f"part,{SECRET}\ntrain,a\n",
    "lock.json": json.dumps({"python": SECRET}),
    "evaluations.jsonl": json.dumps({"part": SECRET, "metrics": {"kid": 1}}) + "\n",
    "metrics.jsonl": json.dumps(
        {"event": "warning", "step": 1, "kind": "k", "about": "a", "message": SECRET, "hint": ""}
    ),
}


@pytest.mark.parametrize("name", SECRETS)
def test_a_file_that_is_a_link_out_of_the_folder_is_not_read(run: Path, tmp_path: Path, name: str) -> None:
    (run / name).unlink(missing_ok=True)
    (run / name).write_text(SECRETS[name])
    assert SECRET in drawn(run), "the page shows what lies in the folder"
    (run / name).rename(tmp_path / "elsewhere")
    (run / name).symlink_to(tmp_path / "elsewhere")
    assert SECRET not in drawn(run)


def test_a_resolved_recipe_that_is_a_link_out_of_the_folder_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "resolved.toml").rename(tmp_path / "elsewhere")
    (run / "resolved.toml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="leads out of the run's folder"):
        read_record(run)


def test_links_within_the_folder_and_a_link_to_the_whole_folder_are_followed(run: Path, tmp_path: Path) -> None:
    (run / "recipe.toml").write_text(SECRETS["recipe.toml"])
    (run / "recipe.toml").rename(run / "kept.toml")
    (run / "recipe.toml").symlink_to("kept.toml")
    (tmp_path / "link").symlink_to(run, target_is_directory=True)
    page = drawn(tmp_path / "link")
    assert SECRET in page and "data:image" not in page and len(read_record(tmp_path / "link").steps) > 1
    assert '"step": 40' in page or '"step":40' in page


@pytest.mark.parametrize("strips", ["../outside", "samples/../../outside", "linked"])
def test_strips_that_the_log_names_outside_of_the_run_are_not_shown(run: Path, tmp_path: Path, strips: str) -> None:
    (run / "samples/step-000040").rename(tmp_path / "outside")
    (run / "linked").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "outside/strips.json").rename(run / "kept.json")
    (tmp_path / "outside/strips.json").symlink_to(run / "kept.json")
    log = run / "metrics.jsonl"
    log.write_text(log.read_text().replace('"strips": "samples/step-000040"', f'"strips": "{strips}"'))
    assert "1 of 2 grids cannot be read." in drawn(run)


# -- nothing waits ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize(
    "name",
    [
        *SECRETS,
        "metrics/fourier-step-000040.png",
        "samples/step-000040/strips.json",
        "samples/step-000040/anime-output.jpg",
        "samples/step-000040.jpg",
    ],
)
def test_a_pipe_is_never_opened(run: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pipe = run / name
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    if name.endswith("040.jpg"):
        for path in run.glob("samples/*/strips.json"):
            path.unlink()
    monkeypatch.setattr("io.open", _refusing(pipe))
    assert "</html>" in drawn(run)


def _refusing(pipe: Path) -> Any:
    true_open = io.open

    def opened(path: Any, *args: Any, **more: Any) -> Any:
        if not isinstance(path, int) and Path(os.fsdecode(path)) == pipe:
            raise AssertionError(f"{pipe} was opened: it would wait for ever")
        return true_open(path, *args, **more)

    return opened


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no sockets in folders here")
def test_a_resolved_recipe_that_is_no_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", total=10, grids=[10], names=["a"])
    (run / "resolved.toml").unlink()
    monkeypatch.chdir(run)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("resolved.toml")
        with pytest.raises(RunError, match="no regular file"):
            read_record(run)


# -- depths and sizes ----------------------------------------------------------------------------------------------------

DEPTHS = (DEEPEST + 1, 300, 900, 20_000)


@pytest.mark.parametrize("depth", DEPTHS)
def test_no_depth_of_a_file_ends_in_a_traceback(run: Path, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    append(run / "evaluations.jsonl", nested, json.dumps({"metrics": {"kid": 1}, "part": 0})[:-2] + nested + "}")
    (run / "samples/step-000020/strips.json").write_text('{"translations": ' + nested + "}")
    (run / "lock.json").write_text('{"data": {"photo": ' + nested + "}}")
    (run / "base.toml").write_text(f"a = {nested}\n")
    append(run / "metrics.jsonl", '{"event": "end", "step": 40, "reason": ' + nested + "}")
    assert "1 of 2 grids cannot be read." in drawn(run)
    (run / "recipe.toml").write_text(f"a = {nested}\n")
    assert "cannot be told" in drawn(run)
    (run / "resolved.toml").write_text(f"a = {nested}\n")
    with pytest.raises(RunError, match="cannot be read"):
        read_record(run)


def test_a_log_with_a_line_of_any_depth_is_cut_at_a_resume(run: Path) -> None:
    before = [event for event in read_events(run) if event["step"] <= 30]
    for depth in DEPTHS:
        append(run / "metrics.jsonl", '{"event": "new", "step": 3, "what": ' + "[" * depth + "]" * depth + "}")
    truncate(run, 30)
    assert [event for event in read_events(run) if event["event"] != "new"] == before


def test_data_as_deep_as_they_may_be_are_read() -> None:
    kept: Any = 1
    for level in range(DEEPEST):
        kept = [kept] if level % 2 else {"a": kept}
    assert shallow(kept) is kept
    with pytest.raises(ValueError, match="deep in each other"):
        shallow([kept])


@pytest.mark.parametrize("number", [2**53, 2**63, 10**30, 10**400])
@pytest.mark.parametrize(
    "line",
    [
        '{"event": "step", "step": N, "losses": {"warm_up.drawn": 1}}',
        '{"event": "step", "step": 41, "losses": {"warm_up.drawn": 1}, "memory": N}',
        '{"event": "step", "step": 41, "losses": {"warm_up.drawn": 1}, "memory": -N}',
        '{"event": "metrics", "step": N, "metrics": {"kid": 1}}',
        '{"event": "samples", "step": N, "grid": "a", "strips": "b"}',
        '{"event": "checkpoint", "step": N}',
        '{"event": "start", "step": 0, "total_steps": N}',
    ],
)
def test_an_event_with_a_number_that_no_run_reaches_is_left_out(run: Path, line: str, number: int) -> None:
    before = read_record(run)
    append(run / "metrics.jsonl", line.replace("N", str(number)))
    assert read_record(run) == attrs.evolve(before, unread=1)
    assert "</html>" in drawn(run)


@pytest.mark.parametrize("number", [10**30, 10**400])
def test_an_evaluation_with_a_number_that_no_run_reaches_has_no_traceback(run: Path, number: int) -> None:
    for key in ("time", "step"):
        append(run / "evaluations.jsonl", json.dumps({"metrics": {"kid": 1}, key: number}))
    append(run / "evaluations.jsonl", json.dumps({"metrics": {"kid": number}}))
    append(run / "evaluations.jsonl", json.dumps({"metrics": {"kid": 1}, "part": "the last one"}))
    assert "the last one" in drawn(run)


# -- long recipes --------------------------------------------------------------------------------------------------------


def test_a_long_recipe_is_compared_whole_and_shown_cut(run: Path) -> None:
    text = (run / "recipe.toml").read_text()
    (run / "recipe.toml").write_text("# a note\n" * LONGEST + text)
    part = recipe_part(read_record(run))
    assert part.base == "pix2pix/pix2pix" and part.rows
    assert LONGEST <= len(part.given) <= LONGEST + 10 and part.given.endswith("…")
