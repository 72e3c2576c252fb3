"""A batch of pictures through the networks: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toonforge.data.transforms import normalised, to_pictures
from toonforge.errors import ToonforgeError
from toonforge.memory import is_out_of_memory
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.pictures.original import Original
from toonforge.use.tiled import ignore

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

    from toonforge.use.model import Model

    Picture = npt.NDArray[np.uint8]


def unwatched() -> None:
    """Nobody wants to end the computation."""


def compute(
    model: Model,
    originals: Sequence[Original],
    to: str | None,
    look: Look,
    note: Callable[[str], None] = ignore,
    check: Callable[[], None] = unwatched,
    part: Callable[[int, int], None] | None = None,
) -> list[Picture | ToonforgeError]:
    """Translate pictures of one size, and of one way to convert their colours.

    What fails together is tried by halves, down to single pictures: for want of memory, or where one cannot be done.

    Args:
        note: told in a sentence where a picture is computed in parts, see `toonforge.use.tiled`.
        check: called often; what it raises, no `ToonforgeError`, ends the computation, and is raised here.
        part: called with how many parts of a picture are done, and of how many, after each part.

    Returns:
        Of each picture (height, width, 3) in the numbers of its profile, or why there is none.
    """
    try:
        return [*_compute(model, originals, to, look, note, check, part)]
    except (ToonforgeError, RuntimeError, MemoryError) as error:
        if not isinstance(error, ToonforgeError) and not is_out_of_memory(error):
            raise
        if len(originals) == 1:
            return [error if isinstance(error, ToonforgeError) else ToonforgeError("not enough memory")]
    half = len(originals) // 2
    halves = (originals[:half], originals[half:])
    return [made for each in halves for made in compute(model, each, to, look, note, check, part)]


def _compute(
    model: Model,
    originals: Sequence[Original],
    to: str | None,
    look: Look,
    note: Callable[[str], None],
    check: Callable[[], None],
    part: Callable[[int, int], None] | None,
) -> list[Picture]:
    """The look is given in the pictures' own numbers: so strength 0 is the picture itself, whatever its profile."""
    if look.strength == 0:
        return [original.pixels for original in originals]
    own = as_tensor([original.pixels for original in originals], model.device)
    plain = all(original.conversion is None and original.alpha is None for original in originals)
    seen = own if plain else as_tensor([original.seen() for original in originals], model.device)
    asked = None if check is unwatched else check
    made = model.translate(seen, to, look=look if plain else AS_IT_IS, note=note, check=asked, part=part)
    check()
    if not plain:
        pixels = [original.own(picture) for original, picture in zip(originals, to_pictures(made))]
        if any(original.conversion is not None for original in originals):
            made = as_tensor(pixels, model.device)
        made = look.apply(own, made)
        check()
    return [original.finished(picture) for original, picture in zip(originals, to_pictures(made))]


def as_tensor(pictures: Sequence[Picture], device: torch.device) -> torch.Tensor:
    """(height, width, 3) of uint8 each -> N,3,H,W in [-1, 1]."""
    import numpy as np
    import torch

    return normalised(torch.from_numpy(np.stack(pictures)).to(device).permute(0, 3, 1, 2))  # bytes travel, not floats
