"""torchvision is usable beside a torch of another build, untouched beside its own, and imported in one place."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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


def run(code: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """The code in a fresh interpreter that finds modules in `path` first."""
    environment = {**os.environ, "PYTHONPATH": str(path) if path else "", "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)


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


def test_the_models_of_the_installed_torchvision_are_usable() -> None:
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


def test_missing_operators_are_declared_and_said_once_at_debug_level(tmp_path: Path) -> None:
    done = run(USE + "guard.torchvision(); assert models.answer == 42", stub(tmp_path, DESCRIBES))
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "compiled operators do not match" in line]
    assert len(lines) == 1
    assert lines[0].startswith("DEBUG")
    assert "declared nms so" in lines[0]


def test_an_import_that_failed_before_does_no_harm(tmp_path: Path) -> None:
    before = "try: import torchvision\nexcept RuntimeError: pass\nelse: raise SystemExit('it did not fail')\n"
    done = run(before + USE + "assert models.answer == 42", stub(tmp_path, DESCRIBES))
    assert done.returncode == 0, done.stderr


def test_without_the_guard_that_import_fails(tmp_path: Path) -> None:
    done = run("import torchvision", stub(tmp_path, DESCRIBES))
    assert "operator torchvision::nms does not exist" in done.stderr


def test_nothing_is_declared_where_they_match(tmp_path: Path) -> None:
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
def test_other_failures_are_told_and_end(tmp_path: Path, init: str, found: str) -> None:
    code = (
        "from toonforge.errors import ToonforgeError\nfrom toonforge.nn.torchvision_guard import torchvision\n"
        "try: torchvision()\nexcept ToonforgeError as error: print(error)"
    )
    done = run(code, stub(tmp_path, init))
    assert "torchvision does not load" in done.stdout, done.stderr
    assert found in done.stdout
    assert "install the torchvision that belongs to torch" in done.stdout


def test_a_missing_torchvision_says_how_to_install_it() -> None:
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
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else []
            if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
                names = [ast.unparse(node).split("(")[1].strip("f'\"")]
            if any(name.split(".")[0] == "torchvision" for name in names):
                importing.add(file)
    assert importing == {GUARD}
