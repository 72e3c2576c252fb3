"""What may import what: torch stays below its line, and the quick verbs never load it."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "torchvision", "accelerate", "safetensors.torch", "cv2")
ABOVE_THE_LINE = (
    "toonforge/*.py",
    "toonforge/plugins/*.py",
    "toonforge/recipe/*.py",
    "toonforge/cli/*.py",
    "toonforge/use/*.py",
    "plugins/*/src/*/plugin.py",
)


def torch_free_files() -> list[Path]:
    return sorted(path for pattern in ABOVE_THE_LINE for path in ROOT.glob(pattern))


def imported_at_the_top(tree: ast.Module) -> Iterator[str]:
    """Modules imported when the file is: those in functions and for type checkers alone are left out."""

    def walk(body: list[ast.stmt]) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module or ""
            elif isinstance(node, ast.If):
                if "TYPE_CHECKING" not in ast.unparse(node.test):
                    yield from walk(node.body)
                yield from walk(node.orelse)
            elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
                yield from walk(node.body)

    return walk(tree.body)


@pytest.mark.parametrize("path", torch_free_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_heavy_import_at_the_top(path: Path) -> None:
    found = set(imported_at_the_top(ast.parse(path.read_text("utf-8"))))
    assert not {name for name in found if name.split(".")[0] in HEAVY or name in HEAVY}


def test_importing_everything_above_the_line_loads_no_torch() -> None:
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in torch_free_files()
        if path.is_relative_to(ROOT / "toonforge") and path.stem != "__main__"
    ]
    code = f"import importlib, sys\nfor name in {modules!r}: importlib.import_module(name)\n"
    code += "import toonforge\nlist(toonforge.generators), list(toonforge.recipes)\n"
    code += "sys.exit(', '.join(name for name in sys.modules if name.split('.')[0] in ('torch', 'accelerate')) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_public_names_are_all_there() -> None:
    code = "import sys, toonforge\nassert 'torch' not in sys.modules\n"
    code += (
        "for name in toonforge.__all__: getattr(toonforge, name)\nassert set(toonforge.__all__) <= set(dir(toonforge))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_a_registry_stays_in_front_of_the_package_of_its_name() -> None:
    code = "import toonforge, toonforge.losses, toonforge.ops, toonforge.metrics\n"
    code += "from toonforge.losses import L1\nassert toonforge.losses['l1'] is L1 and 'cat' in toonforge.ops"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_only_the_trainer_knows_accelerate() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "toonforge").rglob("*.py")
        if any(name.split(".")[0] == "accelerate" for name in imported_at_the_top(ast.parse(path.read_text("utf-8"))))
    }
    assert all(user.startswith("toonforge/train/") for user in users), users
