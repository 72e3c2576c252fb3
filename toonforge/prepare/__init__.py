"""From films and folders of pictures to a data set: what `toonforge data` does, as a library.

Each function is a verb. It reads folders, changes nothing in them, and writes into a folder of its own (`out`), with a
manifest.csv that says what became of every file and why. Called again, it goes on where it was stopped.
"""

from toonforge.prepare.cartoonize import cartoonize
from toonforge.prepare.dedupe import dedupe
from toonforge.prepare.filter import filter_pictures
from toonforge.prepare.frames import frames
from toonforge.prepare.inspect import inspect
from toonforge.prepare.pair import pair
from toonforge.prepare.smooth_edges import smooth_edges
from toonforge.prepare.split import split
from toonforge.prepare.task import Outcome, Progress
from toonforge.prepare.work import Report, Row

__all__ = [
    "inspect",
    "frames",
    "filter_pictures",
    "dedupe",
    "cartoonize",
    "smooth_edges",
    "pair",
    "split",
    "Report",
    "Row",
    "Outcome",
    "Progress",
]
