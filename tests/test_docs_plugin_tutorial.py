"""The tutorial that builds a plugin from nothing, followed to the letter: in a new environment, command by command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.executed_page import Block, blocks, one_line
from tests.new_environment import ROOT, Environment

PAGE = ROOT / "docs" / "tutorials" / "plugin.md"


def follow(environment: Environment, page: list[Block], folder: Path) -> dict[str, str]:
    """Do each block where the one before left off; what each of its name printed."""
    printed: dict[str, str] = {}
    output = ""
    for block in page:
        assert block.what, f"a block that is not marked is not tried:\n{block.text}"
        if block.what == "file":
            path = folder / block.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif block.what == "prints":
            for line in block.text.splitlines():
                assert one_line(line) in output, f"{line!r} was not printed, but:\n{output}"
        else:
            code = 2 if block.what == "fails" else 0
            environment.home = folder
            told = environment.run("bash", "-euo", "pipefail", "-c", f"{block.text}pwd", code=code)
            lines = told.splitlines()
            folder = Path(lines[-1]) if code == 0 else folder
            output = printed[block.name] = one_line(told)
    return printed


def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    environment = Environment(tmp_path / "venv", tmp_path / "empty")
    environment.install(environment.wheel(ROOT, tmp_path / "core"))
    printed = follow(environment, blocks(PAGE), environment.home)
    assert list(printed) == ["begin", "train", "show", "use", "mistake", "test", "wheel"]
    project = environment.home
    assert [path.name for path in (project / "dist").iterdir()] == ["toonforge_ink_lines-0.1.0-py3-none-any.whl"]
    for words in (["check"], ["format", "--check"]):
        environment.run(sys.executable, "-m", "ruff", *words, "--no-cache", str(project))


def test_the_tutorial_names_files_that_are_written() -> None:
    from toonforge import __version__
    from toonforge.scaffold import Package

    written = Package(name="ink-lines", kinds=["loss"], version=__version__).files
    named = re.findall(r"^\| `([^`]+/[^`]+)` \|", PAGE.read_text("utf-8"), re.M)
    assert len(named) == 4 and set(named) <= set(written)
