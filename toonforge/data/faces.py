"""Where the face is in a picture, by OpenCV's Haar cascade (Viola and Jones, 2001); nothing is downloaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.errors import Problem, ToonforgeError
from toonforge.extras import need

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom lie outside."""

CASCADE = "haarcascade_frontalface_default.xml"
SEARCHED = 256
"""Pictures are scaled to this short side, in pixels, to be searched: the cascade finds no face below 24 pixels."""

PROTOCOL = f"largest frontal face by OpenCV's Haar cascade, searched at {SEARCHED} pixels"


class FaceFinder:
    """Finds the largest frontal face. Deterministic.

    Args:
        otherwise: what to do in place of installing OpenCV, for the message: ', or crop = "none"'.

    Raises:
        ToonforgeError: OpenCV is missing, or is one that ships no cascades.
    """

    def __init__(self, otherwise: str = "") -> None:
        need_opencv(otherwise)
        import cv2

        path = Path(getattr(getattr(cv2, "data", None), "haarcascades", "")) / CASCADE
        if not path.is_file():
            raise ToonforgeError(
                Problem(
                    message="this OpenCV ships no Haar cascades, which find faces",
                    found=f"OpenCV {cv2.__version__}",
                    expected="version 4",
                    hint=f'pip install "toonforge[filters]"{otherwise}',
                )
            )
        self._cascade: Any = cv2.CascadeClassifier(str(path))

    def __call__(self, picture: npt.NDArray[np.uint8]) -> Box | None:
        """The face in an RGB picture (height, width, 3), or None."""
        import cv2

        height, width = picture.shape[:2]
        scale = SEARCHED / min(height, width)
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        shrinks = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        gray = cv2.resize(gray, (round(width * scale), round(height * scale)), interpolation=shrinks)
        found = self._cascade.detectMultiScale(gray, scaleFactor=1.1, minNeighbors=5)
        if not len(found):
            return None
        left, top, wide, high = (value / scale for value in max(found.tolist(), key=lambda box: box[2] * box[3]))
        box = round(left), round(top), min(round(left + wide), width), min(round(top + high), height)
        return box if box[2] > box[0] and box[3] > box[1] else None


def need_opencv(otherwise: str = "") -> None:
    """Raise `ToonforgeError` where what finds faces is not installed; `otherwise` as `FaceFinder` takes it."""
    need("cv2", "finding faces needs", otherwise)
