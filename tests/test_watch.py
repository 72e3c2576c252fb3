"""The divergence watch: what it says of logged losses and measured metrics, at both sides of every limit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toonforge import recipe as recipes
from toonforge.events import About, Measured, Step, Warned
from toonforge.losses.adversarial import BCE, LSGAN, Hinge, Wasserstein
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.runs.log import write_event
from toonforge.runs.record import Record, read_record
from toonforge.train.watch import Over, Watch
from toonforge.train.watch.hints import holding_terms

RECIPE = """
name = "watched"
data = {{ type = "tiny/pictures", fields = ["photo", "anime"], paired = true }}
generators.G = {{ type = "tiny/generator" }}
discriminators.D = {{ type = "tiny/discriminator" }}
signals = {{ fake = "G(photo)", judged = "D(fake)" }}
translations.anime = "G(photo)"
{metrics}

[phases.discriminator]
updates = ["D"]
losses.reals = {{ type = "lsgan", logits = "{real}", real = true }}
losses.fakes = {{ type = "lsgan", logits = "{fake}", real = false{weight} }}
{extra_losses}

[phases.generator]
updates = ["G"]
losses.fool = {{ type = "lsgan", logits = "D(fake)", real = true }}
losses.own = {{ type = "l2", input = "G(anime)", target = "anime", weight = 20 }}
losses.keep = {{ type = "l1", input = "fake", target = "photo", weight = {keep} }}

