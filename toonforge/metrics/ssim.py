"""`ssim`: whether a translation has the structure of its pair, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Shape, component
from toonforge.errors import ShapeError
from toonforge.extras import need
from toonforge.losses.shapes import a_picture
from toonforge.metrics.pairs import Mean, PairMetric, unit_range
from toonforge.metrics.weights_file import release

if TYPE_CHECKING:
    import torch

WINDOW = 11
"""Side of the Gaussian window in pixels; its standard deviation is 1.5 (Wang et al., 2004)."""


@component
class SSIM(PairMetric):
    """Structural similarity of paired pictures, mean over the pairs; higher is nearer, 1 for equal ones.

    Means, variances and covariances under a Gaussian window of 11x11 pixels (standard deviation 1.5), K1 = 0.01 and
    K2 = 0.03 for values in [0, 1], in each channel alone; averaged over channels and over the windows that lie within
    the picture, as in the paper. Values beyond [-1, 1] are clamped first, as files are. nan where no picture arrived.

    Needs toonforge[metrics].

    Source: Image Quality Assessment: From Error Visibility to Structural Similarity (Wang et al., 2004).
    """

    lower_is_better: ClassVar[bool | None] = False

    def check(self, **shapes: Shape) -> None:
        """Both must have one shape, no smaller than the window."""
        super().check(**shapes)
        a_picture("input", shapes["input"])
        _, height, width = shapes["input"]
        if min(height, width) < WINDOW:
            raise ShapeError(f"ssim takes pictures of at least {WINDOW}x{WINDOW}, found {height}x{width}")

    def verify(self) -> None:
        """torchmetrics works it out."""
        need("torchmetrics", "ssim needs")

    def protocol(self) -> str:
        """Window, constants, range, mean, and whose computation."""
        return (
            "SSIM of translation and target, mean over pictures, channels and windows within the picture, "
            f"Gaussian window 11x11 of 1.5 pixels, K1 0.01, K2 0.03, data range 1 (values clamped, then in [0, 1]); "
            f"{release('torchmetrics')}"
        )

    def build(self, device: torch.device) -> BuiltSSIM:
        """An empty measurement; `ToonforgeError` where torchmetrics is not installed."""
        self.verify()
        return BuiltSSIM()


class BuiltSSIM:
    """Sums over pictures, measured in double precision on the CPU."""

    def __init__(self) -> None:
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape (N,C,H,W), in [-1, 1]."""
        from toonforge.nn.torchvision_guard import beside_torchvision

        x, y = (unit_range(tensors[key]) for key in ("input", "target"))
        image = beside_torchvision("torchmetrics.functional.image")
        _, similarity = image.structural_similarity_index_measure(
            x, y, data_range=1.0, reduction="none", return_full_image=True
        )
        # Versions of torchmetrics differ in whether the border, where windows are filled by reflection, counts.
        border = WINDOW // 2
        values = similarity[..., border:-border, border:-border].mean((1, 2, 3))
        self.mean.add(float(values.sum()), len(values))

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.mean.value}
