"""The conformance suites find what they are for: each planted fault is found by one test, in words that help."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests import planted
from toonforge import registries
from toonforge.components import Component
from toonforge.plugins.loader import Plugins
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
    PluginSuite,
    RecipeSuite,
    ScheduleSuite,
)
from toonforge.testing.components import SUITES
from toonforge.testing.coverage import failures
from toonforge.testing.imports import import_of
from toonforge.testing.recipes import RECIPES

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
    (MetricSuite, planted.Difference, {"input": X, "target": Y}, {}),
    (OpSuite, planted.Fade, {}, {}),
    (OptimizerSuite, planted.Steps, {}, {}),
    (ScheduleSuite, planted.Rate, {}, {}),
    (ComponentSuite, planted.Plain, {}, {}),
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
    (planted.Net, "range", "test_output_is_a_picture_of_the_same_size", "end with tanh or clamp"),
    (planted.Judge, "sigmoid", "test_yields_logits", "leave the sigmoid to the loss"),
    (planted.Squares, "sum", "test_a_batch_is_the_mean_of_its_pictures", "take the mean over the batch, not the sum"),
    (planted.Squares, "detached", "test_gradient_is_that_of_the_value", "detached, changed in place"),
    (planted.Squares, "root", "test_gradients_stay_finite_where_it_is_least", "a small number under the square root"),
    (planted.Squares, "draws", "test_draws_as_it_says", "say draws = True"),
    (planted.Pictures, "shared", "test_train_and_validation_share_no_item", "stand in both parts"),
    (planted.Pictures, "unsteady", "test_built_twice_it_is_the_same", "sort what you list"),
    (planted.Pictures, "global", "test_augmentation_depends_on_the_generator_alone", "draw from `rng` only"),
    (planted.Pictures, "claims", "test_draws_alone_where_it_says_so", "draw from `rng` only, or do not say so"),
    (planted.Pictures, "range", "test_items_are_as_announced", "divide by 127.5"),
    (planted.Pictures, "announced", "test_items_are_as_announced", "mend whichever is wrong"),
    (planted.Difference, "batches", "test_does_not_depend_on_batches", "collect sums and counts, or all"),
    (planted.Difference, "upside-down", "test_equals_are_best", "turn it round"),
    (planted.Difference, "unknown-field", "test_names_its_own_fields", "together names ['other']"),
    (planted.Difference, "headless", "test_results_are_finite_numbers", 'the headline has the key ""'),
    (planted.Difference, "silent", "test_says_how_it_is_made", "formula, extractor, resize"),
    (planted.Difference, "in-place", "test_changes_no_picture", "other metrics get them too"),
    (planted.Fade, "remembers", "test_what_it_remembers_survives_a_checkpoint", "state_dict() and load_state_dict()"),
    (planted.Fade, "takes-more", "test_inputs_go_with_its_arguments", "add such a call to `inputs`"),
    (planted.Fade, "announces", "test_yields_the_shape_it_announces", "recipes are checked by shape()"),
    (planted.Fade, "claims-to-detach", "test_detaches_as_it_says", "detach what it yields"),
    (planted.Fade, "takes-numbers", "test_refuses_a_number_for_its_tensor", "raise ShapeError"),
    (planted.Fade, "dtype", "test_keeps_the_dtype", "of the input's dtype"),
    (planted.Steps, "own-rate", "test_rate_zero_changes_nothing", "read the rate from the group at every step"),
    (planted.Steps, "leaves-out", "test_takes_all_parameters", "give torch all that it is given"),
    (planted.Steps, "outside", "test_goes_on_from_a_checkpoint", "self.state[parameter]"),
    (planted.Steps, "climbs-up", "test_goes_downhill", "is the sign of the step right?"),
    (planted.Steps, "draws", "test_draws_nothing", "leave what is random to losses and ops"),
    (planted.Rate, "climbs", "test_is_a_finite_number_for_trainings_of_any_length", "clamp it with max(0.0"),
    (planted.Rate, "zero", "test_is_not_always_zero", "nothing would be trained"),
    (planted.Rate, "counts", "test_depends_on_the_step_alone", "work it out of `step` alone"),
]
FIELDS: list[tuple[type[Component], str, str]] = [
    (planted.Undocumented, "test_fields_are_documented", "declare 'floor' with param(..., doc=...)"),
    (planted.Unitless, "test_numbers_have_units", 'param(..., unit="pixels")'),
    (planted.Unsourced, "test_defaults_of_papers_have_sources", 'param(..., source="Paper, section or table")'),
    (planted.Forgetful, "test_any_config_survives_toml", "give every field a type that TOML can hold"),
]


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


@pytest.mark.parametrize(("cls", "test", "advice"), FIELDS, ids=[row[0].__name__ for row in FIELDS])
def test_a_field_that_says_too_little_is_found(
    cls: type[Component], test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    planted.register(cls, f"planted/{cls.__name__.lower()}")
    wrong = found(ComponentSuite, cls(), tmp_path_factory)
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


def test_a_tiny_value_beyond_the_limits_is_found(tmp_path_factory: pytest.TempPathFactory) -> None:
    planted.register(planted.Beyond, "planted/beyond")
    wrong = found(ComponentSuite, planted.Beyond(), tmp_path_factory)
    assert "tiny of 'floor' is 2.0, and its limits say at least 0" in wrong["test_defaults_lie_within_the_limits"]


CLAIMS = [
    (
        "batch",
        {"pictures_alone": False, "processes": True},
        "test_two_processes_train_like_one",
        "say processes = False",
    ),
    ("item", {"compiles": True}, "test_runs_under_torch_compile", "leave .item(), print"),
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


# -- imports ------------------------------------------------------------------------------------------------------------


def suite_of_module(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch, **claims: Any) -> Any:
    """A suite of a component that stands in a module of its own."""
    name = f"planted_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(code + MODULE)
    monkeypatch.syspath_prepend(str(folder))
    cls = attrs.evolve(planted.Plain()).__class__
    probe = type("Probe", (ComponentSuite,), {"component": type("Elsewhere", (cls,), {"__module__": name})(), **claims})
    SUITES.remove(probe)
    return probe()


MODULE = "\nfrom tests.planted import Plain\n"


def test_torch_at_the_top_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for torch will do: its name is what counts."""
    (tmp_path / "torch.py").write_text("")
    suite = suite_of_module(tmp_path, "import torch", monkeypatch)
    with pytest.raises(AssertionError, match=r"imports torch: import it inside build\(\)"):
        suite.test_imports_without_torch()


