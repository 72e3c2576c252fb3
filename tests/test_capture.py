"""Steps that are recorded and replayed equal steps as written, to the last bit; what cannot be recorded is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.plain_recipes import EVERY, everything
from tests.tape import TapeRecorder
from tests.test_engine_equality import CARTOONGAN, CYCLEGAN, PIX2PIX
from toonforge.components import changed
from toonforge.data.loader import TrainLoader
from toonforge.errors import RunError
from toonforge.memory import is_out_of_memory
from toonforge.recipe import load, loads
from toonforge.recipe.model import Recipe
from toonforge.speed.capture import CudaRecorder, Looks, equal
from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation
from toonforge.testing.recipes import shrink
from toonforge.train.captured import MOST_KINDS, CapturedSteps
from toonforge.train.step import Training, make_accelerator
from toonforge.train.trainer import train

pytestmark = pytest.mark.usefixtures("tiny")
FIELDS = ("photo", "anime", "cartoon", "smooth")
STEPS = 8


def recipe_of(text: str, train: str = "", **replaced: str) -> Recipe:
    if text == PIX2PIX:
        data = 'fields = ["cartoon", "photo"]\npaired = true'
    elif text == CARTOONGAN:
        data = 'fields = ["photo", "cartoon", "smooth"]'
    else:
        data = ""
    written = text.format(data=data, train=train)
    for old, new in replaced.items():
        assert old in written
        written = written.replace(old, new)
    return loads(written)


def training_of(recipe: Recipe, recorded: bool) -> Training:
    training = Training(recipe, 40, 10, make_accelerator(recipe.train.precision, cpu=True))
    if recorded:
        training.captured = CapturedSteps(training, TapeRecorder(training.networks))
    return training


def pictures(step: int, count: int, parts: int, side: int = 16) -> list[Mapping[str, Tensor]]:
    generator = torch.Generator().manual_seed(step)

    def some() -> Tensor:
        return torch.randint(256, (count, 3, side, side), generator=generator, dtype=torch.uint8)

    return [{name: some() for name in FIELDS} for _ in range(parts)]


def run(training: Training, steps: int = STEPS, parts: int = 1) -> list[Any]:
    told = []
    for step in range(steps):
        training.step(step, pictures(step, 2, parts))
        told.append(training.read())
    return told


def recorder_of(training: Training) -> Any:
    assert training.captured is not None
    return training.captured.recorder


def assert_equal_to_written(recipe: Recipe, replays: int | None, steps: int = STEPS) -> Training:
    """Returns the training that was recorded."""
    plain, recorded = training_of(recipe, False), training_of(recipe, True)
    parts = recipe.train.accumulate
    assert run(recorded, steps, parts) == run(plain, steps, parts)
    ours, theirs = everything(recorded), everything(plain)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    if replays is not None:
        assert recorder_of(recorded).replayed == replays
    return recorded


WRITTEN = 3
"""Steps of a kind before it is recorded."""


@pytest.mark.parametrize(
    "train",
    [
        "",
        "ema = 0.9\nclip = 0.5",
        "accumulate = 2",
        'schedule = { type = "linear-decay", start = 2 }\noptimizer = { type = "sgd", momentum = 0.5 }',
    ],
    ids=["adam", "ema and clip", "parts", "schedule"],
)
def test_cyclegan_with_its_pools_equals_steps_as_written(train: str) -> None:
    train = train.replace("accumulate = 2", "accumulate = 2\n")
    training = assert_equal_to_written(recipe_of(CYCLEGAN, train), replays=2 * (STEPS - WRITTEN))
    assert training.captured is not None and training.captured.reasons == {}
    assert recorder_of(training).recorded == 2


def test_a_discriminator_first_and_dropout_and_running_statistics() -> None:
    training = assert_equal_to_written(recipe_of(PIX2PIX), replays=2 * (STEPS - WRITTEN))
    assert training.captured is not None and training.captured.reasons == {}


def test_each_kind_of_step_is_recorded_once() -> None:
    training = assert_equal_to_written(
        recipe_of(CARTOONGAN, **{"until = 2": "until = 5", "from = 2": "from = 5"}), None, 12
    )
    assert recorder_of(training).recorded == 1 + 2
    assert recorder_of(training).replayed == (5 - WRITTEN) + 2 * (7 - WRITTEN)


def test_phases_that_alternate() -> None:
    recipe = recipe_of(CYCLEGAN, **{'updates = ["D_anime", "D_photo"]': 'updates = ["D_anime", "D_photo"]\nevery = 2'})
    training = assert_equal_to_written(recipe, None, 10)
    assert recorder_of(training).recorded == 1 + 2


@settings(max_examples=6)
@given(sides=st.lists(st.sampled_from([16, 20]), min_size=6, max_size=10), every=st.integers(1, 3))
def test_whatever_order_kinds_of_steps_come_in(sides: list[int], every: int) -> None:
    recipe = recipe_of(
        CYCLEGAN,
        **{'updates = ["D_anime", "D_photo"]': f'updates = ["D_anime", "D_photo"]\nevery = {every}', ", 3)": ", 0)"},
    )
    plain, recorded = training_of(recipe, False), training_of(recipe, True)
    for training in (plain, recorded):
        for step, side in enumerate(sides):
            training.step(step, pictures(step, 2, 1, side))
    assert recorded.read() == plain.read()
    ours, theirs = everything(recorded), everything(plain)
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []


FOOL = 'logits = "D_anime(fake_anime)", real = true'
REALS = 'logits = "D_anime(anime)", real = true'


@pytest.mark.parametrize(
    ("replaced", "reason"),
    [
        ({FOOL: 'logits = "D_anime(noise(fake_anime, 0.1))", real = true'}, "draws on what phases.generators trains"),
        ({REALS: 'logits = "D_anime(noise(G(anime), 0.1))", real = true'}, "phases.discriminators itself computes"),
        ({'G = {{ type = "tiny/generator" }}': 'G = {{ type = "tiny/generator", dropout = 0.5 }}'}, "draw (dropout)"),
    ],
    ids=["noise with a gradient", "noise on a call", "dropout"],
)
def test_what_has_to_be_drawn_within_a_phase_is_computed_as_written(replaced: dict[str, str], reason: str) -> None:
    written = {
        old.replace("{{", "{").replace("}}", "}"): new.replace("{{", "{").replace("}}", "}")
        for old, new in replaced.items()
    }
    training = assert_equal_to_written(recipe_of(CYCLEGAN, **written), replays=0, steps=6)
    assert training.captured is not None
    assert [reason in told for told in training.captured.reasons.values()] == [True]
    assert recorder_of(training).recorded == 0


def test_noise_on_pictures_and_on_what_an_earlier_phase_made_is_drawn_outside() -> None:
    replaced = {
        REALS: 'logits = "D_anime(noise(anime, 0.1))", real = true',
        "pool(fake_anime, 3)": "noise(pool(fake_anime, 3), 0.1)",
    }
    training = assert_equal_to_written(recipe_of(CYCLEGAN, **replaced), replays=2 * (STEPS - WRITTEN))
    assert training.captured is not None and training.captured.reasons == {}


def test_a_penalty_that_draws_once() -> None:
    penalty = 'penalty = { type = "gradient-penalty", discriminator = "D_anime", real = "anime", fake = "fake_anime" }'
    recipe = recipe_of(CYCLEGAN, **{"fakes_anime ": penalty + "\nfakes_anime "})
    assert_equal_to_written(recipe, replays=2 * (STEPS - WRITTEN))


@pytest.mark.parametrize("frozen", [False, True], ids=["first phase", "second phase"])
def test_a_network_that_looks_at_numbers_is_computed_as_written(frozen: bool) -> None:
    recipe = recipe_of(PIX2PIX)
    plain, recorded = training_of(recipe, False), training_of(recipe, True)

    def look(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if not (frozen and next(recorded.networks["D"].parameters()).requires_grad):
            assert inputs[0].sum().item() is not None

    recorded.networks["D"].register_forward_pre_hook(look)
    assert run(recorded) == run(plain)
    ours, theirs = everything(recorded), everything(plain)
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert recorded.captured is not None and recorder_of(recorded).recorded == 0
    (reason,) = recorded.captured.reasons.values()
    assert f"phases.{'generator' if frozen else 'discriminator'} looks at numbers" in reason and "D(cat(" in reason


def test_work_that_turns_out_not_to_be_recordable_ends_the_training_in_words() -> None:
    training = training_of(recipe_of(CYCLEGAN), True)

    def look(module: torch.nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if training.now >= WRITTEN:
            assert inputs[0].sum().item() is not None

    training.networks["G"].register_forward_pre_hook(look)
    run(training, WRITTEN)
    with pytest.raises(RunError) as caught:
        training.step(WRITTEN, pictures(WRITTEN, 2, 1))
    (problem,) = caught.value.problems
    assert "the phase generators" in problem.message and "capturing" in (problem.found or "")
    assert problem.key == "train.speed" and "cuda-graphs" in (problem.hint or "")


def test_moving_numbers_between_devices_is_seen() -> None:
    seen: list[str] = []
    here, there = torch.ones(3), torch.ones(3, device="meta")
    with Looks(seen.append):
        here.to(torch.float64)
        here.clone().copy_(torch.zeros(3))
        assert seen == []
        here.to("meta")
        there.copy_(here)
    assert seen == ["_to_copy", "copy_"]


def test_numbers_drawn_on_the_processor_are_not_frozen_into_a_recording() -> None:
    import random

    training = training_of(recipe_of(CYCLEGAN), True)
    training.networks["G"].register_forward_pre_hook(lambda module, inputs: random.random() and None)
    run(training, 5)
    assert training.captured is not None
    assert "draws numbers on the processor" in training.captured.reasons["generators, discriminators"]
    assert recorder_of(training).recorded == 0


def test_a_loss_that_may_remember_is_not_recorded() -> None:
    training = training_of(recipe_of(CYCLEGAN), True)
    parts: Any = training.memory.parts
    parts["phases.generators.losses.cycle_photo"] = object()
    run(training, 5)
    assert training.captured is not None
    assert "cycle_photo" in training.captured.reasons["generators, discriminators"]


def test_a_network_that_is_computed_again_is_not_recorded() -> None:
    training = assert_equal_to_written(recipe_of(CYCLEGAN, 'recompute = ["G"]'), replays=0, steps=5)
    assert training.captured is not None
    assert "train.recompute" in training.captured.reasons["generators, discriminators"]


def test_out_of_memory_is_not_taken_for_work_that_cannot_be_recorded() -> None:
    training = training_of(recipe_of(CYCLEGAN), True)

    def record(work: Callable[[], None], kind: Hashable) -> Callable[[], None]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    recorder_of(training).record = record
    with pytest.raises(RuntimeError) as caught:
        run(training, 5)
    assert is_out_of_memory(caught.value)


def test_memory_is_kept_for_a_few_kinds_of_steps() -> None:
    training = training_of(recipe_of(CYCLEGAN, **{", 3)": ", 0)"}), True)
    for step, side in enumerate(range(16, 16 + 4 * (MOST_KINDS + 1), 4)):
        training.step(step, pictures(step, 1, 1, side))
    assert training.captured is not None
    assert "kinds" in training.captured.reasons["generators, discriminators"]


def test_one_kind_too_many_leaves_the_recorded_ones_alone() -> None:
    training = training_of(recipe_of(CYCLEGAN, **{", 3)": ", 0)"}), True)
    sides = [16] * (WRITTEN + 1) + [*range(20, 20 + 4 * MOST_KINDS, 4)] + [16] * 2 + [20] * WRITTEN
    for step, side in enumerate(sides):
        training.step(step, pictures(step, 1, 1, side))
    assert training.captured is not None and "kinds" in training.captured.reasons["generators, discriminators"]
    assert recorder_of(training).replayed == 2 * (1 + 2 + 1), "the second of the eight is recorded after the ninth came"


class FakeCuda:
    """Writes down what is asked of streams and graphs."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name, self.lines = name, lines

    def wait_stream(self, other: FakeCuda) -> None:
        self.lines.append(f"{self.name} waits for {other.name}")

    def replay(self) -> None:
        self.lines.append("replayed")

    def __enter__(self) -> None:
        self.lines.append(f"on {self.name}")

    def __exit__(self, *error: object) -> None:
        self.lines.append(f"off {self.name}")


