"""Trained models as files that stand alone: a model file, ONNX, `torch.export`; each is run and compared."""

from toonforge.use.export.api import Exported, export
from toonforge.use.export.formats import FORMATS, Format

__all__ = ["FORMATS", "Exported", "Format", "export"]
