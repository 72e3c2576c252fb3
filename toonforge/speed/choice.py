"""Which tricks a run computes with, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import attrs

from toonforge.speed.tricks import TRICKS, Situation, Trick

IDLE = "nothing in this recipe to use it on"


@attrs.frozen(kw_only=True)
class Speed:
    """The tricks of a run; `"channels-last" in speed` asks for one.

    Attributes:
        wanted: "auto", "safe", or "listed" by the recipe.
        tricks: those in use, in the order of `TRICKS`.
        why: trick -> why it is not in use, of all that are not.
        left_out: those of `why` that the recipe lists.
    """

    wanted: str = "safe"
    tricks: tuple[str, ...] = ()
    why: Mapping[str, str] = attrs.field(factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """ "auto: quick-norms, channels-last", "safe", "listed: no trick; not used: tf32 (for CUDA devices)"."""
        if self.wanted == "safe":
            return self.wanted
        missed = ", ".join(f"{trick} ({self.why[trick]})" for trick in self.left_out)
        used = f"{self.wanted}: {', '.join(self.tricks) or 'no trick'}"
        return f"{used}; not used: {missed}" if missed else used

    def without(self, idle: Iterable[str]) -> Speed:
        """The same without tricks that found nothing to do in a recipe."""
        missed = [name for name in self.tricks if name in {*idle}]
        listed = missed if self.wanted == "listed" else []
        return attrs.evolve(
            self,
            tricks=tuple(name for name in self.tricks if name not in missed),
            why={**self.why, **dict.fromkeys(missed, IDLE)},
            left_out=tuple(name for name in TRICKS if name in {*self.left_out, *listed}),
        )

    def __contains__(self, trick: str) -> bool:
        return trick in self.tricks


SAFE = Speed()


def choose(wanted: str | Sequence[str], situation: Situation) -> Speed:
    """The tricks that `train.speed` means in a situation.

    Args:
        wanted: "auto": all that pay; "safe": none; or the names of those that are wanted, as far as they can be used.
        situation: where it is computed.
    """
    listed = not isinstance(wanted, str)
    why = {name: _reason(trick, wanted, situation) for name, trick in TRICKS.items()}
    if why["cuda-graphs"] is None and why["step-in-backward"] is None:
        why["step-in-backward"] = "cuda-graphs records gradients alone"
    return Speed(
        wanted="listed" if listed else str(wanted),
        tricks=tuple(name for name, reason in why.items() if reason is None),
        why={name: reason for name, reason in why.items() if reason is not None},
        left_out=tuple(name for name, reason in why.items() if listed and name in wanted and reason is not None),
    )


def _reason(trick: Trick, wanted: str | Sequence[str], situation: Situation) -> str | None:
    """Why the trick is not used; None where it is."""
    if wanted == "safe":
        return "train.speed is safe"
    if wanted == "auto":
        if situation.precision == "fp64":
            return "fp64 computes as written"
        return trick.impossible(situation) or trick.useless(situation)
    return trick.impossible(situation) if trick.name in wanted else "not listed in train.speed"
