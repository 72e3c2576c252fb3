"""Cartoons with their edges blurred: what CartoonGAN's discriminator is told is no cartoon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture


def smooth_edges(picture: Picture, *, low: float = 100, high: float = 200, size: int = 5) -> Picture:
    """An RGB picture (height, width, 3) of uint8, blurred around its edges and unchanged elsewhere; the same size.

    Edges are found (Canny), widened (dilated by a square), and the pixels there replaced by their mean under a
    Gaussian (CartoonGAN, section 3.2, figure 5; thresholds and sizes of its public re-implementations). Past the
    border the picture is mirrored around its outermost pixels. Means are rounded to the nearest level, halves up.

    Args:
        picture: the cartoon.
        low, high: Canny's thresholds of the gradient, in levels of 255.
        size: sides of the square and of the Gaussian, in pixels, odd; its sigma follows, 1.1 for 5.

    Raises:
        ToonforgeError: OpenCV is not installed.

    Examples:
        >>> from toonforge.data import read_picture, smooth_edges
        >>> smooth_edges(read_picture("drawing.jpg")).shape
        (48, 64, 3)
    """
    import numpy as np

    cv2 = opencv()
    edges = cv2.Canny(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), low, high)
    around = cv2.dilate(edges, np.ones((size, size), np.uint8)) > 0
    # In float32, where sums of levels times the kernel's sixteenths are exact: no release of OpenCV rounds otherwise.
    means = cv2.GaussianBlur(picture.astype(np.float32), (size, size), 0, borderType=cv2.BORDER_REFLECT_101)
    result: Picture = np.where(around[..., None], (means + 0.5).astype(np.uint8), picture)
    return result
