"""Writes what the reference pages take from the code: help texts, tables of keys, ops and hooks, every component.

Components are the core's and those of this repository's plugins, which must all be installed.

python docs/generate.py            writes the pages
python docs/generate.py --check    exits with 1 where one is out of date
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from toonforge import registries
from toonforge.cli.group import VERBS, toonforge
from toonforge.cli.text import summary
from toonforge.components import KINDS, fields_of
from toonforge.plugins import hookspecs
from toonforge.plugins.loader import KNOWN_PLUGINS
from toonforge.recipe.initial import KEY, InitialWeights
from toonforge.recipe.layout import begins_with
from toonforge.recipe.model import CheckpointRule, LogRule, MetricsRule, Phase, SamplesRule, Term, Train
from toonforge.recipe.telling import about, default_text, type_text
from toonforge.registry import singular
from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation

DOCS = Path(__file__).parent
REFERENCE = DOCS / "reference"
COMPONENTS = REFERENCE / "components"
HOW_TOS = DOCS / "how-to" / "plugins"
HEAD = """# The command line

Generated from the help texts by `python docs/generate.py`.

Exit codes: 0 done; 2 a mistake that you can mend, told with what to do; 1 a fault of toonforge's; 130 stopped with
Ctrl-C, after a checkpoint was saved, or with all that was done kept.
"""


def command_line() -> str:
    """The whole page: the help text of every verb."""
    settings = {**toonforge.context_settings, "terminal_width": 100}
    context = click.Context(toonforge, info_name="toonforge", **settings)
    parts = [HEAD, f"```text\n{toonforge.get_help(context).rstrip()}\n```\n"]
    for verb in VERBS:
        parts += verb_pages(toonforge, verb, context, "##")
    return "\n".join(parts)


def verb_pages(group: click.Group, verb: str, above: click.Context, mark: str) -> list[str]:
    """A verb's help under a heading, then that of the verbs below it."""
    command = group.get_command(above, verb)
    assert command is not None
    context = click.Context(command, info_name=verb, parent=above, terminal_width=100, max_content_width=100)
    title = context.command_path.removeprefix("toonforge ")
    pages = [f"{mark} {title}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            pages += verb_pages(command, below, context, f"{mark}#")
    return pages


def fields_table(cls: Any, without: tuple[str, ...] = ()) -> str:
    """One table's keys as Markdown."""
    rows = ["| key | type | default | what it does |", "| --- | --- | --- | --- |"]
    for key, (kind, attribute, info) in fields_of(cls).items():
        if key not in without:
            rows.append(row(f"`{key}`", type_text(kind), f"`{default_text(attribute.default)}`", about(info)))
    if begins_with(cls):
        rows.append(
            row(
                f"`{KEY}`",
                "text or table",
                '`"random"`',
                "[what it starts from](../recipe-language.md#weights-of-a-network)",
            )
        )
    return "\n".join(rows)


def row(*cells: str) -> str:
    """One row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def ops_table() -> str:
    """The core's ops as Markdown."""
    rows = ["| op | arguments | outside training | what it does |", "| --- | --- | --- | --- |"]
    rows += [row(f"`{name}`", *call_of(op), summary(op)) for name, op in registries.ops.items() if "/" not in name]
    return "\n".join(rows)


def call_of(op: Any) -> tuple[str, str]:
    """How many arguments an op takes, and what it is outside training."""
    least, most = op.arguments
    count = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
    return count, "its first argument" if op.evaluation == "identity" else "the same"


def tricks_table() -> str:
    """The tricks of `train.speed`: what each does, and where `auto` uses it."""
    rows = ["| trick | what it does | `auto` on a CPU | on a CUDA GPU |", "| --- | --- | --- | --- |"]
    autos = [choose("auto", Situation(device=device, platform="linux")) for device in ("cpu", "cuda")]
    for name, trick in TRICKS.items():
        cells = ["yes" if name in auto else "no" for auto in autos]
        rows.append(f"| `{name}` | {trick.doc} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


def hooks() -> Mapping[str, Callable[..., Any]]:
    """Every hook that a plugin may implement, in the order written."""
    found = vars(hookspecs).items()
    return {name: hook for name, hook in found if inspect.isfunction(hook) and hasattr(hook, "toonforge_spec")}


def page_of(hook: str) -> str:
    """The how-to on a hook: one a kind of thing that is supplied, and one for all that listen to runs."""
    return f"{hook.removeprefix('toonforge_')}.md" if hook.startswith("toonforge_") else "run-hooks.md"


def hooks_table() -> str:
    """Hooks that supply something, each with its how-to."""
    rows = ["| hook | what it gives | how |", "| --- | --- | --- |"]
    for name, hook in hooks().items():
        if name.startswith("toonforge_"):
            page = HOW_TOS / page_of(name)
            title = page.read_text("utf-8").split("\n", 1)[0].removeprefix("# ")
            rows.append(row(f"`{name}`", sentence(hook), f"[{title}](plugins/{page.name})"))
    return "\n".join(rows)


def run_hooks_table() -> str:
    """Hooks that listen to a run, with what they are given."""
    rows = ["| hook | when it is called |", "| --- | --- |"]
    for name, hook in hooks().items():
        if not name.startswith("toonforge_"):
            arguments = ", ".join(
                f"{each.name}: {each.annotation}" for each in inspect.signature(hook).parameters.values()
            )
            rows.append(row(f"`{name}({arguments})`", sentence(hook)))
    return "\n".join(rows)


def sentence(thing: Any) -> str:
    """The first paragraph of a docstring, in one line."""
    return " ".join(inspect.cleandoc(thing.__doc__ or "").split("\n\n")[0].split())


def component_page(kind: str) -> str:
    """Every component of a kind with all of its keys."""
    article = "an" if kind[0] in "aeiou" else "a"
    one = {"networks": "another network", "datasets": "a data set"}.get(kind, f"{article} {singular(kind)}")
    more = " Every loss also has a [`weight`](../recipe-language.md#phasesname) in its phase." * (kind == "losses")
    what = "as expressions call them" if kind == "ops" else "with every key"
    title = {"networks": "Other networks", "datasets": "Data sets"}.get(kind, kind.capitalize())
    parts = [
        f"# {title}\n",
        f"The core's and those of this repository's plugins, {what}. `toonforge list {kind}` names those that are\n"
        f"installed, `toonforge show NAME` tells the same of one.{more}\n\nHow to [write {one}]"
        f"(../../how-to/plugins/{kind}.md). Generated from the code by `python docs/generate.py`.\n",
    ]
    registry = registries.plugins.registries[kind]
    for name in registry:
        if "/" in name and name.split("/")[0] not in KNOWN_PLUGINS:
            continue
        cls = registry[name]
        parts += [f"## `{name}`\n", f"{described(cls.__doc__ or '')}\n"]
        if kind == "ops":
            count, outside = call_of(cls)
            parts.append(f"Arguments: {count}. Outside training: {outside}.\n")
        elif fields_of(cls) or begins_with(cls):
            parts.append(f"{fields_table(cls)}\n")
        else:
            parts.append("It has no keys but `type`.\n")
    return "\n".join(parts)


def described(doc: str) -> str:
    """A docstring as Markdown; a part whose heading ends with ":" is a list."""
    shown = []
    for part in inspect.cleandoc(doc).split("\n\n"):
        head, *rest = part.split("\n")
        if head.endswith(":") and rest and rest[0].startswith(" "):
            items = re.sub(r"\n {5,}", " ", "\n".join(rest)).split("\n")
            shown.append("\n".join([head, "", *(f"- {item.strip()}" for item in items)]))
        else:
            shown.append(part)
    return "\n\n".join(shown).replace("<", "&lt;")


def complain_of_missing_plugins() -> None:
    """The pages hold all of this repository's plugins, and none of them may fall out by not being installed."""
    registries.plugins.load()
    good = {record.name for record in registries.plugins.records if record.status == "good"}
    if missing := sorted(KNOWN_PLUGINS.keys() - good):
        sys.exit(f"install {', '.join(missing)} first: pip install -r requirements.txt")


SECTIONS = {
    "hooks": hooks_table,
    "run-hooks": run_hooks_table,
    "term": lambda: fields_table(Term, without=("loss",)),
    "weights": lambda: fields_table(InitialWeights),
    "train": lambda: fields_table(Train),
    "phase": lambda: fields_table(Phase),
    "checkpoint": lambda: fields_table(CheckpointRule),
    "samples": lambda: fields_table(SamplesRule),
    "metrics": lambda: fields_table(MetricsRule),
    "log": lambda: fields_table(LogRule),
    "ops": ops_table,
    "tricks": tricks_table,
}


def with_sections(text: str) -> str:
    """The page with its generated sections written anew."""
    for name, make in SECTIONS.items():
        pattern = rf"(<!-- generated: {name} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, lambda match, make=make: f"{match[1]}\n{make()}\n\n{match[2]}", text, flags=re.S)
    return text


def pages() -> dict[Path, str]:
    """Every generated page as it should be."""
    complain_of_missing_plugins()
    how_to = DOCS / "how-to"
    sectioned = (
        REFERENCE / "recipe-language.md",
        how_to / "make-it-faster.md",
        how_to / "write-a-plugin.md",
        HOW_TOS / "run-hooks.md",
    )
    return {
        REFERENCE / "command-line.md": command_line(),
        **{COMPONENTS / f"{kind}.md": component_page(kind) for kind in KINDS},
        **{page: with_sections(page.read_text("utf-8")) for page in sectioned},
    }


def main(check: bool) -> int:
    """Write the pages and remove those of kinds that are gone, or tell which are out of date."""
    made = pages()
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    gone = sorted(set(COMPONENTS.glob("*.md")) - made.keys())
    if check:
        for path in (*stale, *gone):
            print(f"{path} is out of date: run python docs/generate.py")
        return 1 if stale or gone else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path], "utf-8", newline="\n")
    for path in gone:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
