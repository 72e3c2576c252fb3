"""What is public: the modules that plugins, scripts and notebooks import from; of each, the names in its `__all__`."""

from __future__ import annotations

import importlib
from collections.abc import Collection

FOR_PLUGINS = (
    "toonforge",
    "toonforge.components",
    "toonforge.deprecation",
    "toonforge.errors",
    "toonforge.events",
    "toonforge.extras",
    "toonforge.plugins.hookspecs",
    "toonforge.recipe",
    "toonforge.data",
    "toonforge.losses",
    "toonforge.metrics",
    "toonforge.ops",
    "toonforge.optimizers",
    "toonforge.schedules",
    "toonforge.nn",
    "toonforge.nn.choices",
    "toonforge.nn.discriminators",
    "toonforge.nn.double_unet",
    "toonforge.nn.features",
    "toonforge.nn.generators",
    "toonforge.nn.init",
    "toonforge.nn.norms",
    "toonforge.nn.padding",
    "toonforge.nn.patchgan",
    "toonforge.nn.plain",
    "toonforge.nn.resnet",
    "toonforge.nn.shapes",
    "toonforge.nn.torchvision_guard",
    "toonforge.nn.tracing",
    "toonforge.nn.unet",
    "toonforge.nn.upsampling",
    "toonforge.nn.weights",
    "toonforge.testing",
)
"""For everybody."""
FOR_SCRIPTS = (
    "toonforge.prepare",
    "toonforge.bench",
    "toonforge.use.demo",
    "toonforge.use.look",
    "toonforge.use.tiled",
    "toonforge.use.video",
)
"""For scripts and notebooks, and not for plugins: they use what plugins supply."""


def refusal(module: str, name: str | None, modules: Collection[str] = FOR_PLUGINS) -> str | None:
    """Why an import from toonforge is of nothing public, and what to import instead; None where it is.

    Args:
        module: whose import it is, by its full name.
        name: what is imported from it; None for `import module`.
        modules: that count as public.
    """
    full = module if name is None or name == "*" else f"{module}.{name}"
    if full in modules or (module in modules and (name == "*" or name in _names(module))):
        return None
    script = next((each for each in FOR_SCRIPTS if each not in modules and _within(full, each)), None)
    if script is not None:
        return f"{script} is for scripts and notebooks, not for plugins"
    parts = full.split(".")
    wholes = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    private = next((whole for whole in wholes if not any(_within(each, whole) for each in modules)), full)
    home = next((each for each in FOR_PLUGINS if name in _names(each)), None)
    instead = "what toonforge, toonforge.nn, toonforge.data and toonforge.testing have in __all__ is"
    return f"{private} is not for plugins and changes without notice; " + (
        f"from {home} import {name}" if home is not None else instead
    )


def _within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def _names(module: str) -> list[str]:
    names: list[str] = importlib.import_module(module).__all__
    return names
