"""What a measurement makes of its numbers: ratios, stages, parts of a step, variants, advice. Nothing is trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toonforge.bench.advice import advice
from toonforge.bench.asked import trick_names
from toonforge.bench.measured import Measurement, Row, as_json
from toonforge.bench.parts import BACKWARD, OPTIMIZER, REST, STEP, Call, Span, by_kind, label, shared_out
from toonforge.bench.ratios import Ratio, Times, told_apart, turns_for
from toonforge.bench.stage import LONGEST, Stage, stage_of, stages
from toonforge.bench.variants import AS_IS, AUTO, SAFE, Here, Variant, planned
from toonforge.errors import RunError
from toonforge.recipe.model import Phase
from toonforge.speed.tricks import TRICKS
from toonforge.train.phases import PlannedPhase

seconds = st.lists(st.floats(0.01, 100), min_size=1, max_size=12)

# -- ratios -----------------------------------------------------------------------------------------------------------


@given(seconds, st.floats(0.1, 10))
def test_a_ratio_does_not_know_what_slows_both_down(times: list[float], factor: float) -> None:
    others = list(reversed(times))
    slowed = [value * (1 + index) for index, value in enumerate(times)]
    beside = [value * (1 + index) for index, value in enumerate(others)]
    assert Ratio.of(slowed, beside).values == pytest.approx(Ratio.of(times, others).values)
    assert Ratio.of([factor * value for value in times], times).median == pytest.approx(factor)


def against(*variants: list[float], own: list[float] | None = None) -> Measurement:
    """Variants beside the recipe as it is, which takes one second each turn unless said otherwise."""
    beside = tuple(own or [1.0] * len(variants[0]))
    rows = [Row(variant=Variant(name=AS_IS), times=Times(beside), waits=Times((0.0,) * len(beside)))]
    for number, times in enumerate(variants):
        one = Times(tuple(times))
        ratio = Ratio.of(times, beside)
        rows.append(Row(variant=Variant(name=str(number), change=f"a.b={number}"), times=one, waits=one, ratio=ratio))
    return Measurement(about={}, here=Here(wanted="auto", chosen=(), auto=()), rows=tuple(rows), steps=1, turns=5)


def verdicts(found: Measurement) -> list[str | None]:
    return [found.verdict(row) for row in found.rows[1:]]


@given(seconds)
def test_nothing_is_faster_or_slower_than_itself(times: list[float]) -> None:
    found = against(times, own=times)
    assert found.factor(found.rows[1]) == 1 and verdicts(found) == [None]


@given(st.lists(st.tuples(st.floats(0.5, 2), st.floats(0.5, 2)), min_size=1, max_size=12))
def test_a_verdict_says_what_the_medians_say_and_the_other_way_round_the_other(
    pairs: list[tuple[float, float]],
) -> None:
    times, own = [list(one) for one in zip(*pairs, strict=True)]
    (there,), (back,) = verdicts(against(times, own=own)), verdicts(against(own, own=times))
    measured = against(times, own=own)
    if there is not None:
        assert (there == "faster") == (measured.factor(measured.rows[1]) < 1)
        assert (there == "faster") == (measured.rows[1].images_per_second > measured.own.images_per_second)
    assert there is None or back != there


@pytest.mark.parametrize(
    ("values", "sure"),
    [
        ([0.8] * 4, False),  # four of four happen by chance one time in eight
        ([0.8] * 5, True),
        ([0.8] * 5 + [0.81, 1.01], False),
        ([0.9] * 7 + [1.01], False),
        ([0.9] * 8 + [1.01], True),
        ([0.995] * 20, False),  # sure, and not worth a word
        ([0.7, 0.8, 0.92, 0.93, 0.93], False),  # a spread as wide as the difference
        ([0.5, 0.5, 0.5, 0.6, 0.7], True),
    ],
)
def test_a_difference_takes_turns_that_agree_and_more_than_they_spread(values: list[float], sure: bool) -> None:
    assert verdicts(against(values)) == ["faster" if sure else None]
    assert verdicts(against([1.0] * len(values), own=values)) == ["slower" if sure else None]


def test_medians_that_contradict_the_turns_tell_nothing() -> None:
    """Each turn is slower than its neighbour, while the machine slows down: the medians shown must say so too."""
    own = [1.0, 1.001, 1.002, 1.05, 1.06]
    times = [1.0001, 1.0011, 1.0021, 1.0501, 1.0601]
    assert all(value > 1 for value in Ratio.of(times, own).values)
    assert verdicts(against(times, own=own)) == [None]


def test_of_many_rows_no_more_are_told_apart_by_chance_than_of_one() -> None:
    sure, even = [0.8] * 5, [0.99, 1.01, 0.99, 1.01, 1.0]
    assert verdicts(against(sure)) == ["faster"]
    assert verdicts(against(sure, even)) == [None, None]
    assert verdicts(against([0.8] * 6, [*even, 1.0])) == ["faster", None]
    # Holm: what the surest row has passed, the others need not pass once more.
    assert verdicts(against([0.8] * 8, [0.9] * 7 + [1.01])) == ["faster", None]
    assert verdicts(against([0.8] * 9, [0.9] * 8 + [1.01])) == ["faster", "faster"]


@given(st.integers(1, 40))
def test_the_fewest_turns_can_tell_one_of_all_rows(rows: int) -> None:
    one, even = Ratio((0.5,) * turns_for(rows)), Ratio((1.0,))
    assert told_apart([*[even] * (rows - 1), one])[-1]
    assert not told_apart([*[even] * (rows - 1), Ratio(one.values[1:])])[-1]


def test_times_are_told_by_their_median_and_half_their_range() -> None:
    times = Times((1.0, 3.0, 2.0))
    assert (times.median, times.least, times.spread) == (2.0, 1.0, 0.5)


# -- stages -----------------------------------------------------------------------------------------------------------


def phase(name: str, start: int, stop: int, every: int = 1) -> PlannedPhase:
    nothing: Any = None
    return PlannedPhase(
        name=name,
        phase=Phase(updates=("G",), losses={}, every=every),
        updates=frozenset("G"),
        start=start,
        stop=stop,
        owner="train",
        optimizer=nothing,
        schedule=nothing,
        steps_per_epoch=1,
    )


phases = st.lists(
    st.builds(
        lambda start, length, every: phase(f"p{start}-{length}-{every}", start, start + length, every),
        st.integers(0, 30),
        st.integers(1, 40),
        st.integers(1, 4),
    ),
    min_size=1,
    max_size=4,
)


def pattern(found: list[PlannedPhase], step: int) -> tuple[bool, ...]:
    return tuple(one.active(step) for one in found)


@given(phases, st.integers(1, 70))
def test_stages_cover_every_step_that_trains_anything(found: list[PlannedPhase], total: int) -> None:
    covered = [range(one.first, one.first + one.count) for one in stages(found, total)]
    steps = [step for one in covered for step in one]
    assert steps == sorted(set(steps)) and all(step < total for step in steps)
    assert {step for step in range(total) if any(pattern(found, step))} <= set(steps)


@given(phases, st.integers(1, 70), st.integers(0, 200))
def test_whatever_is_measured_is_a_step_of_the_stage_in_its_pattern(
    found: list[PlannedPhase], total: int, number: int
) -> None:
    stage = stage_of(found, total)
    if stage is None:
        assert not any(any(pattern(found, step)) for step in range(total))
        return
    step = stage.step(number)
    assert stage.first <= step < stage.first + stage.count
    if stage.count >= stage.cycle:
        assert pattern(found, step) == pattern(found, stage.first + number % stage.cycle)
    assert stage.count == max(one.count for one in stages(found, total))


def test_a_step_that_is_asked_for_is_the_first_that_is_measured() -> None:
    found = [phase("warm-up", 0, 10), phase("training", 10, 100, every=2)]
    asked = stage_of(found, 100, at=4)
    assert asked is not None and (asked.phases, asked.first, asked.count) == (("warm-up",), 4, 6)
    longest = stage_of(found, 100)
    assert longest is not None and (longest.phases, longest.first, longest.cycle) == (("training",), 10, 2)
    assert stage_of(found, 100, at=100) is None


@given(st.integers(1, 2 * LONGEST), st.integers(1, 50))
def test_a_turn_holds_whole_cycles_where_they_are_not_too_long(cycle: int, steps: int) -> None:
    rounded = Stage(first=0, count=10**6, phases=("p",), cycle=cycle).rounded(steps)
    assert rounded == steps if cycle > LONGEST else rounded % cycle == 0 and steps <= rounded < steps + cycle


# -- parts of a step --------------------------------------------------------------------------------------------------

NAMES = [label("network", "G"), label("loss", ""), "Optimizer.step#Adam.step", f"{BACKWARD}: X", "aten::add", STEP]
spans = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 100), st.floats(0, 1), st.integers(-1, 20)),
    min_size=1,
    max_size=25,
)


@given(spans)
def test_all_that_lies_in_a_step_is_shared_out(drawn: list[tuple[str, int, float, int]]) -> None:
    tree = [Span(name=STEP, seconds=0.5, device=0.25)]
    for name, parent, time, number in drawn:
        tree.append(Span(name=name, parent=parent % len(tree), seconds=time, device=time / 2, number=number))
    calls = [Call(kind="network", name="G", first=0, last=9), Call(kind="loss", name="", first=9, last=12)]
    whole = math.fsum(span.seconds for span in tree)
    assert math.fsum(shared_out(tree, calls).values()) == pytest.approx(whole)
    assert math.fsum(shared_out(tree, calls, device=True).values()) == pytest.approx(whole / 2)


def test_backwards_are_found_by_number_and_counted_to_the_innermost_call() -> None:
    """A gradient penalty calls a discriminator within the loss; its optimizer steps within the backward pass."""
    calls = [
        Call(kind="network", name="G", first=0, last=3),
        Call(kind="loss", name="", first=3, last=9),
        Call(kind="network", name="D", first=4, last=7),
    ]
    tree = [
        Span(name=STEP, seconds=1),
        Span(name=label("network", "G"), parent=0, seconds=2),
        Span(name="aten::conv2d", parent=1, seconds=4),
        Span(name=label("loss", ""), parent=0, seconds=8),
        Span(name=label("network", "D"), parent=3, seconds=16),
        Span(name=label("loss", ""), parent=4, seconds=32),  # within a network all is the network's
        Span(name=f"{BACKWARD}: MulBackward0", parent=0, seconds=64, number=8),
        Span(name=f"{BACKWARD}: ConvolutionBackward0", parent=0, seconds=128, number=6),
        Span(name=f"{BACKWARD}: ConvolutionBackward0", seconds=256, number=2),  # on a GPU's own thread
        Span(name=f"{BACKWARD}: SubBackward0", parent=0, seconds=4096, number=3),  # the loss's first
        Span(name=f"{BACKWARD}: AccumulateGrad", parent=0, seconds=512),
        Span(name="Optimizer.step#Adam.step", parent=10, seconds=1024),
        Span(name="aten::add", seconds=2048),  # before or after the steps
    ]
    assert shared_out(tree, calls) == {
        REST: 1 + 512,
        ("network", "G", "forward"): 2 + 4,
        ("loss", "", "forward"): 8,
        ("network", "D", "forward"): 16 + 32,
        ("loss", "", "backward"): 64 + 4096,
        ("network", "D", "backward"): 128,
        ("network", "G", "backward"): 256,
        OPTIMIZER: 1024,
    }
    kinds = by_kind(shared_out(tree, calls), {"G": "generators", "D": "discriminators"})
    assert kinds["generators"] == {"forward": 6, "backward": 256}
    assert kinds["discriminators"] == {"forward": 48, "backward": 128}
    assert kinds["losses"] == {"forward": 8, "backward": 64 + 4096} and kinds["optimizers"] == {"": 1024}
    assert kinds["rest"] == {"": 513}


# -- variants ---------------------------------------------------------------------------------------------------------

some = st.frozensets(st.sampled_from(list(TRICKS)))


def in_order(names: frozenset[str]) -> tuple[str, ...]:
    return tuple(name for name in TRICKS if name in names)


def tricks_of(variant: Variant, here: Here) -> frozenset[str]:
    if variant.speed is None or isinstance(variant.speed, str):
        return frozenset({None: here.chosen, SAFE: (), AUTO: here.auto}[variant.speed])
    return frozenset(variant.speed)


@given(some, some, some)
def test_every_variant_is_another_and_a_trick_differs_by_itself(
    chosen: frozenset[str], auto: frozenset[str], impossible: frozenset[str]
) -> None:
    here = Here(
        wanted="listed",
        chosen=in_order(chosen - impossible),
        auto=in_order(auto - impossible),
        impossible=dict.fromkeys(impossible, "for others"),
    )
    found = planned(here, None)
    used = [frozenset(here.chosen), *(tricks_of(variant, here) for variant in found)]
    assert len(set(used)) == len(used)
    alone = {variant.trick: tricks_of(variant, here) for variant in found if variant.trick is not None}
    assert set(alone) == set(TRICKS) - impossible
    assert all(tricks ^ set(here.chosen) == {trick} for trick, tricks in alone.items())
    assert set() in used and set(here.auto) in used
    assert planned(here, ()) == [one for one in found if one.name in (SAFE, AUTO)] or any(one.trick for one in found)


def test_only_what_is_asked_for_is_measured_one_by_one() -> None:
    here = Here(wanted="auto", chosen=("quick-norms", "channels-last"), auto=("quick-norms", "channels-last"))
    assert [one.name for one in planned(here, ())] == [SAFE]
    named = planned(here, ("channels-last", "compile"), ("train.batch_size=4",))
    assert [one.name for one in named] == [SAFE, "without channels-last", "with compile", "train.batch_size=4"]
    assert named[1].speed == ("quick-norms",) and named[2].speed == ("quick-norms", "channels-last", "compile")


def test_names_of_tricks_are_checked() -> None:
    assert trick_names("compile, channels-last,compile") == ("compile", "channels-last")
    with pytest.raises(RunError, match="no trick 'chanels-last'") as caught:
        trick_names("chanels-last,compile")
    assert "channels-last" in str(caught.value.problems[0].hint)
    with pytest.raises(RunError, match="names no trick"):
        trick_names(" , ")


# -- advice -----------------------------------------------------------------------------------------------------------


def measured(
    ratios: Mapping[str, float], wanted: str, chosen: tuple[str, ...], auto: tuple[str, ...], data: float = 0.0
) -> Measurement:
    here = Here(wanted=wanted, chosen=chosen, auto=auto)
    rows = [Row(variant=Variant(name=AS_IS), tricks=chosen, times=Times((1.0,) * 9), waits=Times((data,) * 9))]
    for variant in planned(here, None):
        if variant.name in ratios:
            times = Times((ratios[variant.name],) * 9)
            rows.append(Row(variant=variant, times=times, waits=times, ratio=Ratio(times.values)))
    return Measurement(
        about={"workers": 0, "cache": "memory", "kept": False}, here=here, rows=tuple(rows), steps=1, turns=9
    )


TWO = ("quick-norms", "channels-last")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (measured({SAFE: 1.25}, "auto", TWO, TWO), 'nothing to do: speed = "auto" saves 20% of the time'),
        (
            measured({SAFE: 1.0}, "auto", TWO, TWO),
            'nothing to do: these turns do not tell speed = "auto" from no trick',
        ),
        (measured({SAFE: 0.9}, "auto", TWO, TWO), 'write speed = "safe" in [train]: 10% less time'),
        (measured({AUTO: 0.8}, "safe", (), TWO), 'write speed = "auto" in [train]: 20% less time'),
        (measured({SAFE: 1.2, "with compile": 0.9}, "auto", TWO, TWO), 'speed = ["quick-norms", "channels-last", "com'),
        (measured({"without channels-last": 0.9}, "auto", TWO, TWO), 'write speed = ["quick-norms"] in [train]'),
        (measured({AUTO: 0.9}, "listed", TWO[:1], TWO), 'write speed = "auto" in [train]: channels-last pays here'),
        (measured({SAFE: 0.9}, "auto", TWO[:1], TWO[:1]), 'write speed = "safe" in [train]: quick-norms does not pay'),
        (measured({"without quick-norms": 1.2}, "auto", TWO, TWO), "nothing to do"),
        (measured({}, "auto", (), ()), "nothing to do: it is computed as written"),
    ],
    ids=["pays", "even", "costs", "auto", "one-more", "one-less", "as-auto", "as-safe", "needed", "fp64"],
)
def test_the_advice_is_what_the_turns_say(found: Measurement, said: str) -> None:
    (line,) = advice(found)
    assert said in line


def test_a_change_that_was_tried_and_is_faster_is_advised_after_the_speed() -> None:
    found = against([0.8] * 9, [0.5] * 9, [1.2] * 9)
    first, *lines = advice(attrs.evolve(found, about={"workers": 0, "cache": "memory", "kept": False}))
    assert first.startswith("leave train.speed as it is")
    assert lines == [
        "write b = 1 in [a]: a.b=1 is faster here, 50% less time a picture",
        "write b = 0 in [a]: a.b=0 is faster here, 20% less time a picture",
    ]


def test_waiting_for_pictures_has_a_line_of_its_own() -> None:
    lines = advice(measured({SAFE: 1.25}, "auto", TWO, TWO, data=0.4))
    assert (
        len(lines) == 2
        and lines[0].startswith("leave train.speed as it is: ")
        and "40% of the time waits for pictures" in lines[1]
        and lines[1].endswith('workers = 2 in [train], or cache = "disk" in [data]')
    )


def test_what_is_written_for_programs_holds_every_turn() -> None:
    found = as_json(measured({SAFE: 1.25}, "auto", TWO, TWO), ("nothing to do",), ("a note",))
    assert found["format"] == 1 and found["toonforge"] and found["notes"] == ["a note"]
    assert set(", ".join(found["units"]).split(", ")) <= {*found, *found["variants"][1]}
    assert datetime.fromisoformat(found["date"]).tzinfo is not None
    assert [row["name"] for row in found["variants"]] == [AS_IS, SAFE]
    assert found["variants"][1]["ratios"] == [1.25] * 9 and found["variants"][1]["verdict"] == "slower"
    assert list(itertools.chain(*(row["seconds"] for row in found["variants"]))) == [1.0] * 9 + [1.25] * 9
