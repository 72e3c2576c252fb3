"""k + k steps equal 2k steps, bit for bit, however a run is interrupted: every file, every line of the log."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import torch

from tests.exact import (
    Killed,
    Way,
    assert_same,
    checkpoint_of,
    in_parts,
    killed_again_and_again,
    log_of,
    pictures_of,
    recipe,
    seen,
    start,
)
from toonforge.train.trainer import train


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recipe trained in one go."""
    from tests import tiny

    tiny.register()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(), folder=folder, cpu=True)
    kinds = {event["event"] for event in log_of(folder)}
    assert kinds >= {"step", "samples", "metrics", "checkpoint", "best"}
    return folder


PLACES = {
    "step": (3, 4, 6, 7),
    "drawing": (4, 6, 8),
    "grid": (2, 6, 8),
    "measuring": (3, 6, 8),
    "metrics": (3, 6, 8),
    "checkpoint": (4, 8),
    "best": (3,),
    "finished": (8,),
}
"""Where a run is interrupted -> after which steps, each in a start of its own: among them the last of a phase, of an
epoch and of the run, those of checkpoints, and those with a grid, with metrics and with both."""


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("where", PLACES)
def test_an_interruption_at_any_place_leaves_no_trace(
    tiny: None, whole: Path, tmp_path: Path, where: str, how: str
) -> None:
    ways = [Way(how, step, where) for step in PLACES[where]]
    ended = in_parts(recipe(), tmp_path / "run", ways)
    stopped = [None if one is None else (one.reason, one.step) for one in ended[:-1]]
    at_the_end = how == "stop" and where in ("metrics", "finished")  # nothing is left to do then
    expected = [None if how == "kill" else ("interrupted", way.at) for way in ways]
    assert stopped == ([*expected[:-1], ("done", 8)] if at_the_end else expected)
    assert_same(whole, tmp_path / "run", stops=[one.step for one in ended if one is not None and one.step < 8])


@pytest.mark.parametrize("first", range(1, 12, 3))
def test_a_kill_at_any_operation_leaves_no_trace(tiny: None, whole: Path, tmp_path: Path, first: int) -> None:
    killed_again_and_again(tmp_path / "run", first, 11)
    assert_same(whole, tmp_path / "run")


def test_a_finished_run_is_resumed_without_a_trace(tiny: None, whole: Path, tmp_path: Path) -> None:
    first = train(recipe(), folder=tmp_path / "run", cpu=True)
    again = train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    assert_same(whole, tmp_path / "run")
    assert attrs.evolve(again, seconds=0, warnings=()) == attrs.evolve(first, seconds=0, warnings=())


@pytest.mark.parametrize("where", ["drawing", "grid"])
def test_a_kill_while_drawing_costs_no_step_where_a_checkpoint_was_due(tiny: None, tmp_path: Path, where: str) -> None:
    with pytest.raises(Killed):
        start(tmp_path / "run", Way("kill", 4, where))
    assert checkpoint_of(tmp_path / "run", "latest")[""] == b"step-000004"


@pytest.mark.parametrize(("where", "step", "missing"), [("drawing", 4, "samples"), ("measuring", 3, "metrics")])
def test_what_is_stopped_leaves_nothing_and_is_made_up_for_first(
    tiny: None, tmp_path: Path, where: str, step: int, missing: str
) -> None:
    ended = start(tmp_path / "run", Way("stop", step, where))
    assert (ended.reason, ended.step) == ("interrupted", step)
    assert (missing, step) not in seen(tmp_path / "run")
    assert not [name for name in pictures_of(tmp_path / "run") if f"step-{step:06d}" in name and where == "drawing"]
    train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    order = [event for event in seen(tmp_path / "run") if event[0] != "checkpoint"]
    assert order.index((missing, step)) < order.index(("step", step + 1))
