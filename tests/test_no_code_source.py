"""No source of toonforge or of its plugins can run what it reads: a scan for every call that could, with exceptions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted([*ROOT.glob("toonforge/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])

ALLOWED = {
    (
        "toonforge/prepare/engine/workers.py",
        "import pickle",
    ): "between a verb and the processes it has started, in pipes",
    ("toonforge/prepare/engine/workers.py", "pickle.dumps"): "the task, to those processes",
    ("toonforge/prepare/engine/workers.py", "pickle.loads"): "the same bytes, handed over when the process was started",
    (
        "toonforge/nn/weights.py",
        "import pickle",
    ): "the class of an error that torch.load raises; nothing is read with it",
    ("toonforge/data/webdataset/shards.py", "tarfile.open"): "headers alone are read, nothing is extracted",
    ("toonforge/nn/pickled.py", "zipfile.ZipFile"): "only sizes and the pickle's bytes are read, nothing is unpacked",
    (
        "toonforge/speed/compiled.py",
        "torch.compile",
    ): "networks of installed components, where a recipe lists the trick",
    ("toonforge/testing/compiling.py", "torch.compile"): "networks of the plugin whose author runs its tests",
    ("toonforge/testing/plugins.py", "zipfile.ZipFile"): "only the names in an author's own wheel are read",
    ("toonforge/testing/datasets.py", "import pickle"): "whether a plugin's data set can be sent to worker processes",
    ("toonforge/testing/datasets.py", "pickle.dumps"): "the data set that the author's tests have built",
    ("toonforge/testing/datasets.py", "pickle.loads"): "the same bytes, in the same test",
    ("toonforge/speed/pages.py", "ctypes.CDLL"): "the process's own C library, which is loaded already",
}
"""(file, what was found) -> why nothing of a user's files is run there."""

MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "imp", "runpy", "code", "codeop"}
CALLS = {
    *("eval", "exec", "compile", "__import__", "input"),
    *("os.system", "os.popen", "tempfile.mktemp", "torch.hub.load", "torch.jit.load", "torch.compile", "pty.spawn"),
    *("tarfile.open", "tarfile.TarFile", "shutil.unpack_archive", "zipfile.ZipFile", "importlib.reload"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "ctypes.CDLL", "ctypes.cdll.LoadLibrary"),
}
STARTS_WITH = ("os.exec", "os.spawn", "os.posix_spawn", "pickle.", "marshal.", "shelve.", "dill.", "yaml.")
SWITCHES = ("shell", "allow_pickle", "trust_remote_code")
METHODS = {"extractall", "extract"}


def found_in(text: str) -> Iterator[str]:
    """Everything in a source that could run what is read, as the names in `ALLOWED`."""
    tree = ast.parse(text)
    short: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            short |= {each.asname or each.name.split(".")[0]: each.name for each in node.names if each.asname}
            yield from (f"import {each.name}" for each in node.names if each.name.split(".")[0] in MODULES)
        if isinstance(node, ast.ImportFrom) and node.module is not None and not node.level:
            short |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
            if node.module.split(".")[0] in MODULES:
                yield f"import {node.module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _in_call(node, short)
        elif isinstance(node, ast.keyword) and node.arg in SWITCHES and not _is(node.value, False):
            yield node.arg


def _in_call(node: ast.Call, short: dict[str, str]) -> Iterator[str]:
    name = _dotted(node.func)
    first, dot, rest = name.partition(".")
    name = short.get(first, first) + dot + rest
    given = {word.arg: word.value for word in node.keywords}
    if name in CALLS or name.startswith(STARTS_WITH):
        yield name
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield f".{node.func.attr}"
    if name == "torch.load" and not _is(given.get("weights_only"), True):
        yield "torch.load without weights_only"
    if name.rsplit(".", 1)[-1] in ("load_state_dict_from_url",) and not _is(given.get("weights_only"), True):
        yield "a download without weights_only"
    if name in ("numpy.load", "np.load") and not _is(given.get("allow_pickle"), False):
        yield "np.load without allow_pickle=False"


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_no_source_runs_what_it_reads() -> None:
    found = {(str(path.relative_to(ROOT)), what) for path in SOURCES for what in found_in(path.read_text("utf-8"))}
    assert len(SOURCES) > 200
    assert found - ALLOWED.keys() == set()
    assert ALLOWED.keys() - found == set(), "exceptions that are no longer needed"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads as read",
        "import dill as json\njson.loads(b'')",
        "eval('1')",
        "import os\nos.system('a')",
        "from os import system as do\ndo('a')",
        "import os as o\no.execv('a', [])",
        "import subprocess\nsubprocess.run('a', shell=True)",
        "import subprocess\nsubprocess.run('a', shell=flag)",
        "import torch\ntorch.load('a')",
        "from torch import load\nload('a', weights_only=False)",
        "import torch\ntorch.load('a', weights_only=flag)",
        "import numpy as np\nnp.load('a')",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import tempfile\ntempfile.mktemp()",
        "from tempfile import mktemp\nmktemp()",
        "archive.extractall('there')",
        "import tarfile\ntarfile.open('a')",
        "load_dataset('a', trust_remote_code=True)",
    ],
)
def test_the_scan_finds_what_it_looks_for(text: str) -> None:
    assert [*found_in(text)]


def test_the_scan_lets_pass_what_is_safe() -> None:
    safe = (
        "import re, torch, subprocess\nimport numpy as np\nre.compile('a')\nnetwork.eval()\n"
        "torch.load('a', weights_only=True)\nnp.load('a', allow_pickle=False)\nsubprocess.run(['a'], shell=False)\n"
        "load('a', trust_remote_code=False)"
    )
    assert [*found_in(safe)] == []