[train]
steps = 1000
{train}
"""
TERMS = ("discriminator.reals", "discriminator.fakes")


def recipe_of(
    real: str = "D(anime)",
    fake: str = "judged",
    weight: str = "",
    metrics: str = "",
    train: str = "",
    extra_losses: str = "",
    keep: str = "10",
) -> Recipe:
    return recipes.loads(
        RECIPE.format(
            real=real, fake=fake, weight=weight, metrics=metrics, train=train, extra_losses=extra_losses, keep=keep
        )
    )


def logged(step: int, *values: float, names: tuple[str, ...] = TERMS) -> Step:
    losses = dict(zip(names, values, strict=True))
    return Step(step=step, losses=losses, totals={}, images_per_second=1.0, memory=0, lr={})


def run(watch: Watch, steps: range, *values: float) -> list[Warned | Over]:
    return [change for step in steps for change in watch.logged(logged(step, *values))]


def kinds(changes: list[Warned | Over]) -> list[tuple[str, str, str]]:
    return [(type(change).__name__, change.kind, change.about) for change in changes]


WON = [("Warned", "discriminator-won", "D")]


@pytest.mark.parametrize(
    ("loss", "logits"),
    [
        (LSGAN(logits=Expr.parse("D(x)"), real=True), 0.5),
        (LSGAN(logits=Expr.parse("D(x)"), real=False), 0.5),
        (BCE(logits=Expr.parse("D(x)"), real=True), 0.0),
        (BCE(logits=Expr.parse("D(x)"), real=False), 0.0),
        (Hinge(logits=Expr.parse("D(x)"), role="real"), 0.0),
        (Hinge(logits=Expr.parse("D(x)"), role="fake"), 0.0),
    ],
)
def test_undecided_is_the_loss_of_logits_between_real_and_fake(loss: Any, logits: float) -> None:
    import torch

    assert float(loss.build()(logits=torch.full((2, 1, 3, 3), logits))) == pytest.approx(loss.undecided, rel=1e-6)


def test_losses_without_a_least_value_have_none() -> None:
    assert Wasserstein(logits=Expr.parse("D(x)"), real=True).undecided is None
    assert Hinge(logits=Expr.parse("D(x)"), role="generator").undecided is None


def test_a_discriminator_wins_just_below_a_twentieth_of_undecided(tiny: None) -> None:
    assert run(Watch(recipe_of()), range(10, 1000, 10), 0.0126, 0.0126) == []
    assert kinds(run(Watch(recipe_of()), range(10, 1000, 10), 0.0124, 0.0124)) == WON


def test_a_discriminator_that_is_right_about_one_kind_only_has_not_won(tiny: None) -> None:
    assert run(Watch(recipe_of()), range(10, 1000, 10), 0.2, 0.0) == []
    assert run(Watch(recipe_of()), range(10, 1000, 10), 0.0, 0.2) == []


@pytest.mark.parametrize(("every", "first"), [(1, 201), (10, 210), (50, 1000)])
def test_a_victory_takes_200_steps_and_20_logged_ones(tiny: None, every: int, first: int) -> None:
    changes = run(Watch(recipe_of()), range(every, 2000, every), 0.0, 0.0)
    # The first logged step is `every`: that many values, or that many steps after it.
    assert [change.step for change in changes] == [first]


def test_a_victory_is_told_once_and_is_over_well_above_its_limit(tiny: None) -> None:
    watch = Watch(recipe_of())
    assert kinds(run(watch, range(10, 500, 10), 0.001, 0.001)) == WON
    assert run(watch, range(500, 1000, 10), 0.02, 0.02) == []  # above the limit, not yet undecided again
    assert kinds(run(watch, range(1000, 1500, 10), 0.2, 0.001)) == [("Over", "discriminator-won", "D")]
    assert kinds(run(watch, range(1500, 2000, 10), 0.001, 0.001)) == WON


def test_one_wild_step_does_not_end_a_victory_nor_one_certain_step_begin_it(tiny: None) -> None:
    watch = Watch(recipe_of())
    run(watch, range(10, 500, 10), 0.001, 0.001)
    assert watch.logged(logged(500, 4.0, 4.0)) == []
    watch = Watch(recipe_of())
    run(watch, range(10, 500, 10), 0.1, 0.1)
    assert watch.logged(logged(500, 0.0, 0.0)) == []


def test_steps_at_which_the_phase_was_not_active_are_left_out(tiny: None) -> None:
    watch = Watch(recipe_of())
    changes: list[Warned | Over] = []
    for step in range(10, 1000, 10):
        present = logged(step, 0.0, 0.0) if step % 20 else logged(step, names=())
        changes += watch.logged(present)
    assert kinds(changes) == WON
    assert changes[0].step == 390  # the twentieth with losses


@pytest.mark.parametrize(
    "fields",
    [
        {"weight": ", weight = 0"},  # one term is left
        {"real": "pool(D(anime))"},  # not a plain call
    ],
)
def test_what_is_no_plain_pair_of_terms_is_not_judged(tiny: None, fields: dict[str, str]) -> None:
    names = TERMS[:1] if "weight" in fields else TERMS
    watch = Watch(recipe_of(**fields))
    for step in range(10, 1000, 10):
        assert watch.logged(logged(step, *[0.0] * len(names), names=names)) == []


def test_a_term_that_is_left_out_is_not_waited_for(tiny: None) -> None:
    unused = """
    [phases.discriminator.losses.unused]
    type = "lsgan"
    logits = "D(photo)"
    real = false
    weight = 0
    """
    text = RECIPE.format(real="D(anime)", fake="judged", weight="", metrics="", train="", extra_losses="", keep="10")
    recipe = recipes.loads(text + unused)
    assert kinds(run(Watch(recipe), range(10, 500, 10), 0.001, 0.001)) == WON


def test_hints_name_what_holds_a_translation_the_heaviest_first(tiny: None) -> None:
    recipe = recipe_of()
    graph = Graph(recipe.modules, recipe.signals)
    assert holding_terms(recipe, graph, recipe.translations["anime"]) == [
        "phases.generator.losses.own.weight = 20",
        "phases.generator.losses.keep.weight = 10",
    ]


def test_the_message_says_numbers_and_the_hint_what_this_recipe_lacks(tiny: None) -> None:
    (warned,) = run(Watch(recipe_of()), range(10, 500, 10), 0.0012, 0.0034)
    assert isinstance(warned, Warned)
    assert "discriminator.reals 0.0012" in warned.message
    assert "0.0034" in warned.message
    assert "phases.discriminator.every = 2" in warned.hint
    assert "augment(" in warned.hint
    assert "spectral_norm" not in warned.hint  # the tiny discriminator has no such setting
    (warned,) = run(Watch(recipe_of(real="D(augment(anime))")), range(10, 500, 10), 0.0, 0.0)
    assert isinstance(warned, Warned)
    assert "augment(" not in warned.hint


# -- metrics --------------------------------------------------------------------------------------------------

KID = 'metrics.kid = { type = "kid", generated = "G(photo)", reference = "anime" }'
SSIM = 'metrics.ssim = { type = "ssim", input = "G(photo)", target = "anime" }'


def measure(step: int, metric: str, cautions: tuple[str, ...] = (), **parts: float) -> Measured:
    values = {"": parts.pop("value"), **parts}
    about = About(better="lower", protocol="", pictures={}, cautions=cautions)
    return Measured(step=step, metrics={metric: values}, about={metric: about})


NOT_BEATEN = [("Warned", "not-beaten", "kid")]


@pytest.mark.parametrize("rival", ["untranslated", "filter"])
def test_a_metric_is_not_beaten_at_the_rivals_value_and_beaten_just_below(tiny: None, rival: str) -> None:
    assert (
        kinds(Watch(recipe_of(metrics=KID)).measured(measure(1000, "kid", value=50.0, **{rival: 50.0}))) == NOT_BEATEN
    )
    assert Watch(recipe_of(metrics=KID)).measured(measure(1000, "kid", value=49.9, **{rival: 50.0})) == []


def test_both_rivals_have_to_be_beaten(tiny: None) -> None:
    (warned,) = Watch(recipe_of(metrics=KID)).measured(measure(1000, "kid", value=50, untranslated=90, filter=40))
    assert isinstance(warned, Warned)
    assert "40 of a plain cartoon filter" in warned.message
    assert "90" not in warned.message


def test_a_difference_within_the_standard_errors_is_not_told(tiny: None) -> None:
    errors = {"std": 3.0, "untranslated_std": 4.0}
    watch = Watch(recipe_of(metrics=KID))
    assert watch.measured(measure(1000, "kid", value=54.9, untranslated=50.0, **errors)) == []
    (warned,) = watch.measured(measure(1000, "kid", value=55.1, untranslated=50.0, **errors))
    assert isinstance(warned, Warned)
    assert "55.1 ± 3" in warned.message
    assert "50 ± 4" in warned.message
    assert watch.measured(measure(1000, "kid", value=51.0, untranslated=50.0, **errors)) == []  # lasts
    assert kinds(watch.measured(measure(1000, "kid", value=49.0, untranslated=50.0, **errors))) == [
        ("Over", "not-beaten", "kid")
    ]


def test_higher_is_better_is_taken_so(tiny: None) -> None:
    recipe = recipe_of(metrics=SSIM)
    assert Watch(recipe).measured(measure(1000, "ssim", value=0.8, untranslated=0.7)) == []
    assert kinds(Watch(recipe).measured(measure(1000, "ssim", value=0.6, untranslated=0.7))) == [
        ("Warned", "not-beaten", "ssim")
    ]


def test_the_first_half_of_a_run_is_not_judged(tiny: None) -> None:
    worse = {"value": 90.0, "untranslated": 50.0}
    assert Watch(recipe_of(metrics=KID)).measured(measure(499, "kid", **worse)) == []
    assert kinds(Watch(recipe_of(metrics=KID)).measured(measure(500, "kid", **worse))) == NOT_BEATEN
    assert Watch(recipe_of(metrics=KID), total_steps=300).measured(measure(199, "kid", **worse)) == []
    assert kinds(Watch(recipe_of(metrics=KID), total_steps=300).measured(measure(200, "kid", **worse))) == NOT_BEATEN


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_numbers_that_are_none_are_not_judged(tiny: None, value: float) -> None:
    watch = Watch(recipe_of(metrics=KID))
    assert watch.measured(measure(1000, "kid", value=value, untranslated=50.0)) == []
    assert watch.measured(measure(1000, "kid", value=90.0, untranslated=value)) == []
    assert kinds(watch.measured(measure(1000, "kid", value=90.0, untranslated=50.0, std=value))) == NOT_BEATEN


@pytest.mark.parametrize(
    "metric",
    [
        'metrics.m = { type = "content-preservation", input = "photo", output = "G(photo)" }',
        'metrics.m = { type = "pixel-l1", input = "G(photo)", target = "photo" }',
        'metrics.m = { type = "fourier", input = "photo", output = "G(photo)" }',
        'metrics.m = { type = "tiny/mean", input = "G(photo)" }',
    ],
)
def test_metrics_of_the_change_and_those_without_judgement_are_left_alone(tiny: None, metric: str) -> None:
    worse = measure(1000, "m", value=90.0, untranslated=50.0, filter=50.0)
    assert Watch(recipe_of(metrics=metric)).measured(worse) == []


def test_the_filter_is_no_rival_where_its_pictures_are_the_target() -> None:
    recipe = recipes.loads(
        """
        name = "drawn"
        generators.G = { type = "pix2pix/unet", levels = 4 }
        translations.cartoon = "G(photo)"
        metrics.drawn = { type = "pixel-l1", input = "G(photo)", target = "cartoon" }
        [data]
        type = "samples/photo-cartoon"
        cartoon_field = "drawn"
        filtered = { cartoon = "cartoonize(photo, classic)" }
        image_size = 64
        [phases.p]
        updates = ["G"]
        losses.l = { type = "l1", input = "G(photo)", target = "cartoon" }
        [train]
        steps = 1000
        """
    )
    watch = Watch(recipe)
    assert watch.measured(measure(1000, "drawn", value=0.1, untranslated=0.2, filter=0.0)) == []
    assert kinds(watch.measured(measure(1000, "drawn", value=0.3, untranslated=0.2, filter=0.0))) == [
        ("Warned", "not-beaten", "drawn")
    ]


def test_a_metrics_cautions_stand_in_the_message(tiny: None) -> None:
    (warned,) = Watch(recipe_of(metrics=KID)).measured(
        measure(1000, "kid", cautions=("of 9 pictures",), value=60, untranslated=50)
    )
    assert isinstance(warned, Warned)
    assert "(of 9 pictures)" in warned.message


def hint(recipe: Recipe, keep: Callable[[int], float] = lambda step: 1.0) -> str:
    """The hint after a run whose `generator.keep` was `keep(step)`."""
    watch = Watch(recipe)
    names = ("generator.fool", "generator.own", "generator.keep")
    for step in range(10, 1001, 10):
        watch.logged(logged(step, 0.25, 0.0, keep(step), names=names))
    (name,) = recipe.metrics
    (warned,) = watch.measured(measure(1000, name, value=90.0 if name == "kid" else 0.1, untranslated=50.0))
    assert isinstance(warned, Warned)
    return warned.hint


def test_the_hint_of_a_metric_of_sets_is_about_the_adversarial_losses(tiny: None) -> None:
    assert "a higher weight for the adversarial losses" in hint(recipe_of(metrics=KID))
    assert "learning rate" not in hint(recipe_of(metrics=KID))


def test_the_hint_of_a_metric_of_pairs_is_about_the_losses_that_compare_the_pairs(tiny: None) -> None:
    given = hint(recipe_of(metrics=SSIM))
    assert "a higher weight for the losses that compare outputs with anime" in given
    assert "phases.generator.losses.own.weight = 20" in given
    assert "losses.keep" not in given
    assert "a lower learning rate (now train.optimizer.lr = 0.0002)" in given
    assert "adversarial" not in given


def test_a_loss_left_out_by_its_weight_is_named_and_a_missing_one_proposed(tiny: None) -> None:
    metrics = 'metrics.ssim = { type = "ssim", input = "G(anime)", target = "photo" }'
    assert "phases.generator.losses.keep.weight = 0" in hint(recipe_of(metrics=metrics, keep="0"))
    metrics = 'metrics.ssim = { type = "ssim", input = "G(photo)", target = "tiny/times(anime, 1)" }'
    assert "a loss that compares outputs with tiny/times(anime, 1) (l1, feature-l1)" in hint(recipe_of(metrics=metrics))


@pytest.mark.parametrize("metrics", [KID, SSIM])
def test_losses_that_still_fall_ask_for_more_steps(tiny: None, metrics: str) -> None:
    words = "more steps, since losses still fall"
    assert hint(recipe_of(metrics=metrics), lambda step: 1.0 if step <= 750 else 0.94).startswith(words)
    assert words not in hint(recipe_of(metrics=metrics), lambda step: 1.0 if step <= 750 else 0.96)
    assert words not in hint(recipe_of(metrics=metrics), lambda step: 9.0 if step <= 500 else 1.0)
    assert "learning rate" not in hint(recipe_of(metrics=metrics), lambda step: 1.0 / step)


# -- resuming -------------------------------------------------------------------------------------------------


def record_of(folder: Path, steps: list[Step], changes: list[Warned | Over]) -> Record:
    """What a run's folder says after these steps."""
    folder.mkdir()
    (folder / "resolved.toml").write_text('name = "run"\n')
    for step in steps:
        write_event(folder / "metrics.jsonl", "step", step.step, losses=step.losses, totals={}, lr={})
    for change in changes:
        words = {"message": change.message, "hint": change.hint} if isinstance(change, Warned) else {}
        event = "warning" if isinstance(change, Warned) else "over"
        write_event(folder / "metrics.jsonl", event, change.step, kind=change.kind, about=change.about, **words)
    return read_record(folder)


@pytest.mark.parametrize("stop", [90, 200, 210, 400, 590, 600, 610, 790, 990])
def test_a_resumed_run_is_watched_as_an_uninterrupted_one(tiny: None, tmp_path: Path, stop: int) -> None:
    certain = (*range(10, 400, 10), *range(700, 1200, 10))
    steps = [logged(step, *([0.001] * 2 if step in certain else [0.2] * 2)) for step in range(10, 1200, 10)]
    whole = Watch(recipe_of())
    expected = [change for step in steps for change in whole.logged(step)]
    assert [type(change).__name__ for change in expected] == ["Warned", "Over", "Warned"]
    first = Watch(recipe_of())
    before = [step for step in steps if step.step <= stop]
    told = [change for step in before for change in first.logged(step)]
    second = Watch(recipe_of())
    second.restore(record_of(tmp_path / "run", before, told))
    told += [change for step in steps[len(before) :] for change in second.logged(step)]
    assert told == expected
