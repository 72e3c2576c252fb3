"""What a translation has to beat: the untranslated pictures, and a plain picture filter in the translation's place."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

import torch
from torch import Tensor

from toonforge.components import Metric, Shape, expressions
from toonforge.data.transforms import normalised, to_pictures, to_tensor
from toonforge.events import FILTER, UNTRANSLATED
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.graph import Graph

STYLE = "classic"
"""Of `cartoonize`: the widely copied filter of OpenCV tutorials."""


def variants(config: Metric, graph: Graph, shapes: Mapping[str, Shape]) -> dict[str, dict[str, Expr]]:
    """Part of the results -> the metric's expressions, with something else in the place of the translation.

    None for a metric that does not say which field holds the translation, for a translation of several batch fields,
    and where that field is measured as it is. Where a metric compares the translation with the pictures it is made of,
    and nothing else, the untranslated pictures are left out: to equal themselves is no achievement to beat. The filter
    takes RGB pictures, and needs OpenCV.

    Args:
        shapes: batch field -> shape of one sample.
    """
    exprs = expressions(config)
    translation = exprs.get(config.translated or "")
    fields = graph.fields_of(translation) if translation is not None else frozenset()
    if config.translated is None or translation is None or len(fields) != 1 or not graph.calls_of(translation):
        return {}
    (field,) = fields
    others = [expr for key, expr in exprs.items() if key != config.translated]
    alone = others and all(graph.fields_of(expr) == fields and not graph.calls_of(expr) for expr in others)
    places = {} if alone else {UNTRANSLATED: field}
    if filter_missing() is None and len(shapes[field]) == 3 and shapes[field][0] == 3:
        places[FILTER] = filtered_name(field)
    return {part: {**exprs, config.translated: Expr(Name(name))} for part, name in places.items()}


def filter_missing() -> str | None:
    """Why the filter is not measured; None where it can be."""
    if find_spec("cv2") is not None:
        return None
    return 'the plain filter is not measured beside it: it needs OpenCV (pip install "toonforge[filters]")'


def filtered_name(field: str) -> str:
    """What the filtered pictures of a field are called: no recipe can have a field of this name."""
    return f"cartoonize({field}, {STYLE})"


def filtered(pictures: Tensor) -> Tensor:
    """Pictures (N,3,H,W) in [-1, 1] through the filter, each by itself."""
    from toonforge.data.filters.cartoonize import cartoonize

    made = torch.stack([to_tensor(cartoonize(picture, STYLE)) for picture in to_pictures(pictures)])
    return normalised(made).to(pictures)
