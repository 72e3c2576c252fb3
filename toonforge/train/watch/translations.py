"""Translations that do not translate: outputs that equal their inputs, are of one colour, all the same, inverted, or
saturated.

Judged by the validation pictures that a run draws anyway. The limits come from 116 drawn translations of 39 trainings,
the recipes in recipes/ and variants of them. Where networks had learned anything, outputs differed from their inputs by
at least 3.4 of 255, had a contrast of at least 9.8 of 255 (pencil sketches on white, which stay white) and 0.23 of the
inputs' variety, and correlated with the inputs by at least 0.35 in brightness and -0.35 in colour (both Toon2real's
full generator after 500 steps, blobs of colour; others above 0.54 and 0.37). Five trainings did come out unchanged,
differing by 0.0 to 1.3: heavy consistency or content terms over generators that start as the identity.

Saturated outputs lie at both ends of the range. The limits come from another 261 drawings of 59 trainings, healthy and
wrong, as they were saved (JPEG, which moves values off the ends). Dot screens and blocks of pure colours, of learning
rates from 0.02 to 1000, had 53 to 73 % of their values at the ends and at least 12 % at either (two of them, as
computed, 94 and 100 %); translations that had learned anything had at most 20 %, and those above 13 % at one end only.
As computed, 45 of the latter had at most 14 %, and 1 % at the lesser end. Inputs had up to 31 %, pictures on black.

`toonforge.train.watch.outputs` says what these numbers are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.train.watch.finding import Finding
from toonforge.train.watch.hints import holding_terms, lower_rate
from toonforge.train.watch.outputs import Outputs, compare

if TYPE_CHECKING:
    from torch import Tensor

EARLIEST = 200
"""Steps before which no drawing is judged: what a new network makes of a picture is often of one colour."""
UNCHANGED, CHANGED = 1.5, 2.5
"""Mean absolute difference of output and input, of 255: below the first nobody sees it; over above the second."""
ONE_COLOUR, COLOURS = 4.0, 6.0
"""Contrast of an output, of 255."""
SAME, DIFFERENT = 0.05, 0.1
"""Share of the inputs' variety that is left in the outputs."""
INVERTED, UPRIGHT = -0.5, -0.25
"""Correlation of outputs with their inputs, in brightness or in colour."""

SATURATED, SHADED = 0.45, 0.35
"""Share of an output's values at the ends of the range."""
BOTH_ENDS, ONE_END = 0.1, 0.05
"""Share at the end that has fewer of them."""
MORE, LITTLE_MORE = 0.25, 0.15
"""By how much the outputs' share is above the inputs': pictures on black or white paper have it from the beginning."""


class Translations:
    """Watches what the translations of a recipe make of the validation pictures."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._graph = Graph(recipe.modules, recipe.signals)

    def drawn(self, step: int, shown: Mapping[str, tuple[Tensor, Tensor]]) -> Iterator[Finding]:
        """Judge a drawing: target -> (inputs, outputs), tensors N,3,H,W in [-1, 1]."""
        if step < EARLIEST:
            return
        for target, outputs in compare(shown).items():
            yield from self._judge(target, self._recipe.translations[target], outputs)

    def _judge(self, target: str, expr: Expr, o: Outputs) -> Iterator[Finding]:
        yield Finding(
            kind="unchanged",
            about=target,
            begins=o.change < UNCHANGED,
            lasts=o.change <= CHANGED,
            message=f"{expr} leaves pictures as they are: outputs differ from inputs by {o.change:.1f} of 255 on "
            "average",
            hint=self._unchanged_hint(expr),
        )
        flat = o.contrast < ONE_COLOUR
        yield Finding(
            kind="one-colour",
            about=target,
            begins=flat,
            lasts=o.contrast <= COLOURS,
            message=f"{expr} makes pictures of one colour: their pixels differ by {o.contrast:.1f} of 255 (standard "
            "deviation)",
            hint="another train.seed or a lower learning rate; a higher weight for a loss that compares pictures "
            "(l1, feature-l1)",
        )
        if o.variety is not None and o.input_variety is not None:
            share = o.variety / o.input_variety
            yield Finding(
                kind="same-output",
                about=target,
                # Pictures of one colour are mostly of the same one: that is said already.
                begins=share < SAME and not flat,
                lasts=share <= DIFFERENT,
                message=f"{expr} makes the same picture of any input: outputs differ from each other by "
                f"{o.variety:.1f} of 255, inputs by {o.input_variety:.0f}",
                hint="a higher weight for a loss that compares output and input (l1 of a way back, feature-l1, "
                "identity), a discriminator that learns more slowly, another train.seed",
            )
        yield from self._inverted(target, expr, o)
        yield Finding(
            kind="saturated",
            about=target,
            begins=o.ends > SATURATED and o.lesser_end > BOTH_ENDS and o.ends - o.input_ends > MORE,
            lasts=o.ends >= SHADED and o.lesser_end >= ONE_END and o.ends - o.input_ends >= LITTLE_MORE,
            message=f"{expr} makes pictures of extremes: {100 * o.ends:.0f} % of the outputs' values lie at the ends "
            f"of their range, {100 * o.input_ends:.0f} % of the inputs'",
            hint=self._saturated_hint(expr),
        )

    def _inverted(self, target: str, expr: Expr, o: Outputs) -> Iterator[Finding]:
        known = {"brightness": o.brightness, "colour": o.colour}
        values = {name: value for name, value in known.items() if value is not None}
        if not values:
            return
        names = [name for name, value in values.items() if value < INVERTED]
        numbers = " and ".join(f"{values[name]:.2f} in {name}" for name in names or values)
        yield Finding(
            kind="inverted",
            about=target,
            begins=bool(names),
            lasts=min(values.values()) <= UPRIGHT,
            message=f"{expr} inverts {' and '.join(names) or 'pictures'}: outputs correlate with inputs by {numbers} "
            "(1 is alike, -1 a negative)",
            hint="a higher weight for a loss that compares output and input directly (identity, feature-l1), since a "
            "way back can undo an inversion; or another train.seed. Nothing is wrong where the target is a negative",
        )

    def _unchanged_hint(self, expr: Expr) -> str:
        holding = holding_terms(self._recipe, self._graph, expr)
        helps = [f"lower weights of what holds the picture as it is ({', '.join(holding)})"] if holding else []
        return "; ".join([*helps, "a higher learning rate of the generator", "more steps"])

    def _saturated_hint(self, expr: Expr) -> str:
        networks = self._graph.networks_below(expr)
        phases = [name for name, phase in self._recipe.phases.items() if networks & set(phase.updates)]
        return (
            f"{lower_rate(self._recipe, phases)}; a higher weight for a loss that compares pictures (l1, feature-l1) "
            "against the adversarial ones; a look at the generator's last layer, whose tanh or clipping passes next to "
            "no gradient there. Nothing is wrong where the target's pictures are of pure colours"
        )
