"""What weights files say of themselves: a run's, of one network each, and model files, of several. Needs no torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs

from toonforge.errors import RecipeError
from toonforge.recipe.expr import Expr
from toonforge.recipe.report import Report
from toonforge.recipe.scope import signal_order
from toonforge.registries import ops
from toonforge.runs.metadata import no_weights_file, read_metadata, tensor_names

T = TypeVar("T")

SUFFIX, AVERAGED = ".safetensors", ".ema.safetensors"
MODEL = "model"
"""The `kind` that a model file gives for itself."""
MOST_NETWORKS, LAST_STEP, LARGEST_SIDE = 256, 10**12, 1 << 16
"""How many networks, steps, and pixels along a side a weights file may speak of."""


@attrs.frozen(kw_only=True)
class Weights:
    """One network's weights, and what their file says of them.

    Attributes:
        network: its name in the recipe's expressions.
        kind: the registry of its component.
        component: `type` and every other field of its config.
        translations: domain -> expression, as the recipe offers them.
        signals: the recipe's signals, which expressions may use.
        averaged: whether they are a moving average of the weights that were trained.
        prefix: of its tensors' names in the file: "" where the file holds this network alone.
        step: how many steps were done, where the file says so.
        card: what the makers of a model file say of it: title, description, license, …
    """

    path: Path
    network: str
    kind: str
    component: Mapping[str, Any]
    translations: Mapping[str, Expr]
    signals: Mapping[str, Expr]
    recipe: str
    image_size: int | None
    averaged: bool
    prefix: str = ""
    step: int | None = None
    card: Mapping[str, str] = attrs.field(factory=dict)


def read_weights(path: Path) -> list[Weights]:
    """What a weights file says of each network in it: one in a run's file, all in a model file.

    Raises:
        RunError: for a file that no run and no export wrote, or a newer one.
    """
    about = read_metadata(path)
    try:
        signals = _expressions(about.get("signals", {}))
        signal_order(signals, circles := Report(None))
        if circles.problems:
            raise ValueError(f"{circles.problems[0].key}: {circles.problems[0].message}")
        shared = {
            "path": path,
            "translations": _expressions(about["translations"]),
            "signals": signals,
            "recipe": _of(str, about["recipe"], "recipe"),
            "image_size": _number(about, "image_size", 1, LARGEST_SIDE),
        }
        if about["kind"] != MODEL:
            averaged = path.name.endswith(AVERAGED)
            return [_network(about, _of(str, about["network"], "network"), averaged=averaged, **shared)]
        shared.update(step=_number(about, "step", 0, LAST_STEP), card=_texts(about.get("card", {})))
        networks = _of(dict, about["networks"], "networks")
        if len(networks) > MOST_NETWORKS:
            raise ValueError(f"{len(networks):,} networks, more than {MOST_NETWORKS}")
        if not networks or not all(name.isidentifier() for name in networks):
            raise ValueError(f"networks are called {', '.join(map(repr, networks)) or 'nothing'}")
        if strange := [name for name in tensor_names(path) if name.partition(".")[0] not in networks]:
            raise ValueError(f"the tensor {strange[0]!r} is of no network of the file")
        return [
            _network(each, name, averaged=_of(bool, each["averaged"], "averaged"), prefix=f"{name}.", **shared)
            for name, each in networks.items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecipeError) as error:
        raise no_weights_file(path, error) from None


def _network(about: Mapping[str, Any], name: str, **shared: Any) -> Weights:
    if name in ops:  # an expression would mean the op
        raise ValueError(f"a network is called {name!r}, as an op is")
    return Weights(
        network=name,
        kind=_of(str, about["kind"], "kind"),
        component=_of(dict, about["component"], "component"),
        **shared,
    )


def _of(kind: type[T], value: object, name: str) -> T:
    """The value, of this type; `TypeError` for another."""
    if type(value) is not kind:
        raise TypeError(f"{name} is {type(value).__name__}, not {kind.__name__}")
    return value


def _number(about: Mapping[str, Any], name: str, least: int, most: int) -> int | None:
    if about.get(name) is None:
        return None
    number = _of(int, about[name], name)
    if not least <= number <= most:
        raise ValueError(f"{name} is not from {least} to {most:,}")
    return number


def _texts(card: object) -> dict[str, str]:
    return {name: _of(str, text, f"card.{name}") for name, text in _of(dict, card, "card").items()}


def _expressions(texts: Mapping[str, str]) -> dict[str, Expr]:
    return {name: Expr.parse(_of(str, text, name)) for name, text in texts.items()}
