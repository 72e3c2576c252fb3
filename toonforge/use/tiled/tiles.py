"""How much memory a translation may take, as users say it."""

from __future__ import annotations

from typing import Literal

import attrs

from toonforge.errors import Problem, RunError

USES = ("auto", "never", "always")


@attrs.frozen
class Tiles:
    """When and how pictures are computed in parts.

    Attributes:
        use: "auto" where a picture does not fit memory whole, "never", or "always".
        memory: bytes that a computation may take beside the picture and its translation; most of what is free when
            left out. Of the GPU where the networks are on one.
        size: a part's pixels along a side; chosen to fit memory when left out. What is computed exactly is computed in
            strips of so many rows and of the whole width.
        spill: let values that do not fit into memory lie in a temporary file.

    Raises:
        RunError: for a word that is none of these, or numbers below 1.
    """

    use: Literal["auto", "never", "always"] = "auto"
    memory: int | None = None
    size: int | None = None
    spill: bool = True

    def __attrs_post_init__(self) -> None:
        if self.use not in USES:
            raise RunError(Problem(message="no such use of tiles", found=str(self.use), expected=" or ".join(USES)))
        for name, value in (("memory", self.memory), ("size", self.size)):
            if value is not None and value < 1:
                raise RunError(
                    Problem(message=f"{name} of tiles is too small", found=str(value), expected="at least 1")
                )
