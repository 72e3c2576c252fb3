"""What a run says of a model that was trained in it: the beginning of its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tomli

if TYPE_CHECKING:
    from toonforge.use.model import Model

LONGEST = 500
"""Characters that are taken of a recipe's opening paragraph."""


def card_of_run(model: Model) -> dict[str, str]:
    """`title`; of a run also the comment that its recipe opens with, `description`, and its kind of `data`."""
    card = {"title": model.recipe}
    folder = model.checkpoint.folder.resolve()
    for place in (folder.parent.parent, folder):
        if text := _comment(place / "recipe.toml"):
            card["description"] = text
        if data := _data(place / "resolved.toml"):
            card["data"] = data
    return card


def _comment(path: Path) -> str:
    """The first paragraph that a recipe opens with, on one line."""
    lines = []
    for line in _text(path).splitlines():
        if line.startswith("#:"):  # for editors
            continue
        if not (line.startswith("#") and (text := line.lstrip("#").strip())):
            break
        lines.append(text)
    return " ".join(lines)[:LONGEST]


def _data(path: Path) -> str:
    try:
        data = tomli.loads(_text(path)).get("data")
    except (tomli.TOMLDecodeError, RecursionError):
        return ""
    kind = data.get("type") if isinstance(data, dict) else None
    return kind if isinstance(kind, str) else ""


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace") if path.is_file() else ""
    except OSError:
        return ""
