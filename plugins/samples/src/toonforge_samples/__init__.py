"""Photographs and cartoon pictures, with credits, as a data set for toonforge."""

from toonforge_samples.credits import PICTURES, Sample, samples
from toonforge_samples.dataset import PhotoCartoon

__all__ = ["PhotoCartoon", "Sample", "samples", "PICTURES"]
