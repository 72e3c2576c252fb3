"""The cartoon style `drawn`: flat regions, livelier colours in a few tones, dark lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture


@attrs.frozen(kw_only=True)
class Drawn:
    """Mean-shift filtering flattens regions, brightness is cut into tones, and lines are drawn over both.

    Regions: Comaniciu and Meer, 2002. Lines: where an extended difference of Gaussians is negative (Winnemoeller,
    2011). Deterministic.

    Attributes:
        radius: of mean-shift filtering in space, in pixels; larger regions become flat.
        colours: radius of mean-shift filtering in colour, in levels of 255.
        tones: steps of brightness, with soft edges; 0 leaves it continuous.
        saturation: factor of the distance from gray.
        brightness: factor of all values.
        lines: how dark the lines are, 0 (none) to 1 (black).
        line_width: scale of the lines' difference of Gaussians, in pixels.
    """

    radius: int = 10
    colours: int = 40
    tones: int = 6
    saturation: float = 1.7
    brightness: float = 1.2
    lines: float = 0.8
    line_width: float = 1.0

    def __call__(self, picture: Picture) -> Picture:
        """A cartoon of an RGB picture (height, width, 3) of uint8; the same size."""
        import numpy as np

        cv2 = opencv()
        flat = picture
        if self.radius:
            flat = np.ascontiguousarray(flat[..., ::-1])
            flat = cv2.pyrMeanShiftFiltering(flat, self.radius, self.colours, maxLevel=1)
            flat = np.ascontiguousarray(flat[..., ::-1])
        values = cv2.bilateralFilter(flat, 7, 40, 5).astype(np.float32) / 255
        if self.tones:
            values = _posterize(values, self.tones)
        gray = values @ np.array([0.299, 0.587, 0.114], np.float32)
        values = gray[..., None] + self.saturation * (values - gray[..., None])
        values = values.clip(0, 1) * self.brightness
        if self.lines:
            values = values * (1 - self.lines * _lines(picture, self.line_width))[..., None]
        result: Picture = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        return result


def _posterize(values: Any, tones: int) -> Any:
    """Brightness (the V of HSV) of pictures in [0, 1] in steps; a tanh keeps their edges soft."""
    import numpy as np

    cv2 = opencv()
    hsv = cv2.cvtColor(values, cv2.COLOR_RGB2HSV)
    below, share = np.divmod(hsv[..., 2] * tones, 1)
    hsv[..., 2] = (below + 0.5 + 0.5 * np.tanh(8 * (share - 0.5)) / np.tanh(4.0)) / tones
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)


def _lines(picture: Picture, width: float) -> Any:
    """(height, width) in [0, 1]: how strongly there is a line."""
    import numpy as np

    cv2 = opencv()
    smooth = cv2.bilateralFilter(np.ascontiguousarray(picture), 7, 30, 5)
    gray = cv2.cvtColor(smooth, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    difference = cv2.GaussianBlur(gray, (0, 0), width) - 0.98 * cv2.GaussianBlur(gray, (0, 0), 1.6 * width)
    return np.where(difference > 0, 0, -np.tanh(30 * difference))
