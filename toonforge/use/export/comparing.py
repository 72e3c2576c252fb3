"""What was exported against the model that it came from: pictures of several sizes through both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs

from toonforge.errors import Problem, RunError, ToonforgeError

if TYPE_CHECKING:
    import torch

LIMIT = 1e-3
"""The largest difference that passes, in units of the range [-1, 1]: an eighth of a step of 8 bits."""
LEVELS = 127.5
"""Steps of 8 bits in one unit."""


@attrs.frozen(kw_only=True)
class Comparison:
    """Pictures of one size through the model and through what was exported.

    Attributes:
        count, height, width: of the batch.
        difference: the largest between two numbers in [-1, 1]. None where both gave pictures that are not compared: a
            single pixel has no contrast, which instance norm divides by, so that its rounding errors are all there is.
    """

    count: int
    height: int
    width: int
    difference: float | None

    @property
    def size(self) -> str:
        """ "2 x 50x37": pictures, width, height."""
        return f"{self.count} x {self.width}x{self.height}"

    @property
    def levels(self) -> float | None:
        """The difference in steps of 8 bits."""
        return None if self.difference is None else self.difference * LEVELS


def sizes(side: int) -> list[tuple[int, int, int]]:
    """(N, H, W): as in training, two at once of odd sides, larger than in training, narrow, and a single pixel."""
    return [
        (1, side, side),
        (2, side // 2 + 1, side // 2 + 14),
        (1, side + side // 4 | 1, 2 * side + 3),
        (1, 5, 18),
        (1, 1, 1),
    ]


def pictures(count: int, height: int, width: int) -> torch.Tensor:
    """N,3,H,W in [-1, 1], always the same: waves of several lengths with some noise, as pictures have."""
    import torch

    random = torch.Generator().manual_seed(count + 31 * height + 1009 * width)
    y, x = torch.meshgrid(torch.arange(height) / 32, torch.arange(width) / 32, indexing="ij")
    waves = torch.zeros(count, 3, height, width)
    for octave in range(4):
        way, phase = torch.rand(2, count, 3, 1, 1, generator=random) * 2 * math.pi
        waves += torch.sin((x * torch.cos(way) + y * torch.sin(way)) * 2**octave * math.pi + phase) / 2**octave
    noise = torch.rand(count, 3, height, width, generator=random) * 2 - 1
    return (waves / 2 + 0.2 * noise).clamp(-1, 1)


def compare(
    model: Callable[[torch.Tensor], torch.Tensor],
    exported: Callable[[torch.Tensor], torch.Tensor],
    side: int,
    what: str,
    limit: float = LIMIT,
) -> Iterator[Comparison]:
    """Run both; sizes that the model itself cannot take are left out.

    Args:
        model, exported: N,3,H,W in [-1, 1] to the same.
        side: the side of pictures in training.
        what: the exported file, for messages.
        limit: how large a difference passes.

    Raises:
        RunError: what was exported fails, gives another shape, or differs by more than `limit`; or no size can be
            compared.
    """
    compared = False
    for count, height, width in sizes(side):
        batch = pictures(count, height, width)
        try:
            wanted = model(batch)
        except ToonforgeError:
            continue
        try:
            found = exported(batch)
        except Exception as error:  # of another program, or of code that was written for torch alone
            raise _unlike(what, batch, limit, f"it fails: {type(error).__name__}: {first_line(error)}") from error
        if found.shape != wanted.shape:
            raise _unlike(what, batch, limit, f"it gives {list(found.shape)}, not {list(wanted.shape)}")
        difference = (found.float() - wanted.float()).abs().max().item()
        if height == width == 1 and math.isfinite(difference):
            yield Comparison(count=count, height=height, width=width, difference=None)
            continue
        if not difference <= limit:
            found_text = f"a difference of {difference:.2g} ({difference * LEVELS:.1f} steps of 8 bits)"
            raise _unlike(what, batch, limit, found_text)
        compared = True
        yield Comparison(count=count, height=height, width=width, difference=difference)
    if not compared:
        raise RunError(
            Problem(
                message=f"{what} cannot be compared: the model takes none of the sizes",
                found=f"{side}x{side} and others",
            )
        )


def first_line(error: BaseException) -> str:
    """What an error says, without what follows it."""
    lines = [line.strip() for line in str(error).split("\n") if line.strip()]
    return lines[0] if lines else ""


def _unlike(what: str, batch: torch.Tensor, limit: float, found: str) -> RunError:
    count, _, height, width = batch.shape
    return RunError(
        Problem(
            message=f"{what} does not do what the model does: {count} x {width}x{height} pixels (width x height)",
            found=found,
            expected=f"at most {limit:g}, of numbers in [-1, 1]",
            hint="nothing was left under its name",
        )
    )
