"""Names of tensors in a state dict: what they share, and what of a layer they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

Shape = tuple[int, ...]
Role = Literal["weight", "bias", "mean", "variance", "count"]
ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("weight", "kernel", "scale", "gamma"), "weight"),
    **dict.fromkeys(("bias", "shift", "beta"), "bias"),
    **dict.fromkeys(("running_mean", "moving_mean"), "mean"),
    **dict.fromkeys(("running_var", "moving_variance"), "variance"),
    "num_batches_tracked": "count",
}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""What norms keep of training besides their weights, as torch calls it."""


def shared_prefix(names: Iterable[str]) -> str:
    """The modules that all names begin with, such as "module.model.", never a name's last part."""
    split = [name.split(".")[:-1] for name in names]
    shared: list[str] = []
    for words in zip(*split, strict=False):
        if len(set(words)) > 1:
            break
        shared.append(words[0])
    return "".join(f"{word}." for word in shared)


def numbered(names: Iterable[str]) -> bool:
    """Whether all names begin with a number: a sequence of layers, with nothing beside it."""
    return all(name.split(".", 1)[0].isdigit() and len(name) < 200 for name in names)


def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts "10.weight" after "2.weight"."""
    return tuple((0, int(word)) if word.isdigit() else (1, word) for word in re.split(r"(\d+)", name[:400]) if word)


def role(name: str) -> Role | None:
    """What of a layer a tensor is, by the last part of its name; None where that does not say."""
    return ROLES.get(name.rpartition(".")[2])


def listed(names: Sequence[str], most: int = 6) -> str:
    """Names in a phrase: the first ones, and how many more."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
