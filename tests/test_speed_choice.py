"""Which tricks `train.speed` means: what auto takes, what a list takes, what nothing can take; where it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toonforge.bench.lines import Start
from toonforge.bench.subject import Subject
from toonforge.errors import ToonforgeError
from toonforge.recipe.loading import loads
from toonforge.runs.record import read_record
from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation
from toonforge.train.accelerating import make_accelerator
from toonforge.train.step import Training
from toonforge.train.trainer import train

SITUATIONS = st.builds(
    Situation,
    device=st.sampled_from(["cpu", "cuda", "mps"]),
    precision=st.sampled_from(["fp32", "bf16", "fp64"]),
    processes=st.integers(1, 4),
    clip=st.booleans(),
    platform=st.sampled_from(["linux", "darwin", "win32"]),
)
WANTED = st.one_of(st.sampled_from(["auto", "safe"]), st.lists(st.sampled_from(list(TRICKS)), unique=True))
RECIPE = """
name = "quick"
data = { type = "tiny/pictures", paired = true }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "anime" } }
[train]
steps = 1
"""


@given(wanted=WANTED, situation=SITUATIONS)
def test_every_trick_is_either_used_or_has_a_reason(wanted: str | list[str], situation: Situation) -> None:
    speed = choose(wanted, situation)
    assert set(speed.tricks) | set(speed.why) == set(TRICKS)
    assert not set(speed.tricks) & set(speed.why)
    assert all(name in speed for name in speed.tricks) and not any(name in speed for name in speed.why)


@given(situation=SITUATIONS)
def test_safe_uses_none_and_auto_none_in_fp64(situation: Situation) -> None:
    assert choose("safe", situation).tricks == ()
    if situation.precision == "fp64":
        assert choose("auto", situation).tricks == ()


@given(situation=SITUATIONS, names=st.lists(st.sampled_from(list(TRICKS)), unique=True))
def test_a_list_means_what_it_names_where_that_is_possible(situation: Situation, names: list[str]) -> None:
    possible = {name for name in names if TRICKS[name].impossible(situation) is None}
    if "cuda-graphs" in possible:
        possible -= {"step-in-backward"}  # the one records gradients alone, the other updates between them
    assert set(choose(names, situation).tricks) == possible


@given(situation=SITUATIONS)
def test_auto_never_takes_what_is_impossible(situation: Situation) -> None:
    assert all(TRICKS[name].impossible(situation) is None for name in choose("auto", situation).tricks)


@given(situation=SITUATIONS, wanted=WANTED)
def test_of_the_tricks_that_a_recipe_lists_none_vanishes_silently(
    situation: Situation, wanted: str | list[str]
) -> None:
    speed = choose(wanted, situation)
    said = speed.words
    for name in wanted if isinstance(wanted, list) else ():
        assert name in speed or f"{name} ({speed.why[name]})" in said
    assert isinstance(wanted, list) or "not used" not in said


def test_the_words_of_a_list() -> None:
    cpu = Situation(device="cpu")
    assert choose(["quick-norms", "tf32"], cpu).words == "listed: quick-norms; not used: tf32 (for CUDA devices)"
    assert choose(["quick-norms"], cpu).words == "listed: quick-norms"


@given(situation=SITUATIONS)
def test_auto_uses_channels_last_where_it_pays(situation: Situation) -> None:
    pays = situation.device == "cuda" or (situation.device == "cpu" and situation.precision != "bf16")
    assert ("channels-last" in choose("auto", situation)) == (pays and situation.precision != "fp64")


@pytest.mark.usefixtures("tiny")
def test_what_was_chosen_is_in_the_log_and_the_record(tmp_path: Path) -> None:
    recipe = loads(RECIPE.replace("[train]", "[train]\nspeed = ['quick-norms', 'tf32', 'winograd']"))
    train(recipe, folder=tmp_path / "run", cpu=True)
    start = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert start["speed"]["wanted"] == "listed"
    assert start["speed"]["tricks"] == ["quick-norms"]
    assert start["speed"]["why_not"]["winograd"] == "nothing in this recipe to use it on"
    assert start["speed"]["why_not"]["tf32"] == "for CUDA devices"
    (begun,) = read_record(tmp_path / "run").starts
    assert begun.tricks == ("quick-norms",)
    assert begun.unused["compile"] == "not listed in train.speed"


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"fast"', '"auto"'),
        ('["chanels-last"]', "channels-last"),
        ("3", "an array"),
        ('["auto"]', "quick-norms"),
        ('"channels-last"', 'write ["channels-last"]'),
        ('"channels-last, tf32"', 'write ["channels-last", "tf32"]'),
        ('"sfe"', "did you mean 'safe'?"),
        ('"xyzzy"', "an array holds some of quick-norms, "),
    ],
)
def test_another_value_is_refused_with_what_there_is(value: str, said: str) -> None:
    with pytest.raises(ToonforgeError) as caught:
        loads(RECIPE.replace("[train]", f"[train]\nspeed = {value}"))
    assert "train.speed" in str(caught.value) and said in str(caught.value)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("network", "optimizer", "used"),
    [
        ('type = "tiny/generator"', "rmsprop", {"quick-norms"}),
        ('type = "tiny/generator"', "adam", {"quick-norms", "fused-optimizers"}),
        (
            'type = "cyclegan/resnet", width = 4, blocks = 1',
            "adam",
            {"quick-norms", "channels-last", "fused-optimizers"},
        ),
        ('type = "cyclegan/resnet", width = 64, blocks = 1', "rmsprop", {"quick-norms", "channels-last", "winograd"}),
        ('type = "pix2pix/unet", levels = 5, norm = "none"', "rmsprop", {"matrix-convolutions"}),
    ],
)
def test_a_trick_that_finds_nothing_to_do_is_not_named_as_used(network: str, optimizer: str, used: set[str]) -> None:
    own = {"quick-norms", "channels-last", "winograd", "matrix-convolutions", "fused-optimizers"}
    text = RECIPE.replace('type = "tiny/generator"', network)
    wanted = loads(text + f'optimizer = {{ type = "{optimizer}" }}\nspeed = {sorted(own)}')
    speed = Training(wanted, 1, 1, make_accelerator("fp32", cpu=True)).speed
    assert own.intersection(speed.tricks) == used
    assert all(speed.why[trick] == "nothing in this recipe to use it on" for trick in own - used)
    assert {*speed.left_out} == own - used


@pytest.mark.usefixtures("tiny")
def test_a_benchmark_offers_no_trick_that_finds_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "quick.toml"
    path.write_text(RECIPE)
    with Subject(Start(source=str(path), cpu=True)) as subject:
        about = subject.described()
    assert about["impossible"]["winograd"] == "nothing in this recipe to use it on"
    assert about["chosen"] == about["auto"] and "winograd" not in about["auto"]
