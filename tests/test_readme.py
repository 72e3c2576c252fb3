"""The README's commands are the ones that are run: by CI, or here as far as that is cheap."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import click
import pytest

from toonforge.cli.group import toonforge

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def marked(name: str) -> str:
    """The block that follows `<!-- command: NAME -->`."""
    match = re.search(rf"^<!-- command: {name} -->\n```sh\n(.*?)```", README, re.M | re.S)
    assert match is not None
    return match[1].strip()


def test_each_of_the_two_commands_is_one_line() -> None:
    for name in ("train", "tests"):
        assert "\n" not in marked(name)


def test_ci_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "<!-- command: tests -->" in script
    assert 'bash -euo pipefail -c "$tests"' in script
    assert marked("tests").endswith("pytest -n auto")


def test_both_commands_install_files_that_are_there() -> None:
    for name in ("train", "tests"):
        for file in re.findall(r"-r (\S+)", marked(name)):
            assert (ROOT / file).is_file()


def test_requirements_install_every_plugin_of_the_repository() -> None:
    text = (ROOT / "requirements.txt").read_text("utf-8")
    for folder in sorted((ROOT / "plugins").iterdir()):
        if (folder / "pyproject.toml").is_file():
            assert f"-e plugins/{folder.name}\n" in text + "\n", folder


def test_the_recipe_of_the_first_command_checks() -> None:
    from toonforge.recipe import load

    (recipe,) = re.findall(r"toonforge run (\S+)", marked("train"))
    load(ROOT / recipe).data.verify()


def commands() -> list[tuple[str, str]]:
    """Every `toonforge …` line in the shell blocks of the README and the docs."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)```", page.read_text("utf-8"), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                found += [(page.name, part.strip()) for part in line.split("&&") if "toonforge " in part]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_in_the_docs_parse(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    words = words[words.index("toonforge") + 1 :]
    check([*itertools.takewhile(lambda word: word not in (">", ">>", "<", "|"), words)], line)


def check(words: list[str], line: str) -> None:
    """Raise where a verb, one below it, an option or a value is not known."""
    command: click.Command = toonforge
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        assert name in command.list_commands(context), line
        found = command.get_command(context, name)
        assert found is not None
        command = found
        if isinstance(command, click.Group):
            context = click.Context(command, info_name=name, parent=context)
        else:
            command.make_context(name, words, parent=context)


@pytest.mark.parametrize("line", ["data cartonize photos", "data cartoonize photos --stile x", "data filter", "lst"])
def test_commands_that_do_not_parse_are_found(line: str) -> None:
    with pytest.raises((AssertionError, click.UsageError)):
        check(shlex.split(line), line)


def test_examples_that_change_a_value_check() -> None:
    """Also those that would train less than a phase begins at."""
    from toonforge.recipe import load

    examples = re.findall(r'load_recipe\("(\S+)", \["(\S+)"\]\)', README)
    command = (ROOT / "docs" / "reference" / "command-line.md").read_text("utf-8")
    for recipe, rest in re.findall(r"^    toonforge run (recipes/\S+) (--set .*)", command, re.M):
        words = shlex.split(rest)
        examples += [(recipe, value) for option, value in itertools.pairwise(words) if option == "--set"]
    assert len(examples) > 1
    for recipe, override in examples:
        load(ROOT / recipe, [override])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", prose):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_pythons_examples_name_what_is_there() -> None:
    import toonforge

    blocks = re.findall(r"^```python\n(.*?)```", README, re.M | re.S)
    for block in blocks:
        compile(block, "README.md", "exec")
        for name in re.findall(r"\btoonforge\.(\w+)", block):
            assert hasattr(toonforge, name), name
    assert any("load" in block for block in blocks)
