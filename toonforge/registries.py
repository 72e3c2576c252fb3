"""The registries of this process, filled from the installed plugins at the first look-up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from toonforge.components import (
    Dataset,
    Discriminator,
    Generator,
    Loss,
    Metric,
    Op,
    Optimizer,
    OtherNetwork,
    Schedule,
)
from toonforge.plugins.loader import Plugins
from toonforge.registry import Registry

plugins = Plugins()
generators: Registry[Generator] = plugins.registries["generators"]
discriminators: Registry[Discriminator] = plugins.registries["discriminators"]
networks: Registry[OtherNetwork] = plugins.registries["networks"]
losses: Registry[Loss] = plugins.registries["losses"]
datasets: Registry[Dataset] = plugins.registries["datasets"]
metrics: Registry[Metric] = plugins.registries["metrics"]
ops: Registry[Op] = plugins.registries["ops"]
optimizers: Registry[Optimizer] = plugins.registries["optimizers"]
schedules: Registry[Schedule] = plugins.registries["schedules"]
recipes: Registry[Any] = plugins.recipes
models: Registry[Any] = plugins.models


def block(names: Iterable[str]) -> None:
    """Never import these plugins; must be called before the first look-up."""
    plugins.blocked = plugins.blocked | frozenset(names)
