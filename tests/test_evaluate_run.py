"""Measuring a trained run: the numbers of its training, of any part, checkpoint and metric, and beside folders."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests import tiny as components
from tests.pictures import fill
from toonforge import extras
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.components import Locates
from toonforge.errors import ToonforgeError
from toonforge.runs.log import read_events
from toonforge.train.trainer import train
from toonforge.use.evaluate import Evaluation, evaluate, note_in_run, record
from toonforge.validation import baselines

TEXT = """
name = "measured"
data = { type = "unpaired-folders", fields = { photo = "PHOTO", anime = "ANIME" }, validation = 0.3, test = 0.2,
         image_size = 16, load_size = 18 }
generators.G = { type = "tiny/generator" }
generators.F = { type = "tiny/generator" }
networks.features = { type = "tiny/features" }
phases.p = { updates = ["G", "F"], losses.content = { type = "l1", input = "F(G(photo))", target = "photo" } }
translations = { anime = "G(photo)", photo = "F(anime)" }
[train]
steps = 4
optimizer.lr = 1e-2
checkpoint = { every = 1, keep = 9 }
metrics = { every = 1 }
[metrics]
brightness = { type = "tiny/mean", input = "G(photo)" }
again = { type = "pixel-l1", input = "F(G(photo))", target = "photo" }
seen = { type = "tiny/mean", input = "features(G(photo))" }
"""
KID = "kid={size = 32}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of pictures and a run that was trained on them, to copy."""
    components.register()
    place = tmp_path_factory.mktemp("made")
    for field in ("photo", "anime"):
        fill(place / field, 20, field)
    trained(over(place), place / "run")
    return place


def over(place: Path) -> str:
    return TEXT.replace("PHOTO", str(place / "photo")).replace("ANIME", str(place / "anime"))


@pytest.fixture
def text(tiny: None, made: Path, tmp_path: Path) -> str:
    """A recipe over two folders."""
    for field in ("photo", "anime"):
        shutil.copytree(made / field, tmp_path / field)
    return over(tmp_path)


@pytest.fixture
def run(text: str, made: Path, tmp_path: Path) -> Path:
    """A run that was trained on them."""
    run = shutil.copytree(made / "run", tmp_path / "run", symlinks=True)
    for path in (run / "resolved.toml", run / "data.csv"):
        path.write_text(path.read_text("utf-8").replace(str(made), str(tmp_path)), "utf-8")
    return run


def trained(text: str, folder: Path) -> Path:
    train(recipes.loads(text), folder=folder, cpu=True)
    return folder


def measured(run: Path) -> dict[int, dict[str, Any]]:
    return {event["step"]: event for event in read_events(run) if event["event"] == "metrics"}


def flat(evaluation: Evaluation) -> dict[str, float]:
    return {f"{n}.{p}" if p else n: value for n, parts in evaluation.values.items() for p, value in parts.items()}


def copied(run: Path, part: str, field: str, into: Path) -> Path:
    """The pictures of a part, in a folder of their own."""
    source = recipes.load(run / "resolved.toml").data.build(part)
    assert isinstance(source, Locates)
    into.mkdir()
    for index in range(source.sizes[field]):
        shutil.copy(source.where(field, index)[field], into)
    return into


def messages(error: ToonforgeError) -> str:
    return "\n".join(map(str, error.problems))


@pytest.mark.parametrize(
    "more", ["", "ema = 0.9", 'precision = "fp64"', 'precision = "bf16"', 'ema = 0.9\nprecision = "bf16"']
)
def test_the_numbers_are_those_of_the_training_bit_for_bit(text: str, tmp_path: Path, more: str) -> None:
    run = trained(text.replace("steps = 4", f"steps = 4\n{more}"), tmp_path / "run")
    then = measured(run)
    assert set(then) == {1, 2, 3, 4} and len({str(event["metrics"]) for event in then.values()}) == 4
    for step, event in then.items():
        now = evaluate(run, part="validation", checkpoint=step, cpu=True)
        assert flat(now) == event["metrics"]
        assert {name: about.protocol for name, about in now.about.items()} == {
            name: about["protocol"] for name, about in event["about"].items()
        }


