"""Numbers over the validation pictures. `mmd` and `extractor` import torch and are imported where they are used."""

from toonforge.metrics.cosine import CosineDissimilarity
from toonforge.metrics.kid import KID
from toonforge.metrics.pixels import PixelL1

__all__ = ["CosineDissimilarity", "KID", "PixelL1"]
