"""`toonforge list`: what there is to name in a recipe."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click

from toonforge import registries
from toonforge.cli import completing
from toonforge.cli.text import echo, heading, summary, table
from toonforge.components import deprecation_of
from toonforge.errors import Problem, ToonforgeError
from toonforge.names import did_you_mean
from toonforge.recipe.schema.header import opening_comment
from toonforge.registry import Registry, singular
from toonforge.speed.tricks import TRICKS


def kinds() -> dict[str, Registry[Any]]:
    """Every registry by its name, recipes and models last."""
    return {**registries.plugins.registries, **registries.plugins.files}


@click.command()
@click.argument("kind", required=False, shell_complete=completing.kinds_and_names)
@click.argument("pattern", required=False, shell_complete=completing.names_of_kind)
def command(kind: str | None, pattern: str | None) -> None:
    """List components, recipes and models with one line each, below the package that supplies them.

    KIND is one of generators, discriminators, networks, losses, datasets, metrics, ops, optimizers, schedules, recipes,
    models; all are listed when it is left out. The kind tricks lists what train.speed may name. PATTERN narrows by name
    and may hold * and ?.

    \b
    Examples:
      toonforge list
      toonforge list generators
      toonforge list "cyclegan/*"
      toonforge list losses "l*"
    """
    if kind in ("trick", "tricks"):
        list_tricks(pattern)
        return
    known = kinds()
    singulars = {singular(name): name for name in known}
    if kind is not None and singulars.get(kind, kind) not in known:
        if pattern is not None or not any(mark in kind for mark in "*?[/"):
            hint = did_you_mean(kind, [*known, *singulars]) or f"there are {', '.join(known)}"
            raise ToonforgeError(Problem(message=f"{kind!r} is no kind of component", hint=hint))
        kind, pattern = None, kind
    chosen = list(known) if kind is None else [singulars.get(kind, kind)]
    shown = 0
    for name in chosen:
        registry = known[name]
        names = registry.match(pattern) if pattern else list(registry)
        if not names:
            continue
        echo(("\n" if shown else "") + heading(name))
        suppliers: dict[str, list[tuple[str, str]]] = {}
        for item in names:
            suppliers.setdefault(str(registry.provenance(item)), []).append((item, line_about(registry[item])))
        for supplier, rows in suppliers.items():
            echo(click.style(f"  {supplier}", fg="bright_black"))
            echo(table(rows, wrap=1, indent=4, colours=("cyan", None), least=max(map(len, names))))
        shown += len(names)
    wrong = [each for each in registries.plugins.records if each.status not in ("good", "blocked")]
    if shown and wrong:
        left_out = ", ".join(dict.fromkeys(f"{each.name} ({each.status})" for each in wrong))
        click.echo(f"\nleft out: {left_out}; see: toonforge plugins", err=True)
    if not shown:
        everything = [item for name in chosen for item in known[name]]
        if pattern is None:
            raise ToonforgeError(Problem(message=f"no {kind} are installed", hint="see: toonforge plugins"))
        if (refusal := registries.plugins.refusal(pattern)) is not None:
            raise ToonforgeError(refusal)
        hint = did_you_mean(pattern, everything) or "see: toonforge list"
        raise ToonforgeError(Problem(message=f"nothing fits {pattern!r}", hint=hint))


def list_tricks(pattern: str | None) -> None:
    """The tricks of `train.speed`, which no plugin adds to, with one line each."""
    rows = [(name, trick.doc) for name, trick in TRICKS.items() if fnmatchcase(name, pattern or "*")]
    if not rows:
        hint = did_you_mean(str(pattern), TRICKS) or "see: toonforge list tricks"
        raise ToonforgeError(Problem(message=f"nothing fits {pattern!r}", hint=hint))
    echo(heading("tricks"))
    echo(click.style('  for train.speed; "auto" takes those that pay', fg="bright_black"))
    echo(table(rows, wrap=1, indent=4, colours=("cyan", None), least=max(map(len, TRICKS))))


def line_about(item: Any) -> str:
    """What a component's docstring, a recipe's opening comment or a model's card says, in one line."""
    if isinstance(item, str | Path):
        return _opening(Path(item))
    going = deprecation_of(item)
    return summary(item) if going is None else f"deprecated: {going}"


def _opening(file: Path) -> str:
    from toonforge.recipe.compose import read_file
    from toonforge.weights.described import read_weights

    try:
        if file.suffix != ".toml":
            return read_weights(file)[0].card.get("title", "")
        return opening_comment(read_file(file).decode("utf-8", "replace"))
    except ToonforgeError as error:
        return error.problems[0].message
