"""Lines as a pen draws them: a difference of Gaussians across edges, averaged along them, so that specks vanish."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.filters.opencv import opencv

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Plane = npt.NDArray[np.float32]

WIDER = 1.6
"""Ratio of the two Gaussians whose difference is nearest to a Laplacian (Marr and Hildreth, 1980)."""


@attrs.frozen(kw_only=True)
class FlowLines:
    """After Kang, Lee and Chui, "Flow-based image abstraction" (2009). Deterministic.

    Attributes:
        width: of the narrower Gaussian across an edge, in pixels.
        along: of the Gaussian along it, in pixels; longer strokes are smoother and drop more specks.
        sharpness: how soon a line is fully dark.
        sensitivity: weight of the wider Gaussian; nearer to 1 draws fainter edges too.
        steadiness: of the Gaussian that smooths the edges' directions, in pixels.
    """

    width: float = 1.1
    along: float = 3.0
    sharpness: float = 40.0
    sensitivity: float = 0.98
    steadiness: float = 2.0

    def scaled(self, times: float) -> FlowLines:
        """Lines so many times as wide and as long."""
        return attrs.evolve(
            self, width=times * self.width, along=times * self.along, steadiness=times * self.steadiness
        )

    def __call__(self, gray: Plane) -> Plane:
        """Brightness (height, width) in [0, 1] to darkness in [0, 1]: 1 where a line is, 0 where none is."""
        import numpy as np

        across = self._directions(gray)
        strength = self._along(self._across(gray, across), across)
        result: Plane = np.where(strength > 0, 0, -np.tanh(self.sharpness * strength)).astype(np.float32)
        return result

    def _directions(self, gray: Plane) -> tuple[Plane, Plane]:
        """Unit vectors (x, y) across the edges, from the smoothed structure tensor."""
        import numpy as np

        cv2 = opencv()
        x, y = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
        xx, xy, yy = (cv2.GaussianBlur(product, (0, 0), self.steadiness) for product in (x * x, x * y, y * y))
        angle = 0.5 * np.arctan2(2 * xy, xx - yy)
        return np.cos(angle), np.sin(angle)

    def _across(self, gray: Plane, across: tuple[Plane, Plane]) -> Plane:
        """Difference of two Gaussians of the brightness, taken across the edges."""
        import numpy as np

        rows, columns = _grid(gray)
        radius = int(np.ceil(2 * WIDER * self.width))
        sums, weights = np.zeros((2, *gray.shape), np.float32), np.zeros(2)
        for offset in range(-radius, radius + 1):
            value = _at(gray, columns + offset * across[0], rows + offset * across[1])
            for which, width in enumerate((self.width, WIDER * self.width)):
                weight = float(_bell(offset, width))
                sums[which] += weight * value
                weights[which] += weight
        result: Plane = sums[0] / np.float32(weights[0]) - np.float32(self.sensitivity / weights[1]) * sums[1]
        return result

    def _along(self, values: Plane, across: tuple[Plane, Plane]) -> Plane:
        """Values averaged along the edges, following their bends to both sides."""
        import numpy as np

        tangent_x, tangent_y = -across[1], across[0]
        rows, columns = _grid(values)
        total, weights = values.copy(), 1.0
        for side in (1, -1):
            x, y = columns, rows
            step_x, step_y = side * tangent_x, side * tangent_y
            for step in range(1, int(2 * self.along) + 1):
                x, y = x + step_x, y + step_y
                weight = float(_bell(step, self.along))
                total = total + np.float32(weight) * _at(values, x, y)
                weights += weight
                next_x, next_y = _at(tangent_x, x, y), _at(tangent_y, x, y)
                # A tangent may point either way: go on, not back.
                sign = np.where(next_x * step_x + next_y * step_y < 0, np.float32(-1), np.float32(1))
                length = np.maximum(np.hypot(next_x, next_y), np.float32(1e-6))
                step_x, step_y = sign * next_x / length, sign * next_y / length
        result: Plane = total / np.float32(weights)
        return result


def _grid(plane: Plane) -> tuple[Plane, Plane]:
    """Row and column of every pixel."""
    import numpy as np

    rows, columns = np.mgrid[0 : plane.shape[0], 0 : plane.shape[1]].astype(np.float32)
    return rows, columns


def _at(plane: Plane, x: Plane, y: Plane) -> Plane:
    """The plane at positions between pixels, bilinear; mirrored beyond its border."""
    cv2 = opencv()
    result: Plane = cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    return result


def _bell(distance: float, width: float) -> Any:
    import numpy as np

    return np.exp(-0.5 * (distance / width) ** 2)
