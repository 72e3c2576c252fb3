"""How a metric's numbers were made, in one line: what stands beside them wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from toonforge.components import Metric

NO_WEIGHTS = "none"


@attrs.frozen(kw_only=True)
class Setting:
    """What metrics that are measured together share.

    Attributes:
        part: of the data set: "validation"; empty for pictures of no data set, which `preparation` then names.
        weights: of the networks: "moving average (decay 0.99)", "as trained", or "none".
        preparation: how the pictures were scaled and cut; empty where nobody says.
    """

    part: str
    weights: str
    preparation: str = ""


def protocol(config: Metric, pictures: Mapping[str, int], setting: Setting, *, networks: bool) -> str:
    """The metric's own protocol, which and how many pictures, how they are read, and the networks' weights.

    Its statements are separated by "; ", so that those which several metrics share can be said once.

    Args:
        pictures: `Expr` field -> how many arrived.
        networks: whether any network was evaluated.
    """
    where = f" of the {setting.part} part" if setting.part else ""
    parts = [config.protocol(), f"{_counted(config, pictures)}{where}", setting.preparation]
    if networks and setting.weights != NO_WEIGHTS:
        parts.append(f"networks' weights: {setting.weights}")
    return "; ".join(filter(None, parts))


def _counted(config: Metric, pictures: Mapping[str, int]) -> str:
    """ "24 pictures", or "120 generated and 80 reference pictures" of sets that arrive apart."""
    counts = set(pictures.values())
    if len(counts) == 1 and (len(pictures) == 1 or set(config.together) >= set(pictures)):
        (count,) = counts
        pairs = len(pictures) > 1
        return f"{count:,} {'pair' if pairs else 'picture'}{'s' if count != 1 else ''}"
    words = [f"{count:,} {key}" for key, count in pictures.items()]
    return f"{', '.join(words[:-1])} and {words[-1]} pictures" if len(words) > 1 else f"{words[0]} pictures"
