"""Networks that start from weights of elsewhere: the same bit for bit, in every process, and others are untouched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from unittest import mock

import attrs
import pytest
import torch
from PIL import Image

from tests.exact import Killed, Way, assert_same, in_parts, start
from tests.first_weights import NAMES, RECIPE, equal, exported, kept, recipe, trained
from tests.ranks import together
from toonforge.errors import RunError
from toonforge.recipe.initial import InitialWeights
from toonforge.recipe.model import Recipe
from toonforge.registries import models
from toonforge.registry import Provenance
from toonforge.runs.log import read_events
from toonforge.runs.may_change import may_change
from toonforge.testing.recipes import shrink
from toonforge.train import beginning
from toonforge.train.first_weights import read_first
from toonforge.train.step import Training, make_accelerator
from toonforge.train.trainer import train
from toonforge.use.model import load
from toonforge.weights.origin import find_origins


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run to start from; tests that change it take a copy."""
    from tests import tiny

    tiny.register()
    torch.set_num_threads(1)
    return trained(tmp_path_factory.mktemp("source") / "run")


def begun(one: Recipe) -> Training:
    """What is trained, as it is before the first step."""
    training = Training(one, 4, 4, make_accelerator(one.train.precision, cpu=True))
    training.start_from(read_first(find_origins(one), training.networks))
    return training


# -- what they start from --------------------------------------------------------------------------------------------


def test_every_network_starts_as_the_source_has_it_bit_for_bit(source: Path) -> None:
    training = begun(recipe(**dict.fromkeys(NAMES, str(source))))
    for name, file in (("G", "G.ema"), ("F", "F.ema"), ("D", "D"), ("S", "S")):
        assert equal(training.networks[name].state_dict(), kept(source, file)), name
    assert not equal(kept(source, "G"), kept(source, "G.ema")), "the averages are told from what was trained"
    assert {key.rpartition(".")[2] for key in kept(source, "D")} >= {"running_mean", "num_batches_tracked"}