def test_a_slow_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of work where a hundredth of toonforge's own time is allowed."""
    code = "import time, wave\nwhile time.process_time() < 1.5: pass\n"
    suite = suite_of_module(tmp_path, code, monkeypatch, slowest_import=0.01)
    with pytest.raises(AssertionError, match=r"every `toonforge list` waits for it") as caught:
        suite.test_imports_quickly()
    assert "import what only build() needs inside build()" in str(caught.value)


def test_a_module_that_cannot_be_imported_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_of_module(tmp_path, "import no_such_package", monkeypatch)
    with pytest.raises(AssertionError, match="No module named 'no_such_package'"):
        suite.test_imports_without_torch()


# -- recipes ------------------------------------------------------------------------------------------------------------

RECIPE = """{header}
name = "planted"
data = {{ type = "synthetic", image_size = 16, count = 8 }}
generators.G = {{ type = "planted/net" }}
phases.only.updates = ["G"]
phases.only.losses.same = {{ type = "l1", input = "{expression}", target = "photo" }}
train.steps = 4
train.batch_size = 2
"""


def wrong_with_recipe(path: Path, folders: pytest.TempPathFactory, **parts: str) -> dict[str, str]:
    planted.register(planted.Net, "planted/net")
    path.write_text(RECIPE.format(**{"header": "#     toonforge run planted.toml", "expression": "G(photo)", **parts}))
    probe = type("Probe", (RecipeSuite,), {"recipe": path})
    RECIPES.remove(probe)
    return dict(failures(probe(), folders))


def test_nothing_is_wrong_with_a_sound_recipe(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory) == {}


def test_a_recipe_that_does_not_resume_exactly_is_found(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted.faulty(planted.Fade, "remembers")
    expression = "planted/remembers(G(photo))"
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, expression=expression)
    assert list(wrong) == ["test_resumes_bit_for_bit"]
    assert "something remembers and is in no checkpoint" in wrong["test_resumes_bit_for_bit"]


