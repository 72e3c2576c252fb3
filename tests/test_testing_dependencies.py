"""What packaged recipes take from other plugins is found by the suite of a whole plugin, and so is torch in a check."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests.test_testing_plugins import PLUGIN, Site, site

__all__ = ["site"]

OUTSIDE = '''
from pathlib import Path
from toonforge import Generator, Op, component, hookimpl
from toonforge.data import Synthetic

@component
class Net(Generator):
    """A network."""
    def shape(self, *inputs):
        return inputs[0]

@component
class Contrast(Op):
    """More of it."""
    arguments = (1, 2)
    def shape(self, *inputs):
        return inputs[0]

@component
class Pictures(Synthetic):
    """Made-up pictures."""

@hookimpl
def toonforge_generators():
    return {"net": Net}

@hookimpl
def toonforge_ops():
    return {"contrast": Contrast}

@hookimpl
def toonforge_datasets():
    return {"pictures": Pictures}

@hookimpl
def toonforge_models():
    return {"model": Path(__file__).parent / "model.safetensors"}

@hookimpl
def toonforge_recipes():
    return {"base": Path(__file__).parent / "base.toml"}
'''
"""A second plugin, of which recipes may use something."""

RECIPE = """
name = "planted"
data = {{ type = "outside/pictures", image_size = 16 }}
generators.G = {{ type = "strange/net"{weights} }}
signals.seen = "{signal}"
phases.only.updates = ["G"]
phases.only.losses.same = {{ type = "l1", input = "G(seen)", target = "photo" }}
train.steps = 4
"""
OWN = """
@hookimpl
def toonforge_generators():
    return {"net": type("Own", (Net,), {"__doc__": "A network."})}

@hookimpl
def toonforge_recipes():
    return {"rec": Path(__file__).parent / "rec.toml"}
"""
BASE = RECIPE.format(weights="", signal="photo")
USES = {
    "op": (RECIPE.format(weights="", signal="outside/contrast(photo, 1.2)"), "outside/contrast"),
    "nested": (RECIPE.format(weights="", signal="gray(outside/contrast(photo))"), "outside/contrast"),
    "network": (BASE.replace("strange/net", "outside/net"), "outside/net"),
    "weights": (RECIPE.format(weights=', weights = "outside/model"', signal="photo"), "outside/model"),
    "short-weights": (RECIPE.format(weights=', weights = { from = "model" }', signal="photo"), "outside/model"),
    "extends": ('extends = "outside/base"\ngenerators.G = { type = "strange/net" }\n', "outside/base"),
    "extends-a-file": ('extends = "near.toml"\n', "outside/base"),
}


def suite_of_recipe(site: Site, recipe: str, *requires: str, code: str = "") -> Any:
    base = BASE.replace("strange/net", "outside/net")
    site.install("outside", f"outside_{site.package}", OUTSIDE, files={"model.safetensors": "", "base.toml": base})
    network = OUTSIDE[OUTSIDE.index("@component") : OUTSIDE.index("@component\nclass Contrast")]
    code = PLUGIN.replace("import Expr", "import Expr, Generator") + network + OWN + code
    files = {"rec.toml": recipe, "near.toml": USES["extends"][0], "m.safetensors": ""}
    return site.suite(code, ("toonforge>=0.1,<0.2", *requires), files=files)


@pytest.mark.parametrize("use", USES)
def test_a_recipe_that_uses_a_plugin_which_is_not_required_is_found(site: Site, use: str) -> None:
    recipe, name = USES[use]
    suite = suite_of_recipe(site, recipe)
    with pytest.raises(AssertionError, match=f"recipe strange/rec names {name!r} of outside_Plugin, which the plugin"):
        suite.test_recipes_use_what_is_required()


@pytest.mark.parametrize("use", USES)
def test_a_recipe_may_use_what_is_required_however_its_name_is_written(site: Site, use: str) -> None:
    suite_of_recipe(site, USES[use][0], "Outside.plugin>=1").test_recipes_use_what_is_required()


def test_a_recipe_may_suggest_another_plugins_pictures(site: Site) -> None:
    suite_of_recipe(site, BASE).test_recipes_use_what_is_required()


def test_a_packaged_recipe_that_does_not_check_is_found(site: Site) -> None:
    suite = suite_of_recipe(site, BASE.replace("train.steps = 4", "train.stepps = 4"))
    with pytest.raises(AssertionError, match=r"packaged recipe strange/rec does not check:\n.*stepps"):
        suite.test_recipes_use_what_is_required()


MODEL = """
@hookimpl
def toonforge_models():
    return {"m": Path(__file__).with_name("m.safetensors")}
"""


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ({"type": "outside/net"}, "outside/net' of outside_Plugin"),
        ({"type": "gone/net"}, "gone/net' of toonforge-gone"),
        ({"signal": "outside/contrast(photo)"}, "outside/contrast' of outside_Plugin"),
    ],
)
def test_a_model_that_uses_a_plugin_which_is_not_required_is_found(
    site: Site, parts: dict[str, str], name: str
) -> None:
    suite = suite_of_recipe(site, BASE, code=MODEL)
    file = site.folder / site.package / "m.safetensors"
    write_model(file)
    suite.test_models_use_what_is_required()
    write_model(file, **parts)
    with pytest.raises(AssertionError, match=f"model strange/m names '{name}, which the plugin does not require"):
        suite.test_models_use_what_is_required()
    file.write_bytes(b"")
    with pytest.raises(AssertionError, match="packaged model strange/m cannot be used"):
        suite.test_models_use_what_is_required()


def write_model(file: Path, type: str = "strange/net", signal: str = "photo") -> None:
    network = {"kind": "generators", "component": {"type": type}, "averaged": False}
    about = {
        "format": 1,
        "kind": "model",
        "networks": {"G": network},
        "translations": {"anime": "G(seen)"},
        "signals": {"seen": signal},
        "recipe": "planted",
        "image_size": 16,
        "step": 4,
    }
    save_file({"G.x": np.zeros(1, np.float32)}, file, {"toonforge": json.dumps(about)})


def test_a_recipe_whose_check_imports_torch_is_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOONFORGE_PLUGINS", "strange,outside")
    suite = suite_of_recipe(site, BASE)
    suite.test_recipes_check_without_torch()
    (site.folder / "torch.py").write_text("")  # its name is what counts
    module = site.folder / site.package / "__init__.py"
    code = module.read_text()
    module.write_text(code.replace("        return inputs[0]", "        import torch\n        return inputs[0]"))
    with pytest.raises(AssertionError, match=r"checking recipe strange/rec imports torch.*belongs into build\(\)"):
        suite.test_recipes_check_without_torch()
