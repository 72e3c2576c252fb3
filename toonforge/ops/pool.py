"""`pool(fake)`: shows a discriminator earlier fakes too, so that it does not chase only the newest ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Op, Shape, component
from toonforge.errors import ShapeError
from toonforge.ops.shapes import number, tensor_shape

if TYPE_CHECKING:
    from toonforge.ops.image_pool import ImagePool


@component
class Pool(Op):
    """A history of pictures (Shrivastava et al., 2017): each is swapped for an old one half of the time.

    `pool(fake)` keeps 50 pictures, `pool(fake, 20)` keeps 20, `pool(fake, 0)` is off. What it yields is detached.
    In metrics, samples and translations it is the identity.
    """

    arguments: ClassVar[tuple[int, int | None]] = (1, 2)
    evaluation: ClassVar[str] = "identity"
    detaches: ClassVar[bool] = True

    def shape(self, *inputs: Shape | float) -> Shape:
        """The first argument's shape."""
        if len(inputs) > 1:
            size = number("pool", 2, inputs[1])
            if size < 0 or size != int(size):
                raise ShapeError(f"argument 2 of pool is how many pictures it keeps, a whole number, found {size:g}")
        return tensor_shape("pool", 1, inputs[0])

    def build(self) -> ImagePool:
        """An empty pool; a callable with a state."""
        from toonforge.ops.image_pool import ImagePool

        return ImagePool()
