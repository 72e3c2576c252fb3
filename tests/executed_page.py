"""A page of the docs, done as it is written: its files, its commands, its Python, and what it says that they print.

Every fenced block of such a page follows a comment that says what it is:

    <!-- file: PATH -->     the block is a file
    <!-- run: NAME -->      commands that succeed, or Python that does
    <!-- fails: NAME -->    commands that tell the user of a mistake
    <!-- prints -->         lines that the block before printed
"""

from __future__ import annotations

import importlib.metadata
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import tomli

from toonforge import registries
from toonforge.cli import main
from toonforge.plugins.installed import PluginRecord, candidates

_BLOCK = re.compile(r"^(?:<!-- (file|run|fails|prints)(?:: (\S.*?))? -->\n)?```(\w*)\n(.*?)^```$", re.M | re.S)
PROJECT = Path(__file__).parent.parent / "docs" / "how-to" / "write-a-plugin.md"


@attrs.frozen
class Block:
    """A fenced block: what it is ("file", "run", "fails", "prints" or ""), its path or name, its language and text."""

    what: str
    name: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page in order; those that say nothing of what they are have an empty `what`."""
    text = page.read_text("utf-8")
    return [Block(*(part or "" for part in match.groups())) for match in _BLOCK.finditer(text)]


def project() -> str:
    """The pyproject.toml that the index of the plugin pages shows."""
    (found,) = [block.text for block in blocks(PROJECT) if block.name == "pyproject.toml"]
    return found


@contextmanager
def installed(folder: Path, pyproject: str) -> Iterator[PluginRecord]:
    """The plugin below `folder/src` is one of this process's, as after `pip install -e`; it is gone afterwards."""
    described = tomli.loads(pyproject)["project"]
    source = folder / "src"
    info = source / f"{described['name'].replace('-', '_')}-{described['version']}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {described['name']}", f"Version: {described['version']}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in described["dependencies"]]
    (info / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    (entry, target), *others = described["entry-points"]["toonforge"].items()
    assert not others
    (info / "entry_points.txt").write_text(f"[toonforge]\n{entry} = {target}\n", "utf-8")
    plugins = registries.plugins
    plugins.load()
    holders = [registry._items for registry in (*plugins.registries.values(), *plugins.files.values())]
    before = [dict(items) for items in holders], dict(plugins.commands), list(plugins.records)
    package = target.split(".")[0]
    sys.path.insert(0, str(source))
    try:
        ((candidate,), _) = candidates(importlib.metadata.distributions(path=[str(source)]))
        record = plugins._load_one(candidate, [])
        plugins.records.append(record)
        yield record
    finally:
        sys.path.remove(str(source))
        for items, old in zip([*holders, plugins.commands], [*before[0], before[1]], strict=True):
            items.clear()
            items.update(old)  # type: ignore[arg-type]
        plugins.records[:] = before[2]
        if plugins.manager.has_plugin(entry):
            plugins.manager.unregister(name=entry)
        for module in [name for name in sys.modules if name.split(".")[0] == package]:
            del sys.modules[module]


def one_line(text: str) -> str:
    """Without line breaks, colours and frames of tables."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[│┃|]", " ", text)
    return " ".join(plain.split())


def execute(page: Path, folder: Path, printed: Callable[[], str]) -> list[Block]:
    """Do all of a page in a folder, which is the current one; returns what was done.

    Args:
        page: of the docs.
        folder: where its files go.
        printed: what was written since it was asked the last time.
    """
    done: list[Block] = []
    given = [block for block in blocks(page) if block.what == "file"]
    (folder / "src" / "toonforge_soft").mkdir(parents=True)
    (folder / "src" / "toonforge_soft" / "__init__.py").touch()
    for block in given:
        path = folder / block.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, "utf-8")
    with installed(folder, project()) as record:
        assert record.status == "good", record.detail or record.problem
        output = ""
        for block in blocks(page):
            printed()
            if block.what in ("run", "fails") and block.language in ("sh", "bash"):
                output = commands(block, printed)
            elif block.what == "run":
                exec(compile(block.text, f"{page.name}: {block.name}", "exec", dont_inherit=True), {"__name__": "page"})
            elif block.what == "prints":
                for line in block.text.splitlines():
                    assert one_line(line) in output, f"{line!r} was not printed, but: {output}"
            done.append(block)
    return done


def commands(block: Block, printed: Callable[[], str]) -> str:
    """Run the lines of a block; all that they print, in one line."""
    output = ""
    for line in block.text.splitlines():
        words = shlex.split(line)
        assert words[0] == "toonforge", line
        code = main(words[1:])
        output += f" {one_line(printed())}"
        assert code == (2 if block.what == "fails" else 0), f"{line}\nexit code {code}: {output}"
    return output
