"""Data beside the computation: what is read ahead and when, whose memory is used again, which waits count."""

from __future__ import annotations

import json
import random
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.pictures import fill
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.cli.run_text import speed_text, waiting_note
from toonforge.data import PictureSource, UnpairedFolders
from toonforge.data.batch import SIZES, Batch, Rooms, put
from toonforge.data.files import Files
from toonforge.data.hugging_face.rows import Rows
from toonforge.data.loader import TrainLoader
from toonforge.data.prefetch import Copy, one_ahead
from toonforge.data.side_by_side import Part, Whole
from toonforge.data.synthetic import Synthetic, SyntheticSource
from toonforge.data.transforms import Geometry
from toonforge.data.used import only_used
from toonforge.data.webdataset.pictures import ShardPictures
from toonforge.events import Step
from toonforge.report import around
from toonforge.report import clock as report_clock
from toonforge.runs.record import read_record
from toonforge.train import pace
from toonforge.train.batches import reads_ahead
from toonforge.train.pace import Pace, Processor
from toonforge.train.stopping import Stopped, Stopping
from toonforge.train.trainer import train

LONG = 20.0
"""Seconds that a test waits for what should happen at once."""


@pytest.fixture
def source(tmp_path: Path) -> PictureSource:
    fill(tmp_path / "photo", 8)
    fields = {"photo": str(tmp_path / "photo")}
    return UnpairedFolders(fields=fields, validation_fields=fields, image_size=16).build("train")


# -- memory of batches ----------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=30))
def test_what_someone_holds_is_never_written_to(asked: list[tuple[int, bool]]) -> None:
    rooms, held = Rooms(), []
    for number, (count, kept) in enumerate(asked):
        batch = rooms.room(torch.zeros(3, 4, 5, dtype=torch.uint8), count, False)
        batch.fill_(number)
        if kept:  # a part of it, as a network or a drawing might keep
            held.append((number, batch[:1].permute(0, 2, 3, 1) if count % 2 else batch.numpy()))
        del batch
    for number, part in held:
        assert (np.asarray(part) == number).all()


def test_memory_is_used_again_once_nobody_holds_it() -> None:
    rooms, item = Rooms(), torch.zeros(3, 4, 5, dtype=torch.uint8)
    first, second = rooms.room(item, 2, False), rooms.room(item, 2, False)
    places = {first.data_ptr(), second.data_ptr()}
    assert len(places) == 2
    part = first[0]
    del first, second
    assert rooms.room(item, 2, False).data_ptr() in places - {part.data_ptr()}
    one, two = rooms.room(item, 2, False), rooms.room(item, 2, False)
    assert part.data_ptr() not in (one.data_ptr(), two.data_ptr())


def test_memory_of_sizes_that_are_no_longer_asked_for_is_given_back() -> None:
    rooms = Rooms()
    rooms.room(torch.zeros(3, 4, 5, dtype=torch.uint8), 1, False)
    whole = weakref.ref(rooms._blocks[60][0][0])
    for count in range(2, 50):
        rooms.room(torch.zeros(3, 4, 5, dtype=torch.uint8), count, False)
    assert whole() is None and sum(map(len, rooms._blocks.values())) == SIZES


