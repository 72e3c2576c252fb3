"""The geometry of training pictures: scale, crop, flip. Every random choice comes from the generator it is given.

A picture keeps its aspect: its short side is scaled to `load_size`, then a square of `image_size` is cut out. (The
public CycleGAN code scales both sides to 286 pixels, which squeezes pictures that are not square, and a translator
trained so learns squeezed shapes. On square pictures the two are the same.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        jitter: the least and the greatest factor of `load_size` that the short side is scaled by, drawn anew each time;
            `load_size` times the least is at least `image_size`. (1, 1) draws nothing.

    Examples:
        >>> from toonforge.data import Crop, Geometry, read_picture
        >>> geometry = Geometry(image_size=32, load_size=36, flip=True)
        >>> scaled = geometry.scaled(read_picture("photo.jpg"))
        >>> crop: Crop = geometry.crop(scaled, rng=None)  # the middle
        >>> crop.size, crop.flip, crop(scaled).shape
        (32, False, (32, 32, 3))
    """

    image_size: int
    load_size: int
    flip: bool
    jitter: tuple[float, float] = (1, 1)

    @property
    def short(self) -> int:
        """Length of the short side that pictures are scaled to before they are cut, in pixels.

        With jitter the greatest that can be drawn: a picture is scaled once and kept, and what is cut from it is
        scaled down as far as was drawn.
        """
        return max(self.image_size, round(self.load_size * self.jitter[1]))

    @property
    def words(self) -> str:
        """What is done to a picture without a generator, in a phrase."""
        short = max(self.image_size, self.load_size)
        size = f"{self.image_size}x{self.image_size}"
        return f"short side scaled to {short} pixels (bicubic, antialiased), {size} cut from the middle"

    def scaled(self, picture: Picture) -> Picture:
        """A picture of (height, width, 3) with the short side that pictures are cut from."""
        return scale_fast(picture, *scaled_size(picture.shape[0], picture.shape[1], self.short))

    def crop(self, picture: Picture, rng: np.random.Generator | None) -> Crop:
        """Where to cut a scaled picture of (height, width, 3): at random, or in the middle without a generator."""
        height, width = picture.shape[:2]
        size = self._size(rng)
        if rng is None:
            return Crop(top=(height - size) // 2, left=(width - size) // 2, size=size, flip=False, to=self.image_size)
        top, left = int(rng.integers(0, height - size + 1)), int(rng.integers(0, width - size + 1))
        flip = bool(rng.integers(0, 2)) and self.flip
        return Crop(top=top, left=left, size=size, flip=flip, to=self.image_size)

    def _size(self, rng: np.random.Generator | None) -> int:
        """Side of the square to cut from a scaled picture: the smaller the picture should be, the larger the square."""
        least, greatest = self.jitter
        if least == greatest == 1:
            return self.image_size
        factor = 1.0 if rng is None else rng.uniform(least, greatest)
        return min(self.short, max(1, round(self.image_size * greatest / factor)))


@attrs.frozen(kw_only=True)
class Crop:
    """A square of `size` pixels at (top, left), mirrored or not, scaled to `to`. The two sides of a pair share one."""

    top: int
    left: int
    size: int
    flip: bool
    to: int

    def __call__(self, picture: Picture) -> Picture:
        """(height, width, 3) -> (to, to, 3); may share the picture's memory."""
        cut = picture[self.top : self.top + self.size, self.left : self.left + self.size]
        if self.size != self.to:
            cut = scale_fast(cut, self.to, self.to)
        return _mirrored(cut) if self.flip else cut


def _mirrored(picture: Picture) -> Picture:
    mirrored: Picture = _tensor(picture).flip(1).numpy()  # ten times faster than by numpy
    return mirrored


def _tensor(picture: Picture) -> torch.Tensor:
    import torch

    if not picture.flags.writeable or min(picture.strides) < 0:  # torch takes neither
        picture = picture.copy()
    return torch.from_numpy(picture)


def default_load_size(image_size: int) -> int:
    """The load size of an image size that comes without: CycleGAN's 286 for 256, and in proportion."""
    return round(image_size * 286 / 256)


def scaled_size(height: int, width: int, short: int) -> tuple[int, int]:
    """(height, width) of a picture whose short side becomes `short` pixels; its aspect stays."""
    factor = short / min(height, width)
    return max(short, round(height * factor)), max(short, round(width * factor))


def scale(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, bicubic with antialiasing, by Pillow: for what works without torch."""
    import numpy as np
    from PIL import Image

    if picture.shape[:2] == (height, width):
        return picture
    return np.array(Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC))


def scale_short_side(picture: Picture, short: int) -> Picture:
    """The picture with a short side of `short` pixels, by Pillow: for what works without torch.

    Examples:
        >>> from toonforge.data import read_picture, scale_short_side
        >>> scale_short_side(read_picture("photo.jpg"), 24).shape
        (24, 32, 3)
    """
    return scale(picture, *scaled_size(picture.shape[0], picture.shape[1], short))


def scale_fast(picture: Picture, height: int, width: int) -> Picture:
    """The picture at another size, bicubic with antialiasing, by torch: what pictures are trained and measured with.

    Several times faster than Pillow, from which it differs in fewer than one value of a hundred, there by one level of
    255, seldom by two.
    """
    import torch

    if picture.shape[:2] == (height, width):
        return picture
    planes = to_tensor(picture).unsqueeze(0)
    scaled = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
    result: Picture = scaled[0].permute(1, 2, 0).numpy()
    return result


def to_tensor(picture: Picture) -> torch.Tensor:
    """(height, width, 3) of uint8 -> tensor (3, height, width) of uint8, which may share its memory.

    Examples:
        >>> from toonforge.data import read_picture, to_tensor
        >>> to_tensor(read_picture("photo.jpg")).shape
        torch.Size([3, 48, 64])
    """
    return _tensor(picture).permute(2, 0, 1)


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures of uint8, 0 to 255, as float32 in [-1, 1], on the device where they are; floats as they are.

    Examples:
        >>> import torch
        >>> from toonforge.data import normalised
        >>> normalised(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """
    import torch

    if pictures.is_floating_point():
        return pictures
    # Colour by colour, as networks' own values lie; pictures come with their colours together, as they are decoded.
    return pictures.contiguous().to(torch.float32).div_(127.5).sub_(1)


def to_bytes(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures in [-1, 1] as uint8, 0 to 255, to the nearest level; what is not a number becomes black."""
    import torch

    values = pictures.float().nan_to_num(nan=-1, posinf=1, neginf=-1).clamp(-1, 1)
    return (values * 127.5 + 127.5).round().to(torch.uint8)


def to_pictures(pictures: torch.Tensor) -> list[Picture]:
    """(N,3,H,W) or (N,1,H,W) in [-1, 1] -> (height, width, 3) of uint8 each; what is not a number becomes black."""
    return list(to_bytes(pictures).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().cpu().numpy())
