"""The divergence watch: what it says of a translation's outputs, at both sides of every limit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.test_watch import kinds, recipe_of
from toonforge.train.watch import Watch
from toonforge.train.watch.outputs import Outputs, compare
from toonforge.validation.grid import Drawn

STEP = 500
LEVEL = 2 / 255
"""One grey level of 255, in [-1, 1]."""


def pictures(count: int = 4, size: int = 32, seed: int = 0) -> Tensor:
    """Smooth coloured pictures that differ: N,3,H,W in [-0.9, 0.9]."""
    coarse = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size=(size, size), mode="bilinear").clamp(-0.9, 0.9)


def drawn(inputs: Tensor, outputs: Tensor) -> Drawn:
    return Drawn(grid=Path("grid.jpg"), shown={"anime": (inputs, outputs)})


def told(inputs: Tensor, outputs: Tensor, step: int = STEP) -> list[str]:
    """The kinds of warning that a fresh watch tells of one drawing."""
    return [kind for _, kind, _ in kinds(Watch(recipe_of()).drawn(step, drawn(inputs, outputs)))]


def only(inputs: Tensor, outputs: Tensor) -> Outputs:
    return compare({"anime": (inputs, outputs)})["anime"]


@pytest.fixture(autouse=True)
def _tiny(tiny: None) -> None:
    """All tests here take the tiny components."""


@pytest.mark.parametrize("count", [1, 2, 8])
def test_outputs_that_equal_their_inputs_are_unchanged(count: int) -> None:
    x = pictures(count)
    assert told(x, x) == ["unchanged"]
    assert told(x, x + 1.4 * LEVEL) == ["unchanged"]
    assert told(x, x + 1.6 * LEVEL) == []


@pytest.mark.parametrize("count", [1, 2, 8])
def test_outputs_of_one_colour_are_told_and_nothing_else(count: int) -> None:
    x = pictures(count)
    ripples = torch.tensor([1.0, -1.0]).repeat(16)  # a standard deviation of 1
    assert told(x, torch.full_like(x, 0.3)) == ["one-colour"]
    assert told(x, 0.3 + 3.9 * LEVEL * ripples.expand_as(x)) == ["one-colour"]
    assert "one-colour" not in told(x, 0.3 + 4.1 * LEVEL * ripples.expand_as(x))


def test_each_output_may_have_a_colour_of_its_own() -> None:
    x = pictures(4)
    assert told(x, x.mean((2, 3), keepdim=True).expand_as(x)) == ["one-colour"]


def test_the_frame_that_padding_leaves_does_not_hide_one_colour() -> None:
    x = pictures(4)
    y = torch.full_like(x, 0.3)
    y[..., :3, :] = y[..., -3:, :] = y[..., :3] = y[..., -3:] = -1
    assert told(x, y) == ["one-colour"]


@pytest.mark.parametrize("count", [2, 8])
def test_the_same_picture_whatever_the_input_is_told(count: int) -> None:
    x = pictures(count)
    same = pictures(1, seed=9).expand_as(x)
    assert told(x, same) == ["same-output"]
    own = x - x.mean(0)
    assert "same-output" in told(x, same * 0.5 + 0.04 * own)
    assert "same-output" not in told(x, same * 0.5 + 0.06 * own)


def test_one_picture_or_equal_inputs_are_no_reason_to_call_outputs_the_same() -> None:
    x = pictures(1)
    assert told(x, pictures(1, seed=9)) == []
    assert told(x.expand(4, -1, -1, -1), pictures(1, seed=9).expand(4, -1, -1, -1)) == []


@pytest.mark.parametrize("count", [1, 2, 8])
def test_negatives_are_inverted(count: int) -> None:
    x = pictures(count)
    (warned,) = Watch(recipe_of()).drawn(STEP, drawn(x, -x))
    assert warned.kind == "inverted"
    assert "brightness and colour" in warned.message  # type: ignore[union-attr]


def test_inverted_brightness_alone_and_inverted_colour_alone_are_told() -> None:
    x = pictures(8)
    luma = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    for outputs, word in (((x - luma) - luma, "brightness"), (luma - (x - luma), "colour")):
        (warned,) = Watch(recipe_of()).drawn(STEP, drawn(x, outputs))
        assert f"inverts {word}:" in warned.message  # type: ignore[union-attr]


def test_a_tint_over_all_pictures_is_no_inversion() -> None:
    warm = pictures(8) * 0.2 + torch.tensor([0.5, 0.1, -0.4]).view(1, 3, 1, 1)
    assert told(warm, warm - 2 * torch.tensor([0.4, 0.0, -0.4]).view(1, 3, 1, 1)) == []


def test_inversion_begins_at_half_a_correlation() -> None:
    x, noise = pictures(8).mean(1, keepdim=True), pictures(8, seed=9).mean(1, keepdim=True)
    x, noise = ((p - p.mean((2, 3), keepdim=True)) for p in (x, noise))
    noise = noise - x * (noise * x).sum((2, 3), keepdim=True) / x.square().sum((2, 3), keepdim=True)
    x, noise = ((0.3 * p / p.std((2, 3), keepdim=True)).expand(-1, 3, -1, -1) for p in (x, noise))
    for correlation, expected in ((-0.52, ["inverted"]), (-0.48, [])):
        y = correlation * x + (1 - correlation**2) ** 0.5 * noise
        assert only(x, y).brightness == pytest.approx(correlation, abs=1e-4)
        assert told(x, y) == expected


def test_grey_pictures_have_no_colour_to_invert_and_are_judged_by_brightness() -> None:
    grey = pictures(4).mean(1, keepdim=True).expand(-1, 3, -1, -1)
    assert only(grey, pictures(4)).colour is None
    assert only(pictures(4), grey).colour is None
    assert told(grey, -grey) == ["inverted"]
    assert told(grey, grey) == ["unchanged"]


def extremes(share: float, low: float, count: int = 4) -> tuple[Tensor, Tensor]:
    """Pictures, and outputs that are alike but for this share of their values, of which `low` lie at the lower end."""
    x = pictures(count) * 0.9
    y = x.flatten().clone()
    order = y.argsort()
    many = round(share * y.numel())
    y[order[: round(low * many)]] = -0.995
    y[order[y.numel() - many + round(low * many) :]] = 0.995
    return x, y.view_as(x)


def test_outputs_at_both_ends_of_the_range_are_saturated() -> None:
    x, y = extremes(0.47, 0.5, count=1)
    assert told(x, y) == ["saturated"]
    assert only(x, y).ends == pytest.approx(0.47, abs=1e-3)
    assert only(x, y).lesser_end == pytest.approx(0.235, abs=1e-3)
    assert told(*extremes(0.43, 0.5, count=1)) == []


@pytest.mark.parametrize("low", [0.2, 0.8])
def test_drawings_on_white_or_black_paper_are_not_saturated(low: float) -> None:
    assert told(*extremes(0.6, low, count=1)) == ["saturated"]
    assert told(*extremes(0.6, 0.15 if low < 0.5 else 0.85, count=1)) == []


def test_values_short_of_the_ends_are_not_counted_and_values_past_them_are() -> None:
    x, y = extremes(0.6, 0.5, count=1)
    assert only(x, y * 0.985 / 0.995).ends == 0
    assert only(x, y * 9).ends > 0.6


def test_outputs_are_saturated_that_have_a_quarter_more_at_the_ends_than_their_inputs() -> None:
    _, y = extremes(0.6, 0.5, count=1)
    for share, expected in ((0.34, ["saturated"]), (0.36, [])):
        assert told(extremes(share, 0.0, count=1)[1], y) == expected
    watch = Watch(recipe_of())
    watch.drawn(300, drawn(extremes(0.3, 0.0, count=1)[1], y))
    assert watch.drawn(400, drawn(extremes(0.44, 0.0, count=1)[1], y)) == []
    assert kinds(watch.drawn(500, drawn(extremes(0.46, 0.0, count=1)[1], y))) == [("Over", "saturated", "anime")]


def test_saturation_is_told_once_and_is_over_well_below_its_limit() -> None:
    watch, told_of = Watch(recipe_of()), []
    for step, share, low in ((300, 0.6, 0.5), (400, 0.4, 0.5), (500, 0.34, 0.5), (600, 0.6, 0.5), (700, 0.6, 0.07)):
        told_of.append([kind for kind, *_ in kinds(watch.drawn(step, drawn(*extremes(share, low, count=1))))])
    assert told_of == [["Warned"], [], ["Over"], ["Warned"], ["Over"]]


def test_the_hint_of_saturation_names_the_learning_rate() -> None:
    (warned,) = Watch(recipe_of()).drawn(STEP, drawn(*extremes(0.6, 0.5, count=1)))
    assert "train.optimizer.lr" in warned.hint  # type: ignore[union-attr]
    assert "60 % of the outputs' values" in warned.message  # type: ignore[union-attr]


def test_flat_inputs_are_left_out() -> None:
    x = pictures(4)
    flat = torch.full_like(x, -1.0)
    assert compare({"anime": (flat, flat)}) == {}
    assert told(flat, flat) == []
    mixed = torch.cat([x, flat])
    assert told(mixed, torch.cat([pictures(4, seed=9), flat])) == []
    assert told(mixed, torch.cat([torch.zeros_like(x), flat])) == ["one-colour"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_are_the_trainers_concern(bad: float) -> None:
    x = pictures(4)
    y = x.clone()
    y[0, 0, 0, 0] = bad
    assert compare({"anime": (x, y)}) == {}
    assert told(x, y) == []


def test_outputs_of_another_size_are_compared_at_theirs() -> None:
    x = pictures(4)
    half = torch.nn.functional.avg_pool2d(x, 2)
    assert told(x, half) == ["unchanged"]
    assert told(x, -half) == ["inverted"]


@pytest.mark.parametrize("size", [1, 2, 7])
def test_very_small_pictures_are_no_error(size: int) -> None:
    x = torch.rand(3, 3, size, size) * 2 - 1
    told(x, -x)


def test_the_first_steps_are_not_judged() -> None:
    x = pictures(4)
    assert told(x, x, step=199) == []
    assert told(x, x, step=200) == ["unchanged"]


def test_a_warning_is_told_once_is_over_well_past_its_limit_and_may_return() -> None:
    x, watch = pictures(4), Watch(recipe_of())
    steps = [
        watch.drawn(step, drawn(x, x + by * LEVEL)) for step, by in ((300, 1), (400, 0), (500, 2), (600, 3), (700, 1))
    ]
    assert [kinds(changes) for changes in steps] == [
        [("Warned", "unchanged", "anime")],
        [],
        [],  # past the limit, not far enough
        [("Over", "unchanged", "anime")],
        [("Warned", "unchanged", "anime")],
    ]


def test_an_inversion_lasts_while_either_brightness_or_colour_is_inverted() -> None:
    x, watch = pictures(8), Watch(recipe_of())
    luma = (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    assert kinds(watch.drawn(300, drawn(x, -x))) == [("Warned", "inverted", "anime")]
    assert watch.drawn(400, drawn(x, (x - luma) - luma)) == []
    assert kinds(watch.drawn(500, drawn(x, 0.7 * x))) == [("Over", "inverted", "anime")]


def test_faint_outputs_have_no_brightness_to_compare() -> None:
    x = pictures(4)
    assert only(x, -0.1 * x).contrast < 8
    assert only(x, -0.1 * x).brightness is None


def test_what_cannot_be_judged_ends_no_warning() -> None:
    x, watch = pictures(4), Watch(recipe_of())
    watch.drawn(300, drawn(x, pictures(1, seed=9).expand_as(x)))
    assert watch.drawn(400, drawn(x[:1], pictures(1, seed=9))) == []
    assert kinds(watch.drawn(500, drawn(x, 0.7 * x))) == [("Over", "same-output", "anime")]


def test_messages_hold_the_expression_and_the_numbers_and_hints_name_the_weights_of_the_recipe() -> None:
    x = pictures(4)
    (warned,) = Watch(recipe_of()).drawn(STEP, drawn(x, x + 0.4 * LEVEL))
    assert warned.message == "G(photo) leaves pictures as they are: outputs differ from inputs by 0.4 of 255 on average"  # type: ignore[union-attr]
    assert "phases.generator.losses.keep.weight = 10" in warned.hint  # type: ignore[union-attr]


def test_translations_are_judged_one_by_one() -> None:
    x = pictures(4)
    found = compare({"a": (x, x), "flat": (x * 0, x), "b": (x[:2], -x[:2])})
    assert found.keys() == {"a", "b"}
    assert found["a"].change == 0
    assert found["b"].brightness == pytest.approx(-1, abs=1e-5)


def test_a_drawing_is_read_from_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[int] = []
    tolist = Tensor.tolist
    monkeypatch.setattr(Tensor, "tolist", lambda self: reads.append(self.numel()) or tolist(self))  # type: ignore[func-returns-value]
    for name in ("item", "cpu", "__bool__", "__float__", "numpy"):
        monkeypatch.setattr(Tensor, name, lambda self, name=name: pytest.fail(f"{name} waits for the device"))
    x = pictures(4)
    compare({"a": (x, x), "b": (x, -x)})
    assert len(reads) == 1


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 4), by=st.floats(-0.05, 0.05))
def test_a_change_of_brightness_is_measured_in_grey_levels_and_correlates_fully(
    seed: int, count: int, by: float
) -> None:
    x = pictures(count, seed=seed)
    outputs = only(x, x + by)
    assert outputs.change == pytest.approx(abs(by) * 127.5, abs=1e-3)
    assert outputs.brightness == pytest.approx(1, abs=1e-3)
    assert outputs.variety == pytest.approx(outputs.input_variety, abs=1e-3)


def test_half_precision_counts_as_single() -> None:
    x = pictures(4)
    exact, rounded = only(x, -x), only(x.bfloat16(), -x.bfloat16())
    assert rounded.contrast == pytest.approx(exact.contrast, rel=1e-2)
    assert rounded.brightness == pytest.approx(-1, abs=1e-3)
