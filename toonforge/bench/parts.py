"""Where a step's time goes: what a profiler saw, shared out among networks, losses and optimizers.

Forward time is what lies within a call of a network or a loss. Backward time is found by number: each operation with a
gradient draws the next number of its thread's counter, and its backward carries the same; so a call that began at 17
and ended at 40 has the backwards 17 to 39. What lies in nobody's call is the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

Key = tuple[str, str, str]
"""(kind, name, direction): ("network", "G", "forward"), ("optimizer", "", "")."""

REST: Key = ("rest", "", "")
OPTIMIZER: Key = ("optimizer", "", "")
BACKWARD = "autograd::engine::evaluate_function"
STEP = "toonforge:step"
LABEL = "toonforge:part:"


@attrs.frozen(kw_only=True)
class Span:
    """Something that the profiler saw.

    Attributes:
        name: what.
        parent: the number in the list of the innermost one that it lies within, on its thread; None at the top.
        seconds: on the processor, without those within it.
        device: seconds of the kernels that it began by itself, on a GPU.
        number: of the operation, if it has one; its backward has the same.
    """

    name: str
    parent: int | None = None
    seconds: float = 0.0
    device: float = 0.0
    number: int = -1


@attrs.frozen(kw_only=True)
class Call:
    """A call of a network or a loss: what was called, and the numbers of the operations in it, the last exclusive."""

    kind: str
    name: str
    first: int
    last: int


def label(kind: str, name: str) -> str:
    """What a call's span is named."""
    return f"{LABEL}{kind}:{name}"


def shared_out(spans: Sequence[Span], calls: Iterable[Call], device: bool = False) -> dict[Key, float]:
    """Seconds by kind, name and direction; together all that lies within steps, or was begun for their backward.

    Args:
        spans: each behind its parent.
        calls: a call within another (a gradient penalty calls a discriminator) counts before that.
        device: take the kernels' seconds in place of the processor's.
    """
    numbered = sorted(calls, key=lambda call: call.last - call.first)
    keys: list[Key | None] = []
    found: dict[Key, float] = {}
    for span in spans:
        above = None if span.parent is None else keys[span.parent]
        key = _key(span, above, numbered)
        keys.append(key)
        if key is not None:
            found[key] = found.get(key, 0.0) + (span.device if device else span.seconds)
    return found


def _key(span: Span, above: Key | None, calls: Sequence[Call]) -> Key | None:
    """Whose the span is: its own, or that of the one it lies within; None outside of steps."""
    if span.name.startswith(LABEL):
        kind, _, name = span.name.removeprefix(LABEL).partition(":")
        # The outermost network counts: a loss that calls one begins with the loss.
        return above if above is not None and above[0] == "network" else (kind, name, "forward")
    if span.name.startswith("Optimizer."):
        return OPTIMIZER
    if span.name == STEP:
        return REST
    if span.name.startswith(BACKWARD):
        for call in calls:
            if call.first <= span.number < call.last:
                return (call.kind, call.name, "backward")
        return REST
    return above


def by_kind(parts: Mapping[Key, float], kinds: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Seconds by what people call it, then by direction ("" where there is none).

    Args:
        parts: of `shared_out`.
        kinds: network -> "generators", "discriminators" or "other networks".
    """
    found: dict[str, dict[str, float]] = {}
    for (kind, name, direction), seconds in parts.items():
        title = kinds[name] if kind == "network" else {"loss": "losses", "optimizer": "optimizers"}.get(kind, "rest")
        row = found.setdefault(title, {})
        row[direction] = row.get(direction, 0.0) + seconds
    return found
