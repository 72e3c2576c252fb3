"""What a press of Tab offers for the words of commands: names of components, recipes, models, runs and plugins."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from toonforge import registries

Items = list[CompletionItem]
MOST, LOOKED = 200, 5000
"""So many names of a kind are offered at most, and folders looked into; so many entries of one are looked at. Whoever
has more types on."""
_UNSAYABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""What no shell is told: an answer is in lines of text, and a file's name may hold an end of line, or bytes alone."""


def recipes(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Packaged recipes and recipe files."""
    return _offered(incomplete, registries.recipes, _files(incomplete, ".toml"))


def recipes_and_runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """What can be trained or continued: packaged recipes, recipe files and folders of runs."""
    return _offered(incomplete, registries.recipes, _files(incomplete, ".toml"), _runs(incomplete))


def packaged(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Packaged recipes alone."""
    return _offered(incomplete, registries.recipes, else_files=False)


def anything(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Whatever `toonforge show` explains."""
    from toonforge.data.filters.fields import FILTERS

    return _offered(incomplete, *_kinds().values(), FILTERS, _files(incomplete, ".toml"), _runs(incomplete))


def kinds_and_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Kinds of components and, once some letters of one are there, names: what `toonforge list` narrows to."""
    return _offered(incomplete, [*_kinds(), "tricks"], *(_kinds().values() if incomplete else ()), else_files=False)


def names_of_kind(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Names of the kind that was given before."""
    from toonforge.registry import singular

    kind = context.params.get("kind")
    names = next((registry for name, registry in _kinds().items() if kind in (name, singular(name))), ())
    return _offered(incomplete, names, else_files=False)


def models(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Installed models, also by the last part of a name that only one has, folders of runs and weights files."""
    last = Counter(name.rpartition("/")[2] for name in registries.models)
    short = (name for name, times in last.items() if times == 1)
    return _offered(incomplete, registries.models, short, _runs(incomplete), _files(incomplete, ".safetensors"))


def runs(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Folders of runs."""
    return _offered(incomplete, _runs(incomplete))


def files(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Whatever files the shell finds."""
    return [CompletionItem(incomplete, type="file")]


def plugins(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Every plugin."""
    registries.plugins.load()
    return _offered(incomplete, (record.name for record in registries.plugins.records[1:]), else_files=False)


def blockable(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """no:NAME of every plugin."""
    registries.plugins.load()
    return _offered(incomplete, (f"no:{record.name}" for record in registries.plugins.records[1:]), else_files=False)


def _kinds() -> dict[str, Iterable[str]]:
    return {**registries.plugins.registries, **registries.plugins.files}


def _offered(incomplete: str, *names: Iterable[str], else_files: bool = True) -> Items:
    """The names that go on as `incomplete` does; where none does, the shell's own files."""
    fitting = [
        (name for name in group if name.startswith(incomplete) and not _UNSAYABLE.search(name)) for group in names
    ]
    found = dict.fromkeys(name for group in fitting for name in islice(group, MOST))
    if not found and else_files:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(name) for name in found]


def _files(incomplete: str, suffix: str) -> Iterator[str]:
    """Files of this ending in the folder that `incomplete` names the beginning of, and in the folders there.

    A folder itself is not offered: a shell puts a space behind what is complete.
    """
    folder, _, start = incomplete.rpartition("/")
    above = f"{folder}/" if folder or incomplete.startswith("/") else "."
    here = [entry for entry in _entries(above) if entry.name.startswith(start) and not entry.name.startswith(".")]
    prefix = incomplete[: len(incomplete) - len(start)]
    yield from (prefix + entry.name for entry in here if entry.name.endswith(suffix))
    for entry in [entry for entry in here if _is_folder(entry) and not entry.name.endswith(suffix)][:MOST]:
        if not _is_run(entry):
            names = (below.name for below in _entries(entry.path) if below.name.endswith(suffix))
            yield from (f"{prefix}{entry.name}/{name}" for name in names)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What lies in a folder, by name: no more than the first of many thousand pictures is looked at."""
    try:
        with os.scandir(os.path.expanduser(folder)) as found:
            return sorted(islice(found, LOOKED), key=lambda entry: entry.name)
    except OSError:
        return []


def _runs(incomplete: str) -> Iterator[str]:
    """Folders of runs, where `toonforge` puts them and in the folder that is being typed."""
    typed = incomplete.rpartition("/")[0]
    seen = set()
    for above in dict.fromkeys(("runs", *(entry.path for entry in _entries("sweeps")), typed or ".")):
        for entry in [entry for entry in _entries(above) if _is_folder(entry)][:MOST]:
            name = str(Path(above, entry.name))
            if name not in seen and _is_run(entry):
                seen.add(name)
                yield name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_run(folder: os.DirEntry[str]) -> bool:
    return os.path.isfile(os.path.join(folder.path, "resolved.toml"))
