"""Sends the frames of pieces through a model, as many at once as memory takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from toonforge.data.transforms import to_pictures
from toonforge.errors import ToonforgeError
from toonforge.memory import is_out_of_memory
from toonforge.use.look import Look
from toonforge.use.pictures.computing import as_tensor
from toonforge.use.tiled import ignore
from toonforge.use.video.pieces import Piece, Shot

if TYPE_CHECKING:
    import torch

    from toonforge.data.transforms import Picture

PIXELS = {"cpu": 2**18, "cuda": 2**22}
"""Of the frames that are translated at once, by the kind of device; on a CPU larger batches are not quicker."""

MOST = 16
"""Frames at once."""


class Translator(Protocol):
    """What is asked of a model: `toonforge.use.model.Model`, or whatever else translates batches."""

    @property
    def device(self) -> torch.device:
        """Where it computes."""

    def translate(
        self, pictures: torch.Tensor, to: str | None = None, *, look: Look = ..., note: Callable[[str], None] = ...
    ) -> torch.Tensor:
        """N,3,H,W in [-1, 1] -> the same; `note` is told where they are computed in parts."""


def batch_for(device: str, height: int, width: int) -> int:
    """How many frames of a size are translated at once where nothing else is asked for."""
    return max(1, min(MOST, PIXELS.get(device, PIXELS["cuda"]) // max(1, height * width)))


def translated(
    model: Translator, pieces: Iterator[Piece], to: str | None, look: Look, note: Callable[[str], None] = ignore
) -> Iterator[Piece]:
    """The pieces with translated frames, and those given beside them.

    Args:
        note: told in a sentence where frames are computed in parts: of the first frame, which stands for all.
    """
    at_once = 10**9
    told: set[str] = set()

    def once(text: str) -> None:
        kind = re.sub(r"[\d.,]+", "", text)  # the same of another frame differs in its numbers
        if kind not in told:
            told.add(kind)
            note(text)

    try:
        for piece in pieces:
            outputs: list[Picture] = []
            while len(outputs) < len(piece.shots):
                given = [shot.pixels for shot in piece.shots[len(outputs) : len(outputs) + at_once]]
                try:
                    outputs += translate_pictures(model, given, to, look, once)
                except (RuntimeError, MemoryError, ToonforgeError) as error:
                    short = is_out_of_memory(error) or (error.__cause__ and is_out_of_memory(error.__cause__))
                    if len(given) == 1 or not short:
                        raise
                    at_once = len(given) // 2
            piece.given = piece.shots
            piece.shots = [Shot(pixels, shot.time, shot.length) for pixels, shot in zip(outputs, piece.shots)]
            yield piece
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


def translate_pictures(
    model: Translator,
    pictures: Sequence[Picture],
    to: str | None,
    look: Look,
    note: Callable[[str], None] = ignore,
) -> list[Picture]:
    """Pictures of one size, H,W,3 of RGB, 0 to 255, and their translations."""
    return to_pictures(model.translate(as_tensor(pictures, model.device), to, look=look, note=note))
