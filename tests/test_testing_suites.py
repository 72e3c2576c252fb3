"""The conformance suites find what they are for: each planted fault is found by one test, in words that help."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests import planted, planted_fields, planted_metrics
from toonforge import testing
from toonforge.components import Component
from toonforge.recipe.expr import Expr
from toonforge.testing import (
    ComponentSuite,
    DatasetSuite,
    DiscriminatorSuite,
    GeneratorSuite,
    LossSuite,
    MetricSuite,
    OpSuite,
    OptimizerSuite,
    ScheduleSuite,
)
from toonforge.testing.components import SUITES
from toonforge.testing.coverage import failures

X, Y = Expr.parse("G(photo)"), Expr.parse("anime")


def found(
    suite: type, component: Component, folders: pytest.TempPathFactory, tests: str = "", **claims: Any
) -> dict[str, str]:
    """Test -> message of what a suite finds wrong with a component."""
    probe = type("Probe", (suite,), {"component": component, **claims})
    SUITES.remove(probe)
    return dict(failures(probe(), folders))


NETWORK = {"processes": False, "inputs": ((3, 32, 32), (3, 21, 32))}
LOSS = {"shapes": {"input": (3, 4, 4)}}
SOUND: list[tuple[type, type[Component], dict[str, Any], dict[str, Any]]] = [
    (GeneratorSuite, planted.Net, {}, NETWORK),
    (DiscriminatorSuite, planted.Judge, {}, {"processes": False, "inputs": ((3, 32, 32),)}),
    (LossSuite, planted.Squares, {"input": X}, LOSS),
    (DatasetSuite, planted.Pictures, {}, {}),
    (MetricSuite, planted_metrics.Difference, {"input": X, "target": Y}, {}),
    (MetricSuite, planted_metrics.Gap, {"input": X, "real": Y}, {}),
    (OpSuite, planted.Fade, {}, {}),
    (OptimizerSuite, planted.Steps, {}, {}),
    (ScheduleSuite, planted.Rate, {}, {}),
    (ComponentSuite, planted_fields.Plain, {}, {}),
]
FAULTS: list[tuple[type[Component], str, str, str]] = [
    (planted.Net, "shape", "test_yields_the_shape_it_announces", "shape() announced"),
    (planted.Net, "unused", "test_gradients_reach_every_parameter", "idle.weight gets no gradient: it is not used"),
    (planted.Net, "grows", "test_fitting_again_changes_nothing", "it must be a fixed point"),
    (planted.Net, "numpy", "test_same_seed_same_weights_and_output", "draw weights from torch's RNG only"),
    (planted.Net, "seeds", "test_building_leaves_global_state_alone", "Leave torch.manual_seed out"),
    (planted.Net, "draws", "test_forward_leaves_global_state_alone", "only where self.training is true"),
    (planted.Net, "attribute", "test_weights_survive_safetensors", "register_buffer"),
    (planted.Net, "tied", "test_weights_survive_safetensors", "used twice under one name"),
    (planted.Net, "batch", "test_a_picture_alone_is_as_in_a_batch", "running statistics"),
    (planted.Net, "bfloat16", "test_runs_in_bfloat16_autocast", "compute small sums and differences in float()"),
    (planted.Net, "no-gradient", "test_gradients_reach_every_parameter", "first.bias never learns"),
    (
        planted.Net,
        "running",
        "test_weights_survive_safetensors",
        "or training changes, must be a parameter or a buffer",
    ),
    (planted.Net, "smaller", "test_output_is_a_picture_of_the_same_size", "pad what strides do not divide"),
    (planted.Net, "unbounded", "test_output_is_a_picture_whatever_it_learns", "so end with tanh or clamp"),
    (planted.Net, "unbounded-from-zero", "test_output_is_a_picture_whatever_it_learns", "so end with tanh or clamp"),
    (planted.Net, "three-channels", "test_takes_the_channels_that_it_announces", "or let shape() raise ShapeError"),
    (planted.Net, "changes-input", "test_changes_no_input", "x = x.clamp(...) for x.clamp_(...)"),
    (planted.Net, "views", "test_works_in_any_layout_where_it_says_so", "take reshape() or flatten() for view()"),
    (planted.Net, "views-weights", "test_works_in_any_layout_where_it_says_so", "reshape() or flatten() for view()"),
    (planted.Net, "strides", "test_works_in_any_layout_where_it_says_so", "in channels_last its output is another one"),
    (planted.Judge, "sigmoid", "test_yields_logits", "leave the sigmoid to the loss"),
    (planted.Squares, "vector", "test_is_one_finite_number", "reduce it to one number, with .mean()"),
    (planted.Squares, "counts", "test_gradients_are_finite", "take a smooth form of it"),
    (planted.Squares, "cut", "test_gradients_are_finite", "no gradient passes: the loss detaches its inputs"),
    (planted.Squares, "sum", "test_a_batch_is_the_mean_of_its_pictures", "take the mean over the batch, not the sum"),
    (planted.Squares, "detached", "test_gradient_is_that_of_the_value", "detached, changed in place"),
    (planted.Squares, "root", "test_gradients_stay_finite_where_it_is_least", "a small number under the square root"),
    (planted.Squares, "draws", "test_draws_as_it_says", "say draws = True"),
    (planted.Squares, "refuses", "test_accepts_its_shapes", "a picture of another planet"),
    (planted.Pictures, "missing", "test_verifies", "no pictures are there"),
    (planted.Pictures, "same-test", "test_train_and_validation_share_no_item", "in both parts, train and test"),
    (planted.Pictures, "chatty", "test_says_how_pictures_are_prepared", "expected a phrase to stand beside numbers"),
    (planted.Pictures, "lambda", "test_can_be_sent_to_another_process", "keep open files, locks and lambdas out"),
    (planted.Pictures, "narrows", "test_leaves_out_what_nobody_uses", "draw the same numbers whatever is left out"),
    (planted.Pictures, "relative", "test_tells_where_pictures_lie", "give absolute paths"),
    (planted.Pictures, "unknown-place", "test_tells_where_pictures_lie", "where() names ['other']"),
    (planted.Pictures, "shared", "test_train_and_validation_share_no_item", "stand in both parts"),
    (planted.Pictures, "unsteady", "test_built_twice_it_is_the_same", "sort what you list"),
    (planted.Pictures, "global", "test_augmentation_depends_on_the_generator_alone", "draw from `rng` only"),
    (planted.Pictures, "claims", "test_draws_alone_where_it_says_so", "draw from `rng` only, or do not say so"),
    (planted.Pictures, "third", "test_items_are_as_announced", "mend whichever is wrong"),
    (planted.Pictures, "range", "test_items_are_as_announced", "divide by 127.5"),
    (planted.Pictures, "announced", "test_items_are_as_announced", "mend whichever is wrong"),
    (planted_metrics.Difference, "batches", "test_does_not_depend_on_batches", "collect sums and counts, or all"),
    (planted_metrics.Difference, "contrast", "test_flat_pictures_are_measured", "look for a division 0/0"),
    (planted_metrics.Difference, "python-contrast", "test_flat_pictures_are_measured", "raise ZeroDivisionError"),
    (planted_metrics.Difference, "upside-down", "test_equals_are_best", "turn it round"),
    (planted_metrics.Difference, "unknown-field", "test_names_its_own_fields", "together names ['other']"),
    (planted_metrics.Difference, "headless", "test_results_are_finite_numbers", 'the headline has the key ""'),
    (planted_metrics.Difference, "refuses", "test_accepts_its_shapes", "a picture of another planet"),
    (planted_metrics.Difference, "lists", "test_cautions_are_sentences", "expected a tuple of sentences"),
    (planted_metrics.Difference, "draws-text", "test_draws_a_picture", "draw() gave str, expected a Pillow picture"),
    (planted_metrics.Difference, "silent", "test_says_how_it_is_made", "formula, extractor, resize"),
    (planted_metrics.Difference, "in-place", "test_changes_no_picture", "other metrics get them too"),
    (planted_metrics.Gap, "forgets", "test_what_it_keeps_stays_true", "again() of 'input' measures something else"),
    (planted.Fade, "remembers", "test_what_it_remembers_survives_a_checkpoint", "state_dict() and load_state_dict()"),
    (
        planted.Fade,
        "plain-state",
        "test_what_it_remembers_survives_a_checkpoint",
        "'last' is float; it must be a tensor",
    ),
    (planted.Fade, "lost-state", "test_what_it_remembers_survives_a_checkpoint", "take it back in load_state_dict()"),
    (planted.Fade, "takes-more", "test_inputs_go_with_its_arguments", "add such a call to `inputs`"),
    (planted.Fade, "announces", "test_yields_the_shape_it_announces", "recipes are checked by shape()"),
    (planted.Fade, "sometimes", "test_evaluation_is_one_of_two", 'expected "same" or "identity"'),
    (planted.Fade, "cut", "test_detaches_as_it_says", "say True, or keep the graph"),
    (planted.Fade, "norm", "test_flat_pictures_pass", "for pictures of one gray its output is infinite or nan"),
    (planted.Fade, "flat-root", "test_flat_pictures_pass", "for pictures of one gray the gradient of argument 1"),
    (planted.Fade, "claims-to-detach", "test_detaches_as_it_says", "detach what it yields"),
    (planted.Fade, "takes-numbers", "test_refuses_a_number_for_its_tensor", "raise ShapeError"),
    (planted.Fade, "dtype", "test_keeps_the_dtype", "of the input's dtype"),
    (planted.Steps, "own-rate", "test_rate_zero_changes_nothing", "read the rate from the group at every step"),
    (planted.Steps, "leaves-out", "test_takes_all_parameters", "give torch all that it is given"),
    (planted.Steps, "outside", "test_goes_on_from_a_checkpoint", "self.state[parameter]"),
    (planted.Steps, "moves-all", "test_leaves_parameters_without_gradient_alone", "that have no gradient"),
    (planted.Steps, "climbs-up", "test_goes_downhill", "is the sign of the step right?"),
    (planted.Steps, "draws", "test_draws_nothing", "leave what is random to losses and ops"),
    (planted.Rate, "climbs", "test_is_a_finite_number_for_trainings_of_any_length", "clamp it with max(0.0"),
    (planted.Rate, "zero", "test_is_not_always_zero", "nothing would be trained"),
    (planted.Rate, "counts", "test_depends_on_the_step_alone", "work it out of `step` alone"),
]
MANY: list[tuple[type[Component], str, str, str]] = [
    (planted.Net, "range", "test_output_is_a_picture_of_the_same_size", "end with tanh or clamp"),
    (planted.Net, "changes-input-in-eval", "test_changes_no_input", "in place with train(False)"),
    (planted.Net, "infinite", "test_gradients_reach_every_parameter", "the gradient of first.bias is infinite or nan"),
    (planted.Net, "counts-calls", "test_same_seed_same_weights_and_output", "a second call in eval mode gives another"),
    (planted.Net, "nan-in-eval", "test_train_and_eval_both_run", "not finite with train(False)"),
    (planted_metrics.Difference, "apart", "test_results_are_finite_numbers", 'together = ("input", "target")'),
    (planted.Squares, "number", "test_is_one_finite_number", "the loss is float: yield a tensor"),
    (
        planted.Squares,
        "remembers",
        "test_what_it_remembers_survives_a_checkpoint",
        "state_dict() and load_state_dict()",
    ),
    (planted_metrics.Difference, "random", "test_measures_the_same_again", "seed what it draws"),
    (planted.Fade, "root", "test_detaches_as_it_says", "the gradient of argument 1 is infinite or nan"),
    (planted.Pictures, "breaks", "test_items_are_as_announced", "item 2 of 'photo' in train fails without a generator"),
    (planted.Fade, "own-numpy", "test_draws_from_torch_alone", "two calls with one seed differ"),
]
"""Faults that several tests find, of which one says best what to do."""
FIELDS: list[tuple[type[Component], str, str]] = [
    (planted_fields.Undocumented, "test_fields_are_documented", "declare 'floor' with param(..., doc=...)"),
    (planted_fields.Unitless, "test_numbers_have_units", 'param(..., unit="pixels")'),
    (planted_fields.Unsourced, "test_defaults_of_papers_have_sources", 'param(..., source="Paper, section or table")'),
    (planted_fields.Mute, "test_says_what_it_is", "give Mute a docstring of its own"),
    (planted_fields.Halving, "test_tiny_is_of_the_same_class", "it must be a fixed point"),
    (planted_fields.Listed, "test_fields_have_types_of_recipes", "tuple[float, ...] for a list of numbers"),
    (planted_fields.Thawed, "test_is_frozen", "floor can be assigned: make the class with @toonforge.component"),
    (planted_fields.Forgetful, "test_any_config_survives_toml", "give every field a type that TOML can hold"),
]


def test_each_test_of_a_suite_finds_a_fault() -> None:
    """Of every test that the suites have, some planted fault is found."""
    told = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_testing_*.py"))
    tests = {test for name in testing.__all__ for test in dir(getattr(testing, name)) if test.startswith("test_")}
    assert len(tests) > 70
    assert sorted(test for test in tests if not re.search(rf"\b{test}\b", told)) == []


@pytest.mark.parametrize("suite", SOUND, ids=lambda row: row[1].__name__)
def test_nothing_is_wrong_with_what_is_sound(suite: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    kind, cls, fields, claims = suite
    planted.register(cls, f"planted/{cls.__name__.lower()}")
    assert found(kind, cls(**fields), tmp_path_factory, **claims) == {}


@pytest.mark.parametrize(
    ("base", "fault", "test", "advice"), FAULTS, ids=[f"{row[0].__name__}-{row[1]}" for row in FAULTS]
)
def test_a_fault_is_found_by_one_test(
    base: type[Component], fault: str, test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (suite, fields, claims) = next((kind, fields, claims) for kind, cls, fields, claims in SOUND if cls is base)
    wrong = found(suite, planted.faulty(base, fault)(**fields), tmp_path_factory, **claims)
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


@pytest.mark.parametrize(("base", "fault", "test", "advice"), MANY, ids=[f"{row[0].__name__}-{row[1]}" for row in MANY])
def test_a_fault_is_found_by_several_tests(
    base: type[Component], fault: str, test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (suite, fields, claims) = next((kind, fields, claims) for kind, cls, fields, claims in SOUND if cls is base)
    wrong = found(suite, planted.faulty(base, fault)(**fields), tmp_path_factory, **claims)
    assert advice in wrong[test]


def test_an_op_may_draw_from_the_global_stream_of_numpy(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A step seeds it."""
    op = planted.faulty(planted.Fade, "global-numpy")()
    assert found(OpSuite, op, tmp_path_factory) == {}


