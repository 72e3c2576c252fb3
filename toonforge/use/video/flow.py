"""Where each pixel of a frame was in the frame before, and how far that can be trusted. Needs OpenCV.

Dense inverse search (Kroeger et al. 2016, OpenCV's DIS) finds the movement both ways on a reduced frame. A pixel is
trusted where the two agree (Sundaram et al. 2010) and where what was there looks as it does now: an edge that moves
uncovers what was behind it, and that is in no earlier frame.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

SHORT = 288
"""Short side at which movement is looked for, in pixels: finer costs more and finds no more."""

AGREE = (0.01, 0.5)
"""Movements there and back agree where their sum squared is less than this share of their squares, plus this many
pixels squared of the reduced frame; they disagree wholly at twice that."""

FLAT = 8.0
"""Slope, in levels of 255 a pixel, below which more disagreement is allowed, by the square of the ratio: where there is
nothing to follow, such as a clear sky, movement is found badly and matters little."""

STILL = 0.05
"""Pixels; what moves by less stands still, and is not blurred by being moved again and again."""

LIKE = 10.0
"""Difference, in levels of 255, to what a pixel was like before at which it is trusted by 1/e."""

AROUND = 5
"""Side of the square over which colours are averaged before they are compared, so that noise is no difference."""

CUT, STRANGE = 10.0, 0.5
"""A frame begins a new scene where it differs from the one before by so many levels on average at 32x18 (as
`toonforge.prepare.films.scenes.LEAST_CHANGE`), and where so large a share of its pixels cannot be trusted."""


@attrs.frozen(eq=False)
class Movement:
    """From a frame to the one before it.

    Attributes:
        where: H,W,2; x and y in the frame before, in pixels.
        trust: H,W, 0 to 1.
        still: H,W; what stands still.
        cut: a new scene begins here.
    """

    where: npt.NDArray[np.float32]
    trust: npt.NDArray[np.float32]
    still: npt.NDArray[np.bool_]
    cut: bool


class Flow:
    """Follows a film frame by frame."""

    def __init__(self) -> None:
        cv2 = opencv()
        self._search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._before: tuple[Picture, Any, Any] | None = None

    def next(self, picture: Picture) -> Movement | None:
        """The movement to the frame before; None for the first."""
        import numpy as np

        cv2 = opencv()
        height, width = picture.shape[:2]
        scale = min(1.0, SHORT / min(height, width))
        small = (max(16, round(width * scale)), max(16, round(height * scale)))
        gray = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), small, interpolation=cv2.INTER_AREA)
        gray = cv2.GaussianBlur(gray, (3, 3), 0)
        tiny = cv2.resize(picture, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        before, self._before = self._before, (picture, gray, tiny)
        if before is None or before[0].shape != picture.shape:
            return None
        back = self._search.calc(gray, before[1], None)
        forth = self._search.calc(before[1], gray, None)
        agreed = cv2.resize(_agreed(back, forth, gray), (width, height))
        moved = cv2.resize(back, (width, height)) * np.array([width / small[0], height / small[1]], np.float32)
        x, y = moved[:, :, 0], moved[:, :, 1]
        still = (np.abs(x) < STILL) & (np.abs(y) < STILL)
        moved[still] = 0
        moved += _grid(height, width)
        trust = _alike(picture, _moved(before[0], moved, cv2.INTER_LINEAR)) * agreed
        trust[(x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)] = 0
        apart = float(np.abs(tiny - before[2]).mean())
        return Movement(moved, trust, still, apart >= CUT and float(trust.mean()) < STRANGE)


def warped(picture: npt.NDArray[Any], movement: Movement) -> npt.NDArray[Any]:
    """The frame before, moved to where its parts are now."""
    moved: npt.NDArray[Any] = _moved(picture, movement.where, opencv().INTER_CUBIC)
    return moved


def opencv() -> Any:
    """OpenCV, whose own types are too narrow for what it takes."""
    import cv2

    return cv2


def _moved(picture: Any, where: Any, method: int) -> Any:
    cv2 = opencv()
    return cv2.remap(picture, where, None, method, borderMode=cv2.BORDER_REPLICATE)


@lru_cache(maxsize=4)
def _grid(height: int, width: int) -> npt.NDArray[np.float32]:
    """H,W,2: each pixel's own x and y."""
    import numpy as np

    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns, rows], axis=2).astype(np.float32)


def _alike(now: Picture, was: Picture) -> npt.NDArray[np.float32]:
    """H,W, 0 to 1: whether two pictures are of like colours, noise aside."""
    import numpy as np

    cv2 = opencv()
    change = cv2.absdiff(cv2.blur(now, (AROUND, AROUND)), cv2.blur(was, (AROUND, AROUND)))
    most = np.maximum(np.maximum(change[:, :, 0], change[:, :, 1]), change[:, :, 2])
    levels = np.exp(-np.square(np.arange(256) / LIKE)).astype(np.float32)
    alike: npt.NDArray[np.float32] = levels[most]
    return alike


def _agreed(back: Any, forth: Any, gray: Any) -> npt.NDArray[np.float32]:
    """H,W, 0 to 1: whether one comes back to where one started."""
    import numpy as np

    cv2 = opencv()
    there = _moved(forth, _grid(*gray.shape) + back, cv2.INTER_LINEAR)
    off = np.square(back + there).sum(axis=2)
    allowed = AGREE[0] * (np.square(back).sum(axis=2) + np.square(there).sum(axis=2)) + AGREE[1]
    slope = np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=1 / 8))
    flat = FLAT / np.maximum(cv2.blur(slope, (9, 9)), 1.0)
    agreed = np.clip(2 - off / (allowed * np.maximum(flat, 1.0) ** 2), 0, 1).astype(np.float32)
    smooth: npt.NDArray[np.float32] = cv2.blur(agreed, (AROUND, AROUND))
    return smooth
