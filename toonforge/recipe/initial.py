"""`weights = …` of a network: where its weights come from before the first step."""

from __future__ import annotations

from typing import Any, Literal

from toonforge.components import Component, component, fields_of, param

KEY = "weights"
RANDOM = "random"
"""What `weights` says of a network that begins as its component initialises it, as it does when left out."""


@component
class InitialWeights(Component):
    """Where a network's first weights are taken from."""

    from_: str = param(
        doc="an installed model's name, or the path of a run, a checkpoint's folder or a weights file", key="from"
    )
    network: str | None = param(None, doc="the network's name there; its name here when left out")
    checkpoint: int | Literal["best", "latest"] | None = param(
        None, doc='of a run: "best", "latest" or a step; the best where it keeps one, else the latest, when left out'
    )

    def __str__(self) -> str:
        more = [f"checkpoint {self.checkpoint}"] if self.checkpoint is not None else []
        more += [f"network {self.network}"] if self.network is not None else []
        return f"{self.from_} ({', '.join(more)})" if more else self.from_

    @property
    def data(self) -> str | dict[str, Any]:
        """As a recipe writes it: the source alone where that is all."""
        rest = {"network": self.network, "checkpoint": self.checkpoint}
        said = {key: value for key, value in rest.items() if value is not None}
        return {"from": self.from_, **said} if said or self.from_ == RANDOM else self.from_


def is_reserved(cls: type) -> bool:
    """Whether `weights` of a network means its first ones: a component with a field of that name reads it itself."""
    return KEY not in fields_of(cls)
