"""One network that was recognised in a file, with its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs
from torch import Tensor

from toonforge.components import NetworkComponent
from toonforge.use.foreign.fitting import Fitted


@attrs.frozen(kw_only=True, eq=False)
class Imported:
    """One network that was recognised in a file.

    Attributes:
        name: in the model.
        path: of the file; `part`: where in it, "" for the whole of it; `sha256`: of its bytes.
        origin: whose network it is, for people.
        component: ours, by its name in its registry.
        config: builds it.
        fitted: which tensor of the file became which of ours, and which were left out.
        state: its weights, by our names.
        said: what was assumed, in sentences.
        by_order: whether the tensors were paired by their order.
        image_size: of its pictures, where the architecture tells.
    """

    name: str
    path: Path
    part: str
    sha256: str
    origin: str
    component: str
    config: NetworkComponent
    fitted: Fitted
    state: Mapping[str, Tensor]
    said: tuple[str, ...]
    by_order: bool
    image_size: int | None
