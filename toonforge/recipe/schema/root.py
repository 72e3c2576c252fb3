"""What an editor shows over the tables of a recipe, and over the keys that no config class has."""

from __future__ import annotations

from collections.abc import Mapping

TABLES: Mapping[str, str] = {
    "name": "*text*. Names the run's folder: `runs/NAME`.",
    "data": "The data set: where pictures come from, and the batch fields that expressions name.",
    "generators": "Picture-to-picture networks by the name that expressions call: `G = { type = … }`.",
    "discriminators": "Networks that judge pictures, by the name that expressions call; they yield logits.",
    "networks": "Any other networks, such as feature networks and encoders: frozen unless a phase updates them.",
    "signals": 'Expressions by name, evaluated once a step and shared by all phases: `fake = "G(photo)"`.',
    "phases": "What is updated by which losses, in the order they run: `[phases.NAME]`.",
    "train": "How long, in which batches and by which optimizer.",
    "translations": "What a trained run offers: a domain's name and an expression of one data field.",
    "metrics": "Numbers by name, measured over the validation pictures.",
}
"""Key of a recipe -> what it is."""

EXTENDS = (
    '*text*. The recipe that this one changes: a file, relative to this one, or `"plugin/recipe"`. Tables merge, '
    "arrays replace, and a changed `type` replaces its table whole."
)

PLACES: Mapping[str, str] = {
    "before": "*text*. Of a phase that the extended recipe lacks: the phase that it comes before.",
    "after": "*text*. Of a phase that the extended recipe lacks: the phase that it comes after.",
}
"""Keys of a phase that say where it goes."""
