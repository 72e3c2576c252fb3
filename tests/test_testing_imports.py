"""What the suites say of a component's import: that it brings torch, takes long, or fails."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests import planted_fields
from toonforge.testing import ComponentSuite
from toonforge.testing.components import SUITES
from toonforge.testing.imports import import_of


def suite_of_module(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch, **claims: Any) -> Any:
    """A suite of a component that stands in a module of its own."""
    name = f"planted_{folder.name.replace('-', '_')}"
    (folder / f"{name}.py").write_text(code + MODULE)
    monkeypatch.syspath_prepend(str(folder))
    cls = attrs.evolve(planted_fields.Plain()).__class__
    probe = type("Probe", (ComponentSuite,), {"component": type("Elsewhere", (cls,), {"__module__": name})(), **claims})
    SUITES.remove(probe)
    return probe()


MODULE = "\nfrom tests.planted_fields import Plain\n"


def test_torch_at_the_top_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for torch will do: its name is what counts."""
    (tmp_path / "torch.py").write_text("")
    suite = suite_of_module(tmp_path, "import torch", monkeypatch)
    with pytest.raises(AssertionError, match=r"imports torch: import it inside build\(\)"):
        suite.test_imports_without_torch()


def test_a_slow_import_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second of work where a hundredth of toonforge's own time is allowed."""
    code = "import time, wave\nwhile time.process_time() < 1.5: pass\n"
    suite = suite_of_module(tmp_path, code, monkeypatch, slowest_import=0.01)
    with pytest.raises(AssertionError, match=r"every `toonforge list` waits for it") as caught:
        suite.test_imports_quickly()
    assert "import what only build() needs inside build()" in str(caught.value)


def test_a_module_that_cannot_be_imported_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = suite_of_module(tmp_path, "import no_such_package", monkeypatch)
    with pytest.raises(AssertionError, match="No module named 'no_such_package'"):
        suite.test_imports_without_torch()


def test_an_import_is_measured_once_for_all_components_of_a_module() -> None:
    assert import_of("tests.planted") is import_of("tests.planted")
    assert "tests.planted" in sys.modules
