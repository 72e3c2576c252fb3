"""What every test may rely on: the tiny components are registered, and torch uses one thread."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many workers as cores, each of whose processes would otherwise begin as many threads as there are cores.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    # A script that starts the tests in the background of a shell has them ignore it, and so whatever they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def tiny() -> None:
    """Registers the components of `tests/tiny.py`."""
    import torch

    from tests import tiny as components

    torch.set_num_threads(1)
    components.register()


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib is missing: what is claimed is not of figures, and they are most of a comparison's time."""
    for module in ("matplotlib", "matplotlib.figure", "matplotlib.backends.backend_agg"):
        monkeypatch.setitem(sys.modules, module, None)


@pytest.fixture(autouse=True)
def _a_plugin_that_is_known_but_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`absent` stands for any plugin of this repository: the hint to install it must not depend on what is here."""
    from toonforge.plugins import loader

    monkeypatch.setattr(loader, "KNOWN_PLUGINS", {**loader.KNOWN_PLUGINS, "absent": "toonforge-absent"})


@pytest.fixture(autouse=True, scope="session")
def _a_cache_folder_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is left in the user's own, and nothing found there."""
    before = os.environ.get("TOONFORGE_CACHE")
    os.environ["TOONFORGE_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("TOONFORGE_CACHE")
    if before is not None:
        os.environ["TOONFORGE_CACHE"] = before


@pytest.fixture(autouse=True, scope="session")
def _nobody_waits_for_the_disk() -> Iterator[None]:
    """No test cuts the power, and every training waits for the disk some hundred times."""
    before = os.fsync

    def fsync(file: Any) -> None:
        os.fstat(file if isinstance(file, int) else file.fileno())  # it must be open

    os.fsync = fsync
    yield
    os.fsync = before
