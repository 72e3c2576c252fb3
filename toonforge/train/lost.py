"""Errors that only say that another process is gone: what libraries say then, in words for people."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

from toonforge.errors import LostProcess, Problem

SAID = re.compile(
    r"gloo|NCCL|c10d|ProcessGroup|TCPStore|Socket|Connection (closed|reset|refused)|Broken pipe|failed to recv"
)
"""What gloo, NCCL and the store that processes meet at say of a connection."""


def lost(error: BaseException) -> LostProcess | None:
    """The error to raise in place of one that comes from a lost connection; None for every other error."""
    if int(os.environ.get("WORLD_SIZE", 1)) < 2 or not any(map(_is_lost, _chain(error))):
        return None
    return LostProcess(
        Problem(
            message="another process of this training has ended, so this one cannot go on",
            hint="see what that one says; then go on from the newest checkpoint with --resume",
        )
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _is_lost(error: BaseException) -> bool:
    distributed = sys.modules.get("torch.distributed")
    of_torch = getattr(distributed, "DistError", None)
    if of_torch is not None and isinstance(error, of_torch):
        return True
    return isinstance(error, RuntimeError) and SAID.search(str(error)) is not None