def test_the_moving_average_starts_from_the_same_weights(source: Path) -> None:
    training = begun(recipe(G=str(source)))
    assert training.average is not None
    assert equal(training.average.networks["G"].state_dict(), kept(source, "G.ema"))
    assert training.average.updates["G"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_other_networks_are_drawn_as_ever(source: Path, name: str) -> None:
    plain, some = begun(recipe()), begun(recipe(**{name: str(source)}))
    for other in NAMES:
        same = equal(plain.networks[other].state_dict(), some.networks[other].state_dict())
        assert same == (other != name), other


def test_the_seed_does_not_matter_to_what_is_given(source: Path) -> None:
    again = RECIPE.replace("steps = 4", "steps = 4\nseed = 99")
    one, other = begun(recipe(G=str(source))), begun(recipe(again, G=str(source)))
    assert equal(one.networks["G"].state_dict(), other.networks["G"].state_dict())
    assert not equal(one.networks["F"].state_dict(), other.networks["F"].state_dict())


def test_another_precision_takes_the_same_numbers(source: Path) -> None:
    training = begun(recipe(RECIPE.replace("steps = 4", 'steps = 4\nprecision = "fp64"'), G=str(source)))
    wide = {key: value.double() for key, value in kept(source, "G.ema").items()}
    assert equal(training.networks["G"].state_dict(), wide)


def test_numbers_of_16_bits_become_those_of_the_network(source: Path, tmp_path: Path) -> None:
    state = kept(source, "G.ema")
    training = begun(recipe(G=str(exported(tmp_path / "half.safetensors", state, half=True))))
    assert equal(training.networks["G"].state_dict(), {key: value.half().float() for key, value in state.items()})


def test_a_network_that_no_phase_updates_stays_as_it_was_given(source: Path, tmp_path: Path) -> None:
    train(recipe(F=str(source)), folder=tmp_path / "run", cpu=True)
    assert equal(kept(tmp_path / "run", "F"), kept(source, "F.ema"))


# -- where it may lie ------------------------------------------------------------------------------------------------


@pytest.fixture
def places(source: Path, tmp_path: Path) -> dict[str, InitialWeights]:
    """The same weights in every place from which a network can start."""
    state = kept(source, "G.ema")
    shutil.copytree(source, tmp_path / "run")
    newest = tmp_path / "run/checkpoints/step-000004"
    exported(tmp_path / "model.safetensors", state)
    exported(tmp_path / "horse2zebra.safetensors", state, "G_A")
    models.add("shop/cartoon", tmp_path / "model.safetensors", Provenance(plugin="shop", distribution="d", version="1"))
    return {
        "run": InitialWeights(from_=str(tmp_path / "run")),
        "latest": InitialWeights(from_=str(tmp_path / "run"), checkpoint="latest"),
        "step": InitialWeights(from_=str(tmp_path / "run"), checkpoint=4),
        "checkpoint": InitialWeights(from_=str(newest)),
        "weights": InitialWeights(from_=str(newest / "G.ema.safetensors")),
        "model": InitialWeights(from_=str(tmp_path / "model.safetensors")),
        "named": InitialWeights(from_=str(tmp_path / "horse2zebra.safetensors"), network="G_A"),
        "installed": InitialWeights(from_="shop/cartoon"),
        "installed, in short": InitialWeights(from_="cartoon"),
    }


def test_a_network_starts_from_a_run_a_file_or_an_installed_model(
    tiny: None, source: Path, places: dict[str, InitialWeights]
) -> None:
    try:
        for where, place in places.items():
            training = begun(recipe(G=place))
            assert equal(training.networks["G"].state_dict(), kept(source, "G.ema")), where
    finally:
        del models._items["shop/cartoon"]


def test_the_best_checkpoint_is_taken_where_the_run_keeps_one(source: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(source, run)
    (run / "checkpoints/best").write_text("step-000002\n", "utf-8")
    assert equal(begun(recipe(G=str(run))).networks["G"].state_dict(), kept(source, "G.ema", 2))
    latest = InitialWeights(from_=str(run), checkpoint="latest")
    assert equal(begun(recipe(G=latest)).networks["G"].state_dict(), kept(source, "G.ema", 4))


# -- the run ---------------------------------------------------------------------------------------------------------


def copied(source: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(source, tmp_path / "source"))


def test_a_run_that_was_interrupted_equals_an_uninterrupted_one_and_needs_its_source_no_more(
    source: Path, tmp_path: Path
) -> None:
    own = copied(source, tmp_path)
    one = recipe(G=str(own), D=str(own), S=str(own))
    train(one, folder=tmp_path / "whole", cpu=True)
    start(tmp_path / "parts", Way("stop", 1), one)
    shutil.rmtree(own)
    train(one, folder=tmp_path / "parts", resume=True, cpu=True)
    assert_same(tmp_path / "whole", tmp_path / "parts", stops=(1,))
    assert load(tmp_path / "parts", cpu=True)(Image.new("RGB", (32, 32))).size == (32, 32)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_from_the_source_again(
    source: Path, tmp_path: Path
) -> None:
    one = recipe(G=str(source), D=str(source))
    train(one, folder=tmp_path / "whole", cpu=True)
    in_parts(one, tmp_path / "parts", [Way("kill", 1)])
    assert_same(tmp_path / "whole", tmp_path / "parts")


def test_a_source_that_has_moved_on_before_the_first_checkpoint_is_told(source: Path, tmp_path: Path) -> None:
    own = copied(source, tmp_path)
    one = recipe(G=str(own))
    with pytest.raises(Killed):
        start(tmp_path / "run", Way("kill", 1), one)
    before = json.loads((tmp_path / "run/lock.json").read_text("utf-8"))["weights"]["G"]
    (own / "checkpoints/latest").write_text("step-000002\n", "utf-8")
    train(one, folder=tmp_path / "run", resume=True, cpu=True)
    now = json.loads((tmp_path / "run/lock.json").read_text("utf-8"))["weights"]["G"]
    assert (before["step"], now["step"]) == (4, 2) and before["sha256"] != now["sha256"]
    (said,) = [
        e["change"] for e in read_events(tmp_path / "run") if e["event"] == "changed" and "starts" in e["change"]
    ]
    assert "G starts from" in said and "step 2" in said and "step 4" in said


def test_a_run_says_what_it_started_from_and_goes_on_saying_so(source: Path, tmp_path: Path) -> None:
    one = recipe(G=str(source))
    train(one, folder=tmp_path / "run", cpu=True)
    first = json.loads((tmp_path / "run/lock.json").read_text("utf-8"))["weights"]
    train(attrs.evolve(one, train=attrs.evolve(one.train, steps=5)), folder=tmp_path / "run", resume=True, cpu=True)
    assert json.loads((tmp_path / "run/lock.json").read_text("utf-8"))["weights"] == first
    about = first["G"]
    assert (about["from"], about["network"], about["step"], about["averaged"]) == (str(source), "G", 4, True)
    listed = json.loads((source / "checkpoints/step-000004/checkpoint.json").read_text("utf-8"))["files"]
    assert about["sha256"] == listed["G.ema.safetensors"]
    starts = [event["notes"] for event in read_events(tmp_path / "run") if event["event"] == "start"]
    assert [any("G starts from" in note for note in notes) for notes in starts] == [True, False]
    assert "step 4" in starts[0][0] and about["sha256"][:12] in starts[0][0]


def test_weights_of_such_a_run_say_nothing_of_where_they_came_from(source: Path, tmp_path: Path) -> None:
    from toonforge.runs.metadata import read_metadata

    train(recipe(G=str(source)), folder=tmp_path / "run", cpu=True)
    file = "checkpoints/step-000004/G.safetensors"
    assert read_metadata(tmp_path / "run" / file) == read_metadata(source / file)


@pytest.mark.parametrize("other", [None, "elsewhere"])
def test_a_resume_may_not_say_otherwise(source: Path, tmp_path: Path, other: str | None) -> None:
    train(recipe(G=str(source)), folder=tmp_path / "run", cpu=True)
    changed = recipe(**({} if other is None else {"G": other}))
    with pytest.raises(RunError) as caught:
        train(changed, folder=tmp_path / "run", resume=True, cpu=True)
    assert caught.value.problems[0].key == "generators.G.weights"
    assert not may_change("generators.G.weights")


def test_a_run_cannot_start_from_itself(source: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not there"):
        train(recipe(G=str(tmp_path / "new")), folder=tmp_path / "new", cpu=True)
    own = copied(source, tmp_path)
    with pytest.raises(RunError, match="is there already"):
        train(recipe(G=str(own)), folder=own, cpu=True)
    with pytest.raises(RunError, match="made by another recipe"):
        train(recipe(G=str(own)), folder=own, resume=True, cpu=True)


def test_a_shrunk_recipe_starts_from_nothing(source: Path) -> None:
    assert not shrink(recipe(G=str(source))).initial


# -- several processes -----------------------------------------------------------------------------------------------

SEVERAL = RECIPE.replace(", norm = true }", " }").replace("batch_size = 2", 'batch_size = 4\nprecision = "fp64"')
SEVERAL = SEVERAL.replace('type = "adam", lr = 1e-2', 'type = "sgd", lr = 1e-2')


def test_several_processes_train_like_one_and_the_first_alone_reads(source: Path, tmp_path: Path) -> None:
    text = SEVERAL.replace("steps = 4", "steps = 4\nprocesses = 2")
    given = {"G": str(source), "S": str(source)}

    def work(rank: int) -> None:
        refused = mock.Mock(side_effect=AssertionError("only the first process reads"))
        with mock.patch.object(beginning, "find_origins", find_origins if rank == 0 else refused):
            train(recipe(text, **given), folder=tmp_path / "two", cpu=True)

    together(2, work)
    train(recipe(SEVERAL, **given), folder=tmp_path / "one", cpu=True)
    for name in ("G", "G.ema", "F", "D", "S"):
        one, two = kept(tmp_path / "one", name), kept(tmp_path / "two", name)
        for key in one:
            assert torch.allclose(one[key], two[key], rtol=0, atol=1e-12), f"{name}: {key}"
    assert not equal(kept(tmp_path / "one", "G"), {k: v.double() for k, v in kept(source, "G.ema").items()})


def test_processes_that_read_nothing_have_buffers_and_averages_alike(source: Path) -> None:
    text = RECIPE.replace("steps = 4", "steps = 4\nprocesses = 2")
    one = recipe(text, **dict.fromkeys(NAMES, str(source)))

    def work(rank: int) -> bool:
        training = Training(one, 4, 4, make_accelerator("fp32", cpu=True))
        states = read_first(find_origins(one), training.networks) if rank == 0 else {}
        training.start_from(states)
        files = {"G": "G.ema", "F": "F.ema", "D": "D", "S": "S"}
        same = [equal(training.networks[name].state_dict(), kept(source, file)) for name, file in files.items()]
        assert training.average is not None
        return all(same) and equal(training.average.networks["G"].state_dict(), kept(source, "G.ema"))

    assert together(2, work) == [True, True]


# -- files that do not fit -------------------------------------------------------------------------------------------


def spoiled(state: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    key = "0.weight"
    if how == "missing":
        return {name: value for name, value in state.items() if name != key}
    if how == "more":
        return {**state, "9.weight": torch.zeros(1)}
    if how == "shape":
        return {**state, key: state[key][:-1].clone()}
    if how == "integers":
        return {**state, key: state[key].long()}
    return {**state, key: state[key] * torch.nan}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "0.weight is not there"),
        ("more", "9.weight is not here"),
        ("shape", "0.weight is 3x3x3x3 there and 4x3x3x3 here"),
        ("integers", "0.weight is of torch.int64 there and of torch.float32 here"),
        ("nan", "0.weight is not finite"),
    ],
)
def test_tensors_that_are_not_the_networks_are_refused_before_a_folder_is_made(
    source: Path, tmp_path: Path, how: str, said: str
) -> None:
    file = exported(tmp_path / "odd.safetensors", spoiled(kept(source, "G"), how))
    with pytest.raises(RunError, match="does not fit the network G") as caught:
        train(recipe(G=str(file)), folder=tmp_path / "run", cpu=True)
    assert said in (caught.value.problems[0].found or "")
    assert not (tmp_path / "run").exists()
