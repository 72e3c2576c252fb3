"""What a plugin costs before it builds anything: its module's import (torch, time, packages), its recipes' check."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

import attrs

_CODE = """
import json, sys, time
path, module = json.loads(sys.stdin.read())
sys.path[:] = path
started = time.process_time()
import toonforge.registries, toonforge.plugins.hookspecs
core = time.process_time() - started
before = set(sys.modules)
started = time.process_time()
__import__(module)
own = time.process_time() - started
names = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
names -= {module.partition(".")[0], "toonforge"}
print(json.dumps({"torch": "torch" in sys.modules, "core": core, "own": own, "brought": sorted(names)}))
"""
_CHECK = """
import json, sys
path, recipes = json.loads(sys.stdin.read())
sys.path[:] = path
from toonforge.errors import RecipeError
from toonforge.recipe import load
for recipe in recipes:
    try:
        load(recipe)
    except RecipeError:
        pass
    if "torch" in sys.modules:
        print(recipe)
        break
"""


@attrs.frozen
class Import:
    """What was seen of an import, in a new interpreter.

    Attributes:
        error: the traceback where it failed, otherwise "".
        torch: whether torch was loaded.
        core: seconds of CPU time that importing toonforge took.
        own: seconds of CPU time that the module took after it.
        brought: the packages that came with it, of neither Python nor toonforge.
    """

    error: str = ""
    torch: bool = False
    core: float = 0.0
    own: float = 0.0
    brought: tuple[str, ...] = ()


@cache
def import_of(module: str) -> Import:
    """Import `module` by its full name in a new interpreter; once in a process, however many components it has."""
    given = json.dumps([sys.path, module])
    done = subprocess.run([sys.executable, "-c", _CODE], input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        return Import(error=done.stderr)
    seen = json.loads(done.stdout.splitlines()[-1])
    return Import("", seen["torch"], seen["core"], seen["own"], tuple(seen["brought"]))


def first_with_torch(recipes: Sequence[str]) -> str | None:
    """The first of some packaged recipes whose check, in a new interpreter, loads torch."""
    given = json.dumps([sys.path, recipes])
    done = subprocess.run([sys.executable, "-c", _CHECK], input=given, capture_output=True, text=True, check=False)
    assert not done.returncode, f"checking its recipes in a new interpreter fails:\n{done.stderr}"
    return done.stdout.strip() or None
