"""`toonforge plugin`: for those who write plugins. Each verb lives in the module of its name."""

from __future__ import annotations

from collections.abc import Mapping

import click

from toonforge.cli.group import LazyGroup

VERBS: Mapping[str, str] = {
    "new": "Begin a plugin: a package that installs, passes its tests and trains.",
}
"""Verb -> its line in `toonforge plugin --help`."""


class PluginVerbs(LazyGroup):
    """The verbs for authors of plugins."""

    verbs, package = VERBS, "toonforge.cli.plugin"


@click.group(cls=PluginVerbs)
def command() -> None:
    """Write a plugin. `toonforge plugins` lists those that are installed."""
