"""The cartoon style `inked`: quite flat regions, livelier colours in soft tones, and pen strokes along the edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.filters.flattening import flatten
from toonforge.data.filters.flow_lines import FlowLines
from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    from toonforge.data.transforms import Picture


@attrs.frozen(kw_only=True)
class Inked:
    """A picture flattened, its brightness drawn towards tones, its pale colours strengthened, and lines over it.

    Colours are changed in CIE Lab, where brightness and colour are apart, so that no hue turns. Strokes and brushes
    grow with the picture, so that a large copy of it looks as a small one does. Deterministic; many seconds for a
    photograph of a camera's size.

    Attributes:
        side: short side of the pictures that the widths in pixels are meant for; larger pictures get larger ones.
        flatness: see `flatten`.
        tones: steps of brightness, with soft edges.
        tone_share: how far brightness is drawn to its tone, 0 to 1.
        lift: power of brightness in [0, 1]; less is lighter.
        contrast: share of an S-shaped curve of brightness, 0 to 1.
        saturation: factor of the distance from gray.
        vibrance: further factor of pale colours, less 1; colours near gray or strong already get none of it.
        darkness: of the lines, 0 (none) to 1 (black).
        lines: how they are found.
    """

    side: int = 288
    flatness: float = 0.015
    tones: int = 8
    tone_share: float = 0.7
    lift: float = 0.75
    contrast: float = 0.45
    saturation: float = 1.25
    vibrance: float = 0.9
    darkness: float = 0.95
    lines: FlowLines = attrs.Factory(FlowLines)

    def __call__(self, picture: Picture) -> Picture:
        """A cartoon of an RGB picture (height, width, 3) of uint8; the same size."""
        import numpy as np

        cv2 = opencv()
        times = max(1.0, min(picture.shape[:2]) / self.side)
        calm = picture.astype(np.float32) / 255
        for _ in range(3):
            calm = cv2.bilateralFilter(calm, 2 * round(3 * times) + 1, 0.12, 3 * times)
        coloured = self._colours(flatten(calm, self.flatness))
        lines = self.lines.scaled(times)(cv2.cvtColor(calm, cv2.COLOR_RGB2GRAY))
        values = coloured * (1 - self.darkness * lines)[..., None]
        result: Picture = (values.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        return result

    def _colours(self, flat: Any) -> Any:
        """(height, width, 3) in [0, 1] with other brightness and stronger colours."""
        import numpy as np

        cv2 = opencv()
        lab = cv2.cvtColor(flat, cv2.COLOR_RGB2Lab)
        light = lab[..., 0] / 100
        light = light.clip(0, 1) ** self.lift
        light = light + self.contrast * (light * light * (3 - 2 * light) - light)
        light = light + self.tone_share * (soft_steps(light, self.tones) - light)
        chroma = np.hypot(lab[..., 1], lab[..., 2])  # 0 to about 130
        # The quotient spares grays, whose hue is noise; the bell spares what is strong already.
        pale = np.exp(-chroma / 35) * chroma / (chroma + 6)
        lab[..., 0] = 100 * light
        lab[..., 1:] *= (self.saturation * (1 + self.vibrance * pale))[..., None]
        return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB).clip(0, 1)


def soft_steps(values: Any, steps: int) -> Any:
    """Values in [0, 1] drawn to the multiples of 1/steps, 0 and 1 among them; a tanh keeps their edges soft."""
    import numpy as np

    below, share = np.divmod(values * steps, 1)
    return (below + 0.5 + 0.5 * np.tanh(8 * (share - 0.5)) / np.tanh(4.0)) / steps