def test_the_test_part_is_measured_where_there_is_one(run: Path, text: str, tmp_path: Path) -> None:
    found = evaluate(run, cpu=True)
    assert found.subject.part == "test"
    assert found.about["brightness"].pictures == {"input": 5}
    assert "5 pictures of the test part" in found.about["brightness"].protocol
    assert flat(found) != flat(evaluate(run, part="validation", cpu=True))
    without = trained(text.replace("test = 0.2,", ""), tmp_path / "without")
    assert evaluate(without, cpu=True).subject.part == "validation"


def test_pictures_that_were_trained_on_are_measured_with_a_note(run: Path) -> None:
    assert "trained on" in " ".join(evaluate(run, part="train", cpu=True).notes)
    assert not evaluate(run, cpu=True).notes


def test_pictures_of_a_folder_that_were_trained_on_are_told(run: Path, tmp_path: Path) -> None:
    content = ["content-preservation={size = 32}"]
    (said,) = evaluate(run, input=tmp_path / "photo", metrics=content, cpu=True).notes
    assert "10 of 20 input pictures were trained on" in said
    new = fill(tmp_path / "new", 3, "new")
    assert not evaluate(run, input=new, metrics=content, cpu=True).notes


def test_the_best_checkpoint_is_measured_where_the_run_keeps_one(text: str, run: Path, tmp_path: Path) -> None:
    last = evaluate(run, cpu=True).subject.checkpoint
    assert last is not None and (last.name, last.step) == ("latest", 4)
    best = trained(
        text.replace("metrics = { every = 1 }", 'metrics = { every = 1, best = "again" }').replace(
            "lr = 1e-2", "lr = 9"
        ),
        tmp_path / "best",
    )
    expected = min((event["metrics"]["again"], step) for step, event in measured(best).items())[1]
    found = evaluate(best, cpu=True)
    chosen = found.subject.checkpoint
    assert chosen is not None and (chosen.name, chosen.step) == ("best", expected) and not found.notes
    for beside in ((best,), (best, tmp_path / "anime")):
        options = {"metrics": [KID], "part": "validation", "cpu": True}
        assert "chosen by these pictures" in " ".join(evaluate(*beside, **options).notes)
        assert "chosen" not in " ".join(evaluate(*beside, checkpoint="latest", **options).notes)


