"""The core's registrations: names, and that torch stays out."""

from __future__ import annotations

import subprocess
import sys

import toonforge


def test_the_core_supplies_its_components_under_bare_names() -> None:
    bare = {kind: {name for name in getattr(toonforge, kind) if "/" not in name} for kind in ("losses", "ops")}
    assert bare["losses"] >= {
        "bce", "feature-l1", "gradient-penalty", "hinge", "l1", "l2", "lsgan", "tv", "wasserstein",
    }  # fmt: skip
    assert bare["ops"] >= {"cat", "gray", "noise", "pool"}
    assert {"paired-folders", "unpaired-folders"} <= set(toonforge.datasets)
    assert {"kid", "pixel-l1"} <= set(toonforge.metrics)
    assert "efficientnet-lite0" in toonforge.networks
    assert {"adam", "adamw", "rmsprop", "sgd"} <= set(toonforge.optimizers)
    assert {"constant", "cosine", "linear-decay", "multi-step"} <= set(toonforge.schedules)


def test_registering_the_core_imports_no_torch() -> None:
    code = "import sys, toonforge.builtin, toonforge.nn; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
