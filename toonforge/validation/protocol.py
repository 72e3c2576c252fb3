"""How a metric's numbers were made, in one line: what stands beside them wherever they are shown."""

from __future__ import annotations

from collections.abc import Mapping, Set

import attrs

from toonforge.components import Metric
from toonforge.validation.weights import in_words

FILTER_CLAUSE = "plain filter: OpenCV's "


@attrs.frozen(kw_only=True)
class Setting:
    """What metrics that are measured together share.

    Attributes:
        part: of the data set: "validation"; empty for pictures of no data set, which `preparation` then names.
        weights: network -> its weights: "moving average (decay 0.99)", "as trained".
        preparation: how the pictures were scaled and cut; empty where nobody says.
    """

    part: str
    weights: Mapping[str, str]
    preparation: str = ""


def protocol(
    config: Metric,
    pictures: Mapping[str, int],
    setting: Setting,
    *,
    networks: Set[str],
    filter: str | None = None,
    own: str = "",
) -> str:
    """The metric's own protocol, which and how many pictures, how they are read, the networks' weights, the filter.

    Its statements are separated by "; ", so that those which several metrics share can be said once.

    Args:
        pictures: `Expr` field -> how many arrived.
        networks: those that were evaluated.
        own: the metric's own protocol, where another is known than its config's.
        filter: what stands in the translation's place in the part "filter", where the metric has it.
    """
    where = f" of the {setting.part} part" if setting.part else ""
    parts = [own or config.protocol(), f"{_counted(config, pictures)}{where}", setting.preparation]
    if weights := in_words(setting.weights, networks):
        parts.append(f"networks' weights: {weights}")
    if filter is not None:
        parts.append(f"{FILTER_CLAUSE}{filter}")
    return "; ".join(part for part in parts if part)


def of_headline(protocol: str) -> str:
    """A protocol without what it says of the numbers beside the headline: those do not change how that was made."""
    return "; ".join(part for part in protocol.split("; ") if not part.startswith(FILTER_CLAUSE))


def _counted(config: Metric, pictures: Mapping[str, int]) -> str:
    """ "24 pictures", or "120 generated and 80 reference pictures" of sets that arrive apart."""
    counts = set(pictures.values())
    if len(counts) == 1 and (len(pictures) == 1 or set(config.together) >= set(pictures)):
        (count,) = counts
        pairs = len(pictures) > 1
        return f"{count:,} {'pair' if pairs else 'picture'}{'s' if count != 1 else ''}"
    words = [f"{count:,} {key}" for key, count in pictures.items()]
    return f"{', '.join(words[:-1])} and {words[-1]} pictures" if len(words) > 1 else f"{words[0]} pictures"
