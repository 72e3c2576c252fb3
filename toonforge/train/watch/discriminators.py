"""Discriminators that have won: they tell real from made pictures with certainty, and generators learn little of them.

Judged by the logged losses alone: nothing is computed and no device is waited for. A discriminator's term is divided by
its value for an undecided discriminator (`Loss.undecided`): 1 is a coin's toss, 0 is certainty. Won is one whose terms,
each averaged over the last logged steps, are all below `WON`. It is over when one is above `UNDECIDED_AGAIN`, its
largest value left out: a discriminator that has won is wildly wrong about a single batch now and then.

The limits come from 63 discriminators of 43 logged trainings, the recipes in recipes/ and variants of them: pix2pix
(bce), CycleGAN, CartoonGAN and Toon2real (lsgan) in small. Over windows of 20 logged steps, the mean of the
discriminator's largest term was never below 0.14 (bce with one picture a step, whose single values go down to 0.002) or
0.26 (lsgan), and mostly above 0.4. The one exception, at 0.02, was a discriminator that knew made pictures by the frame
that zero padding left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from statistics import fmean

import attrs

from toonforge.components import expressions
from toonforge.recipe.expr import Call, Expr, Name
from toonforge.recipe.model import Recipe
from toonforge.train.watch.finding import Finding

KIND = "discriminator-won"
WON, UNDECIDED_AGAIN = 0.05, 0.1
"""Shares of the undecided value."""
_SOFTENING = {"augment": "augment(…)", "noise": "noise(…, 0.1)"}
LOGGED, STEPS = 20, 200
"""A window holds at least so many logged values, and reaches back over at least so many steps."""


@attrs.frozen(kw_only=True)
class Term:
    """A loss of a discriminator that is watched.

    Attributes:
        name: "phase.loss", as in the log.
        phase: which it is of.
        undecided: its value for a discriminator that cannot tell.
    """

    name: str
    phase: str
    undecided: float


class Window:
    """The last logged values of one term: at least `LOGGED` of them, over at least `STEPS` steps."""

    def __init__(self) -> None:
        self._values: deque[tuple[int, float]] = deque()

    def add(self, step: int, value: float) -> None:
        """Take a value, and forget those that the window no longer needs."""
        self._values.append((step, value))
        while len(self._values) > LOGGED and step - self._values[1][0] >= STEPS:
            self._values.popleft()

    @property
    def steps(self) -> int:
        """How many steps it reaches back."""
        return self._values[-1][0] - self._values[0][0] if self._values else 0

    @property
    def full(self) -> bool:
        """Whether it can be judged."""
        return len(self._values) >= LOGGED and self.steps >= STEPS

    @property
    def mean(self) -> float:
        """Of all its values."""
        return fmean(value for _, value in self._values)

    @property
    def usual(self) -> float:
        """The mean without the largest value."""
        return fmean(sorted(value for _, value in self._values)[:-1])


class Discriminators:
    """Watches the discriminators of a recipe whose losses can be judged.

    Those are the losses of phases that update the discriminator, whose one expression is a plain call of it, and which
    say their undecided value. Relativistic ones, say, which compare two calls, are left alone, and so is a
    discriminator with a single such term: to be right about one kind of picture is no feat.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        found = {name: [*_terms(recipe, name)] for name in recipe.discriminators}
        self._terms = {name: terms for name, terms in found.items() if len(terms) > 1}
        self._windows = {term.name: Window() for terms in self._terms.values() for term in terms}

    def note(self, step: int, losses: Mapping[str, float]) -> None:
        """Remember a logged step; losses of phases that were not active are not among them."""
        for name, window in self._windows.items():
            if name in losses:
                window.add(step, losses[name])

    def logged(self, step: int, losses: Mapping[str, float]) -> Iterator[Finding]:
        """Remember a logged step and judge."""
        self.note(step, losses)
        for discriminator, terms in self._terms.items():
            if all(self._windows[term.name].full for term in terms):
                yield self._judge(discriminator, {term: self._windows[term.name] for term in terms})

    def _judge(self, discriminator: str, windows: Mapping[Term, Window]) -> Finding:
        numbers = ", ".join(f"{t.name} {w.mean:.2g} (undecided: {t.undecided:.2g})" for t, w in windows.items())
        steps = max(window.steps for window in windows.values())
        return Finding(
            kind=KIND,
            about=discriminator,
            begins=all(window.mean < WON * term.undecided for term, window in windows.items()),
            lasts=all(window.usual <= UNDECIDED_AGAIN * term.undecided for term, window in windows.items()),
            message=f"{discriminator} tells real from made pictures with certainty; its losses over the last "
            f"{steps} steps: {numbers}. Generators learn little from it now",
            hint=_hint(self._recipe, discriminator, [term.phase for term in windows]),
        )


def _terms(recipe: Recipe, discriminator: str) -> Iterator[Term]:
    for name, phase in recipe.phases.items():
        if discriminator not in phase.updates:
            continue
        for key, term in phase.losses.items():
            undecided = term.loss.undecided
            exprs = [*expressions(term.loss).values()]
            if term.weight == 0 or undecided is None or undecided <= 0 or len(exprs) != 1:
                continue
            if _called(exprs[0], recipe.signals) == discriminator:
                yield Term(name=f"{name}.{key}", phase=name, undecided=undecided)


def _called(expr: Expr, signals: Mapping[str, Expr]) -> str | None:
    """What the expression is a call of, signals looked through."""
    root = expr.root
    while isinstance(root, Name) and root.name in signals:
        root = signals[root.name].root
    return root.function if isinstance(root, Call) else None


def _hint(recipe: Recipe, discriminator: str, phases: list[str]) -> str:
    helps = [f"phases.{name}.every = {2 * recipe.phases[name].every}" for name in dict.fromkeys(phases)]
    helps = [f"train it less often ({', '.join(helps)}) or with a lower learning rate (the phase's own optimizer)"]
    if getattr(recipe.discriminators[discriminator], "spectral_norm", None) is False:
        helps.append(f"discriminators.{discriminator}.spectral_norm = true")
    inside = {
        call.function
        for name in phases
        for term in recipe.phases[name].losses.values()
        for expr in expressions(term.loss).values()
        for call in expr.calls()
    }
    if lacking := [written for op, written in _SOFTENING.items() if op not in inside]:
        helps.append(f"{' or '.join(lacking)} around all that {discriminator} is shown, in every phase")
    return "; ".join([*helps, "more training pictures"])
