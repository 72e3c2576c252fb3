"""What is measured beside the recipe as it is: without all tricks, and with one trick more or less."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from toonforge.speed.tricks import TRICKS


@attrs.frozen(kw_only=True)
class Variant:
    """One way of training a recipe.

    Attributes:
        name: what it is called: "without channels-last".
        speed: its `train.speed`; None for the recipe's.
        change: "KEY=VALUE" of a further change to the recipe, if it has one.
        trick: the trick by which it differs, if it does.
    """

    name: str
    speed: str | tuple[str, ...] | None = None
    change: str | None = None
    trick: str | None = None


@attrs.frozen(kw_only=True)
class Here:
    """What a process says of the tricks of its recipe on its machine.

    Attributes:
        wanted: "auto", "safe" or "listed".
        chosen: those in use.
        auto: those that "auto" would use.
        impossible: trick -> why it cannot be used here.
    """

    wanted: str
    chosen: tuple[str, ...]
    auto: tuple[str, ...]
    impossible: Mapping[str, str] = attrs.field(factory=dict)


AS_IS = "as the recipe is"
SAFE = "safe"
AUTO = "auto"


def planned(here: Here, tricks: Sequence[str] | None, tries: Sequence[str] = ()) -> list[Variant]:
    """The variants beside the recipe as it is, no two with the same tricks.

    Args:
        here: what the recipe's process says.
        tricks: those that are wanted one by one; None for all.
        tries: further changes.
    """
    wanted = [Variant(name=SAFE, speed=SAFE), Variant(name=AUTO, speed=AUTO)]
    for trick in TRICKS if tricks is None else tricks:
        if trick in here.chosen:
            rest = tuple(name for name in here.chosen if name != trick)
            wanted.append(Variant(name=f"without {trick}", speed=rest or SAFE, trick=trick))
        elif trick not in here.impossible:
            more = tuple(name for name in TRICKS if name in {*here.chosen, trick})
            wanted.append(Variant(name=f"with {trick}", speed=more, trick=trick))
    found, known = [], {frozenset(here.chosen): AS_IS}
    for variant in wanted:
        used = frozenset(_used(variant, here))
        if used not in known:
            known[used] = variant.name
            found.append(variant)
        elif variant.trick is not None and known[used] in (SAFE, AUTO):
            # Without its only trick a recipe is as safe as can be: one row tells both.
            found = [attrs.evolve(one, trick=variant.trick) if one.name == known[used] else one for one in found]
    return [*found, *(Variant(name=change, change=change) for change in tries)]


def _used(variant: Variant, here: Here) -> Sequence[str]:
    if variant.speed == SAFE:
        return ()
    return here.auto if variant.speed == AUTO else variant.speed or here.chosen
