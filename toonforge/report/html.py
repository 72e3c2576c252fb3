"""One HTML file that needs no other and asks nobody for anything: template, styles, scripts and data in one text."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.prepare.inspection.finding import printable

if TYPE_CHECKING:
    import jinja2

ASSETS = Path(__file__).with_name("assets")
STYLES = ("uplot/uPlot.min.css", "report.css")
SCRIPTS = ("uplot/uPlot.iife.min.js", "pictures.js", "charts.js")
"""What every page has; its own script follows."""


def render_page(
    template: str, scripts: Sequence[str], data: Mapping[str, Any], styles: Sequence[str] = (), **context: Any
) -> str:
    """A page as text.

    Args:
        template: in `assets`; it extends `base.html.j2`, which says what blocks there are.
        scripts, styles: files in `assets`, after those that every page has.
        data: id -> what the page's scripts read with `toonforge.data(id)`; nan becomes null.
        context: what the template shows. Everything is escaped.
    """
    from markupsafe import Markup

    from toonforge import __version__

    style = "\n".join(_asset(name) for name in (*STYLES, *styles))
    codes = [_asset(name) for name in (*SCRIPTS, *scripts)]
    page = (
        _environment()
        .get_template(template)
        .render(
            **context,
            style=Markup(style),
            scripts=[Markup(code) for code in codes],
            policy=policy([style], codes),
            data={name: Markup(embedded(value)) for name, value in data.items()},
            version=__version__,
            written=moment(datetime.now().timestamp()),
        )
    )
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> jinja2.Environment:
    """The templates, compiled once: a training writes its page many times."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_plain,
    )
    environment.filters["clean"] = clean
    return environment


_ODD = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, marks of direction, and bytes of names that are no text; not the ends of lines, nor tabs."""


def _plain(value: object) -> object:
    """What a template shows, with marks that lead astray as escapes, whoever forgot the filter `clean`."""
    from markupsafe import Markup

    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return _ODD.sub(lambda odd: odd[0].encode("unicode_escape").decode("ascii"), value)


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8").strip()


def policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: its own scripts and styles by their hashes, pictures that it holds itself."""
    return "; ".join(
        [
            "default-src 'none'",
            "img-src data: blob:",
            "style-src " + " ".join(map(_hash, styles)),
            "script-src " + " ".join(map(_hash, scripts)),
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def embedded(value: Any) -> str:
    """A value as JSON that may stand within a <script>: nothing in it ends the element or begins a comment."""
    text = json.dumps(finite(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def finite(value: Any) -> Any:
    """The value with None for numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def clean(text: object) -> str:
    """A text of the run as a page shows it: control characters and marks of direction come out as escapes."""
    return "\n".join(map(printable, str(text).split("\n")))


# -- numbers in words -------------------------------------------------------------------------------------------------


def number(value: float | None) -> str:
    """Four significant digits; a dash for what is not there or not a number."""
    if value is None or not math.isfinite(value):
        return "–" if value is None or math.isnan(value) else ("∞" if value > 0 else "−∞")
    return f"{value:.4g}".replace("-", "−")


def count(value: int) -> str:
    """With separators: "1,200"."""
    return f"{value:,}"


def parameters(value: int) -> str:
    """1234567 -> "1.23 M"."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g} {suffix}"
    return str(value)


def duration(seconds: float) -> str:
    """ "48 s", "3 min 12 s", "1 h 03 min", "2 d 4 h"."""
    whole = max(0, round(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60:02d} min"
    return f"{minutes} min {whole % 60:02d} s" if minutes else f"{whole} s"


def memory(size: float) -> str:
    """Bytes as "512 MiB" or "3.42 GiB"."""
    return f"{size / 2**30:.2f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"


def moment(seconds: float) -> str:
    """ "21 Nov 2026, 14:03 UTC" in the zone of this machine; a dash for a time that no clock shows."""
    try:
        when = datetime.fromtimestamp(seconds).astimezone()
    except (OverflowError, OSError, ValueError):
        return "–"
    return f"{when.day} {when:%b %Y, %H:%M %Z}".strip()
