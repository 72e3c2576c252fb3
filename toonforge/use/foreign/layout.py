"""What a recognised state dict is: whose network, which component of ours, and its layers in the order of the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from toonforge.use.foreign.names import Shape

Shapes = Mapping[str, Shape]
"""Names without what they all begin with -> shapes, in the file's order."""


@attrs.frozen(kw_only=True)
class Layout:
    """Whose network a state dict is of.

    Attributes:
        origin: the program, its option and its norm, for people.
        component: ours, by its name in its registry.
        kind: the registry.
        options: of the component, as its tensors tell them.
        modules: the names of its convolutions and norms, in the order in which data passes through them; a norm that
            has no tensors has a name too.
        norms: which of them are norms.
        leaves: what it calls a norm's "weight" and "bias", where it calls them something else.
        bgr: whether it works on pictures whose channels are blue, green and red.
        image_size: of the pictures that it was trained on, where the architecture tells.
        said: what the tensors cannot tell and what was assumed, in sentences.
    """

    origin: str
    component: str
    kind: str
    options: Mapping[str, Any]
    modules: Sequence[str]
    norms: frozenset[str]
    leaves: Mapping[str, str] = attrs.field(factory=dict)
    bgr: bool = False
    image_size: int | None = None
    said: tuple[str, ...] = ()


Recogniser = Callable[[Shapes], Layout | None]
"""The layout of a state dict; None where it is not of the kind that the function knows."""


def recognise(shapes: Shapes) -> Layout | None:
    """The first layout that a state dict has.

    Args:
        shapes: without the prefix that all names share.

    Raises:
        RunError: a layout that is known and cannot be imported.
    """
    from toonforge.use.foreign.cartoon import port_discriminator, port_generator, transformer
    from toonforge.use.foreign.patches import patches, pixels
    from toonforge.use.foreign.residual import residual
    from toonforge.use.foreign.skips import skips

    recognisers: tuple[Recogniser, ...] = (
        residual,
        skips,
        patches,
        pixels,
        transformer,
        port_generator,
        port_discriminator,
    )
    return next((found for found in (knows(shapes) for knows in recognisers) if found is not None), None)