def test_another_value_than_the_formulas_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    loss, claims = (
        planted.faulty(planted.Squares, "formula")(input=X),
        {"reference": lambda self, input: input.square().mean()},
    )
    wrong = found(LossSuite, loss, tmp_path_factory, **LOSS, **claims)
    assert list(wrong) == ["test_equals_its_formula"] and "its formula gives" in wrong["test_equals_its_formula"]


@pytest.mark.parametrize(("cls", "test", "advice"), FIELDS, ids=[row[0].__name__ for row in FIELDS])
def test_a_field_that_says_too_little_is_found(
    cls: type[Component], test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    planted.register(cls, f"planted/{cls.__name__.lower()}")
    wrong = found(ComponentSuite, cls(), tmp_path_factory)
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


def test_a_tiny_value_beyond_the_limits_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    planted.register(planted_fields.Beyond, "planted/beyond")
    wrong = found(ComponentSuite, planted_fields.Beyond(), tmp_path_factory)
    assert "tiny of 'floor' is 2.0, and its limits say at least 0" in wrong["test_defaults_lie_within_the_limits"]


def test_a_value_that_is_read_back_as_another_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    planted.register(planted_fields.Doubling, "planted/doubling")
    wrong = found(ComponentSuite, planted_fields.Doubling(), tmp_path_factory)
    assert "give every field a type that TOML can hold" in wrong["test_config_survives_a_round_trip"]


def test_a_component_that_no_hook_returns_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = type(
        "Nowhere", (planted_fields.Plain,), {"__doc__": "Not registered.", "__module__": "tests.planted_fields"}
    )
    wrong = found(ComponentSuite, nowhere(), tmp_path_factory)
    assert "return Nowhere from the hook toonforge_schedules" in wrong["test_is_registered"]


CLAIMS = [
    (
        "batch",
        {"pictures_alone": False, "processes": True},
        "test_two_processes_train_like_one",
        "say processes = False",
    ),
    ("item", {"compiles": True}, "test_runs_under_torch_compile", "leave .item(), print"),
    ("item-in-training", {"compiles": True}, "test_runs_under_torch_compile", "forward() in train mode"),
    ("by-size", {"exports_onnx": True}, "test_exports_to_onnx", "taken for a constant"),
]


@pytest.mark.parametrize(("fault", "claims", "test", "advice"), CLAIMS, ids=[row[0] for row in CLAIMS])
def test_a_claim_that_is_not_true_is_found(
    fault: str, claims: dict[str, Any], test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given = {**NETWORK, "inputs": ((3, 64, 64),), **claims}
    wrong = found(GeneratorSuite, planted.faulty(planted.Net, fault)(), tmp_path_factory, **given)
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


def test_true_claims_pass(tmp_path_factory: pytest.TempPathFactory) -> None:
    claims = {**NETWORK, "inputs": ((3, 64, 64),), "processes": True, "compiles": True, "exports_onnx": True}
    planted.register(planted.Net, "planted/net")
    assert found(GeneratorSuite, planted.Net(), tmp_path_factory, **claims) == {}


def test_what_nobody_claims_is_no_test() -> None:
    """Neither passed nor skipped; a class that claims again has it again."""

    class Unclaimed(GeneratorSuite):
        component = planted.Net()
        processes = False

    class Claimed(Unclaimed):
        compiles = True
        processes = True

    for suite in (Unclaimed, Claimed):
        SUITES.remove(suite)
    assert Unclaimed.test_two_processes_train_like_one is None
    assert Unclaimed.test_runs_under_torch_compile is None
    assert Claimed.test_two_processes_train_like_one is GeneratorSuite.test_two_processes_train_like_one
    assert callable(Claimed.test_runs_under_torch_compile)
