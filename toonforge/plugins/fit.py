"""Whether a plugin fits this version of toonforge, by what its distribution says that it requires."""

from __future__ import annotations

import re
from collections.abc import Iterable

from toonforge.errors import PluginError

CORE = "toonforge"
_NAMES_CORE = re.compile(rf"{CORE}(?![\w.-])", re.IGNORECASE)


def misfit(requires: Iterable[str], version: str, distribution: str) -> str | None:
    """Why a plugin does not fit a version of the core, and what to do; None where it fits, or does not say.

    Args:
        requires: the requirements in its distribution's metadata: "toonforge[features]>=0.1,<0.2".
        version: of the core. A pre-release counts as the version that it leads to.
        distribution: of the plugin.

    Raises:
        PluginError: for a requirement of toonforge that cannot be read.
    """
    lines = [line for line in requires if _NAMES_CORE.match(line.strip())]
    if not lines:
        return None
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.version import Version

    core = Version(Version(version).base_version)
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            raise PluginError(f"its requirement {line!r} cannot be read") from None
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if not wanted.specifier.contains(core):
            return (
                f"it needs toonforge {in_order(str(wanted.specifier))}, and this is toonforge {version}; install "
                f"toonforge and {distribution} in versions that fit each other, each from its checkout or wheel: "
                "pip install PLACE PLACE"
            )
    return None


def in_order(specifier: str) -> str:
    """A range with its lower end first: packaging sorts by the sign."""
    return ",".join(sorted(specifier.split(","), key=lambda part: (not part.startswith((">", "=", "~")), part)))
