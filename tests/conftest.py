"""What every test may rely on: the tiny components are registered, and torch uses one thread."""

from __future__ import annotations

import pytest


@pytest.fixture
def tiny() -> None:
    """Registers the components of `tests/tiny.py`."""
    import torch

    from tests import tiny as components

    torch.set_num_threads(1)
    components.register()
