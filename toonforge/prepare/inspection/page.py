"""The page of an inspection: one HTML file that needs no other, works offline and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.prepare.inspection.figures import Folder
from toonforge.prepare.inspection.finding import FINE, LISTED, Finding, Group, printable, some
from toonforge.prepare.inspection.sheet import Band
from toonforge.prepare.inspection.spread import Measure
from toonforge.prepare.inspection.table import Line
from toonforge.prepare.inspection.thumbs import data_uri

if TYPE_CHECKING:
    import jinja2
    from PIL import Image

TEMPLATE = Path(__file__).with_name("page.html.j2")
TONES = {"mend": "mend", "look at": "look", "fine": "fine"}

GLOSSARY = (
    ("brightness", "Mean luma (Rec. 601) of the values as stored: 0 is black, 1 is white."),
    ("contrast", "Standard deviation of luma: 0 is a single grey, 0.5 is half black, half white."),
    ("colourfulness", "Hasler and Süsstrunk, 2003: 0 is grey, 45 averagely, 109 extremely colourful."),
    ("colour spread", "How much colour there is beyond one tint, in levels of 255: little in grey and sepia pictures."),
    (
        "sharpness",
        "Variance of the Laplacian at a short side of 256 pixels. It depends on what is shown: compare pictures of one "
        "kind. A drawing of few lines has little of it without being blurred.",
    ),
    ("bars", "Share of the picture's area that black or plain bars, frames and margins take."),
    (
        "near-duplicates",
        "Pictures whose perceptual hashes are close: scaled or saved anew, or neighbouring frames.",
    ),
)


def draw_page(
    title: str,
    subtitle: str,
    folders: Sequence[Folder],
    findings: Sequence[Finding],
    table: Sequence[Line],
    measures: Sequence[Measure],
    galleries: Sequence[Band],
    thumbs: Mapping[str, Image.Image],
) -> str:
    """The page as text. Whatever a file is called, it stands there as text."""
    from toonforge import __version__

    shots = {source: _shot(thumb) for source, thumb in thumbs.items()}
    alone = len(folders) == 1
    bad = [_finding(finding, shots, alone) for finding in findings if finding.severity != FINE]
    good = [_finding(finding, shots, alone) for finding in findings if finding.severity == FINE]
    return _template().render(
        title=title,
        subtitle=subtitle,
        headline=headline(findings),
        folders=[printable(folder.label) for folder in folders],
        bad=bad,
        good=good,
        good_title=f"{some(len(good), 'thing')} found fine",
        table=[(line.label, [printable(cell) for cell in line.cells]) for line in table],
        measures=measures,
        galleries=[_gallery(band, shots) for band in galleries],
        glossary=GLOSSARY,
        footer=f"toonforge {__version__}. manifest.csv beside this page has the figures of every picture.",
    )


@cache
def _template() -> jinja2.Template:
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    return environment.from_string(TEMPLATE.read_text("utf-8"))


def headline(findings: Sequence[Finding]) -> str:
    """How much there is to do."""
    numbers = {tone: sum(finding.severity == tone for finding in findings) for tone in TONES}
    parts = [f"{numbers['mend']} to mend"] if numbers["mend"] else []
    parts += [f"{numbers['look at']} to look at"] if numbers["look at"] else []
    return "Findings: " + (", ".join(parts) or "nothing to mend, nothing to look at")


def _finding(finding: Finding, shots: Mapping[str, Mapping[str, Any]], alone: bool) -> Mapping[str, Any]:
    lines = finding.lines[:LISTED]
    return {
        "severity": finding.severity,
        "tone": TONES[finding.severity],
        "title": printable(finding.title),
        "text": printable(finding.text),
        "advice": printable(finding.advice),
        "command": finding.command,
        "folders": [] if alone or finding.names_folders else [printable(label) for label in finding.folders],
        "groups": _groups(finding.groups, shots),
        "lines": [printable(line) for line in lines],
        "summary": "which one" if len(finding.lines) == 1 else "which ones",
        "more": f"{len(finding.lines) - LISTED:,}" if len(finding.lines) > LISTED else "",
    }


def _gallery(band: Band, shots: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    return {
        "title": printable(band.title),
        "note": printable(band.note),
        "groups": _groups(band.groups, shots),
    }


def _groups(groups: Sequence[Group], shots: Mapping[str, Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    there: list[list[Mapping[str, Any]]] = [
        [{**shots[shot.source], "name": shot.title, "caption": shot.caption} for shot in group if shot.source in shots]
        for group in groups
    ]
    return [group for group in there if group]


def _shot(thumb: Image.Image) -> Mapping[str, Any]:
    return {"uri": data_uri(thumb), "width": thumb.width, "height": thumb.height}
