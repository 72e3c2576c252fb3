"""Which names a new plugin may have."""

from __future__ import annotations

import re

from toonforge.errors import PluginError, Problem
from toonforge.names import is_component_name
from toonforge.plugins.fit import CORE
from toonforge.plugins.installed import PluginRecord
from toonforge.plugins.loader import KNOWN_PLUGINS

LONGEST = 30
"""Characters: names stand in module names, messages and tables."""
PREFIX = "toonforge-"


def refuse_name(name: str, records: list[PluginRecord], verbs: list[str]) -> None:
    """Raise `PluginError` for a name that no new plugin may have.

    Args:
        name: the namespace that is wanted.
        records: the plugins that are installed here.
        verbs: the command line's own, which a plugin's command of the same name would never be heard beside.
    """
    if problem := _malformed(name) or _taken(name, records, verbs):
        raise PluginError(problem)


def _malformed(name: str) -> Problem | None:
    wanted = f"lower-case words joined by hyphens, a letter first, at most {LONGEST} characters, such as ink-lines"
    message = f"{name!r} cannot be the name of a plugin"
    if name.startswith(PREFIX):
        hint = f"leave out {PREFIX!r}: the package will be called {name}"
        return Problem(message=message, expected="the namespace of what it supplies", hint=hint)
    if is_component_name(name) and len(name) <= LONGEST:
        return None
    proposal = re.sub(r"[^a-z0-9]+", "-", name.lower().removeprefix(PREFIX)).strip("-")[:LONGEST].strip("-")
    near = is_component_name(proposal) and proposal != name
    return Problem(message=message, expected=wanted, hint=f"did you mean {proposal!r}?" if near else None)


def _taken(name: str, records: list[PluginRecord], verbs: list[str]) -> Problem | None:
    message, hint = f"the name {name!r} is taken", "choose another: two plugins of one name are both left out"
    for record in records:
        if record.name == name and name != CORE:
            return Problem(message=message, found=f"{record.distribution} {record.version} is installed", hint=hint)
    if name in KNOWN_PLUGINS:
        return Problem(message=message, found=f"{KNOWN_PLUGINS[name]} is a plugin of toonforge's own", hint=hint)
    if name == CORE or name in verbs:
        found = "the core's own name" if name == CORE else f"toonforge {name} is a command"
        return Problem(message=message, found=found, hint="choose another")
    return None
