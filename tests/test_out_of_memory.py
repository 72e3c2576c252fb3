"""Where memory runs out, one message says what was being done, with which sizes, and what to change; nothing is lost."""

from __future__ import annotations

import copy
import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.tiny import TinyMetric
from toonforge import recipe as recipes
from toonforge.errors import RunError
from toonforge.memory import is_out_of_memory
from toonforge.recipe.model import Recipe
from toonforge.train.saving import Checkpoints
from toonforge.train.short import next_parts, short_of_memory
from toonforge.train.step import Training
from toonforge.train.trainer import train
from toonforge.validation.items import BATCH, Items

ROOT = Path(__file__).parent.parent
RECIPE = """
name = "short"
data = { type = "tiny/pictures", paired = true, count = 20 }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "anime" } }
translations.anime = "G(photo)"
metrics.mean = { type = "tiny/mean", input = "G(photo)" }
[train]
steps = 6
batch_size = 4
checkpoint = { every = 2, keep = 3 }
samples.every = 3
metrics.every = 3
"""

SAID = [
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.93 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
    MemoryError(),
    OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
    type("error", (Exception,), {"__module__": "cv2"})("OpenCV(4.14.0) alloc.cpp:73: error: (-4:Insufficient memory)"),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    ValueError("out of memory"),
    OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    RuntimeError("CUDA error: an illegal memory access was encountered"),
    KeyError("memory"),
]


def recipe(**changes: Any) -> Recipe:
    loaded = recipes.loads(RECIPE)
    return attrs.evolve(loaded, train=attrs.evolve(loaded.train, **changes))


def end_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "metrics.jsonl").read_text("utf-8").splitlines()[-1])


@pytest.mark.parametrize("error", SAID, ids=lambda error: str(error)[:30] or "MemoryError")
def test_every_way_to_say_so_is_known(error: Exception) -> None:
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=repr)
def test_no_other_error_is_taken_for_it(tiny: None, error: Exception) -> None:
    assert not is_out_of_memory(error)
    assert short_of_memory(error, recipe(), Path("runs/x"), "cpu", 3) is None


def failing(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: Exception, when: int) -> None:
    """The `when`-th call of a method fails, and those after it."""
    method, calls = getattr(owner, name), iter(range(1, 999))

    def call(*arguments: Any, **more: Any) -> Any:
        if next(calls) >= when:
            raise copy.copy(error)
        return method(*arguments, **more)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("error", [SAID[0], SAID[5], SAID[7]], ids=["device", "processor", "python"])
