"""Finds and loads plugins one by one, so that a broken one is reported and never breaks the rest."""

from __future__ import annotations

import gc
import importlib.metadata
import os
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pluggy

from toonforge import __version__
from toonforge.components import KINDS, fields_of
from toonforge.errors import PluginError, Problem
from toonforge.names import did_you_mean, is_component_name
from toonforge.plugins import hookspecs
from toonforge.plugins.faults import refuse_unknown_hooks, told
from toonforge.plugins.fit import CORE, misfit
from toonforge.plugins.installed import Candidate, PluginRecord, candidates
from toonforge.registry import Provenance, Registry, singular

__all__ = [
    "FILES",
    "KNOWN_PLUGINS",
    "PluginRecord",
    "Plugins",
    "blocked_by_environment",
    "unknown_plugins",
]

FILES = ("recipes", "models")
"""What plugins supply as files, by name."""
KNOWN_PLUGINS: Mapping[str, str] = {
    name: f"toonforge-{name}"
    for name in (
        "animegan",
        "cartoongan",
        "cyclegan",
        "mha-unet",
        "pix2pix",
        "samples",
        "singlegan",
        "starter",
        "toon2real",
        "unit",
    )
}
"""Namespace -> distribution, for the hint of how to install what is missing."""


def blocked_by_environment() -> frozenset[str] | None:
    """The `TOONFORGE_PLUGINS` allow-list, or None when unset; `core` components are always there."""
    value = os.environ.get("TOONFORGE_PLUGINS")
    return None if value is None else frozenset(part.strip() for part in value.split(",") if part.strip())


