"""`psnr`: how much noise a translation is away from its pair, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import component
from toonforge.extras import need
from toonforge.metrics.pairs import Mean, PairMetric, unit_range
from toonforge.metrics.weights_file import release

if TYPE_CHECKING:
    import torch

MOST = 100
"""Decibels of a picture that equals its pair; one pixel of 256x256 that is one level off in all channels leaves 96."""


@component
class PSNR(PairMetric):
    """Peak signal-to-noise ratio of paired pictures in decibels, mean over the pairs; higher is nearer.

    -10 log10 of a picture's mean squared difference, values in [0, 1]: 0 for black against white, about 48 for pictures
    that differ by one level of 8 bits everywhere. Values beyond [-1, 1] are clamped first, as files are. A picture
    that equals its pair counts 100, so that one does not make the mean infinite; nan where no picture arrived.

    Needs toonforge[metrics].
    """

    lower_is_better: ClassVar[bool | None] = False

    def verify(self) -> None:
        """torchmetrics works it out."""
        need("torchmetrics", "psnr needs")

    def protocol(self) -> str:
        """Range, mean, and whose computation."""
        return (
            "mean over pictures of 10 log10(1 / mean (translation - target)^2) in dB, over all pixels "
            f"and channels, data range 1 (values clamped, then in [0, 1]), at most {MOST}; {release('torchmetrics')}"
        )

    def build(self, device: torch.device) -> BuiltPSNR:
        """An empty measurement; `ToonforgeError` where torchmetrics is not installed."""
        self.verify()
        return BuiltPSNR()


class BuiltPSNR:
    """Sums over pictures, measured in double precision on the CPU."""

    def __init__(self) -> None:
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape (N,C,H,W), in [-1, 1]."""
        from toonforge.nn.torchvision_guard import beside_torchvision

        x, y = (unit_range(tensors[key]) for key in ("input", "target"))
        image = beside_torchvision("torchmetrics.functional.image")
        values = image.peak_signal_noise_ratio(x, y, data_range=1.0, dim=(1, 2, 3), reduction="none")
        self.mean.add(float(values.clamp(max=MOST).sum()), len(values))

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.mean.value}
