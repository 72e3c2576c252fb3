"""Which norm a network was trained with, told from the tensors of one layer."""

from __future__ import annotations

import attrs

from toonforge.nn.choices import Norm
from toonforge.use.foreign.layout import Shapes

PLAIN = (
    "neither the norms nor their absence have tensors here: taken for instance norm without weights, the original's "
    'default; a network without any norm: --set norm="none"'
)
NONE = "no tensors of norms and no biases before them: the original's option `--norm none`"
DROPPED = "running statistics of instance norm, which the original takes of each picture"
TEST_TIME = (
    "batch norm takes each picture's own mean and deviation, as the original's test.py does; where it was tested with "
    '--eval: --set statistics="running"'
)


@attrs.frozen(kw_only=True)
class Normed:
    """The norm of a network.

    Attributes:
        norm: as components call it.
        bias: whether the convolutions before it have one.
        said: what had to be assumed.
    """

    norm: Norm
    bias: bool
    said: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The norm, for people."""
        return {"instance-affine": "instance norm with weights", "none": "no norm"}.get(self.norm, f"{self.norm} norm")


def normed(shapes: Shapes, convolution: str, norm: str, *, is_there: bool = True) -> Normed:
    """The norm after a convolution.

    Args:
        convolution, norm: their modules' names.
        is_there: False where the numbers of the layers leave no place for a norm.
    """
    bias = f"{convolution}.bias" in shapes
    if not is_there:
        return Normed(norm="none", bias=bias)
    weights, tracked = f"{norm}.weight" in shapes, f"{norm}.running_mean" in shapes
    if not weights:
        if tracked or bias:
            return Normed(norm="instance", bias=bias, said=() if tracked else (PLAIN,))
        return Normed(norm="none", bias=False, said=(NONE,))
    if not tracked:
        return Normed(norm="instance-affine", bias=bias)
    said: tuple[str, ...] = (TEST_TIME,)
    if bias:
        said += (
            "norms with weights and running statistics behind convolutions with biases: taken for batch norm; "
            'instance norm that tracks statistics: --set norm="instance-affine"',
        )
    return Normed(norm="batch", bias=bias, said=said)


def options(found: Normed) -> dict[str, object]:
    """The component's options for it; `bias` only where it is not what the norm asks for."""
    asked = found.norm not in ("batch", "instance-affine")  # toonforge.nn.norms.bias_before, which imports torch
    return {"norm": found.norm} | ({"bias": found.bias} if found.bias != asked else {})
