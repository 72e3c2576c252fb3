"""Which components and recipes of a plugin no suite covers, and whether they pass as they are by default."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge import registries
from toonforge.components import KINDS, Component
from toonforge.errors import ToonforgeError
from toonforge.plugins.loader import PluginRecord
from toonforge.recipe import find
from toonforge.testing.components import SUITES, ComponentSuite
from toonforge.testing.datasets import DatasetSuite
from toonforge.testing.losses import LossSuite
from toonforge.testing.metrics import MetricSuite
from toonforge.testing.networks import NetworkSuite
from toonforge.testing.ops import OpSuite
from toonforge.testing.optimizers import OptimizerSuite, ScheduleSuite
from toonforge.testing.recipes import RECIPES, RecipeSuite
from toonforge.testing.translation import DiscriminatorSuite, GeneratorSuite

if TYPE_CHECKING:
    import pytest

SUITE_OF: dict[str, type[ComponentSuite]] = {
    "generators": GeneratorSuite,
    "discriminators": DiscriminatorSuite,
    "networks": NetworkSuite,
    "losses": LossSuite,
    "datasets": DatasetSuite,
    "metrics": MetricSuite,
    "ops": OpSuite,
    "optimizers": OptimizerSuite,
    "schedules": ScheduleSuite,
}

NOWHERE = "of the test files given to pytest"
WHOLE = "run the whole tests folder"


def uncovered(record: PluginRecord) -> list[tuple[str, str, type[Component]]]:
    """Kind, name and class of each component that no suite of its kind names in this test session."""
    covered = {type(suite.component) for suite in SUITES if issubclass(suite, SUITE_OF[suite.component.kind])}
    return [
        (kind, name, cls)
        for kind, names in record.supplies.items()
        if kind in KINDS
        for name in names
        if (cls := registries.plugins.registries[kind][name]) not in covered
    ]


def uncovered_recipes(record: PluginRecord) -> list[str]:
    """Names of the packaged recipes that no suite of this test session names, nor their files."""
    covered = set()
    for suite in RECIPES:
        with suppress(ToonforgeError):  # of another plugin, or its own test tells that it is not there
            covered.add(find(suite.recipe).path.resolve())
    return [name for name in record.supplies.get("recipes", ()) if find(name).path.resolve() not in covered]


def tried(kind: str, name: str, cls: type[Component], folders: pytest.TempPathFactory) -> Iterator[str]:
    """What is wrong with a component whose fields all have their defaults, in words; nothing where all is well."""
    suite = SUITE_OF[kind]
    alone = f"covered by no {suite.__name__} {NOWHERE}"
    advice = (
        f"{WHOLE}, or write for it:\n\nclass Test{cls.__name__}({suite.__name__}):\n    component = {cls.__name__}(…)\n"
    )
    try:
        component = cls()
    except (TypeError, ValueError, ToonforgeError):  # it has required fields
        yield f"{name} is {alone}, and cannot be made without arguments to be tried: {advice}"
        return
    probe = type(f"Tried{cls.__name__}", (suite,), {"component": component, "processes": False})
    SUITES.remove(probe)
    for test, found in failures(probe(), folders):
        yield f"{name}, {alone} and so tried with its defaults: {test}: {found}\n{advice}"


def tried_recipe(name: str, folders: pytest.TempPathFactory) -> Iterator[str]:
    """The same of a packaged recipe."""
    probe = type("TriedRecipe", (RecipeSuite,), {"recipe": name})
    RECIPES.remove(probe)
    for test, found in failures(probe(), folders):
        yield f"recipe {name}, covered by no RecipeSuite {NOWHERE} and so tried: {test}: {found}\n{WHOLE}"


def failures(suite: Any, folders: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Name and message of each of a suite's tests that fails, run one after another outside pytest."""
    for test in [test for test in dir(suite) if test.startswith("test_") and getattr(suite, test) is not None]:
        method = getattr(suite, test)
        given: dict[str, Any] = {"tmp_path_factory": folders}
        if "tmp_path" in inspect.signature(method).parameters:
            given["tmp_path"] = Path(folders.mktemp("tried"))
        try:
            method(**{key: given[key] for key in inspect.signature(method).parameters})
        except Exception as error:  # an assertion's advice, or whatever the component raises
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            yield test, f"{kind}{error}"