def test_fields_of_several_sizes_leave_each_other_their_memory() -> None:
    rooms, places = Rooms(), set()
    for _ in range(20):
        batch = [rooms.room(torch.zeros(channels, 8, 8, dtype=torch.uint8), 4, False) for channels in (3, 1, 1)]
        places |= {value.data_ptr() for value in batch}
        del batch
    assert len(places) == 3


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.int64])
@pytest.mark.parametrize("shape", [(3, 4, 5), (7,), (), (0, 2)])
def test_items_come_out_of_reused_memory_as_they_went_in(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    rooms = Rooms()
    for _ in range(3):
        items = [torch.randint(0, 255, shape).to(dtype) for _ in range(2)]
        batch = rooms.room(items[0], 2, False)
        for at, item in enumerate(items):
            put(item, batch, at)
        assert torch.equal(batch, torch.stack(items)) and batch.dtype == dtype
        del batch


def test_a_training_that_drops_its_batches_takes_memory_for_two(source: PictureSource) -> None:
    places = set()
    for batch in TrainLoader(source, seed=0, batch_size=4, total_steps=12):
        places.add(batch.parts[0]["photo"].data_ptr())
    assert len(places) == 2  # the one in use, and the one that is made meanwhile


# -- global streams of random numbers -------------------------------------------------------------------------------


def streams() -> tuple[Any, ...]:
    return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()


@pytest.mark.parametrize("kind", ["pictures", "synthetic"])
def test_reading_items_that_draw_alone_leaves_the_global_streams_alone(source: PictureSource, kind: str) -> None:
    built: Any = source if kind == "pictures" else Synthetic(image_size=16).build("train")
    groups = {group: {group: None} for group in built.sizes} if kind == "pictures" else {g: dict.fromkeys(f) for g, f in built.groups.items()}  # fmt: skip
    used = only_used(built, groups, {field for fields in groups.values() for field in fields})
    loader = TrainLoader(used, seed=0, batch_size=4, total_steps=3)
    before = streams()
    first = [batch.parts[0] for batch in loader]
    assert streams() == before
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    again = [batch.parts[0] for batch in TrainLoader(used, seed=0, batch_size=4, total_steps=3)]
    assert all(torch.equal(a[field], b[field]) for a, b in zip(first, again, strict=True) for field in a)
    assert loader.may_read_ahead
    assert not TrainLoader(used, seed=0, batch_size=4, total_steps=3, workers=1).may_read_ahead


@attrs.define
class Drawing:
    """A data set of a plugin, which draws its items from the global streams and says nothing of it."""

    sizes: dict[str, int] = attrs.Factory(lambda: {"photo": 8})

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        return {"photo": torch.rand(3, 4, 4) + random.random() + np.random.random()}

    def name(self, group: str, index: int) -> str:
        return str(index)


class Inherited(PictureSource):
    """A data set of a plugin that draws more than pictures do."""


@pytest.mark.parametrize("wrapped", [True, False])
def test_items_that_may_draw_from_the_global_streams_are_seeded_and_not_read_ahead(wrapped: bool) -> None:
    given: Any = Drawing()
    given = only_used(given, {"photo": {"photo": None}}, {"photo"}) if wrapped else given

    def drawn(seed: int) -> list[torch.Tensor]:
        torch.manual_seed(seed)
        return [b.parts[0]["photo"] for b in TrainLoader(given, seed=0, batch_size=4, total_steps=3)]

    assert all(map(torch.equal, drawn(1), drawn(2)))
    assert not TrainLoader(given, seed=0, batch_size=4, total_steps=3).may_read_ahead


def test_a_class_made_from_the_packages_own_is_not_taken_to_draw_alone(source: PictureSource) -> None:
    inherited = Inherited(source.groups, source.geometry)
    assert source.draws_alone and not inherited.draws_alone
    assert source.only(frozenset(["photo"])).draws_alone


class DrawnPictures:
    """Pictures of a plugin, which draws them from the global streams."""

    def __len__(self) -> int:
        return 8

    def read(self, index: int, short: int | None = None) -> Any:
        return np.random.randint(0, 255, (16, 16, 3)).astype(np.uint8)

    def name(self, index: int) -> str:
        return str(index)

    where = version = name

    def only(self, indices: Any) -> DrawnPictures:
        return self


def test_pictures_of_others_are_drawn_from_the_same_streams_each_time() -> None:
    geometry = Geometry(load_size=16, image_size=16, flip=False)
    drawing = PictureSource({"photo": {"photo": DrawnPictures()}}, geometry, cache="none")

    def drawn() -> list[torch.Tensor]:
        return [b.parts[0]["photo"].clone() for b in TrainLoader(drawing, seed=0, batch_size=2, total_steps=3)]

    assert not drawing.draws_alone and all(map(torch.equal, drawn(), drawn()))


class OwnFiles(Files):
    """Files that somebody reads in another way."""


class OwnGeometry(Geometry):
    """A cut of somebody's own."""


class OwnSynthetic(SyntheticSource):
    """Rectangles with something of somebody's own."""


def test_only_classes_that_say_it_themselves_draw_alone() -> None:
    how = {"load_size": 16, "image_size": 16, "flip": False}
    geometry = Geometry(**how)

    def alone(cut: Geometry, *pictures: Any) -> bool:
        return PictureSource({str(n): {str(n): each} for n, each in enumerate(pictures)}, cut).draws_alone

    files, own = Files(["a.png"]), OwnFiles(["a.png"])
    assert alone(geometry, files, Part(Whole(files), 0, 2, "horizontal"))
    assert not alone(geometry, files, own) and not alone(geometry, own) and not alone(OwnGeometry(**how), files)
    assert Rows.draws_alone and ShardPictures.draws_alone
    assert SyntheticSource({}, 4, 16, "train").draws_alone
    assert not OwnSynthetic({}, 4, 16, "train").draws_alone


# -- reading ahead --------------------------------------------------------------------------------------------------


class Watched:
    """Batches by number; tells of each that it is read."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error = count, error
        self.read = [threading.Event() for _ in range(count)]

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.read[number].set()
            yield number
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("ahead", [1, 2])
def test_the_next_batches_are_read_while_one_is_used_and_no_more(ahead: int) -> None:
    batches = Watched(8)
    for number in Stopping(lambda: None).waiting(batches, ahead=ahead):
        last = min(number + ahead, 7)
        assert batches.read[last].wait(LONG), "the next batch is not read before it is asked for"
        if last + 1 < 8:
            assert not batches.read[last + 1].wait(0.02)


@given(st.lists(st.integers(), max_size=9), st.integers(0, 3))
def test_reading_ahead_changes_no_batch_and_no_order(batches: list[int], ahead: int) -> None:
    assert list(Stopping(lambda: None).waiting(batches, ahead=ahead)) == batches


def test_an_error_ahead_comes_after_the_batches_before_it() -> None:
    batches = Stopping(lambda: None).waiting(Watched(3, LookupError("no more")), ahead=1)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LookupError, match="no more"):
        next(batches)


def test_a_stop_uses_no_batch_that_was_read_ahead() -> None:
    stopper = Stopping(lambda: None)
    batches = stopper.waiting(Watched(6), ahead=1)
    assert [next(batches) for _ in range(3)] == [0, 1, 2]
    stopper.asked = True
    with pytest.raises(Stopped):
        next(batches)


@pytest.mark.parametrize(("kind", "workers", "ahead"), [("cuda", 0, 1), ("cuda", 2, 0), ("cpu", 0, 0)])
def test_one_batch_is_read_ahead_for_a_gpu_unless_workers_do(
    source: PictureSource, kind: str, workers: int, ahead: int
) -> None:
    loader = TrainLoader(source, seed=0, batch_size=4, total_steps=3, workers=workers)
    accelerator: Any = type("Accelerator", (), {"device": torch.device(kind)})
    assert reads_ahead(loader, accelerator) == ahead


class Noted:
    """Copies that note down what happens, each as an event that can be waited for."""

    def __init__(self, count: int) -> None:
        self.begun = [threading.Event() for _ in range(count)]
        self.finished = [threading.Event() for _ in range(count)]

    def begin(self, given: Batch) -> Copy:
        self.begun[number_of(given)].set()
        return Copy(given, None)  # type: ignore[arg-type]

    def finish(self, copy: Copy) -> Batch:
        self.finished[number_of(copy.batch)].set()
        return copy.batch


def number_of(batch: Batch) -> int:
    return int(batch.parts[0]["photo"])


def test_for_a_gpu_the_next_batch_is_there_and_the_one_after_it_on_its_way_while_a_step_computes() -> None:
    copies = Noted(8)
    loaded = (Batch([{"photo": torch.tensor(number)}]) for number in range(8))
    for batch in Stopping(lambda: None).waiting(one_ahead(loaded, copies), ahead=1):
        number = number_of(batch)  # of the step that computes now; the next batch is not asked for yet
        assert number == 7 or copies.finished[number + 1].wait(LONG)
        assert number >= 6 or copies.begun[number + 2].wait(LONG)
        assert number >= 5 or not copies.begun[number + 3].wait(0.02), "no more than two lie on the device"


# -- the share of time that pictures are waited for -----------------------------------------------------------------


@attrs.define
class Clock:
    """Time that passes when it is told to."""

    now: float = 100.0

    def perf_counter(self) -> float:
        return self.now


@attrs.define
class Device:
    """Stands in for a device: computes until `free`."""

    clock: Clock
    free: float = 0.0
    marks: int = 0

    def mark(self) -> None:
        self.marks += 1

    def idle(self) -> bool:
        return self.clock.now >= self.free


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock


def test_waiting_is_a_share_of_the_time_since_it_was_last_asked(clock: Clock) -> None:
    steps = Pace(10, 4)
    for _ in range(3):
        with steps.waiting():
            clock.now += 1
        clock.now += 3
    rate = steps.since(13)
    assert rate.waiting == pytest.approx(3 / 12) and rate.pictures == pytest.approx(12 / 12)
    clock.now += 5
    assert steps.since(14).waiting == 0


def test_drawing_and_measuring_are_no_time_of_steps(clock: Clock) -> None:
    steps = Pace(0, 1)
    with steps.waiting():
        clock.now += 1
    clock.now += 1
    with steps.held():
        clock.now += 100
    assert steps.since(1).waiting == pytest.approx(0.5)


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.floats(0, 5)),  # a wait, a step's calls, its computation
        min_size=1,
        max_size=20,
    )
)
def test_of_a_device_behind_its_calls_the_share_is_never_less_than_its_idle_time(
    steps: list[tuple[float, float, float]],
) -> None:
    clock = Clock()
    device = Device(clock, clock.now)
    idle = waited = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pace, "time", clock)
        stopwatch = Pace(0, 1, device)
        for wait, calls, work in steps:
            waited += wait
            idle += max(0.0, clock.now + wait - max(clock.now, device.free))
            with stopwatch.waiting():
                clock.now += wait
            device.free = max(device.free, clock.now) + work
            clock.now += calls
        seconds = clock.now - 100.0
        share = stopwatch.since(len(steps)).waiting
    assert device.marks == len(steps)
    if seconds > 0:
        assert idle / seconds <= share + 1e-9
        assert share <= waited / seconds + 1e-9


def test_a_wait_that_the_device_computes_through_does_not_count(clock: Clock) -> None:
    device = Device(clock, free=200)
    steps = Pace(0, 1, device)
    with steps.waiting():
        clock.now += 50
    assert steps.since(1).waiting == 0
    device.free = 160
    with steps.waiting():
        clock.now += 50
    assert steps.since(2).waiting == pytest.approx(1)


def test_a_processor_is_done_when_its_calls_come_back() -> None:
    device = Processor()
    device.mark()
    assert device.idle()


def test_a_gpu_is_asked_by_an_event_behind_its_last_call_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Event:
        def record(self, stream: str) -> None:
            said.append(f"recorded on {stream}")

        def query(self) -> bool:
            said.append("asked")
            return False

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
    stopwatch = pace.pace_of(torch.device("cuda", 1), 0, 1)
    with stopwatch.waiting():
        said.append("waited for a batch")
    assert said == ["recorded on the stream of cuda:1", "waited for a batch", "asked"]
    assert stopwatch.since(1).waiting == 0


# -- what a run says of it ------------------------------------------------------------------------------------------

RECIPE = """
name = "waiting"
data = { type = "tiny/pictures", paired = true }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "anime" } }
train = { steps = 4, log.every = 2 }
"""


def test_the_share_of_waiting_stands_in_log_progress_and_report(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Pace, "since", lambda self, step: pace.Rate(12.3, 0.25))
    Path("waiting.toml").write_text(RECIPE)
    assert main(["run", "waiting.toml", "--cpu"]) == 0
    assert "12.3 images/s (data 25 %)" in capsys.readouterr().err
    record = read_record("runs/waiting")
    assert [(step.step, step.data) for step in record.steps] == [(1, 0.25), (2, 0.25), (4, 0.25)]
    page = Path("runs/waiting/report.html").read_text("utf-8")
    assert "25.0 % of the steps" in page and page.count("waiting for pictures") == 3  # a fact, a chart and its line


def test_each_wait_for_a_batch_is_timed_once(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []
    waiting = Pace.waiting
    monkeypatch.setattr(Pace, "waiting", lambda self: timed.append(self) or waiting(self))
    train(recipes.loads(RECIPE), folder=tmp_path / "run", cpu=True)
    assert len(timed) == 4
    assert all(0 < step.data < 1 for step in read_record(tmp_path / "run").steps)


def test_a_log_that_does_not_say_how_long_was_waited_is_read(tmp_path: Path) -> None:
    line = {"event": "step", "step": 1, "time": 1.0, "losses": {}}
    shares = [{}, {"data": 0.1}, {"data": 0.3}, {"data": None}, {"data": 0.2}]
    (tmp_path / "resolved.toml").write_text(RECIPE)
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps({**line, **share}) + "\n" for share in shares))
    assert read_record(tmp_path).data == 0.25  # the first that is known is slow, and left out
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    record = read_record(tmp_path)
    assert record.data is None and record.unread == 0
    assert not any(name == "waiting for pictures" for name, _ in around.speed(record, report_clock.Clock(record)))


@pytest.mark.parametrize(
    ("share", "said"), [(0.0, ""), (0.0049, ""), (0.01, " (data 1 %)"), (0.126, " (data 13 %)"), (1.0, " (data 100 %)")]
)
def test_progress_names_a_share_from_a_hundredth_on(share: float, said: str) -> None:
    step = Step(step=1, losses={}, totals={}, images_per_second=3.21, memory=1, lr={}, data=share)
    assert speed_text(step) == f"3.2 images/s{said}"


def test_what_helps_against_long_waits_is_said_once_enough_is_known() -> None:
    assert waiting_note([0.9, 0.9, 0.9], 0) is None
    assert waiting_note([0.9, 0.09, 0.5, 0.09], 0) is None
    assert waiting_note([0.0, 0.3, 0.12, 0.1], 0) == (
        "steps waited for pictures for 12 % of their time: train.workers = 2 loads them with processes in the background"
    )
    assert "train.workers = 8 loads them with more processes" in str(waiting_note([0.0, 0.3, 0.12, 0.1], 4))


def test_a_run_that_waited_long_says_at_its_end_what_helps(
    tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("waiting.toml").write_text(RECIPE)
    for share, said in ((0.25, True), (0.02, False)):
        monkeypatch.setattr(Pace, "since", lambda self, step, share=share: pace.Rate(12.3, share))
        assert main(["run", "waiting.toml", "--cpu", "--name", f"w{share}", "--set", "train.log.every=1"]) == 0
        assert ("note: steps waited for pictures for 25 % of their time" in capsys.readouterr().err) == said