def test_filters_that_training_alone_needs_are_not_asked_of_this_machine(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft = text.replace("load_size = 18 }", 'load_size = 18,\n filtered = { soft = "smooth_edges(anime)" } }').replace(
        "losses.content", 'losses.soft = { type = "l1", input = "F(soft)", target = "soft" }, losses.content'
    )
    run = trained(soft, tmp_path / "run")
    whole = [evaluate(run, cpu=True), evaluate(run, tmp_path / "photo", metrics=[KID], cpu=True)]
    for module in (extras, baselines):
        monkeypatch.setattr(module, "find_spec", lambda name: None if name == "cv2" else find_spec(name))
    found = [evaluate(run, cpu=True), evaluate(run, tmp_path / "photo", metrics=[KID], cpu=True)]
    for before, now, name in zip(whole, found, ("again", "kid"), strict=True):
        assert now.values[name][""] == before.values[name][""]
    with pytest.raises(ToonforgeError, match="OpenCV"):
        recipes.load(run / "resolved.toml").data.build("test")


def test_metrics_of_the_recipe_are_named(run: Path) -> None:
    every = evaluate(run, cpu=True)
    one = evaluate(run, metrics=["again"], cpu=True)
    assert one.values == {"again": every.values["again"]}


def test_metrics_beside_the_recipe_measure_the_translation(run: Path, tmp_path: Path) -> None:
    found = evaluate(run, metrics=[KID, "brightness"], cpu=True)
    assert set(found.values) == {"kid", "brightness"}
    assert found.subject.target == "anime"
    assert {"", "std", "untranslated", "filter"} <= set(found.values["kid"])
    other = evaluate(run, metrics=[KID], to="photo", cpu=True)
    assert other.subject.target == "photo"
    assert other.values["kid"][""] != found.values["kid"][""]


def test_a_folder_of_the_same_reference_pictures_gives_the_same_number(run: Path, tmp_path: Path) -> None:
    anime = copied(run, "test", "anime", tmp_path / "wanted")
    own = evaluate(run, metrics=[KID], cpu=True)
    beside = evaluate(run, anime, metrics=[KID], cpu=True)
    assert beside.values == own.values
    assert beside.subject.part == "test"
    assert f"input of the run's test part, reference of {anime}" in beside.about["kid"].protocol


def test_a_folder_of_the_same_photographs_gives_the_same_number(run: Path, tmp_path: Path) -> None:
    anime = copied(run, "test", "anime", tmp_path / "wanted")
    photos = copied(run, "test", "photo", tmp_path / "given")
    beside = evaluate(run, anime, input=photos, metrics=[KID], cpu=True)
    assert beside.values == evaluate(run, anime, metrics=[KID], cpu=True).values
    assert beside.subject.part is None
    alone = evaluate(run, input=photos, metrics=["content-preservation={size = 32}"], cpu=True)
    assert set(alone.values["content-preservation"]) == {"", "filter"}


def test_pairs_of_folders_are_measured_through_a_run(run: Path, tmp_path: Path) -> None:
    photos = copied(run, "test", "photo", tmp_path / "given")
    found = evaluate(run, photos, input=photos, metrics=["pixel-l1"], cpu=True)
    assert found.values["pixel-l1"]["untranslated"] == 0 < found.values["pixel-l1"][""]
    with pytest.raises(ToonforgeError, match="pairs"):
        evaluate(run, photos, input=photos, metrics=["pixel-l1"], pairs=False, cpu=True)
    with pytest.raises(ToonforgeError, match="--input"):
        evaluate(run, photos, pairs=True, cpu=True)


def test_names_of_the_recipe_do_not_clash_with_those_of_folders(text: str, tmp_path: Path) -> None:
    renamed = text.replace("anime", "reference").replace(str(tmp_path / "reference"), str(tmp_path / "anime"))
    (tmp_path / "reference").symlink_to(tmp_path / "anime")
    run = trained(renamed, tmp_path / "run")
    photos = copied(run, "test", "photo", tmp_path / "given")
    found = evaluate(run, photos, metrics=[KID], to="photo", cpu=True)
    assert found.values == evaluate(run, metrics=[KID], to="photo", cpu=True).values


def test_features_are_changed_in_the_recipes_own_metrics(text: str, tmp_path: Path) -> None:
    kid = '\nkid = { type = "kid", generated = "G(photo)", reference = "anime", size = 32 }\n'
    run = trained(text + kid, tmp_path / "run")
    both = evaluate(run, metrics=["kid", "kid={size = 64}"], cpu=True)
    assert list(both.values) == ["kid", "kid-2"] and "32x32" in both.about["kid"].protocol
    for metrics in (None, ["kid"]):  # its size is not one that Inception takes
        with pytest.raises(ToonforgeError, match=r"kid\.size"):
            evaluate(run, metrics=metrics, features="inception", cpu=True)
    with pytest.raises(ToonforgeError, match="--features"):
        evaluate(run, metrics=["again"], features="inception", cpu=True)


def test_an_evaluation_is_noted_in_its_run(run: Path) -> None:
    found = evaluate(run, cpu=True)
    pictures = note_in_run(found)
    note_in_run(evaluate(run, part="validation", checkpoint=2, metrics=["again"], cpu=True))
    first, second = map(json.loads, (run / "evaluations.jsonl").read_text("utf-8").splitlines())
    assert (first["part"], first["checkpoint"], first["step"]) == ("test", "latest", 4)
    assert first["metrics"] == flat(found)
    assert first["about"]["again"]["better"] == "lower"
    assert first["pictures"] == {name: f"metrics/{name}-evaluation-1.png" for name in pictures}
    assert all(path.is_file() for path in pictures.values()) and set(pictures) == {"brightness", "seen"}
    assert (second["part"], second["checkpoint"], second["step"]) == ("validation", None, 2)
    assert second["metrics"]["again"] == measured(run)[2]["metrics"]["again"]


def test_behind_a_line_cut_short_an_evaluation_has_a_line_of_its_own(run: Path) -> None:
    found = evaluate(run, metrics=["again"], cpu=True)
    log = run / "evaluations.jsonl"
    note_in_run(found)
    whole = log.read_bytes()
    log.write_bytes(whole + whole[:40])
    note_in_run(found)
    note_in_run(found)
    first, torn, *others = log.read_bytes().split(b"\n")
    assert first + b"\n" == whole and torn == whole[:40]
    assert [json.loads(line)["metrics"] for line in others if line] == 2 * [flat(found)]


def test_two_evaluations_at_once_keep_each_their_pictures(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found, seen = evaluate(run, cpu=True), []
    append = record._append

    def late(log: Path, line: str) -> None:
        if not seen:
            seen.append("first")
            seen.append(note_in_run(found))  # the second begins and ends while the first has not yet noted anything
        append(log, line)

    monkeypatch.setattr(record, "_append", late)
    first, second = note_in_run(found), seen[1]
    assert first and not set(first.values()) & set(second.values())
    noted = [json.loads(line)["pictures"] for line in (run / "evaluations.jsonl").read_text("utf-8").splitlines()]
    assert sorted(map(str, noted)) == sorted(
        str({name: f"metrics/{path.name}" for name, path in pictures.items()}) for pictures in (first, second)
    )
    assert all(path.stat().st_size for path in [*first.values(), *second.values()])


def test_pictures_that_cannot_be_written_leave_nothing_behind(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = evaluate(run, cpu=True)
    before = set(run.rglob("*"))

    def full(*args: Any, **more: Any) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(record, "save_picture", full)
    with pytest.raises(ToonforgeError, match="cannot write"):
        note_in_run(found)
    assert set(run.rglob("*")) - {run / "metrics"} == before - {run / "metrics"}


def test_an_unreadable_picture_is_skipped_and_not_counted(run: Path) -> None:
    source = recipes.load(run / "resolved.toml").data.build("test")
    assert isinstance(source, Locates)
    broken = Path(source.where("photo", 0)["photo"])
    broken.write_bytes(b"no picture")
    found = evaluate(run, cpu=True)
    assert list(found.skipped) == [str(broken)]
    assert found.about["brightness"].pictures == {"input": 4}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"part": "tset"}, "did you mean 'test'"),
        ({"metrics": [KID], "to": "anima"}, "did you mean 'anime'"),
        ({"to": "anime"}, "--metric"),
        ({"metrics": ["brightnes"]}, "brightnes"),
        ({"metrics": ["pixel-l1"]}, "no pairs"),
        ({"checkpoint": 77}, "77"),
        ({"checkpoint": "best"}, "train.metrics.best"),
        ({"size": 32}, "--size"),
        ({"pairs": True}, "--pairs"),
    ],
)
def test_what_a_run_cannot_be_asked_is_refused_with_a_way_out(run: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ToonforgeError) as caught:
        evaluate(run, cpu=True, **options)
    assert said in messages(caught.value)


