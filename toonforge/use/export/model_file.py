"""One safetensors file that holds a model and says what it is: `toonforge translate` and `toonforge.load` take it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.recipe.graph import Graph
from toonforge.weights.model_file import Part, write_model

if TYPE_CHECKING:
    from toonforge.use.model import Model


def write(model: Model, path: Path, domains: Sequence[str], card: Mapping[str, str], half: bool) -> None:
    """Write the networks that translations to `domains` need, and no others."""
    translations = {domain: model.translations[domain] for domain in domains}
    graph = Graph(model.inference.networks, model.inference.signals)
    exprs = translations.values()
    needed = {name for expr in exprs for name in graph.networks_below(expr)}
    signals = {name for expr in exprs for name in graph.signals_of(expr)}
    write_model(
        path,
        {
            name: Part(config=model.configs[name], state=network.state_dict(), averaged=name in model.averaged)
            for name, network in model.inference.networks.items()
            if name in needed
        },
        translations=translations,
        signals={name: expr for name, expr in model.inference.signals.items() if name in signals},
        recipe=model.recipe,
        image_size=model.image_size,
        step=model.step,
        card=card,
        half=half,
    )
