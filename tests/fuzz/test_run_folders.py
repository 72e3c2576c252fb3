"""What a run's folder says of itself: whatever its files hold, reports and comparisons are written or refused."""

from __future__ import annotations

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import toonforge
from tests import tiny
from tests.compared_runs import make
from tests.fuzz.fuzzed import REFUSED, VALID, fuzzed, outcome
from tests.fuzz.jsons import changed
from tests.fuzz.mutations import texts
from tests.fuzz.worker import Worker
from toonforge.report.page import write_report
from toonforge.runs.record import read_record

FIXTURE = Path(__file__).parents[1] / "data/checkpoints/format-1"
NAMES = ["metrics.jsonl", "lock.json", "resolved.toml", "recipe.toml", "data.csv", "samples/step-000040/strips.json"]


@cache
def base() -> Path:
    """A run as training leaves it."""
    return make(Path(tempfile.mkdtemp(prefix="toonforge-fuzz-")) / "one")


@cache
def files() -> dict[str, str]:
    """The texts of the run."""
    return {name: (base() / name).read_text("utf-8") for name in NAMES}


@st.composite
def events(draw: st.DrawFn) -> bytes:
    """A log in which some events have other keys and values, or another order."""
    known = [json.loads(line) for line in files()["metrics.jsonl"].splitlines()]
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(known) - 1))
        known[at] = draw(changed(known[at], most=2))
    if draw(st.integers(0, 3)) == 0:
        known = draw(st.permutations(known))
    return "".join(json.dumps(event) + "\n" for event in known).encode("utf-8", "surrogatepass")


@st.composite
def folders(draw: st.DrawFn) -> dict[str, bytes | None]:
    """File -> what it holds now; None for one that is gone."""
    found: dict[str, bytes | None] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=2)):
        how = draw(st.sampled_from(["text", "text", "data", "data", "gone"]))
        if how == "gone":
            found[name] = None
        elif how == "data" and name == "metrics.jsonl":
            found[name] = draw(events())
        elif how == "data" and name.endswith(".json"):
            found[name] = json.dumps(draw(changed(json.loads(files()[name])))).encode("utf-8", "surrogatepass")
        else:
            found[name] = draw(texts([files()[name]]))
    return found


DEEP = b'{"event":' * 5000 + b"\n"
CORPUS: list[dict[str, bytes | None]] = [
    {"metrics.jsonl": DEEP}, {"metrics.jsonl": b"[" * 10**5}, {"lock.json": DEEP}, {"resolved.toml": b"a = " + b"[" * 20_000}, {"samples/step-000040/strips.json": DEEP},
    {"metrics.jsonl": b'{"event": "start", "step": 1' + b"0" * 5000 + b"}\n"}, {"data.csv": b"a" * 200_000}, {"data.csv": b'"' * 9999},
]  # fmt: skip


def placed(place: str, contents: dict[str, bytes | None]) -> Path:
    """The run with these files."""
    folder = Path(place) / "one"
    shutil.copytree(base(), folder)
    for name, content in contents.items():
        (folder / name).unlink()
        if content is not None:
            (folder / name).write_bytes(content)
    return folder


@fuzzed(st.deferred(folders), short=8, share=0.25, corpus=CORPUS)
def test_the_record_and_the_report_of_any_folder_are_there_or_refused(contents: dict[str, bytes | None]) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = placed(place, contents)
        read = outcome(lambda: read_record(folder))
        written = outcome(lambda: write_report(folder, folder / "r.html"))
        assert written == REFUSED or "</html>" in (folder / "r.html").read_text("utf-8")
        return VALID if VALID == read == written else REFUSED


@fuzzed(st.deferred(folders), short=1, share=0.05, corpus=CORPUS[:1])
def test_any_folders_are_compared_or_refused(contents: dict[str, bytes | None]) -> str:
    with tempfile.TemporaryDirectory() as place:
        folder = placed(place, contents)
        shutil.copytree(base(), Path(place) / "two")
        return outcome(lambda: toonforge.compare([folder, Path(place) / "two"], out=Path(place) / "out"))


TRAINED = {
    name: (FIXTURE / name).read_text("utf-8") for name in ("resolved.toml", "lock.json", "data.csv", "metrics.jsonl")
}


@fuzzed(
    st.sampled_from(sorted(TRAINED)).flatmap(lambda name: texts([TRAINED[name]]).map(lambda raw: (name, raw))),
    short=10,
    share=0.5,
)
def test_any_trained_folder_is_measured_or_refused(changed_file: tuple[str, bytes]) -> str:
    tiny.register()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        shutil.copytree(FIXTURE, folder)
        (folder / changed_file[0]).write_bytes(changed_file[1])
        return outcome(lambda: toonforge.evaluate(folder, cpu=True))


def test_the_folders_that_are_changed_are_whole(tmp_path: Path) -> None:
    assert read_record(base()).unread == 0
    shutil.copytree(FIXTURE, tmp_path / "run")
    with Worker(lambda folder: str(tiny.register()) + outcome(lambda: toonforge.evaluate(folder, cpu=True))) as worker:
        assert worker(tmp_path / "run") == "None" + VALID


def test_what_is_changed_is_read(tmp_path: Path) -> None:
    def damaged(name: str, content: Any) -> bool:
        shutil.rmtree(tmp_path / "x", ignore_errors=True)
        (tmp_path / "x").mkdir()
        folder = placed(str(tmp_path / "x"), {name: content})
        return write_report(folder, tmp_path / "r.html").read_text("utf-8") != whole

    (tmp_path / "y").mkdir()
    whole = write_report(placed(str(tmp_path / "y"), {}), tmp_path / "r.html").read_text("utf-8")
    assert all(damaged(name, None) for name in NAMES if name not in ("resolved.toml",))
