"""Pictures in batches, in threads, on several devices: the outputs are those of one picture after another."""

from __future__ import annotations

import json
import signal
import threading
import time
from pathlib import Path
from queue import Empty
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file

import toonforge
from tests.test_translate_kept import P3
from tests.test_use_translate import about, picture
from toonforge.cli.translating import Telling
from toonforge.errors import RunError
from toonforge.use.look import Look
from toonforge.use.model import Model
from toonforge.use.pictures import original as originals
from toonforge.use.pictures import pipeline as pipelines
from toonforge.use.pictures.colours import conversion_of
from toonforge.use.pictures.devices import in_words, on_every_device
from toonforge.use.pictures.grouping import Grouping, batch_for
from toonforge.use.pictures.pipeline import Outcome, Pipeline
from toonforge.use.tiled import Tiles
from toonforge.use.translate import Job, plan, translate_file

NETWORK = {"type": "cyclegan/unet", "width": 4, "levels": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small network that looks at what is around each pixel, and at the whole picture."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "G.safetensors"
    state = toonforge.generators["cyclegan/unet"](width=4, levels=2).build().state_dict()
    save_file(state, path, {"toonforge": json.dumps({**about("G", {"anime": "G(photo)"}), "component": NETWORK})})
    return toonforge.load(path, cpu=True)


SIZES = [(40, 24), (24, 40), (33, 17), (1, 1)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirteen of several sizes, and two that cannot be read."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(13):
        size = SIZES[number * number % len(SIZES)]
        values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3 + (number % 3 == 0)))
        Image.fromarray(values.astype(np.uint8)).save(folder / f"{number:02}.png")
    (folder / "05-bad.png").write_text("no picture")
    (folder / "99-bad.png").write_bytes(b"")
    return folder


def through(model: Model, pictures: Path, out: Path, *, devices: int = 1, **options: object) -> list[Outcome]:
    models = [model, *(model.on("cpu") for _ in range(devices - 1))]
    return list(Pipeline(models, plan([pictures], out).jobs, **options))  # type: ignore[arg-type]


