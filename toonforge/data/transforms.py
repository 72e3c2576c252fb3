"""The geometry of training pictures: scale, crop, flip. Every random choice comes from the generator it is given.

A picture keeps its aspect: its short side is scaled to `load_size`, then a square of `image_size` is cut out. (The
public CycleGAN code scales both sides to 286 pixels, which squeezes pictures that are not square, and a translator
trained so learns squeezed shapes. On square pictures the two are the same.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    Picture = npt.NDArray[np.uint8]


@attrs.frozen(kw_only=True)
class Geometry:
    """How pictures are cut for training.

    Attributes:
        image_size: height and width of what comes out, in pixels.
        load_size: length of the short side before the crop, in pixels; at least `image_size`.
        flip: mirror every second picture, left to right.
    """

    image_size: int
    load_size: int
    flip: bool

    def crop(self, picture: Picture, rng: np.random.Generator | None) -> Crop:
        """Where to cut a scaled picture of (height, width, 3): at random, or in the middle without a generator."""
        room = [length - self.image_size for length in picture.shape[:2]]
        if rng is None:
            return Crop(top=room[0] // 2, left=room[1] // 2, size=self.image_size, flip=False)
        top, left = (int(rng.integers(0, length + 1)) for length in room)
        flip = bool(rng.integers(0, 2)) and self.flip
        return Crop(top=top, left=left, size=self.image_size, flip=flip)


@attrs.frozen(kw_only=True)
class Crop:
    """A square of `size` pixels at (top, left), mirrored or not. The two sides of a pair share one."""

    top: int
    left: int
    size: int
    flip: bool

    def __call__(self, picture: Picture) -> Picture:
        """(height, width, 3) -> (size, size, 3)."""
        cut = picture[self.top : self.top + self.size, self.left : self.left + self.size]
        return cut[:, ::-1] if self.flip else cut


def default_load_size(image_size: int) -> int:
    """The load size of an image size that comes without: CycleGAN's 286 for 256, and in proportion."""
    return round(image_size * 286 / 256)


def scaled_size(height: int, width: int, short: int) -> tuple[int, int]:
    """(height, width) of a picture whose short side becomes `short` pixels; its aspect stays."""
    factor = short / min(height, width)
    return max(short, round(height * factor)), max(short, round(width * factor))


def scale(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, bicubic with antialiasing."""
    import numpy as np
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def scale_short_side(picture: Picture, short: int) -> Picture:
    """The picture with a short side of `short` pixels."""
    return scale(picture, *scaled_size(picture.shape[0], picture.shape[1], short))


def to_tensor(picture: Picture) -> torch.Tensor:
    """(height, width, 3) of uint8 -> tensor (3, height, width) of uint8."""
    import numpy as np
    import torch

    planes: Any = np.ascontiguousarray(picture.transpose(2, 0, 1))
    return torch.from_numpy(planes)


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures of uint8, 0 to 255, as float32 in [-1, 1], on the device where they are; floats as they are."""
    import torch

    return pictures if pictures.is_floating_point() else pictures.to(torch.float32).div_(127.5).sub_(1)
