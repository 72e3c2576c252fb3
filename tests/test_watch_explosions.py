"""The divergence watch: losses that explode, at both sides of every limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_watch import kinds, logged, recipe_of, record_of
from toonforge.events import Step, Warned
from toonforge.train.watch import Over, Watch

DISCRIMINATOR = ("discriminator.reals", "discriminator.fakes")
"""Undecided: 0.25 each, 0.5 together."""
GENERATOR = ("generator.fool", "generator.own", "generator.keep")
"""Weights 1, 20 and 10; an undecided discriminator: 0.25."""


@pytest.fixture(autouse=True)
def _tiny(tiny: None) -> None:
    """All tests here take the tiny components."""


def run(watch: Watch, steps: range, *values: float, names: tuple[str, ...] = DISCRIMINATOR) -> list[Warned | Over]:
    return [change for step in steps for change in watch.logged(logged(step, *values, names=names))]


def test_a_discriminator_explodes_just_above_a_hundred_times_undecided_and_from_the_first_step_on() -> None:
    assert run(Watch(recipe_of()), range(10, 500, 10), 24.9, 24.9) == []
    (warned,) = run(Watch(recipe_of()), range(10, 500, 10), 25.1, 25.1)
    assert isinstance(warned, Warned)
    assert (warned.kind, warned.about, warned.step) == ("exploding", "discriminator", 100)  # the tenth logged
    assert "50, 1e+02 times what is normal for it (0.5)" in warned.message


def test_other_losses_explode_against_their_own_beginning() -> None:
    for now, expected in ((9.9, []), (10.2, [("Warned", "exploding", "generator")])):
        watch = Watch(recipe_of())
        assert run(watch, range(10, 70, 10), 0.25, 0.1, 0.1, names=GENERATOR) == []
        assert kinds(run(watch, range(70, 500, 10), 25.0, now, now, names=GENERATOR)) == expected


def test_the_weights_of_a_recipe_count() -> None:
    watch = Watch(recipe_of())
    run(watch, range(10, 70, 10), 0.25, 0.1, 0.1, names=GENERATOR)  # 0.25 + 2 + 1
    assert run(watch, range(70, 500, 10), 0.25, 0.1, 30.0, names=GENERATOR) == []  # 302
    assert kinds(run(watch, range(500, 900, 10), 0.25, 30.0, 0.1, names=GENERATOR)) == [
        ("Warned", "exploding", "generator")  # 601
    ]


def test_the_largest_of_the_first_steps_is_normal_and_there_are_five_over_fifty_steps() -> None:
    for spike, expected in ((10, 0), (40, 0), (60, 0), (70, 1)):
        watch = Watch(recipe_of())
        for step in range(10, 80, 10):
            watch.logged(logged(step, 0.25, 1.0 if step == spike else 0.1, 0.1, names=GENERATOR))
        # 325 would be a hundred times the level without the spike.
        assert len(run(watch, range(80, 500, 10), 0.25, 16.3, 0.1, names=GENERATOR)) == expected


def test_networks_that_begin_as_the_identity_may_leave_it() -> None:
    watch = Watch(recipe_of())
    run(watch, range(10, 70, 10), 0.25, 0.0, 0.0, names=GENERATOR)
    assert run(watch, range(70, 500, 10), 0.25, 0.9, 0.9, names=GENERATOR) == []


def test_single_wild_steps_are_no_explosion() -> None:
    watch = Watch(recipe_of())
    for step in range(10, 1000, 10):
        value = 1e6 if step % 50 == 0 else 0.25
        assert watch.logged(logged(step, value, value)) == []


def test_an_explosion_is_told_once_and_is_over_below_thirty_times_the_normal_level() -> None:
    watch = Watch(recipe_of())
    assert kinds(run(watch, range(10, 300, 10), 1e6, 1e6)) == [("Warned", "exploding", "discriminator")]
    assert run(watch, range(300, 600, 10), 7.6, 7.6) == []
    assert kinds(run(watch, range(600, 900, 10), 7.4, 7.4)) == [("Over", "exploding", "discriminator")]
    assert kinds(run(watch, range(900, 1200, 10), 1e6, 1e6)) == [("Warned", "exploding", "discriminator")]


def test_losses_of_discriminators_without_a_natural_scale_take_no_part() -> None:
    wasserstein = recipe_of().phases["discriminator"].losses["reals"]
    assert wasserstein.loss.undecided == 0.25
    recipe = recipe_of(extra_losses='losses.critic = { type = "wasserstein", logits = "D(anime)", real = true }')
    watch = Watch(recipe)
    names = (*DISCRIMINATOR, "discriminator.critic")
    assert run(watch, range(10, 500, 10), 0.2, 0.2, -1e6, names=names) == []


def test_the_hint_says_rate_and_clip_of_the_recipe() -> None:
    (warned,) = run(Watch(recipe_of()), range(10, 500, 10), 1e6, 1e6)
    assert warned.hint == "a lower learning rate (now train.optimizer.lr = 0.0002); train.clip = 1"  # type: ignore[union-attr]
    (warned,) = run(Watch(recipe_of(train="clip = 5")), range(10, 500, 10), 1e6, 1e6)
    assert warned.hint.endswith("a lower train.clip than 5")  # type: ignore[union-attr]


@pytest.mark.parametrize("stop", [20, 60, 90, 100, 390, 450, 500, 750])
def test_a_resumed_run_is_watched_as_an_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    steps: list[Step] = []
    for step in range(10, 1000, 10):
        wild = 1e6 if 300 <= step < 500 or step >= 700 else 0.2
        steps.append(logged(step, 0.25, 0.1 * wild, 0.1, names=GENERATOR))
    whole = Watch(recipe_of())
    expected = [change for step in steps for change in whole.logged(step)]
    assert [type(change).__name__ for change in expected] == ["Warned", "Over", "Warned"]
    before = [step for step in steps if step.step <= stop]
    first, second = Watch(recipe_of()), Watch(recipe_of())
    told = [change for step in before for change in first.logged(step)]
    second.restore(record_of(tmp_path / "run", before, told))
    told += [change for step in steps[len(before) :] for change in second.logged(step)]
    assert told == expected