def test_a_recipe_without_its_command_is_found(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = wrong_with_recipe(tmp_path / "planted.toml", tmp_path_factory, header="# A recipe.")
    assert list(wrong) == ["test_its_header_says_how_to_run_it"]
    assert "toonforge run planted.toml" in wrong["test_its_header_says_how_to_run_it"]


# -- whole plugins ------------------------------------------------------------------------------------------------------

PLUGIN = '''
from pathlib import Path
from toonforge import Expr, Loss, component, hookimpl, param

@component
class Far(Loss):
    """A loss."""
    input: Expr = param(doc="a picture")

@hookimpl
def toonforge_losses():
    return {"far": Far}
'''


class Site:
    """An installed plugin of the name `strange`, in a folder of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, tests: Any) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        self.package = f"strange_{folder.name.replace('-', '_')}"
        monkeypatch.syspath_prepend(str(folder))

    def suite(self, code: str = PLUGIN, requires: str = "toonforge>=0.1,<0.2", typed: bool = True) -> Any:
        """The plugin's suite; with no other plugin installed but the core."""
        package = self.folder / self.package
        package.mkdir()
        (package / "__init__.py").write_text(code)
        if typed:
            (package / "py.typed").touch()
        info = self.folder / "strange_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: strange-plugin\nVersion: 1.0\nRequires-Dist: {requires}\n"
        )
        (info / "entry_points.txt").write_text(f"[toonforge]\nstrange = {self.package}\n")
        importlib.invalidate_caches()
        plugins = Plugins(distributions=[*importlib.metadata.distributions(path=[str(self.folder)])])
        self.monkeypatch.setattr(registries, "plugins", plugins)
        return type("Probe", (PluginSuite,), {"plugin": "strange"})()

    def covered(self) -> None:
        """As if a suite of the test session named the plugin's loss."""
        registries.plugins.load()
        component = registries.plugins.registries["losses"]["strange/far"](input=X)
        self.monkeypatch.setattr("toonforge.testing.coverage.SUITES", [type("Covering", (), {"component": component})])


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.delenv("TOONFORGE_PLUGINS", raising=False)
    return Site(tmp_path, monkeypatch, None)


def test_nothing_is_wrong_with_a_sound_plugin(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    suite = site.suite()
    site.covered()
    assert dict(failures(suite, tmp_path_factory)) == {}


@pytest.mark.parametrize(
    ("given", "test", "advice"),
    [
        ({"requires": "toonforge"}, "test_states_which_versions_of_toonforge_it_fits", '"toonforge>=0.1,<0.2"'),
        ({"requires": "attrs"}, "test_states_which_versions_of_toonforge_it_fits", "does not require toonforge"),
        ({"typed": False}, "test_is_typed", "put an empty file py.typed into"),
        (
            {"code": PLUGIN + "\ndef late():\n    from toonforge.train.step import Training\n"},
            "test_imports_public_modules_alone",
            "toonforge.train is not for plugins",
        ),
        (
            {"code": PLUGIN + "\ndef late():\n    import toonforge_cyclegan\n"},
            "test_imports_public_modules_alone",
            "plugins meet in recipes, by name",
        ),
        (
            {"code": PLUGIN.replace('    """A loss."""\n', "")},
            "test_everything_is_described",
            "has no docstring of its own",
        ),
        (
            {
                "code": PLUGIN
                + '\n@hookimpl\ndef toonforge_models():\n    return {"m": Path(__file__).parent.parent / "m"}\n'
            },
            "test_files_are_there_and_in_the_package",
            "there is no such file",
        ),
    ],
    ids=["no-range", "no-requirement", "untyped", "private", "other-plugin", "undescribed", "no-file"],
)
def test_a_plugin_that_is_not_in_order_is_found(
    site: Site, given: dict[str, Any], test: str, advice: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    suite = site.suite(**given)
    site.covered()
    wrong = dict(failures(suite, tmp_path_factory))
    assert list(wrong) == [test], wrong
    assert advice in wrong[test]


def test_a_component_that_no_suite_covers_is_found(site: Site, tmp_path_factory: pytest.TempPathFactory) -> None:
    wrong = dict(failures(site.suite(), tmp_path_factory))
    assert list(wrong) == ["test_everything_is_tested"]
    assert "class TestFar(LossSuite):" in wrong["test_everything_is_tested"]


def test_a_broken_plugin_is_told_with_its_traceback(site: Site) -> None:
    suite = site.suite(code="import no_such_package")
    with pytest.raises(AssertionError, match=r"(?s)strange-plugin is broken: .*no_such_package.*Traceback"):
        suite.test_loads()


def test_a_wheel_that_lacks_a_file_is_found(site: Site) -> None:
    import zipfile

    suite = site.suite()
    wheel = site.folder / "strange_plugin-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{site.package}/__init__.py", PLUGIN)
        archive.writestr("strange_plugin-1.0.dist-info/entry_points.txt", "")
    built = type("Built", (type(suite),), {"wheel": wheel})()
    with pytest.raises(AssertionError, match=r"lacks \['py.typed'\]"):
        built.test_wheel_holds_the_package()
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr(f"{site.package}/py.typed", "")
    built.test_wheel_holds_the_package()


def test_an_import_is_measured_once_for_all_components_of_a_module() -> None:
    assert import_of("tests.planted") is import_of("tests.planted")
    assert "tests.planted" in sys.modules
