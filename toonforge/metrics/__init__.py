"""Numbers over the validation pictures. `mmd`, `frechet` and `extractor` import torch: imported where they are used."""

from toonforge.metrics.classifier import ClassifierGap
from toonforge.metrics.cosine import CosineDissimilarity
from toonforge.metrics.fid import FID, WeightedFID
from toonforge.metrics.fourier import Fourier
from toonforge.metrics.kid import KID
from toonforge.metrics.pixels import PixelL1

__all__ = ["ClassifierGap", "CosineDissimilarity", "FID", "Fourier", "KID", "PixelL1", "WeightedFID"]
