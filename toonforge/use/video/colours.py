"""RGB pictures as frames of a codec, with the colours of the film that they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.prepare.films.picture import BICUBIC, EXACT, UNKNOWN
from toonforge.use.video.pieces import Colours

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt
    from av.video.codeccontext import VideoCodecContext

SCALERS = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""Matrix in H.273 -> libswscale's number of it. 5 and 6 are BT.601; others are treated as BT.709."""

OTHERWISE = 1


def known(colours: Colours) -> Colours:
    """The colours, with a matrix that can be computed."""
    import attrs

    return colours if colours.matrix in SCALERS else attrs.evolve(colours, matrix=OTHERWISE)


def to_frame(picture: npt.NDArray[np.uint8], colours: Colours) -> av.VideoFrame:
    """H,W,3 of RGB, 0 to 255 -> a yuv420p frame of the same size."""
    import av
    from av.video.reformatter import ColorRange

    frame = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(
        format="yuv420p",
        dst_colorspace=SCALERS[colours.matrix],
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG if colours.full else ColorRange.MPEG,
        interpolation=BICUBIC | EXACT,
        threads=1,
    )
    return frame


def tag(context: VideoCodecContext, colours: Colours) -> None:
    """Let the codec say which colours its frames have."""
    from av.video.reformatter import ColorRange

    context.colorspace = colours.matrix
    context.color_range = ColorRange.JPEG if colours.full else ColorRange.MPEG
    if colours.primaries != UNKNOWN:
        context.color_primaries = colours.primaries
    if colours.curve != UNKNOWN:
        context.color_trc = colours.curve


def even(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The picture with its last row and column doubled where their number is odd: H.264 takes no others."""
    import numpy as np

    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
