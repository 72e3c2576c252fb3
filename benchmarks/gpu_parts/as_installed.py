"""The repository as it is, for scripts on a machine where it was only copied to: its packages are found.

What plugins offer is looked up in the metadata of installed distributions. Here those are written to a folder for the
time being, from each `pyproject.toml`; packages from elsewhere must be there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"pillow": "PIL", "tomli-w": "tomli_w", "typing-extensions": "typing_extensions"}
"""Distribution -> module, where they have different names."""


def as_installed(place: Path) -> None:
    """Make `toonforge` and the repository's plugins importable, here and in processes started from here.

    Args:
        place: an empty folder for the metadata, as long as they are needed.

    Raises:
        SystemExit: packages from elsewhere are missing.
    """
    missing = [name for name in needed() if importlib.util.find_spec(MODULES.get(name, name)) is None]
    if missing:
        sys.exit(f"these packages are missing: {' '.join(missing)}\nhint: pip install {' '.join(missing)}")
    projects = [ROOT / "pyproject.toml", *sorted((ROOT / "plugins").glob("*/pyproject.toml"))]
    paths = [str(place)]
    for project in projects:
        about = read(project)["project"]
        if not known(about["name"]):
            describe(about, place)
            paths.append(str(project.parent / "src" if (project.parent / "src").is_dir() else project.parent))
    sys.path[:0] = paths
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([*paths, *([before] if before else [])])


def needed() -> list[str]:
    """The distributions from elsewhere that the core depends on."""
    wanted = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("dependencies = [")[2].partition("]")[0]
    return re.findall(r'^\s*"([a-z0-9-]+)', wanted, re.MULTILINE)


def read(project: Path) -> dict[str, Any]:
    """A TOML file. Not before it is known that the packages are there."""
    import tomli

    return tomli.loads(project.read_text(encoding="utf-8"))


def known(name: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def describe(about: dict[str, Any], place: Path) -> None:
    """Write what an installation would have written of a distribution."""
    name = about["name"].replace("-", "_")
    folder = place / f"{name}-{about['version']}.dist-info"
    folder.mkdir()
    lines = f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n"
    (folder / "METADATA").write_text(lines, encoding="utf-8")
    points = about.get("entry-points", {})
    text = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for group, entries in points.items()
    )
    (folder / "entry_points.txt").write_text(text, encoding="utf-8")
