"""Networks that other programs trained: their weights read, recognised and fitted into components of one's own."""

from toonforge.use.foreign.api import import_weights, look_into
from toonforge.use.foreign.imported import Imported

__all__ = ["Imported", "import_weights", "look_into"]
