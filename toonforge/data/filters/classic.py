"""The cartoon style `classic`, the widely copied filter of OpenCV tutorials, and what varies it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture


@attrs.frozen(kw_only=True)
class Classic:
    """Colours smoothed by repeated bilateral filtering at a smaller scale, black lines by an adaptive threshold.

    The recipe of M. Beyeler, "OpenCV with Python Blueprints" (2015), chapter 1, which the document "cGANs for Cartoon
    to Real-life Images" (section 2.1) made its pairs with, modified in ways it does not tell. The book's own values
    are 2 halvings, 7 passes, colours 9, median 7, block 9, offset 2, for camera pictures of 640x480. At 256 pixels
    they cover faces with specks; the defaults here are for that size.

    Attributes:
        halvings: how often the picture is halved before its colours are smoothed; blurs, and makes it faster.
        passes: how often the bilateral filter (9 pixels wide) is applied.
        colours: its scale in colour, in levels of 255; larger differences stay.
        median: width of the median filter under the lines, in pixels, odd; drops small detail.
        block: a pixel is a line where it is darker than the mean of a square of this many pixels, odd, ...
        offset: ... by more than this, in levels of 255.
        widen: lines grow by this many pixels to each side.
        gray: share of gray in the colours, 0 (none) to 1 (no colour).
    """

    halvings: int = 1
    passes: int = 7
    colours: float = 9.0
    median: int = 5
    block: int = 9
    offset: float = 5.0
    widen: int = 0
    gray: float = 0.0

    def __call__(self, picture: Picture) -> Picture:
        """A cartoon of an RGB picture (height, width, 3) of uint8; the same size."""
        import numpy as np

        cv2 = opencv()
        lines = self._paper(picture)
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        mixed = cv2.addWeighted(picture, 1 - self.gray, cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB), self.gray, 0)
        result: Picture = np.where(lines[..., None], self._smooth(mixed), np.uint8(0))
        return result

    def _smooth(self, picture: Picture) -> Picture:
        cv2 = opencv()
        sizes = []
        for _ in range(self.halvings):
            sizes.append(picture.shape[1::-1])
            picture = cv2.pyrDown(picture)
        for _ in range(self.passes):
            picture = cv2.bilateralFilter(picture, 9, self.colours, 7)
        for size in reversed(sizes):
            picture = cv2.pyrUp(picture, dstsize=size)
        return picture

    def _paper(self, picture: Picture) -> Picture:
        """(height, width): 0 where there is a line, 255 elsewhere."""
        import numpy as np

        cv2 = opencv()
        gray = cv2.medianBlur(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), self.median)
        paper: Picture = cv2.adaptiveThreshold(
            gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY, self.block, self.offset
        )
        if self.widen:
            side = 2 * self.widen + 1
            paper = cv2.erode(paper, np.ones((side, side), np.uint8))
        return paper
