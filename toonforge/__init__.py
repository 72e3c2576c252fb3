"""Picture-to-picture translation from recipes that read like the paper's equations.

Everything public is here and is imported when first asked for, so that `import toonforge` costs next to nothing and
never loads torch:

    import toonforge

    recipe = toonforge.load_recipe("recipes/anime_unet.toml", overrides=["train.batch_size=2"])
    toonforge.run(recipe, "runs/try")
    network = toonforge.generators["cyclegan/unet"](width=16).build()
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toonforge.api import run
    from toonforge.components import (
        Component,
        Count,
        Dataset,
        Discriminator,
        DrawsPicture,
        Generator,
        ImageSource,
        Loss,
        Metric,
        NetworkComponent,
        Op,
        Optimizer,
        OtherNetwork,
        Schedule,
        Shape,
        component,
        param,
    )
    from toonforge.deprecation import Deprecation, ToonforgeDeprecationWarning
    from toonforge.errors import (
        DataError,
        FieldError,
        PluginError,
        RecipeError,
        RunError,
        ShapeError,
        ToonforgeError,
        UnknownNameError,
        UnreadableImage,
    )
    from toonforge.events import Finished
    from toonforge.plugins.hookspecs import hookimpl
    from toonforge.recipe import load as load_recipe
    from toonforge.recipe.expr import Expr, Network
    from toonforge.recipe.model import Recipe
    from toonforge.registries import (
        datasets,
        discriminators,
        generators,
        losses,
        metrics,
        models,
        networks,
        ops,
        optimizers,
        recipes,
        schedules,
    )
    from toonforge.report.comparison import Comparison, compare
    from toonforge.report.page import write_report
    from toonforge.sweeps.api import sweep
    from toonforge.sweeps.results import Row
    from toonforge.use.demo import demo
    from toonforge.use.evaluate import Evaluation, evaluate
    from toonforge.use.export.api import Exported, export
    from toonforge.use.foreign import Imported, import_weights
    from toonforge.use.model import Model, load

__version__ = "0.1.0"

_REGISTRIES = (
    "generators",
    "discriminators",
    "networks",
    "losses",
    "datasets",
    "metrics",
    "ops",
    "optimizers",
    "schedules",
    "recipes",
    "models",
)
_COMPONENTS = (
    "Component",
    "Count",
    "Dataset",
    "Discriminator",
    "DrawsPicture",
    "Generator",
    "ImageSource",
    "Loss",
    "Metric",
    "NetworkComponent",
    "Op",
    "Optimizer",
    "OtherNetwork",
    "Schedule",
    "Shape",
    "component",
    "param",
)
_ERRORS = (
    "DataError",
    "FieldError",
    "PluginError",
    "RecipeError",
    "RunError",
    "ShapeError",
    "ToonforgeError",
    "UnknownNameError",
    "UnreadableImage",
)
_HOME: dict[str, tuple[str, str]] = {
    **{name: ("toonforge.registries", name) for name in _REGISTRIES},
    **{name: ("toonforge.components", name) for name in _COMPONENTS},
    **{name: ("toonforge.errors", name) for name in _ERRORS},
    **{name: ("toonforge.deprecation", name) for name in ("Deprecation", "ToonforgeDeprecationWarning")},
    "Expr": ("toonforge.recipe.expr", "Expr"),
    "Network": ("toonforge.recipe.expr", "Network"),
    "hookimpl": ("toonforge.plugins.hookspecs", "hookimpl"),
    "load_recipe": ("toonforge.recipe", "load"),
    "run": ("toonforge.api", "run"),
    "sweep": ("toonforge.sweeps.api", "sweep"),
    "load": ("toonforge.use.model", "load"),
    "export": ("toonforge.use.export.api", "export"),
    "demo": ("toonforge.use.demo", "demo"),
    "evaluate": ("toonforge.use.evaluate", "evaluate"),
    "import_weights": ("toonforge.use.foreign", "import_weights"),
    "write_report": ("toonforge.report.page", "write_report"),
    "compare": ("toonforge.report.comparison", "compare"),
    "Recipe": ("toonforge.recipe.model", "Recipe"),
    "Finished": ("toonforge.events", "Finished"),
    "Row": ("toonforge.sweeps.results", "Row"),
    "Model": ("toonforge.use.model", "Model"),
    "Exported": ("toonforge.use.export.api", "Exported"),
    "Evaluation": ("toonforge.use.evaluate", "Evaluation"),
    "Imported": ("toonforge.use.foreign", "Imported"),
    "Comparison": ("toonforge.report.comparison", "Comparison"),
}
__all__ = [
    "generators",
    "discriminators",
    "networks",
    "losses",
    "datasets",
    "metrics",
    "ops",
    "optimizers",
    "schedules",
    "recipes",
    "models",
    "load_recipe",
    "run",
    "sweep",
    "load",
    "export",
    "demo",
    "evaluate",
    "import_weights",
    "write_report",
    "compare",
    "Recipe",
    "Finished",
    "Row",
    "Model",
    "Exported",
    "Evaluation",
    "Imported",
    "Comparison",
    "component",
    "param",
    "hookimpl",
    "Expr",
    "Network",
    "Component",
    "NetworkComponent",
    "Generator",
    "Discriminator",
    "OtherNetwork",
    "Loss",
    "Dataset",
    "ImageSource",
    "Metric",
    "DrawsPicture",
    "Op",
    "Optimizer",
    "Schedule",
    "Shape",
    "Count",
    "ToonforgeError",
    "RecipeError",
    "UnknownNameError",
    "PluginError",
    "DataError",
    "RunError",
    "FieldError",
    "ShapeError",
    "UnreadableImage",
    "Deprecation",
    "ToonforgeDeprecationWarning",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module, attribute = _HOME[name]
        return getattr(importlib.import_module(module), attribute)
    from toonforge.deprecation import old_name

    return old_name(__name__, name)


def __dir__() -> list[str]:
    return sorted(__all__)


class _Package(types.ModuleType):
    """Keeps registries in front of the packages of the same name.

    `toonforge.losses` is the registry, though `toonforge/losses/` is also a package: importing a package binds it to
    its parent under its name, and this class leaves that binding out. `from toonforge.losses import L1` is untouched.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _REGISTRIES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
