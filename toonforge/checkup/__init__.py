"""What `toonforge doctor` looks at: this machine, its packages, its plugins and its folders, each in a file.

None of it imports torch: what only torch knows is asked of a process of its own, which works while the rest is looked
at.
"""

from __future__ import annotations

from pathlib import Path

from toonforge.checkup import devices, folders, machine, packages, plugins
from toonforge.checkup.finding import AREAS, STATUSES, Finding
from toonforge.checkup.probe import Probe

__all__ = ["AREAS", "STATUSES", "Finding", "examine"]


def examine(folder: Path = Path()) -> list[Finding]:
    """Everything there is to say, area by area.

    Args:
        folder: where runs would be written: the current one.
    """
    with Probe() as probe:
        needed, supplied, places = packages.look(), plugins.look(), folders.look(folder)
        torch = probe.answer()
    vision = packages.torchvision(
        packages.installed("torch"),
        packages.installed("torchvision"),
        packages.required_by("torchvision"),
        torch.get("torchvision_error"),
    )
    return [*machine.look(torch), *devices.look(torch), *needed, *vision, *supplied, *places]
