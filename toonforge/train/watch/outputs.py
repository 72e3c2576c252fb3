"""How a translation's outputs differ from its inputs, as a few numbers. Computed on the device, read at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, median

import attrs
import torch
from torch import Tensor
from torch.nn import functional

FLAT = 8.0
"""Pictures whose pixels differ by less (standard deviation, of 255) are too flat to be judged."""
COLOURED = 4.0
"""Colours that vary by less (standard deviation over all pictures, of 255) have no hue to be inverted."""
END = 0.99
"""Values beyond it, up or down, lie at an end of the range [-1, 1]."""
_LUMA = (0.299, 0.587, 0.114)


@attrs.frozen(kw_only=True)
class Outputs:
    """Outputs and inputs of one translation, compared. Numbers are in grey levels of 255 unless said otherwise.

    Attributes:
        change: mean absolute difference of output and input, over the pictures that are not flat.
        contrast: standard deviation of an output's pixels without the outer eighth, where padding shows; the median
            over the pictures that are not flat.
        variety: mean absolute deviation of the outputs from their mean picture; None for inputs that are all alike.
        input_variety: the same of the inputs.
        brightness: correlation of an output's brightness with its input's, -1 to 1; the median over the pictures that
            are not flat and whose outputs are not. None where there is none.
        colour: correlation of all outputs' colours, without their brightness and their mean, with the inputs'. None
            where either have next to no colour.
        ends: share of an output's values that lie at the ends of the range, 0 to 1; the median over the pictures that
            are not flat.
        lesser_end: the same of the end that has fewer of them: next to 0 for a drawing on white paper.
        input_ends: `ends` of the inputs.
    """

    change: float
    contrast: float
    variety: float | None
    input_variety: float | None
    brightness: float | None
    colour: float | None
    ends: float
    lesser_end: float
    input_ends: float


def compare(shown: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Outputs]:
    """Compare the outputs of each translation with their inputs; one transfer from the device for all.

    Args:
        shown: target -> (inputs, outputs), both N,3,H,W in [-1, 1]; outputs may be of another size.

    Returns:
        The comparison of each translation that can be judged: not those whose inputs are all flat, and not those whose
        outputs are not finite.
    """
    if not shown:
        return {}
    with torch.inference_mode():
        rows = [_numbers(inputs.detach(), outputs.detach()) for inputs, outputs in shown.values()]
        numbers: list[float] = torch.cat(rows).tolist()
    found: dict[str, Outputs] = {}
    start = 0
    for (target, _), row in zip(shown.items(), rows, strict=True):
        outputs = _read(numbers[start : start + len(row)])
        start += len(row)
        if outputs is not None:
            found[target] = outputs
    return found


_EACH, _ALL = 8, 5


def _numbers(inputs: Tensor, outputs: Tensor) -> Tensor:
    """`_EACH` numbers a picture, then `_ALL` of the whole set: one row on the device."""
    x, y = (picture.to(torch.float32) * 127.5 for picture in (inputs, outputs))
    if x.shape[-2:] != y.shape[-2:]:
        x = functional.interpolate(x, size=y.shape[-2:], mode="area")
    luma = torch.tensor(_LUMA, device=x.device).view(1, 3, 1, 1)
    (bright_x, colour_x), (bright_y, colour_y) = (
        (light, p - light) for p in (x, y) for light in [(p * luma).sum(1, True)]
    )
    low, high = _ends(y)
    each = [
        (y - x).abs().mean((1, 2, 3)),
        _contrast(x),
        _contrast(y),
        _contrast(bright_y),
        _correlation(bright_x.flatten(1), bright_y.flatten(1)),
        low + high,
        torch.minimum(low, high),
        torch.stack(_ends(x)).sum(0),
    ]
    # Around the mean colour: a tint over all pictures is no inversion.
    colours = [(c - c.mean((0, 2, 3), keepdim=True)).flatten()[None] for c in (colour_x, colour_y)]
    whole = [
        (x - x.mean(0)).abs().mean()[None],
        (y - y.mean(0)).abs().mean()[None],
        colours[0].square().mean(1).sqrt(),
        colours[1].square().mean(1).sqrt(),
        _correlation(*colours),
    ]
    return torch.cat([*each, *whole])


def _contrast(pictures: Tensor) -> Tensor:
    """N,C,H,W -> N: standard deviation over the inner pixels, all channels together but each around its own mean."""
    height, width = pictures.shape[-2:]
    inner = pictures[..., height // 8 : height - height // 8, width // 8 : width - width // 8]
    return inner.var((2, 3), correction=0).mean(1).sqrt()


def _ends(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """N,C,H,W in grey levels -> N, N: shares of the values at the lower and at the upper end of the range."""
    limit = END * 127.5
    low, high = (beyond.to(torch.float32).mean((1, 2, 3)) for beyond in (pictures < -limit, pictures > limit))
    return low, high


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's, of each row; 0 where a row is constant."""
    return functional.cosine_similarity(a - a.mean(1, True), b - b.mean(1, True), dim=1)


def _read(row: list[float]) -> Outputs | None:
    if not all(map(math.isfinite, row)):
        return None
    count = (len(row) - _ALL) // _EACH
    each = [row[i * count : (i + 1) * count] for i in range(_EACH)]
    change, contrast_x, contrast_y, bright_y, correlation, ends, lesser_end, ends_x = each
    input_variety, variety, colour_x, colour_y, colour = row[_EACH * count :]
    judged = [n for n in range(count) if contrast_x[n] >= FLAT]
    if not judged:
        return None
    brightness = [correlation[n] for n in judged if bright_y[n] >= FLAT]
    varied = input_variety >= FLAT
    return Outputs(
        change=fmean(change[n] for n in judged),
        contrast=median(contrast_y[n] for n in judged),
        variety=variety if varied else None,
        input_variety=input_variety if varied else None,
        brightness=median(brightness) if brightness else None,
        colour=colour if min(colour_x, colour_y) >= COLOURED else None,
        ends=median(ends[n] for n in judged),
        lesser_end=median(lesser_end[n] for n in judged),
        input_ends=median(ends_x[n] for n in judged),
    )
