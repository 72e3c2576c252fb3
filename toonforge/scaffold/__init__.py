"""A new plugin's package, written from templates: `toonforge plugin new`."""

from toonforge.scaffold.kinds import KINDS, Kind
from toonforge.scaffold.names import refuse_name
from toonforge.scaffold.package import Package
from toonforge.scaffold.write import write

__all__ = ["KINDS", "Kind", "Package", "refuse_name", "write"]
