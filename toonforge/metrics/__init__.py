"""Numbers over the validation pictures. What imports torch is imported where it is used."""

from toonforge.metrics.classifier import ClassifierGap
from toonforge.metrics.content import ContentPreservation
from toonforge.metrics.cosine import CosineDissimilarity
from toonforge.metrics.fid import FID, WeightedFID
from toonforge.metrics.fourier import Fourier
from toonforge.metrics.kid import KID
from toonforge.metrics.lpips import LPIPS
from toonforge.metrics.pixels import PixelL1
from toonforge.metrics.psnr import PSNR
from toonforge.metrics.ssim import SSIM

__all__ = [
    "ClassifierGap",
    "ContentPreservation",
    "CosineDissimilarity",
    "FID",
    "Fourier",
    "KID",
    "LPIPS",
    "PSNR",
    "PixelL1",
    "SSIM",
    "WeightedFID",
]