def test_recordings_are_made_and_warmed_up_on_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    stream = FakeCuda("apart", lines)
    asked: list[Mapping[str, Any]] = []

    def graph(made: FakeCuda, **options: Any) -> FakeCuda:
        asked.append(options)
        return FakeCuda("recording", lines)

    monkeypatch.setattr(torch.cuda, "Stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda given: given)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: FakeCuda("usual", lines))
    handles = iter(["one pool", "another"])
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: next(handles))
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: FakeCuda("graph", lines))
    monkeypatch.setattr(torch.cuda, "graph", graph)
    recorder: Any = CudaRecorder(torch.device("cuda", 0))
    with recorder.apart():
        replay = recorder.record(lambda: lines.append("work"), "kind")
        replay()
    assert lines == [
        *("apart waits for usual", "on apart", "on recording", "work", "off recording", "replayed", "off apart"),
        "usual waits for apart",
    ]
    assert asked == [{"pool": "one pool", "stream": stream, "capture_error_mode": "thread_local"}]
    for kind in ("other", "kind"):
        recorder.record(lambda: None, kind)
    assert [options["pool"] for options in asked] == ["one pool", "another", "one pool"]


def test_random_states_are_compared_whole() -> None:
    state = (torch.tensor([1, 2]), ("MT", b"x", 3))
    assert equal(state, (torch.tensor([1, 2]), ("MT", b"x", 3)))
    assert not equal(state, (torch.tensor([1, 3]), ("MT", b"x", 3)))
    assert not equal(state, (torch.tensor([1, 2]), ("MT", b"y", 3)))
    assert not equal(state, (torch.tensor([1, 2]),))


