"""A run's checkpoints: whatever became of their files, the run goes on from a whole one or is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import strategies as st

import toonforge
from tests import tiny
from tests.fuzz.fuzzed import VALID, fuzzed, outcome
from tests.fuzz.jsons import changed
from tests.fuzz.mutations import binaries, texts
from toonforge.recipe import load

HOME = Path(__file__).parents[1] / "data/checkpoints"
FORMATS = sorted(folder.name for folder in HOME.glob("format-*"))
Change = tuple[str, bytes | None, bool]
"""A file below the run's folder, what it holds now (None for one that is gone), and whether its checksum is right again."""


def names(run: Path) -> list[str]:
    return [
        str(path.relative_to(run)) for path in sorted(run.rglob("*")) if path.is_file() and path.name != "facts.json"
    ]


@st.composite
def changes(draw: st.DrawFn) -> tuple[str, list[Change]]:
    """A run in one of the formats, and files of it that are damaged, exchanged or gone."""
    run = HOME / draw(st.sampled_from(FORMATS))
    found: list[Change] = []
    for name in draw(st.lists(st.sampled_from(names(run)), min_size=1, max_size=3)):
        raw = (run / name).read_bytes()
        how = draw(st.sampled_from(["damaged", "damaged", "gone", "other"]))
        content: bytes | None = None
        if how == "other":
            content = (run / draw(st.sampled_from(names(run)))).read_bytes()
        elif how == "damaged" and name.endswith(".safetensors"):
            content = draw(binaries([raw], head=400))
        elif how == "damaged" and name.endswith(".json") and draw(st.booleans()):
            content = json.dumps(draw(changed(json.loads(raw)))).encode("utf-8", "surrogatepass")
        elif how == "damaged":
            content = draw(texts([raw.decode()]))
        found.append((name, content, draw(st.booleans())))
    return run.name, found


def resumed(given: tuple[str, list[Change]]) -> str:
    """What becomes of the run when it is continued."""
    tiny.register()
    run, files = given
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        shutil.copytree(HOME / run, folder)
        for name, content, sealed in files:
            path = folder / name
            before = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            path.unlink(missing_ok=True)
            if content is None:
                continue
            path.write_bytes(content)
            listing = path.parent / "checkpoint.json"
            if sealed and before and listing.is_file() and listing != path:
                now = hashlib.sha256(content).hexdigest()
                listing.write_bytes(listing.read_bytes().replace(before.encode(), now.encode()))

        def resume() -> None:
            finished = toonforge.run(load(folder / "resolved.toml"), folder, resume=True, cpu=True)
            assert finished.step <= 99

        return outcome(resume)


NEWEST, OLDER = "checkpoints/step-000004", "checkpoints/step-000002"
FOUND: list[tuple[str, list[Change]]] = [
    ("format-1", [(f"{NEWEST}/checkpoint.json", b'{"a":' * 5000, False)]),
    ("format-1", [(f"{NEWEST}/checkpoint.json", b"[]", False), (f"{OLDER}/checkpoint.json", b"null", False)]),
    ("format-1", [("checkpoints/latest", b"../../..", False)]), ("format-1", [("checkpoints/latest", b"\0", False)]), ("format-1", [("checkpoints/latest", b"x" * 9999, False)]),
    ("format-1", [("checkpoints/best", b"\xff\xfe", False)]), ("format-1", [("metrics.jsonl", b"[" * 10**5, False)]), ("format-1", [(f"{NEWEST}/G.safetensors", b"", True)]),
    ("format-1", [(f"{NEWEST}/ops.rank0.safetensors", None, False)]), ("format-1", [(f"{NEWEST}/optimizer.train.G.safetensors", b"\xff" * 99, True)]),
]  # fmt: skip


@fuzzed(changes(), short=6, share=0.2, corpus=FOUND)
def test_any_run_goes_on_or_is_refused(given: tuple[str, list[Change]]) -> str:
    return resumed(given)


@fuzzed(st.sampled_from(FORMATS), short=len(FORMATS), share=0.001)
def test_the_runs_that_are_changed_go_on(name: str) -> str:
    assert resumed((name, [])) == VALID
    return VALID