def contents(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(
    "options",
    [
        {"batch": 1},
        {"batch": 4},
        {"batch": 100},
        {"devices": 3},
        {"devices": 2, "batch": 3, "threads": 1},
        {"batch": 2, "threads": 8},
    ],
)
def test_however_they_are_computed_the_outputs_are_those_of_one_after_another(
    model: Model, pictures: Path, tmp_path: Path, options: dict[str, int]
) -> None:
    for path in pictures.iterdir():
        if "bad" not in path.name:
            translate_file(model, Job(path, tmp_path / "one" / path.name))
    outcomes = through(model, pictures, tmp_path / "out", **options)
    one, many = contents(tmp_path / "one"), contents(tmp_path / "out")
    assert list(one) == list(many) and len(many) == 13
    for name in one:
        # A batch may be rounded otherwise; several devices may not.
        assert np.abs(one[name].astype(int) - many[name]).max() <= (options.get("batch", 1) > 1), name
    names = [str(outcome.job.source) for outcome in outcomes]
    assert names == sorted(names) and len(names) == 15  # in the inputs' order
    assert [Path(outcome.job.name).name for outcome in outcomes if outcome.problem] == ["05-bad.png", "99-bad.png"]


def test_several_devices_write_the_very_bytes_of_one(model: Model, pictures: Path, tmp_path: Path) -> None:
    look = Look(strength=0.7, smooth=0.3, keep_color=True)
    for number, devices in enumerate((1, 3, 3)):
        through(model, pictures, tmp_path / str(number), devices=devices, batch=2, look=look)
    first, *others = ({path.name: path.read_bytes() for path in (tmp_path / str(n)).iterdir()} for n in range(3))
    assert all(other == first for other in others)


def test_every_device_has_its_part_of_the_work(model: Model, tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / "in" / f"{number:02}.png", (16, 16))
    used = set()
    models = [model, model.on("cpu"), model.on("cpu")]
    together = threading.Barrier(3, timeout=20)  # is passed by three devices that compute at the same time, or not
    for index, each in enumerate(models):

        def meet(*_: object, index: int = index) -> None:
            used.add(index)
            together.wait()

        each.inference.networks["G"].register_forward_hook(meet)
    jobs = plan([tmp_path / "in"], tmp_path / "out").jobs
    assert all(outcome.problem is None for outcome in Pipeline(models, jobs, batch=1))
    assert used == {0, 1, 2}
    for each in models:
        each.inference.networks["G"]._forward_hooks.clear()


def test_memory_does_not_grow_with_the_number_of_pictures(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 60 pictures no more than a few are read and not written yet, though nobody takes what comes out."""
    for number in range(60):
        picture(tmp_path / "in" / f"{number:02}.png", (8, 8))
    alive, most = set(), 0
    read, save = pipelines.read_original, pipelines.save

    def reading(source: Path, *rest: object) -> object:
        nonlocal most
        alive.add(source)
        most = max(most, len(alive))
        return read(source, *rest)  # type: ignore[arg-type]

    def saving(job: Job, *rest: object) -> Outcome:
        alive.discard(job.source)
        return save(job, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(pipelines, "read_original", reading)
    monkeypatch.setattr(pipelines, "save", saving)
    assert len(list(Pipeline([model], plan([tmp_path / "in"], tmp_path / "out").jobs, batch=2, threads=2))) == 60
    assert 2 <= most <= 12


@pytest.mark.parametrize("pixels", [1, 64, 300])
def test_pictures_too_large_to_be_held_together_come_one_by_one(
    model: Model, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(pipelines, "PIXELS", pixels)
    assert sum(outcome.problem is None for outcome in through(model, pictures, tmp_path / "out", batch=8)) == 13


@pytest.mark.parametrize("first", [True, False])
def test_more_files_that_cannot_be_read_than_are_looked_at_together_stop_nothing(
    model: Model, tmp_path: Path, first: bool
) -> None:
    picture(tmp_path / "in" / ("a.png" if first else "z.png"), (8, 8))
    for number in range(60):
        (tmp_path / "in" / f"bad{number:02}.png").write_text("no picture")
    outcomes: list[Outcome] = []
    pipeline = Pipeline([model], plan([tmp_path / "in"], tmp_path / "out").jobs, batch=4, threads=2)
    assert pipeline._most < 60
    thread = threading.Thread(target=lambda: outcomes.extend(pipeline), daemon=True)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert [outcome.problem is None for outcome in outcomes].count(True) == 1 and len(outcomes) == 61


def test_pictures_of_one_profile_come_together_whatever_is_kept_of_it(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        picture(tmp_path / "in" / f"{number}.png", (8, 8))
        Image.open(tmp_path / "in" / f"{number}.png").save(tmp_path / "in" / f"{number}.png", icc_profile=P3)
    sizes: list[int] = []
    compute = pipelines.compute
    monkeypatch.setattr(
        pipelines, "compute", lambda m, items, *rest: sizes.append(len(items)) or compute(m, items, *rest)
    )
    # Each reader makes its own, as those do that ask at the same time.
    monkeypatch.setattr(originals, "conversion_of", conversion_of.__wrapped__)
    assert all(outcome.problem is None for outcome in through(model, tmp_path / "in", tmp_path / "out", batch=4))
    assert sizes == [4]


def test_one_that_cannot_be_computed_does_not_stop_those_of_its_batch(model: Model, tmp_path: Path) -> None:
    for number in range(6):
        picture(tmp_path / "in" / f"{number}.png", (8, 8))
    Image.new("RGB", (8, 8), "white").save(tmp_path / "in" / "3.png")
    network = model.inference.networks["G"]

    def refuse(module: object, inputs: tuple[torch.Tensor]) -> None:
        if (inputs[0] == 1).flatten(1).all(1).any():
            raise ValueError("white is no colour")

    hook = network.register_forward_pre_hook(refuse)
    outcomes = through(model, tmp_path / "in", tmp_path / "out", batch=6)
    hook.remove()
    assert [outcome.problem is None for outcome in outcomes] == [True, True, True, False, True, True]
    assert outcomes[3].problem is not None and "white is no colour" in outcomes[3].problem
    assert "8x8" in outcomes[3].problem


def test_where_memory_is_short_a_batch_is_halved(model: Model, tmp_path: Path) -> None:
    for number in range(8):
        picture(tmp_path / "in" / f"{number}.png", (8, 8))
    seen: list[int] = []

    def short(module: object, inputs: tuple[torch.Tensor]) -> None:
        seen.append(len(inputs[0]))
        if len(inputs[0]) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = model.inference.networks["G"].register_forward_pre_hook(short)
    outcomes = through(model, tmp_path / "in", tmp_path / "out", batch=8)
    hook.remove()
    assert all(outcome.problem is None for outcome in outcomes)
    assert min(seen) <= 2 < max(seen)


def test_what_cannot_be_written_is_named_and_the_rest_goes_on(model: Model, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", (8, 8))
    picture(tmp_path / "in" / "b" / "c.png", (8, 8))
    Image.new("RGB", (17_000, 1)).save(tmp_path / "in" / "wide.bmp")
    jobs = plan([tmp_path / "in"], tmp_path / "out", ending="webp").jobs
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").write_text("in the way")
    problems = [outcome.problem for outcome in Pipeline([model], jobs)]
    assert problems[0] is None
    assert problems[1] is not None and "cannot write" in problems[1]
    assert problems[2] is not None and "WEBP does not hold a picture of 17000x1" in problems[2]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.webp", "b"}


def test_a_fault_of_ours_is_no_problem_of_a_picture(
    model: Model, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ZeroDivisionError

    before = threading.active_count()
    monkeypatch.setattr(pipelines, "compute", fail)
    with pytest.raises(ZeroDivisionError):
        through(model, pictures, tmp_path / "out")
    assert threading.active_count() == before


@pytest.mark.parametrize("after", [1, 5])
def test_broken_off_it_leaves_whole_files_and_no_threads(
    model: Model, pictures: Path, tmp_path: Path, after: int
) -> None:
    before = threading.active_count()
    pipeline = Pipeline([model, model.on("cpu")], plan([pictures], tmp_path / "out").jobs)
    outcomes = iter(pipeline)
    for _ in range(after):
        next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
    written = sorted((tmp_path / "out").iterdir())
    assert len(written) == pipeline.written >= after
    for path in written:
        Image.open(path).load()
    # The same again, leaving out what is there, does the rest.
    rest = plan([pictures], tmp_path / "out", skip_existing=True)
    assert len(rest.done) == pipeline.written
    assert sum(outcome.problem is None for outcome in Pipeline([model], rest.jobs)) == 13 - len(written)


def test_a_wrong_domain_is_told_before_anything_is_read(model: Model, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not translate to 'foto'"):
        Pipeline([model], [Job(tmp_path / "nowhere.png", tmp_path / "out.png")], "foto")


# -- grouping ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(SIZES), max_size=40), st.integers(1, 5), st.integers(0, 8), st.integers(1, 4000))
def test_batches_hold_every_picture_once_and_one_size_each(
    sizes: list[tuple[int, int]], batch: int, held: int, pixels: int
) -> None:
    grouping: Grouping[tuple[int, tuple[int, int]]] = Grouping("cpu", batch, held, pixels)
    batches, waiting, area = [], 0, 0
    for number, size in enumerate(sizes):
        new = grouping.add((number, size), *size)
        batches += new
        waiting += 1 - sum(map(len, new))
        area += size[0] * size[1] - sum(s[0] * s[1] for each in new for _, s in each)
        assert waiting <= held and area <= pixels
    batches += grouping.rest()
    assert sorted(number for each in batches for number, _ in each) == list(range(len(sizes)))
    assert all(len(each) <= batch and len({size for _, size in each}) == 1 for each in batches)
    assert all(each == sorted(each) for each in batches)


def test_large_pictures_come_alone_and_small_ones_together() -> None:
    assert [batch_for("cuda", side, side) for side in (64, 256, 1024, 4000)] == [32, 32, 4, 1]
    assert batch_for("cpu", 4000, 4000) == 1


# -- devices ----------------------------------------------------------------------------------------------------------


class OnGpu:
    """Stands for a model on a GPU; its copies are named by where they are."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def on(self, device: str) -> OnGpu:
        return OnGpu(device)


@pytest.mark.parametrize(
    ("device", "most", "expected"),
    [
        ("cuda", 9, ["cuda", "cuda:1", "cuda:2"]),
        ("cuda:1", 9, ["cuda:1", "cuda:0", "cuda:2"]),
        ("cuda", 2, ["cuda", "cuda:1"]),
        ("cuda", 1, ["cuda"]),
        ("cpu", 9, ["cpu"]),
    ],
)
def test_every_gpu_is_used_as_far_as_there_is_work(
    monkeypatch: pytest.MonkeyPatch, device: str, most: int, expected: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    models = on_every_device(OnGpu(device), most)  # type: ignore[arg-type]
    assert [str(model.device) for model in models] == expected
    words = {1: f"the {'CPU' if device == 'cpu' else 'GPU'}", 2: "2 GPUs", 3: "3 GPUs"}
    assert in_words(models) == words[len(expected)]


@pytest.mark.parametrize("devices", [1, 2])
def test_broken_off_it_computes_no_more_than_was_begun(
    model: Model, pictures: Path, tmp_path: Path, devices: int
) -> None:
    calls: list[int] = []
    hook = model.inference.networks["G"].register_forward_pre_hook(lambda *_: calls.append(time.sleep(0.2) or 1))
    models = [model] * devices
    outcomes = iter(Pipeline(models, plan([pictures], tmp_path / "out").jobs, batch=1, threads=8))
    next(outcomes)
    before = len(calls)
    outcomes.close()  # type: ignore[attr-defined]
    hook.remove()
    assert len(calls) <= before + devices


def test_on_one_cpu_what_is_written_is_told_before_the_next_is_computed(
    model: Model, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(pipelines, "MOMENT", 1000)
    hook = model.inference.networks["G"].register_forward_pre_hook(lambda *_: calls.append(time.sleep(0.02) or 1))
    outcomes = Pipeline([model], plan([pictures], tmp_path / "out").jobs, batch=1)
    told = [len(calls) for outcome in outcomes if outcome.problem is None]
    hook.remove()
    assert told == list(range(1, 14))


def test_on_one_cpu_writing_is_waited_for_a_tenth_of_what_the_batch_took(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, waited = [0.0], []
    monkeypatch.setattr(pipelines, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def nothing(timeout: float) -> None:
        waited.append(timeout)
        raise Empty

    def takes_ten_seconds(*_: object) -> None:
        now[0] += 10

    pipeline = Pipeline([model], [])
    monkeypatch.setattr(pipeline, "_events", SimpleNamespace(get=nothing))
    monkeypatch.setattr(pipeline, "_compute", takes_ten_seconds)
    for at_writing in (0, 1, 1, 0):
        pipeline._at_writing = at_writing
        pipeline._batches.put([])
        pipeline._next()
    assert waited == pytest.approx([0, 1, 1, 0])


def test_on_one_cpu_the_next_is_computed_while_writing_takes_long(
    model: Model, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, calls, save = threading.Event(), [], pipelines.save
    hook = model.inference.networks["G"].register_forward_pre_hook(
        lambda *_: calls.append(1) or (len(calls) > 1 and second.set()) or None
    )
    monkeypatch.setattr(pipelines, "save", lambda *given: save(*given) if second.wait(20) else pytest.fail("waited"))
    outcomes = list(Pipeline([model], plan([pictures], tmp_path / "out").jobs, batch=1))
    hook.remove()
    assert sum(outcome.problem is None for outcome in outcomes) == 13


@pytest.mark.parametrize("devices", [1, 2], ids=["in the caller's thread", "in others"])
def test_an_interrupt_ends_a_computation_between_two_parts_and_is_answered(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, devices: int
) -> None:
    picture(tmp_path / "in" / "a.png", (64, 64))
    layers = [
        each
        for each in model.inference.networks["G"].modules()
        if isinstance(each, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
    ]
    calls: list[int] = []
    said: list[str] = []

    def interrupt(*_: object) -> None:
        calls.append(1)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        pipeline._over.wait(10)  # in the caller's own thread the interrupt ends this
        time.sleep(0.5)  # longer than its patience

    hooks = [layer.register_forward_pre_hook(interrupt) for layer in layers]
    monkeypatch.setattr(pipelines, "PATIENCE", 0.05)
    pipeline = Pipeline([model] * devices, plan([tmp_path / "in"], tmp_path / "out").jobs, note=said.append)
    with pytest.raises(KeyboardInterrupt):
        list(pipeline)
    for hook in hooks:
        hook.remove()
    assert len(layers) > 3 and len(calls) == 1
    assert devices == 1 or said == ["stopping; again to leave at once"]
    assert pipeline.written == 0 and not (tmp_path / "out").exists()


def test_the_parts_of_a_large_picture_are_told(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "in" / "a.png", (64, 64))
    told: list[tuple[int, int]] = []
    translate = Model.translate
    tiles = Tiles(use="always", size=16)
    monkeypatch.setattr(Model, "translate", lambda *given, **options: translate(*given, **options, tiles=tiles))
    jobs = plan([tmp_path / "in"], tmp_path / "out").jobs
    list(Pipeline([model], jobs, part=lambda done, total: told.append((done, total))))
    assert len(told) > 1 and told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [(50, 2, "25 pictures/s"), (3, 2, "1.5 pictures/s"), (1, 25, "25 s a picture"), (0, 25, "0.0 pictures/s")],
)
def test_how_fast_it_goes_is_said_in_numbers_that_tell_something(
    monkeypatch: pytest.MonkeyPatch, done: int, seconds: float, said: str
) -> None:
    telling = Telling("picture", 100)
    telling.done = done
    now = telling._begun + seconds
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert telling.rate == said
