"""Measuring trained runs and folders of pictures: `evaluate`, and what it yields."""

from toonforge.runs.described import is_run
from toonforge.use.evaluate.api import evaluate
from toonforge.use.evaluate.plan import Evaluation, Subject
from toonforge.use.evaluate.record import evaluation_data, note_in_run, save_drawings, write_json

__all__ = [
    "Evaluation",
    "Subject",
    "evaluate",
    "evaluation_data",
    "is_run",
    "note_in_run",
    "save_drawings",
    "write_json",
]