def test_graphs_are_for_those_who_ask_on_one_cuda_device() -> None:
    auto = choose("auto", Situation(device="cuda"))
    assert "cuda-graphs" not in auto and "not measured" in auto.why["cuda-graphs"]
    wanted = ["cuda-graphs", "step-in-backward"]
    alone = choose(wanted, Situation(device="cuda"))
    assert alone.tricks == ("cuda-graphs",) and "cuda-graphs" in alone.why["step-in-backward"]
    assert choose(wanted, Situation(device="cpu")).tricks == ("step-in-backward",)
    assert "several processes" in choose(wanted, Situation(device="cuda", processes=2)).why["cuda-graphs"]


@pytest.mark.parametrize("text", [CYCLEGAN, PIX2PIX], ids=["cyclegan", "pix2pix"])
def test_recordings_go_together_with_the_other_tricks(text: str) -> None:
    others = [name for name in TRICKS if name not in ("compile", "cuda-graphs", "step-in-backward", "keep-pages")]
    recipe = recipe_of(text, "clip = 1.0", **{'speed = "safe"': f"speed = {others}"})
    training = assert_equal_to_written(recipe, replays=2 * (STEPS - WRITTEN))
    assert training.speed.tricks == tuple(name for name in others if name not in training.speed.why)
    assert "split-backward" in training.speed and "batched-calls" in training.speed


