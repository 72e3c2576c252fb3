"""Whether a plugin fits this version of toonforge, by what its distribution says that it requires."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from toonforge.errors import PluginError

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.version import Version

CORE = "toonforge"
_BOUND = re.compile(r"(>=|<)([0-9]+(?:\.[0-9]+)*)")
_USUAL = re.compile(
    rf"{CORE}(?:\[[a-z]+(?:,[a-z]+)*\])?(?P<range>{_BOUND.pattern}(?:,{_BOUND.pattern})*)"
    r"(?:; extra == (?:'[a-z]+'|\"[a-z]+\"))?"
)
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
    from packaging.version import Version

    core = Version(version)
    core = Version(core.base_version) if core.is_prerelease else core
    if all(_fits_plainly(line, core) for line in lines):
        return None
    for wanted in holding(lines):
        if not wanted.specifier.contains(core):
            return (
                f"it needs toonforge {in_order(str(wanted.specifier))}, and this is toonforge {version}; install "
                f"toonforge and {distribution} in versions that fit each other, each from its checkout or wheel: "
                "pip install PLACE PLACE"
            )
    return None


def _fits_plainly(line: str, core: Version) -> bool:
    """Whether a requirement is of the form that `core_range` writes, and holds, be it an extra's alone.

    Nearly all are, and packaging's own reader of requirements is slow to import: a twentieth of `toonforge --help`.
    One of which this says no is read by that.
    """
    if (usual := _USUAL.fullmatch(line.strip())) is None:
        return False
    for sign, numbers in _BOUND.findall(usual["range"]):
        bound = type(core)(numbers)
        if core < bound if sign == ">=" else core >= bound:
            return False
    return True


def holding(requires: Iterable[str], extra: str = "") -> Iterator[Requirement]:
    """The requirements of a distribution's metadata that hold on this machine, installed with an extra or without one.

    Raises:
        PluginError: for one that cannot be read.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    for line in requires:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            raise PluginError(f"its requirement {line!r} cannot be read") from None
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def core_range(version: str) -> str:
    """The versions that a plugin written for this one fits: up to the next that may break it.

    ">=1.4,<2" for 1.4.2, ">=0.1,<0.2" for 0.1.0: before 1.0 any minor version may.
    """
    numbers = re.match(r"(\d+)(?:\.(\d+))?", version)
    major, minor = (int(number or 0) for number in numbers.groups()) if numbers else (0, 0)
    return f">={major}.{minor},<{major + 1}" if major else f">=0.{minor},<0.{minor + 1}"


def in_order(specifier: str) -> str:
    """A range with its lower end first: packaging sorts by the sign."""
    return ",".join(sorted(specifier.split(","), key=lambda part: (not part.startswith((">", "=", "~")), part)))
