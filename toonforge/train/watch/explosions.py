"""Losses that explode: the weighted losses of a phase grow to many times what is normal for it.

Judged by the logged losses alone. Normal is, for a loss that says its value for an undecided discriminator
(`Loss.undecided`), that value: with a wild learning rate such a loss is huge at the first logged step already, so that
its own beginning says nothing. For the others it is the largest of their first logged values. Losses that call a
discriminator without saying that value have no natural scale and are left out: a Wasserstein critic's grow as they
should.

The limit comes from 198 phases of 160 logged trainings. In healthy ones and ones gone wrong in other ways the median of
ten logged sums was at most 10 times the normal one, that of a generator whose discriminator had won. With learning
rates of 1, 10 and 1000 it went up to 28, 2e3 and 2e7 times the normal one; the first is told by its pictures
(`saturated`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from statistics import median

import attrs

from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.train.watch.finding import Finding
from toonforge.train.watch.hints import asks_discriminators, lower_rate

KIND = "exploding"
EXPLODED, SETTLED = 100.0, 30.0
"""Times the normal weighted sum: above the first it explodes, below the second it is over."""
FIRST, STEPS, LAST = 5, 50, 10
"""The beginning holds at least so many logged steps, over at least so many steps; judged is the median of the last."""
LEAST = 0.01
"""What is normal for a loss at least: networks that begin as the identity begin with losses of next to nothing."""


@attrs.frozen
class Term:
    """A loss that is watched: its weight, and its value for an undecided discriminator if it has one."""

    weight: float
    natural: float | None


class Level:
    """The weighted losses of one phase, at its beginning and now."""

    def __init__(self, terms: Mapping[str, Term]) -> None:
        self._terms = terms
        self._start: int | None = None
        self._seen = 0
        self._began = False
        self._largest = dict.fromkeys(terms, LEAST)
        self._last: deque[float] = deque(maxlen=LAST)

    def add(self, step: int, losses: Mapping[str, float]) -> None:
        """Take a logged step; one at which the phase was not active is left out."""
        if not losses.keys() >= self._terms.keys():
            return
        self._start = step if self._start is None else self._start
        if not self._began:
            self._largest = {name: max(value, abs(losses[name])) for name, value in self._largest.items()}
            self._seen += 1
            self._began = self._seen >= FIRST and step - self._start >= STEPS
        self._last.append(sum(term.weight * abs(losses[name]) for name, term in self._terms.items()))

    @property
    def known(self) -> bool:
        """Whether it can be judged."""
        return self._began and len(self._last) == LAST

    @property
    def normal(self) -> float:
        """What the weighted sum should be like."""
        return sum(
            term.weight * (self._largest[name] if term.natural is None else term.natural)
            for name, term in self._terms.items()
        )

    @property
    def now(self) -> float:
        """The median of the last logged sums: a single wild step is none of it."""
        return median(self._last)


class Explosions:
    """Watches the losses of every phase that has some of a known scale."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        terms = {name: _terms(recipe, name) for name in recipe.phases}
        self._levels = {name: Level(known) for name, known in terms.items() if known}

    def note(self, step: int, losses: Mapping[str, float]) -> None:
        """Remember a logged step."""
        for level in self._levels.values():
            level.add(step, losses)

    def logged(self, step: int, losses: Mapping[str, float]) -> Iterator[Finding]:
        """Remember a logged step and judge."""
        self.note(step, losses)
        for phase, level in self._levels.items():
            if level.known:
                now, normal = level.now, level.normal
                yield Finding(
                    kind=KIND,
                    about=phase,
                    begins=now > EXPLODED * normal,
                    lasts=now >= SETTLED * normal,
                    message=f"the losses of {phase} explode: their weighted sum is {now:.2g}, {now / normal:.2g} times "
                    f"what is normal for it ({normal:.2g})",
                    hint=f"{lower_rate(self._recipe, [phase])}; {_clip(self._recipe.train.clip)}",
                )


def _clip(clip: float | None) -> str:
    return "train.clip = 1" if clip is None or clip <= 1 else f"a lower train.clip than {clip:g}"


def _terms(recipe: Recipe, phase: str) -> dict[str, Term]:
    graph = Graph(recipe.modules, recipe.signals)
    found = {}
    for key, term in recipe.phases[phase].losses.items():
        natural = term.loss.undecided
        if term.weight > 0 and (
            not asks_discriminators(recipe, graph, term.loss) or (natural is not None and natural > 0)
        ):
            found[f"{phase}.{key}"] = Term(term.weight, natural)
    return found