class Plugins:
    """All plugins of this environment, loaded into registries.

    Args:
        blocked: entry-point names never to import.
        allowed: only these are imported; None means all. Defaults to `TOONFORGE_PLUGINS`.
        distributions: where to look; installed distributions by default.
        core: the version of toonforge that plugins have to fit; this one's by default.
    """

    def __init__(
        self,
        blocked: Iterable[str] = (),
        allowed: Iterable[str] | None = None,
        distributions: Iterable[importlib.metadata.Distribution] | None = None,
        core: str = __version__,
    ) -> None:
        self.core = core
        self.blocked = frozenset(blocked)
        self.allowed = blocked_by_environment() if allowed is None else frozenset(allowed)
        self._distributions = distributions
        self.manager = pluggy.PluginManager("toonforge")
        self.manager.add_hookspecs(hookspecs)
        self.records: list[PluginRecord] = []
        self.registries = {kind: self._registry(kind) for kind in KINDS}
        self.files = {kind: self._registry(kind) for kind in FILES}
        self.recipes, self.models = (self.files[kind] for kind in FILES)
        self.commands: dict[str, tuple[Any, Provenance]] = {}
        self._loaded, self._loading = False, threading.RLock()

    def _registry(self, kind: str) -> Registry[Any]:
        return Registry(kind, load=self.load, explain=partial(self.explain, kind=kind), refuse=self.refusal)

    def load(self) -> None:
        """Import every plugin that is not blocked. Later calls do nothing, but wait for one of another thread."""
        with self._loading:
            if self._loaded:
                return
            self._loaded = True  # for plugins that look something up while they are imported
            # Hundreds of classes are made and nothing is thrown away: collecting would take a tenth of the time.
            collecting = gc.isenabled()
            gc.disable()
            try:
                with redirect_stdout(sys.stderr):  # what a plugin prints belongs to no command's output
                    self._load_all()
            except BaseException:  # such as Ctrl-C in a notebook: the next look-up begins anew
                self._forget()
                raise
            finally:
                if collecting:
                    gc.enable()

    def _forget(self) -> None:
        for plugin in self.manager.get_plugins():
            self.manager.unregister(plugin)
        self.records.clear()
        self.commands.clear()
        for registry in (*self.registries.values(), *self.files.values()):
            registry.clear()
        self._loaded = False

    def _load_all(self) -> None:
        import toonforge.builtin

        core = PluginRecord(
            name=CORE, distribution="toonforge", version=self.core, target="toonforge.builtin", status="good"
        )
        self.records.append(self._register(toonforge.builtin, core, namespace=""))
        found = importlib.metadata.distributions() if self._distributions is None else self._distributions
        entries, unreadable = candidates(found)
        self.records += unreadable
        for candidate in entries:
            twins = [other for other in entries if other.name == candidate.name and other is not candidate]
            self.records.append(self._load_one(candidate, twins))

    def _load_one(self, candidate: Candidate, twins: list[Candidate]) -> PluginRecord:
        name = candidate.name
        if name in self.blocked:
            return candidate.record("blocked", problem=f"blocked by -p no:{name}")
        if self.allowed is not None and name not in self.allowed:
            return candidate.record("blocked", problem="not in TOONFORGE_PLUGINS")
        if not is_component_name(name) or name == CORE:
            return candidate.record(
                "misnamed",
                problem=f"entry point {name!r} is no namespace: use lower-case words joined by hyphens"
                + (f", and not {CORE!r}" if name == CORE else ""),
            )
        if twins:
            others = " and ".join(f"{twin.distribution} {twin.version}" for twin in twins)
            return candidate.record("duplicate", problem=f"{others} supplies a plugin of the same name")
        try:
            if (reason := misfit(candidate.requires, self.core, candidate.distribution)) is not None:
                return candidate.record("misfit", problem=reason)
            plugin = candidate.entry.load()
            if plugin is None:
                raise PluginError(f"{candidate.target} is None, expected a module or an object with hooks")
            return self._register(plugin, candidate.record("good"), namespace=f"{name}/")
        except (Exception, SystemExit) as error:
            return candidate.record("broken", problem=told(error), detail=traceback.format_exc())

    def _register(self, plugin: Any, record: PluginRecord, namespace: str) -> PluginRecord:
        if not self.manager.register(plugin, name=record.name):
            raise PluginError(f"plugin {record.name!r} is blocked")
        try:
            refuse_unknown_hooks(self.manager, plugin)
            self._hooks_are_marked(plugin)
            supplies = self._collect(record, namespace)
        except BaseException:
            self.manager.unregister(plugin)
            raise
        return attrs.evolve(record, supplies={kind: tuple(items) for kind, items in supplies.items() if items})

    def _hooks_are_marked(self, plugin: Any) -> None:
        """A function that is named as a hook and not marked as one would be passed over in silence."""
        for kind in (*KINDS, *FILES, "commands"):
            hook = f"toonforge_{kind}"
            if callable(getattr(plugin, hook, None)) and self.manager.parse_hookimpl_opts(plugin, hook) is None:
                raise PluginError(f"{hook} is not marked with @hookimpl")

    def _collect(self, record: PluginRecord, namespace: str) -> dict[str, dict[str, Any]]:
        """Ask one plugin for what it supplies, check all of it, then register all of it."""
        others = [p for p in self.manager.get_plugins() if p is not self.manager.get_plugin(record.name)]
        supplies: dict[str, dict[str, Any]] = {}
        for kind in (*KINDS, *FILES, "commands"):
            hook = self.manager.subset_hook_caller(f"toonforge_{kind}", others)
            items: dict[str, Any] = {}
            for mapping in hook():
                if not isinstance(mapping, Mapping):
                    raise PluginError(f"hook toonforge_{kind} returned {type(mapping).__name__}, expected a mapping")
                space = "" if kind == "commands" else namespace
                items.update({f"{space}{self._named(kind, name)}": value for name, value in mapping.items()})
            supplies[kind] = items
        for kind, items in supplies.items():
            for name, value in items.items():
                self._fits(kind, name, value)
        for kind, items in supplies.items():
            for name, value in items.items():
                if kind == "commands":
                    self.commands[name] = (value, record.provenance)
                elif kind in FILES:
                    self.files[kind].add(name, value, record.provenance)
                else:
                    self.registries[kind].add(name, value, record.provenance)
        return supplies

    @staticmethod
    def _named(kind: str, name: object) -> str:
        part = str(name)
        if not isinstance(name, str) or not all(is_component_name(word) for word in part.split("_")):
            raise PluginError(
                f"{singular(kind)} name {part!r}: use lower-case letters, digits and hyphens, and no namespace"
            )
        return part

    def _fits(self, kind: str, name: str, value: object) -> None:
        if kind in FILES:
            if not isinstance(value, Path | str):
                raise PluginError(f"{singular(kind)} {name!r} is {type(value).__name__}, expected a path")
            if not Path(value).is_absolute():
                raise PluginError(
                    f"{singular(kind)} {name!r} is {str(value)!r}, expected Path(__file__).with_name(...)"
                )
            if kind == "recipes" and not Path(value).is_file():  # a model may be made by the plugin's own recipe
                raise PluginError(f"{singular(kind)} {name!r} is {value}, and there is no such file")
        elif kind == "commands":
            import click

            if not isinstance(value, click.Command):
                raise PluginError(f"command {name!r} is {type(value).__name__}, expected a click command")
            if name in self.commands:
                raise PluginError(f"command {name!r} is already supplied by {self.commands[name][1]}")
        else:
            base = KINDS[kind]
            if not (isinstance(value, type) and issubclass(value, base) and attrs.has(value)):
                raise PluginError(f"{singular(kind)} {name!r} is no @component class derived from {base.__name__}")
            reserved = {"type", "weight"} if kind == "losses" else {"type"}
            for key in reserved & fields_of(value).keys():
                raise PluginError(f"{singular(kind)} {name!r} has a field {key!r}, which recipes use for their own")

    def _absent(self, namespace: str) -> PluginRecord | None:
        package = f"toonforge-{namespace}"
        for record in self.records:
            called = record.name == namespace or record.distribution.lower().replace("_", "-") == package
            if called and record.status != "good":
                return record
        return None

    def left_out(self, namespace: str) -> str | None:
        """Why an installed plugin is not there: it is broken, blocked, misfit, duplicate or misnamed; None if it is."""
        record = self._absent(namespace)
        return None if record is None else record.absence

    def refusal(self, name: str) -> Problem | None:
        """What is wrong with a name, or a pattern, whose plugin is installed and not there; None for any other."""
        namespace, slash, _ = name.partition("/")
        if not slash or (record := self._absent(namespace)) is None:
            return None
        message, hint = record.absence, "toonforge doctor tells what to do"
        if record.status == "blocked":
            by_option = record.name in self.blocked
            hint = f"leave out -p no:{record.name}" if by_option else f"add {record.name} to TOONFORGE_PLUGINS"
        elif record.status == "misfit":  # behind the reason it says what to do
            message, _, hint = message.partition("; ")
        return Problem(message=message, found=name, hint=hint)

    def explain(self, name: str, kind: str | None = None) -> str | None:
        """Why a name's namespace is not there: its plugin is broken, blocked, misfit or duplicate, or not installed.

        Args:
            name: of a component or a recipe.
            kind: whose names may have been meant; those of every kind when left out.
        """
        namespace, slash, _ = name.partition("/")
        if not slash or not is_component_name(namespace):
            return None
        if (reason := self.left_out(namespace)) is not None:
            return reason
        if any(record.name == namespace for record in self.records):
            return None
        if namespace in KNOWN_PLUGINS:
            supplier = KNOWN_PLUGINS[namespace]
            return (
                f"install {supplier}, which supplies it: in a checkout of toonforge, pip install ./plugins/{namespace}"
            )
        registries = {**self.registries, **self.files}
        names = [known for each, registry in registries.items() if kind in (None, each) for known in registry]
        parts = [f"no plugin {namespace!r} is installed", f"its package is usually called toonforge-{namespace}"]
        parts += [near] if (near := did_you_mean(name, names)) else []
        return "; ".join(parts)


def unknown_plugins(names: Iterable[str], records: Iterable[PluginRecord]) -> list[Problem]:
    """Problems for names that were given, as to `-p no:NAME`, and that no plugin has."""
    known = {record.name for record in records} - {CORE}
    have = f"there are {', '.join(sorted(known))}"
    return [
        Problem(message=f"no plugin is called {name!r}", hint=did_you_mean(name, known) or have)
        for name in names
        if name not in known
    ]
