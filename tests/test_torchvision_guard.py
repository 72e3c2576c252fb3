"""torchvision is usable beside a torch of another build, untouched beside its own, and imported in one place."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
Run = Callable[..., subprocess.CompletedProcess[str]]
GUARD = ROOT / "toonforge/nn/torchvision_guard.py"

# A torchvision whose operators are missing until somebody declares them, as its description of `nms` asks for them.
DESCRIBES = """
import torch
@torch.library.register_fake("torchvision::nms")
def nms(dets, scores, iou_threshold): return dets
"""
LOADED = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
"""


FORKS = """
import json, os, sys, traceback, torch
for line in sys.stdin:
    code, path, out, errors = json.loads(line)
    child = os.fork()
    if child == 0:
        for file, descriptor in ((out, 1), (errors, 2)):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
        sys.path[:0] = path
        try:
            exec(code, {"__name__": "__main__"})
            ended = 0
        except BaseException:
            traceback.print_exc()
            ended = 1
        sys.stdout.flush()
        os._exit(ended)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Runs each code it reads in a fork of its own, of an interpreter that has imported torch, but not torchvision."""


@pytest.fixture(scope="module")
def forks() -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


@pytest.fixture
def run(forks: subprocess.Popen[str], tmp_path: Path) -> Run:
    def run(code: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The code in a fresh interpreter that finds modules in `path` first."""
        out, errors = tmp_path / "out", tmp_path / "errors"
        assert forks.stdin is not None and forks.stdout is not None
        print(json.dumps([code, [str(path)] if path else [], str(out), str(errors)]), file=forks.stdin, flush=True)
        returned = int(forks.stdout.readline())
        return subprocess.CompletedProcess([], returned, out.read_text("utf-8"), errors.read_text("utf-8"))

    return run


def stub(folder: Path, init: str) -> Path:
    """A package `torchvision` of our own with a submodule `models`, and one that it finds as its attribute."""
    package = folder / "torchvision"
    package.mkdir()
    (package / "__init__.py").write_text(
        f"from torchvision import extension\nimport torchvision\ntorchvision.extension.loaded\n{init}"
    )
    (package / "extension.py").write_text("loaded = False\n")
    (package / "models.py").write_text("answer = 42\n")
    return folder


USE = (
    "import logging; logging.basicConfig(level=logging.DEBUG, format='%(levelname)s %(message)s')\n"
    "from toonforge.nn import torchvision_guard as guard\n"
    "models = guard.torchvision()\n"
)


def test_the_models_of_the_installed_torchvision_are_usable(run: Run) -> None:
    done = run(
        USE + "assert guard.torchvision() is models\n"
        "import torch, torchvision\n"
        "network = torchvision.models.squeezenet1_1()\n"
        "assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 1000)\n"
        "assert models.VGG19_Weights.IMAGENET1K_V1.url.endswith('.pth')"
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    assert done.stderr.count("do not match") <= 1


def test_missing_operators_are_declared_and_said_once_at_debug_level(run: Run, tmp_path: Path) -> None:
    done = run(USE + "guard.torchvision(); assert models.answer == 42", stub(tmp_path, DESCRIBES))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "compiled operators do not match" in line]
    assert len(lines) == 1
    assert lines[0].startswith("DEBUG")
    assert "declared nms so" in lines[0]


def test_an_import_that_failed_before_does_no_harm(run: Run, tmp_path: Path) -> None:
    before = "try: import torchvision\nexcept RuntimeError: pass\nelse: raise SystemExit('it did not fail')\n"
    done = run(before + USE + "assert models.answer == 42", stub(tmp_path, DESCRIBES))
    assert done.returncode == 0, done.stderr


def test_without_the_guard_that_import_fails(run: Run, tmp_path: Path) -> None:
    done = run("import torchvision", stub(tmp_path, DESCRIBES))
    assert "operator torchvision::nms does not exist" in done.stderr


def test_nothing_is_declared_where_they_match(run: Run, tmp_path: Path) -> None:
    done = run(USE + "assert models.answer == 42 and not guard._libraries", stub(tmp_path, LOADED + DESCRIBES))
    assert done.returncode == 0, done.stderr
    assert "do not match" not in done.stderr


@pytest.mark.parametrize(
    ("init", "found"),
    [
        ("raise RuntimeError('operator torchvision::other does not exist')", "torchvision::other"),
        ("raise RuntimeError('operator torchvision::nms does not exist')", "torchvision::nms"),
        ("raise ImportError('cannot import name x')", "cannot import name x"),
        ("import surely_not_installed", "surely_not_installed"),
        ("raise RuntimeError('compiled with different CUDA major versions')", "CUDA major"),
    ],
)
def test_other_failures_are_told_and_end(run: Run, tmp_path: Path, init: str, found: str) -> None:
    code = (
        "from toonforge.errors import ToonforgeError\nfrom toonforge.nn.torchvision_guard import torchvision\n"
        "try: torchvision()\nexcept ToonforgeError as error: print(error)"
    )
    done = run(code, stub(tmp_path, init))
    assert "torchvision does not load" in done.stdout, done.stderr
    assert found in done.stdout
    assert "install the torchvision that belongs to torch" in done.stdout


def test_a_missing_torchvision_says_how_to_install_it(run: Run) -> None:
    code = (
        "import importlib.machinery, sys\n"
        "find = importlib.machinery.PathFinder.find_spec\n"
        "absent = lambda name, *a: None if name.split('.')[0] == 'torchvision' else find(name, *a)\n"
        "importlib.machinery.PathFinder.find_spec = staticmethod(absent)\n"
        "from toonforge.errors import ToonforgeError\nfrom toonforge.nn.torchvision_guard import torchvision\n"
        "try: torchvision()\nexcept ToonforgeError as error: print(error)"
    )
    done = run(code)
    assert 'pip install "toonforge[vision]"' in done.stdout, done.stderr


def test_nothing_else_imports_torchvision() -> None:
    files = [*ROOT.glob("toonforge/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]
    importing = set()
    for file in files:
        text = file.read_text("utf-8")
        for node in ast.walk(ast.parse(text)) if "torchvision" in text else ():
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else []
            if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
                names = [ast.unparse(node).split("(")[1].strip("f'\"")]
            if any(name.split(".")[0] == "torchvision" for name in names):
                importing.add(file)
    assert importing == {GUARD}
