"""Command lines: whatever words are given, the answer is 0 or a clean 2; what is looked up needs no torch."""

from __future__ import annotations

import importlib.abc
import io
import os
import shutil
import sys
import tempfile
import webbrowser
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import strategies as st

from tests import recipe_plugin
from tests.fuzz.fuzzed import REFUSED, VALID, fuzzed
from tests.fuzz.test_pictures import FILES
from tests.fuzz.test_run_folders import base
from tests.fuzz.worker import Found, Worker
from toonforge.cli import faults, main
from toonforge.cli.group import VERBS, toonforge

LOOK_UP, REPORT = ("list", "check", "show", "cp", "plugins"), ("report", "compare")
"""Verbs that never import torch: it is taken away from them."""

PLACES = [
    "one",
    "two",
    "empty",
    "missing",
    "broken.toml",
    "t.toml",
    "a.png",
    "pictures",
    "loop",
    "pipe",
    "notes.txt",
    "one/resolved.toml",
    "one/..",
    "x" * 5000,
    "a/" * 900,
    "sub/out",
    "é\u202e",
    "*.png",
    "-",
    "~nobody/x",
]
NAMES = [
    "t/base",
    "cyclegan/cyclegan",
    "cyclegan",
    "unet",
    "kid",
    "lsgan",
    "adam",
    "recipes",
    "generators",
    "blur",
    "classic",
    "train",
    "test",
    "best",
    "latest",
    "0",
    "-1",
    "1",
    "3.5",
    "9" * 400,
    "nan",
    "1e309",
]
VALUES = [
    "train.seed=3",
    "train.batch_size=1,2",
    "a=b",
    "=",
    "kid={size=8}",
    "kid={",
    "no:cyclegan",
    "no:",
    "no:nobody",
    "generators.G.blocks=1,x",
    "",
    " ",
    "\udcff",
    "\n",
    "--",
    "-h",
    "--help",
    "--version",
]
WORDS = (
    st.sampled_from(PLACES)
    | st.sampled_from(PLACES)
    | st.sampled_from(NAMES)
    | st.sampled_from(VALUES)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
)


@cache
def commands() -> dict[tuple[str, ...], list[str]]:
    """The words of each command -> its options."""
    found: dict[tuple[str, ...], list[str]] = {}
    context = click.Context(toonforge)
    for verb in VERBS:
        command = toonforge.get_command(context, verb)
        subs = command.list_commands(context) if isinstance(command, click.Group) else []
        inner = (
            {(verb, sub): command.get_command(context, sub) for sub in subs} if isinstance(command, click.Group) else {}
        )
        for words, each in {(verb,): command, **inner}.items():
            found[words] = [text for parameter in each.params for text in parameter.opts if text.startswith("-")]  # type: ignore[union-attr]
    return found


@st.composite
def lines(draw: st.DrawFn, verbs: tuple[str, ...]) -> list[str]:
    """A command with arguments, options and junk."""
    words = draw(st.sampled_from([words for words in commands() if words[0] in verbs]))
    given: list[str] = [*words]
    for _ in range(draw(st.integers(0, 4))):
        if commands()[words] and draw(st.booleans()):
            option = draw(st.sampled_from(commands()[words]))
            given += draw(st.sampled_from([[option], [option, draw(WORDS)], [f"{option}={draw(WORDS)}"]]))
        else:
            given.append(draw(WORDS))
    if draw(st.integers(0, 9)) == 0:
        given.insert(0, draw(st.sampled_from(["-p", "--traceback", "-p=no:cyclegan", "--version"]) | WORDS))
    return given


