"""Takes flicker out of a translated film: what did not change in the film shall not change in its translation.

Each translated frame is blended with the one before, which is first moved as the film moved. So much of it is taken
as the movement can be trusted: nothing where something new appears, where an edge uncovers what was behind it, or at
a cut. (After Lai et al., "Learning Blind Video Temporal Consistency", 2018, whose network learns this blending.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from toonforge.use.video.flow import Flow, opencv, warped
from toonforge.use.video.pieces import Piece, Shot

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from toonforge.data.transforms import Picture

MOST = 0.9
"""Share of the frame before that is taken at a steadiness of 1, where it is trusted fully: flicker without pattern
falls to its quarter."""

FINE = 0.55
"""The same, at most, of what is finer than `COARSE` where something moves: to move a picture by parts of a pixel blurs
it a little, and again with each frame."""

COARSE = 1.5
"""Standard deviation, in pixels, of the blur beyond which a detail is fine."""

SURE = 0.5
"""Pixels whose movement is trusted more than this count for the warping error."""


class Steadier:
    """Steadies the frames of one film, in their order.

    Args:
        steady: how much, 0 to 1.
    """

    def __init__(self, steady: float) -> None:
        self._share = steady * MOST
        self._flow = Flow()
        self._before: npt.NDArray[np.float32] | None = None

    def next(self, given: Picture, made: Picture) -> Picture:
        """A translated frame, steadied.

        Args:
            given: H,W,3 of the film, RGB, 0 to 255.
            made: its translation, as large.
        """
        import numpy as np

        movement = self._flow.next(given)
        now = made.astype(np.float32)
        if movement is not None and not movement.cut and self._before is not None:
            share = self._share * movement.trust
            fine = np.where(movement.still, share, np.minimum(share, FINE))[:, :, None]
            change = warped(self._before, movement) - now
            coarse = opencv().GaussianBlur(change, (0, 0), COARSE)
            now += fine * (change - coarse) + share[:, :, None] * coarse
            np.clip(now, 0, 255, out=now)
        self._before = now
        steadied: Picture = now.round().astype(np.uint8)
        return steadied


def steadied(pieces: Iterator[Piece], steady: float) -> Iterator[Piece]:
    """Translated pieces, steadied."""
    steadier = Steadier(steady)
    try:
        for piece in pieces:
            piece.shots = [
                Shot(steadier.next(given.pixels, made.pixels), made.time, made.length)
                for given, made in zip(piece.given, piece.shots)
            ]
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def warping_error(given: Iterable[Picture], made: Sequence[Picture] | Iterable[Picture]) -> float:
    """How much a translation flickers: the mean absolute difference of each frame to the one before, moved as the
    film moved (Lai et al. 2018 square it), over the pixels whose movement is trusted; levels of 255.

    Args:
        given: frames of the film.
        made: their translations; the film itself for what noise and the search for movement leave.

    Examples:
        >>> from toonforge.data import read_picture
        >>> from toonforge.use.video import warping_error
        >>> still = [read_picture("photo.jpg")] * 3
        >>> warping_error(still, still)
        0.0
    """
    import numpy as np

    flow, before, errors = Flow(), None, []
    for frame, output in zip(given, made):
        movement = flow.next(frame)
        if movement is not None and before is not None and not movement.cut:
            sure = movement.trust > SURE
            if sure.any():
                moved = warped(before, movement).astype(np.float32)
                errors.append(float(np.abs(output.astype(np.float32) - moved)[sure].mean()))
        before = output
    return float(np.mean(errors)) if errors else 0.0
