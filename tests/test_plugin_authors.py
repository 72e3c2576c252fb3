"""What the author of a first plugin does wrong is told, and so is a plugin that a recipe wants and nobody installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_plugins import GOOD, Site
from toonforge.errors import UnknownNameError
from toonforge.plugins.loader import Plugins


def test_a_hook_without_its_mark_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install("soft", GOOD.replace("@hookimpl\ndef toonforge_generators", "def toonforge_generators"))
    record = site.load().records[-1]
    assert (record.status, record.problem) == ("broken", "toonforge_generators is not marked with @hookimpl")


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        ("losses", "pixar/charm", "no plugin 'pixar' is installed; its package is usually called toonforge-pixar"),
        (
            "losses",
            "sofd/lsgan",
            "no plugin 'sofd' is installed; its package is usually called toonforge-sofd; did you mean 'lsgan'?",
        ),
        (
            "generators",
            "cartoongan/cartoongan",
            "install toonforge-cartoongan, which supplies it: in a checkout of toonforge, pip install ./plugins/cartoongan",
        ),
    ],
)
def test_a_plugin_that_is_not_installed_is_named(kind: str, name: str, hint: str) -> None:
    plugins = Plugins(distributions=[])
    with pytest.raises(UnknownNameError) as caught:
        plugins.registries[kind][name]
    assert caught.value.problems[0].hint == hint