@pytest.mark.parametrize(
    ("owner", "name", "when", "what", "step"),
    [
        (Training, "step", 4, "training, after step 3", 3),
        (Checkpoints, "save", 2, "saving a checkpoint, after step 4", 4),
        ("toonforge.validation.validation", "translate_fixed", 1, "drawing, after step 3", 3),
        ("toonforge.validation.measuring.Measuring", "_outcomes", 1, "measuring, after step 3", 3),
    ],
    ids=["training", "saving", "drawing", "measuring"],
)
def test_each_place_says_what_was_being_done_and_the_run_goes_on_from_its_checkpoint(
    tiny: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    owner: Any,
    name: str,
    when: int,
    what: str,
    step: int,
    error: Exception,
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        if isinstance(owner, str):
            module, _, cls = owner.rpartition(".")
            imported = __import__(owner if cls.islower() else module, fromlist=["_"])
            owner = imported if cls.islower() else getattr(imported, cls)
        failing(patch, owner, name, error, when)
        with pytest.raises(RunError) as caught:
            train(recipe(), folder=folder, cpu=True)
    (problem,) = caught.value.problems
    assert problem.message == f"out of memory while {what}"
    assert problem.found is not None and problem.hint is not None
    assert problem.found.endswith(" on cpu, with train.batch_size 4, train.precision fp32")
    setting = {"drawing": "samples.count=4", "measuring": "metrics.every=6"}.get(what.split(",")[0], "accumulate=2")
    resume = f": toonforge run {shlex.quote(str(folder))} --resume --set train.{setting}; or begin anew"
    assert resume in problem.hint and "…" not in problem.hint
    end = end_of(folder)
    assert (end["event"], end["step"], end["reason"]) == ("end", step, "failed")
    assert end["message"].startswith(problem.message)
    finished = train(recipe(accumulate=2), folder=folder, resume=True, cpu=True)
    assert (finished.reason, finished.step) == ("done", 6)


def test_networks_that_do_not_fit_are_told_of_before_anything_is_written(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, torch.nn.Module, "to", SAID[0], 1)
    with pytest.raises(RunError, match="out of memory while building the networks") as caught:
        train(recipe(), folder=tmp_path / "run", cpu=True)
    assert "train with" in str(caught.value) and "--resume" not in str(caught.value)
    assert not (tmp_path / "run/resolved.toml").exists()


def test_a_checkpoint_that_does_not_fit_stays(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(recipe(steps=4), folder=tmp_path / "run", cpu=True)
    with monkeypatch.context() as patch:
        failing(patch, Checkpoints, "load", SAID[7], 1)
        with pytest.raises(RunError, match="out of memory while loading a checkpoint"):
            train(recipe(), folder=tmp_path / "run", resume=True, cpu=True)
    assert train(recipe(), folder=tmp_path / "run", resume=True, cpu=True).step == 6


def test_validation_batches_shrink_until_they_fit(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from toonforge.inference import Inference

    plain = train(recipe(), folder=tmp_path / "plain", cpu=True)
    values, sizes = Inference.values, list[int]()

    def small(self: Inference, exprs: Any, fields: Any) -> Any:
        sizes.append(len(fields["photo"]))
        if sizes[-1] > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return values(self, exprs, fields)

    monkeypatch.setattr(Inference, "values", small)
    finished = train(recipe(), folder=tmp_path / "run", cpu=True)
    assert finished.reason == "done" and finished.metrics["mean"]["pictures"] == 3
    assert finished.metrics["mean"][""] == pytest.approx(plain.metrics["mean"][""], abs=1e-6)
    assert max(sizes) == 3 and BATCH > 3
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "out of memory" in line] == [
        f"note: out of memory: {count} at a time from here on" for count in ("2 validation pictures",) * 2
    ], "one for drawing, one for measuring"


def test_one_note_says_how_many_pictures_fit_in_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    items = Items(
        source=None,  # type: ignore[arg-type]
        groups={},
        device=torch.device("cpu"),
        dtype=torch.float32,
        skipped=lambda *_: None,
    )

    def make() -> int:
        if items.largest[0] > 1:
            raise MemoryError
        return items.largest[0]

    assert [items.in_smaller_batches(make, lambda: None) for _ in range(2)] == [1, 1]
    assert capsys.readouterr().err == "note: out of memory: 1 validation picture at a time from here on\n"


def test_what_torch_had_no_room_for_is_said_in_words(tiny: None) -> None:
    said = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
    for size, words in ((884736, "0.9 MB"), (4_200_000_000, "4,200.0 MB"), (64, "64 bytes")):
        error = RuntimeError(f"{said}allocate {size} bytes. Error code 12 (Cannot allocate memory)")
        told = short_of_memory(error, recipe(), Path("runs/x"), "cpu", 3)
        assert told is not None
        assert (
            told.problems[0].found == f"no room for {words} more on cpu, with train.batch_size 4, train.precision fp32"
        )


def test_a_metric_that_runs_out_of_memory_is_no_number_that_is_missing(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greedy:
        def update(self, **tensors: torch.Tensor) -> None:
            raise copy.copy(SAID[5])

    monkeypatch.setattr(TinyMetric, "build", lambda self, device: Greedy())
    with pytest.raises(RunError, match="out of memory while measuring, after step 3"):
        train(recipe(), folder=tmp_path / "run", cpu=True)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 12))
def test_the_parts_that_are_proposed_can_be_trained_with(share: int, processes: int, accumulate: int) -> None:
    batch_size = share * accumulate * processes
    parts = next_parts(batch_size, accumulate, processes)
    if parts is None:
        assert share == 1
    else:
        assert parts > accumulate and batch_size % (parts * processes) == 0


LIMITED = """
import resource, sys
from pathlib import Path
import torch
from tests import tiny
from toonforge import recipe as recipes
from toonforge.errors import ToonforgeError
from toonforge.train.trainer import train
torch.set_num_threads(1)
tiny.register()
text = Path(sys.argv[1]).read_text()
train(recipes.loads(text.replace("steps = 6", "steps = 2")), folder=Path(sys.argv[2]), cpu=True)
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 70 * 2**20,) * 2)
try:
    train(recipes.loads(text), folder=Path(sys.argv[2]), resume=True, cpu=True)
except ToonforgeError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory as Linux does")
def test_memory_that_really_runs_out_on_a_processor_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    text = RECIPE.replace("count = 20", "count = 20, size = 96").replace(
        '"tiny/generator"', '"tiny/generator", width = 64'
    )
    text = text.replace("batch_size = 4", "batch_size = 20").replace("[train]", "[train]\naccumulate = 20", 1)
    (tmp_path / "recipe.toml").write_text(text.replace("steps = 6", "steps = 6"))
    code = LIMITED.replace(
        "train(recipes.loads(text), folder",
        'train(recipes.loads(text.replace("accumulate = 20", "accumulate = 1")), folder',
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "recipe.toml"), str(tmp_path / "run")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "out of memory while training, after step 2" in done.stderr, done.stderr
    assert "--set train.accumulate=2" in done.stderr and "train.batch_size 20, " in done.stderr
    assert end_of(tmp_path / "run")["reason"] == "failed"
    assert (tmp_path / "run/checkpoints/step-000002/checkpoint.json").is_file()
