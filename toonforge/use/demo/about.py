"""What the page says of its models: what they do, in one sentence, and whose they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toonforge.use.demo.work import Offered

SHOWN = ("description", "limits", "data", "license", "credit")
"""Parts of a model's card, in the order shown; others follow."""
LEFT_OUT = ("title",)
CALLED = {"sha256": "SHA-256"}


def headline(models: Sequence[Offered]) -> tuple[str, str]:
    """The page's title, and one sentence on what it does."""
    if len(models) == 1:
        (only,) = models
        to = " or ".join(only.model.translations)
        said = re.split(r"(?<=[.!?])\s|\n", only.model.card.get("description", "").strip())[0]
        return only.label, said or f"Translates a photograph to {to}, on this computer."
    return "Models side by side", f"Translates a photograph with {len(models)} models, on this computer."


def about(models: Sequence[Offered]) -> str:
    """HTML on each model: its card where it has one, and what it was given as."""
    return f'<div class="tf-about">{"".join(map(_about, models))}<p>{_PRIVATE}</p></div>'


_PRIVATE = "Pictures stay on the computer that this page runs on, and are deleted after half an hour or when it stops."


def _about(offered: Offered) -> str:
    card = offered.model.card
    keys = [key for key in SHOWN if key in card] + sorted(set(card) - {*SHOWN, *LEFT_OUT})
    side = offered.model.image_size
    rows = [(CALLED.get(key, key.replace("_", " ").capitalize()), card[key]) for key in keys]
    rows += [
        ("Model", Path(offered.given).name),
        ("Recipe", offered.model.recipe),
        ("Translates to", ", ".join(offered.model.translations)),
    ]
    rows += [("Trained on", f"{side} x {side} pixels")] if side is not None else []
    rows += [("Steps", f"{offered.model.step:,}")] if offered.model.step is not None else []
    lines = "".join(f"<dt>{escape(key)}</dt><dd>{_text(str(value))}</dd>" for key, value in rows)
    return f"<h3>{escape(offered.label)}</h3><dl>{lines}</dl>"


def _text(said: str) -> str:
    """A card's words as HTML: names between backticks as such."""
    return re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escape(said))