def test_a_run_in_the_place_of_pictures_is_refused(run: Path, tmp_path: Path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    photos = tmp_path / "photo"
    for first, second, input, said in (
        (run, other, None, f"toonforge compare {run} {other}"),
        (run, other, photos, f"toonforge compare {run} {other}"),
        (run, photos, other, "--input"),
        (run, None, other, "--input"),
        (photos, photos, other, "--input"),
        (photos, other, None, f"toonforge evaluate {other} {photos}"),
    ):
        with pytest.raises(ToonforgeError) as caught:
            evaluate(first, second, input=input, cpu=True)
        assert "is a run" in messages(caught.value) and said in messages(caught.value)


def test_a_single_translation_is_named_as_one(text: str, tmp_path: Path) -> None:
    run = trained(text.replace(', photo = "F(anime)" }', " }"), tmp_path / "run")
    with pytest.raises(ToonforgeError, match="there is only anime"):
        evaluate(run, metrics=[KID], to="drawing", cpu=True)


def test_a_part_that_is_not_held_out_is_refused(text: str, tmp_path: Path) -> None:
    run = trained(text.replace("test = 0.2,", ""), tmp_path / "run")
    with pytest.raises(ToonforgeError, match=r"data\.test"):
        evaluate(run, part="test", cpu=True)


def test_a_run_without_metrics_says_what_to_do(text: str, tmp_path: Path) -> None:
    bare = text[: text.index("[metrics]")].replace('networks.features = { type = "tiny/features" }\n', "")
    run = trained(bare, tmp_path / "run")
    with pytest.raises(ToonforgeError, match="--metric kid"):
        evaluate(run, cpu=True)
    assert "kid" in evaluate(run, metrics=[KID], cpu=True).values


def test_the_command_prints_the_table_and_draws_the_page_anew(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "report.html").unlink(missing_ok=True)
    assert main(["evaluate", str(run), "--cpu", "--checkpoint", "3", "--part", "validation"]) == 0
    shown = capsys.readouterr().out
    assert "checkpoint of step 3, validation part" in " ".join(shown.split())
    assert all(name in shown for name in ("brightness", "again", "seen", "evaluations.jsonl"))
    assert (run / "evaluations.jsonl").is_file() and (run / "report.html").is_file()
    assert main(["evaluate", str(run / "checkpoints" / "step-000003")]) == 2
    assert f"toonforge evaluate {run} --checkpoint 3" in capsys.readouterr().err


def test_a_run_that_cannot_be_written_is_measured_all_the_same(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "evaluations.jsonl").mkdir()
    (run / "report.html").unlink(missing_ok=True)
    assert main(["evaluate", str(run), "--cpu"]) == 0
    shown = capsys.readouterr()
    assert all(name in shown.out for name in ("brightness", "again", "seen"))
    assert "not recorded" in shown.err and "evaluations.jsonl" not in shown.out
    assert not (run / "report.html").exists()


def test_the_table_is_printed_before_what_cannot_be_written_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = ["evaluate", str(run), "--cpu", "--metric", "again"]
    for option, place in (("--json", taken / "numbers.json"), ("--json", pipe), ("--pictures", taken / "drawn")):
        assert main([*words, option, str(place)]) == 2
        shown = capsys.readouterr()
        assert "cannot write" in shown.err and not shown.out and not (run / "evaluations.jsonl").exists()
    with monkeypatch.context() as late:
        late.setattr(record, "check_writable", lambda path, folder: None)
        assert main([*words, "--json", str(taken / "numbers.json")]) == 2
    shown = capsys.readouterr()
    assert "again" in shown.out and "cannot write" in shown.err
    assert (run / "evaluations.jsonl").is_file()


def test_metrics_beside_the_recipe_need_not_be_names_that_a_recipe_takes(run: Path) -> None:
    assert "content-preservation" in evaluate(run, metrics=["content-preservation={size = 32}"], cpu=True).values


def test_metrics_beside_the_recipe_are_checked_as_its_own(text: str, tmp_path: Path) -> None:
    gray = text.replace('anime = "G(photo)"', 'anime = "gray(G(photo))"').replace("gray(G(photo))", "gray(G(photo))")
    run = trained(gray, tmp_path / "run")
    with pytest.raises(ToonforgeError) as caught:
        evaluate(run, metrics=["classifier-gap"], cpu=True)
    assert "classifier-gap" in messages(caught.value)


def test_other_pictures_are_measured_where_those_of_the_training_are_gone(run: Path, tmp_path: Path) -> None:
    photos, anime = (copied(run, "test", field, tmp_path / f"{field}-kept") for field in ("photo", "anime"))
    shutil.rmtree(tmp_path / "photo")
    assert "kid" in evaluate(run, anime, input=photos, metrics=[KID], cpu=True).values
    with pytest.raises(ToonforgeError, match="photo"):
        evaluate(run, cpu=True)
