"""The cartoon styles `poster` and `sketch`, unlike the others: to measure what a training on those does with these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture


@attrs.frozen(kw_only=True)
class Poster:
    """Few flat tones with hard borders and no lines, as in a screen print.

    Attributes:
        radius: of mean-shift filtering in space, in pixels; larger regions become flat.
        colours: its radius in colour, in levels of 255.
        median: width of the median filter that rounds the regions off, in pixels, odd.
        tones: steps of brightness, from black to white.
        hues: how far the steps of both colour differences (Cr, Cb) are apart, in levels of 255.
        saturation: factor of the colour differences.
    """

    radius: int = 8
    colours: int = 32
    median: int = 7
    tones: int = 5
    hues: int = 28
    saturation: float = 1.4

    def __call__(self, picture: Picture) -> Picture:
        """A poster of an RGB picture (height, width, 3) of uint8; the same size."""
        import numpy as np

        cv2 = opencv()
        flat = cv2.pyrMeanShiftFiltering(np.ascontiguousarray(picture), self.radius, self.colours, maxLevel=1)
        values = cv2.cvtColor(cv2.medianBlur(flat, self.median), cv2.COLOR_RGB2YCrCb).astype(np.float32)
        values[..., 0] = np.floor(values[..., 0] / 256 * self.tones) * 255 / (self.tones - 1)
        values[..., 1:] = 128 + np.round((values[..., 1:] - 128) * self.saturation / self.hues) * self.hues
        result: Picture = cv2.cvtColor((values.clip(0, 255) + 0.5).astype(np.uint8), cv2.COLOR_YCrCb2RGB)
        return result


@attrs.frozen(kw_only=True)
class Sketch:
    """Pencil lines on white: each gray value divided by the mean around it, darkened by a power. No colour.

    Attributes:
        blur: width of the mean, in pixels, odd.
        darkness: power of the quotient; more is darker.
    """

    blur: int = 21
    darkness: float = 2.0

    def __call__(self, picture: Picture) -> Picture:
        """A sketch of an RGB picture (height, width, 3) of uint8; the same size, its three planes alike."""
        import numpy as np

        cv2 = opencv()
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        around = cv2.GaussianBlur(gray, (self.blur, self.blur), 0)
        # The 4 keeps the noise of dark regions from becoming strokes.
        strokes = ((gray + 4) / (around + 4)).clip(0, 1) ** self.darkness
        result: Picture = (strokes * 255 + 0.5).astype(np.uint8)[..., None].repeat(3, -1)
        return result
