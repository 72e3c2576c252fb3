"""What a press of Tab offers for the words of commands: names of components, recipes, models, runs and plugins."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from toonforge import registries

Items = list[CompletionItem]
MOST = 200
"""So many files and folders are offered at most; whoever has more types on."""


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

    names = (name for registry in _kinds().values() for name in registry)
    return _offered(incomplete, names, FILTERS, _files(incomplete, ".toml"), _runs(incomplete))


def kinds_and_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """Kinds of components and, once some letters of one are there, names: what `toonforge list` narrows to."""
    names = (name for registry in _kinds().values() for name in registry) if incomplete else ()
    return _offered(incomplete, [*_kinds(), "tricks"], names, else_files=False)


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


def blockable(context: click.Context, parameter: click.Parameter, incomplete: str) -> Items:
    """no:NAME of every plugin."""
    registries.plugins.load()
    return _offered(incomplete, (f"no:{record.name}" for record in registries.plugins.records), else_files=False)


def _kinds() -> dict[str, Iterable[str]]:
    return {**registries.plugins.registries, **registries.plugins.files}


def _offered(incomplete: str, *names: Iterable[str], else_files: bool = True) -> Items:
    """The names that go on as `incomplete` does; where none does, the shell's own files."""
    found = dict.fromkeys(name for group in names for name in group if name.startswith(incomplete))
    if not found and else_files:
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(name) for name in found]


def _files(incomplete: str, suffix: str) -> Iterator[str]:
    """Files of this ending in the folder that `incomplete` names the beginning of, and in the folders there.

    A folder itself is not offered: a shell puts a space behind what is complete.
    """
    folder, _, start = incomplete.rpartition("/")
    above = Path(f"{folder}/" if folder or incomplete.startswith("/") else ".").expanduser()
    here = [entry for entry in _entries(above) if entry.name.startswith(start) and not entry.name.startswith(".")]
    prefix = incomplete[: len(incomplete) - len(start)]
    for entry in here[:MOST]:
        if entry.name.endswith(suffix):
            yield prefix + entry.name
        elif entry.is_dir() and not _is_run(entry):
            yield from (
                f"{prefix}{entry.name}/{below.name}" for below in _entries(entry) if below.name.endswith(suffix)
            )


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _runs(incomplete: str) -> Iterator[str]:
    """Folders of runs, where `toonforge` puts them and in the folder that is being typed."""
    typed = incomplete.rpartition("/")[0]
    seen = set()
    for above in dict.fromkeys(("runs", *map(str, _entries(Path("sweeps"))), typed or ".")):
        for entry in _entries(Path(above).expanduser())[:MOST]:
            name = str(Path(above, entry.name))
            if name not in seen and _is_run(entry):
                seen.add(name)
                yield name


def _is_run(folder: Path) -> bool:
    return os.path.isfile(folder / "resolved.toml")
