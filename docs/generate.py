"""Writes what the reference pages take from the code: help texts, and tables of keys and ops.

python docs/generate.py            writes the pages
python docs/generate.py --check    exits with 1 where one is out of date
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from toonforge import registries
from toonforge.cli.group import VERBS, toonforge
from toonforge.cli.show import about, default_text, type_text
from toonforge.cli.text import summary
from toonforge.components import fields_of
from toonforge.recipe.model import CheckpointRule, LogRule, MetricsRule, Phase, SamplesRule, Train
from toonforge.speed.choice import choose
from toonforge.speed.tricks import TRICKS, Situation

REFERENCE = Path(__file__).parent / "reference"
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


def fields_table(cls: Any) -> str:
    """One table's keys as Markdown."""
    rows = ["| key | type | default | what it does |", "| --- | --- | --- | --- |"]
    for key, (kind, attribute, info) in fields_of(cls).items():
        cells = (f"`{key}`", type_text(kind), f"`{default_text(attribute.default)}`", about(info))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def ops_table() -> str:
    """The core's ops as Markdown."""
    rows = ["| op | arguments | outside training | what it does |", "| --- | --- | --- | --- |"]
    for name, op in registries.ops.items():
        if "/" in name:
            continue
        least, most = op.arguments
        count = f"{least}" if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        outside = "its first argument" if op.evaluation == "identity" else "the same"
        rows.append(f"| `{name}` | {count} | {outside} | {summary(op)} |")
    return "\n".join(rows)


def tricks_table() -> str:
    """The tricks of `train.speed`: what each does, and where `auto` uses it."""
    rows = ["| trick | what it does | `auto` on a CPU | on a CUDA GPU |", "| --- | --- | --- | --- |"]
    autos = [choose("auto", Situation(device=device, platform="linux")) for device in ("cpu", "cuda")]
    for name, trick in TRICKS.items():
        cells = ["yes" if name in auto else "no" for auto in autos]
        rows.append(f"| `{name}` | {trick.doc} | {cells[0]} | {cells[1]} |")
    return "\n".join(rows)


SECTIONS = {
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
    sectioned = (REFERENCE / "recipe-language.md", REFERENCE.parent / "how-to" / "make-it-faster.md")
    return {
        REFERENCE / "command-line.md": command_line(),
        **{page: with_sections(page.read_text("utf-8")) for page in sectioned},
    }


def main(check: bool) -> int:
    """Write the pages, or tell which are out of date."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text("utf-8") != text]
    if check:
        print("\n".join(f"{path} is out of date: run python docs/generate.py" for path in stale), end="")
        return 1 if stale else 0
    for path, text in pages().items():
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
