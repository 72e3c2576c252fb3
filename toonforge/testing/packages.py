"""A plugin's installed package: its distribution, its files, what its sources import."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from toonforge import registries
from toonforge.plugins.fit import holding
from toonforge.plugins.loader import PluginRecord


def record_of(plugin: str) -> PluginRecord:
    """What became of the plugin; AssertionError where none of this name is installed."""
    registries.plugins.load()
    found = [record for record in registries.plugins.records if record.name == plugin]
    names = ", ".join(sorted({record.name for record in registries.plugins.records} - {"toonforge"}))
    assert found, (
        f"no plugin {plugin!r} is installed (there are {names}): pip install -e ., and name it in pyproject.toml:\n"
        f'[project.entry-points.toonforge]\n{plugin} = "your_package.plugin"'
    )
    return found[0]


def package_of(record: PluginRecord) -> str:
    """The top package that the entry point lies in."""
    return record.target.partition(":")[0].partition(".")[0]


def folder_of(record: PluginRecord) -> Path | None:
    """The package's folder; None for a plugin that is a single module."""
    spec = importlib.util.find_spec(package_of(record))
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None


def sources_of(record: PluginRecord) -> list[Path]:
    """Every Python file of the plugin."""
    folder = folder_of(record)
    if folder is not None:
        return sorted(folder.rglob("*.py"))
    spec = importlib.util.find_spec(package_of(record))
    return [Path(spec.origin)] if spec is not None and spec.origin else []


def imports_of(code: str) -> Iterator[tuple[int, str, str | None]]:
    """Line, module and name (None for `import module`) of everything that some Python imports, wherever in it.

    Without what it imports from its own package by dots.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def others(record: PluginRecord) -> dict[str, str]:
    """Top package -> distribution of every other plugin that is installed."""
    entries = importlib.metadata.entry_points(group="toonforge")
    found = {
        entry.value.partition(":")[0].partition(".")[0]: entry.dist.name
        for entry in entries
        if entry.name != record.name and entry.dist is not None
    }
    found.pop(package_of(record), None)
    return found


def required(record: PluginRecord) -> dict[str, str]:
    """Normalised name -> version range of every distribution that the plugin's requires without an extra."""
    from packaging.utils import canonicalize_name

    requirements = holding(importlib.metadata.requires(record.distribution) or ())
    return {canonicalize_name(requirement.name): str(requirement.specifier) for requirement in requirements}