def test_losses_stay_as_they_were_read_and_nan_is_seen() -> None:
    training = training_of(recipe_of(CYCLEGAN), True)
    run(training)
    kept, copies = dict(training.losses), {name: value.clone() for name, value in training.losses.items()}
    training.step(STEPS, pictures(STEPS, 2, 1))
    assert all(torch.equal(kept[name], copies[name]) for name in kept)
    assert not any(torch.equal(training.losses[name], copies[name]) for name in kept)
    assert bool(training.finite)
    bad: list[dict[str, Tensor]] = [
        {name: value / 255 for name, value in part.items()} for part in pictures(STEPS + 1, 2, 1)
    ]
    bad[0]["photo"][0] = torch.nan
    training.step(STEPS + 1, bad)
    assert not training.read()[2]
    training.step(STEPS + 2, pictures(0, 2, 1))
    assert not training.read()[2], "what was not finite once stays so"


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(EVERY))
def test_every_recipe_with_its_own_networks(name: str) -> None:
    """Two minutes: `pytest -m soak tests/test_capture.py`. Those that cannot be recorded say why."""
    recipe = shrink(load(EVERY[name]), 6)
    recipe = attrs.evolve(recipe, metrics={}, train=changed(recipe.train, speed="safe"))
    steps = recipe.train.steps or 1
    found = []
    for recorded in (False, True):
        training = training_of(recipe, recorded)
        source = recipe.data.build("train")
        loader = TrainLoader(
            source, seed=0, batch_size=recipe.train.batch_size, total_steps=steps, parts=recipe.train.accumulate
        )
        for step, batch in enumerate(loader):
            training.step(step, batch.parts)
        found.append(everything(training))
    assert [key for key in found[0] if not torch.equal(found[0][key], found[1][key])] == []
    assert training.captured is not None
    assert recorder_of(training).replayed > 0 or training.captured.reasons


def test_a_run_says_once_what_is_not_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Recorded(Training):
        def __init__(self, *words: Any) -> None:
            super().__init__(*words)
            self.captured = CapturedSteps(self, TapeRecorder(self.networks))

    monkeypatch.setattr("toonforge.train.trainer.Training", Recorded)
    recipe = recipe_of(
        CYCLEGAN, "log = { every = 1 }", **{FOOL: 'logits = "D_anime(noise(fake_anime, 0.1))", real = true'}
    )
    finished = train(recipe, folder=tmp_path / "run", cpu=True)
    (warning,) = finished.warnings
    assert (warning.kind, warning.about, warning.step) == ("not-recorded", "generators, discriminators", WRITTEN)
    assert "noise(fake_anime, 0.1) draws on what phases.generators trains" in warning.message
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines if line["event"] == "warning"] == ["not-recorded"]
