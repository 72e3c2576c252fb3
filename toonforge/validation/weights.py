"""Which weights the networks had that numbers are made with, in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set

from toonforge.recipe.graph import averaged
from toonforge.recipe.model import Recipe

AVERAGE, AS_TRAINED, AS_GIVEN = "moving average", "as trained", "as given"


def weights_of(recipe: Recipe) -> dict[str, str]:
    """Network -> the weights of it that a run shows and measures, and that are used of it afterwards.

    "moving average (decay 0.99)" of generators, encoders and decoders where the run averages, "as trained" of others;
    "as given" of networks that nothing trains.
    """
    trained = {name for phase in recipe.phases.values() for name in phase.updates}
    decay = recipe.train.ema
    averages = averaged(recipe)

    def words(name: str) -> str:
        if name not in trained:
            return AS_GIVEN
        return f"{AVERAGE} (decay {decay:g})" if decay is not None and name in averages else AS_TRAINED

    return {name: words(name) for name in recipe.modules}


def in_words(weights: Mapping[str, str], networks: Set[str]) -> str:
    """The weights of networks: "as trained", or "moving average (decay 0.99) of G, E as trained" where they differ.

    Args:
        weights: network -> its weights, as `weights_of` has them; of networks that are not there nothing is said.
    """
    alike: dict[str, list[str]] = {}
    for name, words in weights.items():
        if name in networks:
            alike.setdefault(words, []).append(name)
    if len(alike) == 1:
        return next(iter(alike))
    order = sorted(alike, key=lambda words: (not words.startswith(AVERAGE), words == AS_GIVEN))
    return ", ".join(_of(words, alike[words]) for words in order)


def _of(words: str, names: Iterable[str]) -> str:
    who = " and ".join(sorted(names))
    return f"{words} of {who}" if words.startswith(AVERAGE) else f"{who} {words}"
