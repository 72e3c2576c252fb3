"""`fourier`: what a translation adds and takes away in the frequency domain, with a picture of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import Metric, Shape, component, param
from toonforge.extras import need
from toonforge.losses.shapes import gray_or_rgb
from toonforge.recipe.expr import Expr

if TYPE_CHECKING:
    import torch
    from PIL import Image


@component
class Fourier(Metric):
    """How translated pictures differ from their originals in the frequency domain, with a picture of both spectra.

    Taken of the luma: lines and textures live there, and equation 9 transforms one signal. Results: "" is the mean
    distance of the two radial profiles in decibels; "input_high" and "output_high" are the shares (0 to 1) of the
    power above half the Nyquist frequency, the zero frequency left out, averaged over the pictures. They describe and
    do not judge: a drawing has flatter regions and sharper lines than a photograph. nan where no picture arrived.

    The power is that of the orthonormal FFT without a window, its logarithm averaged over the pictures, at least
    -60 dB; the rings are 1/64 cycles/pixel wide, the zero frequency left out.

    Needs toonforge[plots].
    """

    lower_is_better: ClassVar[bool | None] = None
    together = ("input", "output")
    translated = "output"

    input: Expr = param(doc="the untranslated pictures", source="Photo-Anime Translation, section 5.2")
    output: Expr = param(doc="their translations", source="Photo-Anime Translation, section 5.2")

    def check(self, **shapes: Shape) -> None:
        """Both must be pictures of 1 or 3 channels; their sizes may differ."""
        gray_or_rgb(**shapes)

    def verify(self) -> None:
        """matplotlib draws the picture."""
        need("matplotlib", "the fourier metric draws with", ", or remove the metric from the recipe")

    def protocol(self) -> str:
        """What is transformed, what is averaged, and the units."""
        return (
            "mean |translation - input| of the luma's log power over rings of its spectrum, in dB; _high: share of the "
            "power above 1/4 cycles/pixel"
        )

    def cautions(self, pictures: Mapping[str, int]) -> tuple[str, ...]:
        """Why it is nan: no picture arrived."""
        return () if min(pictures.values(), default=0) else ("nan: no picture arrived",)

    def build(self, device: torch.device) -> BuiltFourier:
        """An empty measurement; `ToonforgeError` where matplotlib is not installed."""
        self.verify()
        return BuiltFourier(input=str(self.input), output=str(self.output))


class BuiltFourier:
    """Sums of logarithmic spectra in double precision on the CPU: every picture counts the same.

    Args:
        input, output: what the picture calls the two.
    """

    def __init__(self, input: str = "input", output: str = "output") -> None:
        self.labels = (input, output)
        self.sides: dict[str, _Side] = {}

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `output`, pictures (N,C,H,W) of 1 or 3 channels in [-1, 1] each, of any size."""
        for key, pictures in tensors.items():
            self.sides.setdefault(key, _Side()).take(pictures)

    def compute(self) -> Mapping[str, float]:
        """The values so far."""
        import torch

        if not self.sides:
            return {"": float("nan"), "input_high": float("nan"), "output_high": float("nan")}
        before, after = self.sides["input"], self.sides["output"]
        return {
            "": float(torch.nanmean((after.profile() - before.profile()).abs())),
            "input_high": before.high / before.count,
            "output_high": after.high / after.count,
        }

    def draw(self) -> Image.Image | None:
        """Log-magnitude spectra of both, their difference, and the radial profiles; None without pictures."""
        if not self.sides:
            return None
        from toonforge.metrics.fourier_picture import Spectrum, draw_spectra

        before, after = (
            Spectrum(label=label, plane=(side.plane / side.count).numpy(), profile=side.profile().numpy())
            for label, side in zip(self.labels, (self.sides["input"], self.sides["output"]), strict=True)
        )
        return draw_spectra(before, after, pictures=self.sides["input"].count)


class _Side:
    """Sums over the pictures of one expression."""

    def __init__(self) -> None:
        import torch

        from toonforge.metrics import spectrum

        self.count = 0
        self.high = 0.0
        self.plane = torch.zeros(spectrum.CELLS, spectrum.CELLS, dtype=torch.float64)
        self.rings = torch.zeros(spectrum.RINGS, dtype=torch.float64)
        self.counts = torch.zeros(spectrum.RINGS, dtype=torch.float64)

    def take(self, pictures: torch.Tensor) -> None:
        """Add pictures (N,C,H,W)."""
        from toonforge.metrics import spectrum

        powers = spectrum.power(spectrum.luma(pictures))
        levels = spectrum.decibels(spectrum.profile(powers))
        self.rings += levels.nansum(0)
        self.counts += levels.isfinite().sum(0)
        self.plane += spectrum.decibels(spectrum.plane(powers)).sum(0)
        self.high += float(spectrum.high_share(powers).sum())
        self.count += len(powers)

    def profile(self) -> torch.Tensor:
        """Mean level of each ring over the pictures that have it, in dB: (RINGS,), nan where none has."""
        return self.rings / self.counts
