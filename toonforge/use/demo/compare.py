"""Before and after of a translation in one picture, with a line that is dragged: HTML without anything from outside."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toonforge.use.demo.work import Made, Offered


def asset(name: str) -> str:
    """The text of a file in `assets`."""
    return files("toonforge.use.demo").joinpath("assets").joinpath(name).read_text("utf-8")


def compared(made: Made, offered: Offered, to: str, said: str) -> str:
    """The translation beside what it was made of.

    Args:
        said: the picture's name, as the page may show it.
    """
    width, height = made.size
    about = f"{width} × {height} pixels" + (f", {made.seconds:.1f} s" if made.seconds >= 0.05 else "")
    name, by = escape(said), escape(f"translated to {to} by {offered.label}")
    return f"""<figure class="tf-compare">
<div class="tf-both" style="aspect-ratio: {width} / {height}; --wide: {width / height:.4f}">
<img class="tf-after" alt="{name}, {by}" src="{made.after}" draggable="false">
<img class="tf-before" alt="{name}, as it was" src="{made.before}" draggable="false">
<span class="tf-tag tf-left" aria-hidden="true">before</span>
<span class="tf-tag tf-right" aria-hidden="true">after</span>
<span class="tf-line" aria-hidden="true"><span></span></span>
<input class="tf-range" type="range" min="0" max="100" step="1" value="50" aria-label="{name}: as it was, or {by}">
</div>
<figcaption><b>{name}</b><span>{about}</span></figcaption>
</figure>"""


def empty(text: str) -> str:
    """Where a translation will stand."""
    return f'<div class="tf-empty"><p>{escape(text)}</p></div>'


def failed(lines: Sequence[str]) -> str:
    """Why there is no translation."""
    return f'<div class="tf-empty tf-failed" role="alert"><p>{"<br>".join(map(escape, lines))}</p></div>'