class NoTorch(importlib.abc.MetaPathFinder):
    """Refuses to find torch."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name.partition(".")[0] in ("torch", "torchvision", "accelerate"):
            raise AssertionError(f"{name} is imported")


def without_torch() -> None:
    """From now on, in this process, importing torch is an error; as if it had never been imported."""
    for name in [*sys.modules]:
        if name.partition(".")[0] in ("torch", "torchvision", "accelerate"):
            del sys.modules[name]
    sys.meta_path.insert(0, NoTorch())


def run(line: list[str]) -> str:
    """What the command line answers, in a folder of its own."""
    recipe_plugin.register()
    webbrowser.open = lambda *a, **k: True  # type: ignore[assignment]

    def raised(error: Exception, traceback_wanted: bool) -> None:
        raise error

    faults.show_ours = raised
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("one", "two"):
            shutil.copytree(base(), folder / name)
        (folder / "empty").mkdir()
        (folder / "pictures").mkdir()
        for n in (6, 0):
            (folder / f"pictures/{n}.png").write_bytes(FILES[n])
        (folder / "a.png").write_bytes(FILES[6])
        (folder / "broken.toml").write_text("[a", "utf-8")
        (folder / "t.toml").write_text('extends = "t/base"\n', "utf-8")
        (folder / "notes.txt").write_bytes(b"\xff\0")
        (folder / "loop").symlink_to("loop")
        os.mkfifo(folder / "pipe")
        os.chdir(folder)
        out, error = (
            io.TextIOWrapper(io.BytesIO(), "utf-8"),
            io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace"),
        )
        try:
            with redirect_stdout(out), redirect_stderr(error):
                code = main(line)
        finally:
            os.chdir(here)
        out.flush(), error.flush()
        said = (out.buffer.getvalue() + error.buffer.getvalue()).decode()  # type: ignore[attr-defined]
    assert code in (0, 2), (code, said)
    assert "Traceback" not in said and (code == 0 or said.strip())
    return VALID if code == 0 else REFUSED


def looked_up(line: list[str]) -> str:
    if not any(isinstance(finder, NoTorch) for finder in sys.meta_path):
        without_torch()
    return run(line)


@fuzzed(
    st.deferred(lambda: lines(LOOK_UP)),
    short=80,
    corpus=[
        ["check", "x" * 5000],
        ["show", "x" * 5000],
        ["cp", "t/base", "x" * 5000],
        ["check", "loop"],
        ["check", "pipe"],
        ["list", "\udcff"],
        ["check", "\udcff"],
    ],
)
def test_verbs_that_look_up_answer_or_refuse_without_torch(line: list[str]) -> str:
    return looked_up(line)


@fuzzed(
    st.deferred(lambda: lines(REPORT)),
    short=10,
    share=0.1,
    corpus=[
        ["report", "x" * 5000],
        ["compare", "one"],
        ["report", "pipe"],
        ["report", "one", "-o", "empty"],
        ["report", "one", "-o", "x" * 5000],
    ],
)
def test_verbs_that_report_answer_or_refuse_without_torch(line: list[str]) -> str:
    return looked_up(line)


@fuzzed(
    st.deferred(lambda: lines(("data",))),
    short=25,
    share=0.1,
    seconds=180,
    corpus=[
        ["data", "inspect", "x" * 5000],
        ["data", "dedupe", "pipe"],
        ["data", "split", "pictures", "-o", "x" * 5000],
        ["data", "frames", "a.png", "-o", "sub/out"],
    ],
)
def test_verbs_that_prepare_data_answer_or_refuse(line: list[str]) -> str:
    return run(line)


UNTRAINED = [word for word in PLACES if word not in ("t.toml",)]


@fuzzed(
    st.deferred(lambda: lines(("run", "sweep", "translate", "evaluate"))).filter(lambda line: not {"t.toml", "t/base", "cyclegan/cyclegan", "--resume"} & set(line) or "missing" in line),
    short=25, share=0.25, seconds=180,
    corpus=[["run", "x" * 5000], ["sweep", "x" * 5000], ["translate", "x" * 5000, "a.png"], ["evaluate", "x" * 5000], ["run", "one", "--resume"], ["evaluate", "one"], ["translate", "one", "a.png", "-o", "o.png"], ["sweep", "--resume", "one"]],
)  # fmt: skip
def test_verbs_that_train_and_use_answer_or_refuse(line: list[str]) -> str:
    return run(line)


def test_torch_is_refused_where_it_is_taken_away() -> None:
    def imported(_: object) -> str:
        without_torch()
        import torch

        return str(torch)

    with Worker(imported) as worker, pytest.raises(Found, match="torch is imported"):
        worker(None)
