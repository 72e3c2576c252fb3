"""Sets that are not independent are cautioned of: known of pairs, and seen in numbers far below 0."""

from __future__ import annotations

import math

from tests.measured import PAIRS, inference, measuring, networks
from toonforge.metrics import KID, PixelL1
from toonforge.recipe.expr import Expr
from toonforge.validation.independence import dependence

anime, made = Expr.parse("anime"), Expr.parse("G(photo)")


def test_sets_that_are_not_independent_are_cautioned_of() -> None:
    kid = KID(generated=made, reference=anime, size=32)
    unpaired = measuring({"kid": kid})(inference(networks(1.0)))
    assert not unpaired.about["kid"].cautions
    pairs = measuring({"kid": kid, "l1": PixelL1(input=made, target=anime)}, groups=PAIRS)(inference(networks(1.0)))
    (caution,) = pairs.about["kid"].cautions
    assert "generated and reference are two sides of pairs" in caution and not pairs.about["l1"].cautions


def test_a_distance_far_below_0_is_cautioned_of() -> None:
    def said(**values: float) -> list[str]:
        config, results = KID(generated=made, reference=anime), {k.replace("kid", ""): v for k, v in values.items()}
        return dependence(config, {"generated": made, "reference": anime}, results, lambda expr: frozenset([expr.text]))

    assert said(kid=-2.0, std=1.0) == said(kid=-9.0, std=0.0) == said(kid=-9.0) == said(kid=9.0, std=1.0) == []
    (caution,) = said(kid=-4.0, std=1.0, untranslated=-2.0, untranslated_std=1.0)
    assert caution.startswith("far below 0: the two sets are not independent")
    (caution,) = said(kid=4.0, std=1.0, untranslated=-136.0, untranslated_std=31.0)
    assert caution.startswith("untranslated is far below 0")
    assert said(kid=math.nan, std=math.nan) == []
