"""A plugin made for other versions of toonforge is told by name, and nothing of it is imported."""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.version import Version

import toonforge
from tests.test_plugins import GOOD, Site, record
from toonforge.errors import PluginError, UnknownNameError
from toonforge.plugins.fit import misfit

ROOT = Path(__file__).parent.parent
CLI = "import json, sys; from toonforge.cli import main; sys.exit(main(json.loads(sys.argv[1])))"
VERSIONS = st.tuples(st.integers(0, 3), st.integers(0, 12), st.integers(0, 3)).map(lambda v: ".".join(map(str, v)))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("TOONFORGE_PLUGINS", raising=False)
    return Site(tmp_path)


def fits(requirement: str, version: str) -> bool:
    return misfit([requirement], version, "toonforge-x") is None


@given(VERSIONS, VERSIONS, VERSIONS)
def test_a_version_fits_exactly_the_ranges_that_hold_it(low: str, high: str, version: str) -> None:
    within = Version(low) <= Version(version) < Version(high)
    assert fits(f"toonforge[features]>={low},<{high}", version) == within


@pytest.mark.parametrize(
    ("requirement", "version", "fitting"),
    [
        ("toonforge", "7.0", True),
        ("toonforge>=0.1,<0.2", "0.1.0", True),
        ("toonforge>=0.1,<0.2", "0.1.9", True),
        ("toonforge>=0.1,<0.2", "0.2.0", False),
        ("toonforge>=0.1,<0.2", "0.2.0rc1", False),
        ("toonforge>=0.2", "0.2.0.dev3", True),
        ("toonforge>=0.1,<0.2", "0.1.1.dev3+g1234", True),
        ("toonforge ~= 0.1", "0.9", True),
        ("Toonforge==0.2", "0.1", False),
        ("toonforge>=0.1.0.post1", "0.1.0.post1", True),
        ("toonforge>=0.1.0.post1", "0.1.0", False),
        ("toonforge==0.1.0.post1", "0.1.0.post1", True),
        ("toonforge==0.1.0+local", "0.1.0+local", True),
        ("toonforge>=0.1.0,<0.2", "0.1.0+local", True),
        ("toonforge>=0.1,<0.2", "0.2.post1", False),
        ("toonforge-cyclegan>=5", "0.1", True),
        ("toonforge.extra>=5", "0.1", True),
        ("toonforge>=5; extra == 'recipe'", "0.1", True),
        ("toonforge>=5; python_version < '3'", "0.1", True),
        ("toonforge>=5; python_version >= '3'", "0.1", False),
    ],
)
def test_ranges_are_read_as_pip_reads_them(requirement: str, version: str, fitting: bool) -> None:
    assert fits(requirement, version) == fitting


@pytest.mark.parametrize(
    "requires", [["toonforge>=0.1", "toonforge[metrics]<0.2"], ["toonforge<0.2", "toonforge>=0.1"]]
)
@pytest.mark.parametrize(("version", "fitting"), [("0.0.9", False), ("0.1", True), ("0.2", False)])
def test_every_line_of_the_requirements_holds(requires: list[str], version: str, fitting: bool) -> None:
    assert (misfit(requires, version, "toonforge-x") is None) == fitting


def test_a_requirement_that_cannot_be_read_is_told() -> None:
    with pytest.raises(PluginError, match="'toonforge >> 3' cannot be read"):
        misfit(["numpy", "toonforge >> 3"], "0.1", "x")


def test_a_misfit_is_not_imported_and_says_what_it_needs(site: Site) -> None:
    site.install("toonforge-new", "raise SystemExit('imported')", entry="new", requires=["numpy", "toonforge>=9,<10"])
    site.install("good-one", GOOD, entry="zgood", requires=[f"toonforge>={toonforge.__version__}"])
    plugins = site.load()
    found = record(plugins, "new")
    assert (found.status, found.detail) == ("misfit", None)
    assert found.problem == (
        f"it needs toonforge >=9,<10, and this is toonforge {toonforge.__version__}; install toonforge and "
        "toonforge-new in versions that fit each other, each from its checkout or wheel: pip install PLACE PLACE"
    )
    assert list(plugins.registries["generators"]) == ["zgood/net", "zgood/net-two"]
    with pytest.raises(
        UnknownNameError, match=r"plugin 'new' \(toonforge-new 1\.0\) does not fit: it needs toonforge >=9"
    ):
        plugins.registries["generators"]["new/net"]


def test_the_same_plugin_fits_another_core(site: Site) -> None:
    site.install("toonforge-new", GOOD, entry="new", requires=["toonforge>=9,<10"])
    assert record(site.load(core="9.1"), "new").status == "good"


def test_blocking_comes_before_the_range(site: Site) -> None:
    site.install("toonforge-new", GOOD, entry="new", requires=["toonforge>=9"])
    assert record(site.load(blocked=["new"]), "new").status == "blocked"


def test_the_command_line_tells_of_a_misfit_and_a_recipe_that_wants_it_says_so(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.install("toonforge-new", "raise SystemExit('imported')", entry="new", requires=["toonforge[vision]<9.5,>=9"])
    (tmp_path / "r.toml").write_text('extends = "cyclegan/cyclegan"\ngenerators.G = { type = "new/net" }\n', "utf-8")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}", "COLUMNS": "200"}
        command = [sys.executable, "-c", CLI, json.dumps(words)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)

    listed = run("plugins")
    assert listed.returncode == 0
    assert "misfit     new  toonforge-new 1.0" in listed.stdout and "it needs toonforge >=9,<9.5" in listed.stdout
    checked = run("check", "r.toml", "--no-data")
    assert checked.returncode == 2 and "r.toml:2" in checked.stderr and "Traceback" not in checked.stderr
    assert "plugin 'new' (toonforge-new 1.0) does not fit: it needs toonforge >=9,<9.5" in checked.stderr


def requirements(path: Path) -> list[Requirement]:
    project = tomli.loads(path.read_text("utf-8"))["project"]
    lines = itertools.chain(project["dependencies"], *project.get("optional-dependencies", {}).values())
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/pyproject.toml")), ids=lambda path: path.parent.name)
def test_every_plugin_here_says_which_versions_of_toonforge_it_fits(path: Path) -> None:
    ours = [each for each in requirements(path) if each.name.startswith("toonforge")]
    assert "toonforge" in [each.name for each in ours]
    for each in ours:
        operators = {part.operator for part in each.specifier}
        assert operators == {">=", "<"}, f"{each}: both ends of the range"
        assert each.specifier.contains(toonforge.__version__), each


def test_the_version_is_the_distributions() -> None:
    project = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert toonforge.__version__ == project["version"] == importlib.metadata.version("toonforge")


BOUNDS = st.tuples(st.sampled_from([">=", "<", ">", "<=", "==", "~=", "!="]), VERSIONS).map("".join)
WRITTEN = st.lists(BOUNDS, min_size=1, max_size=3).map(",".join)


@given(WRITTEN, VERSIONS, st.sampled_from(["", "[a]", "[a,b] "]), st.sampled_from(["", "; extra == 'c'"]))
def test_the_quick_reading_says_what_packaging_says(written: str, core: str, extras: str, marker: str) -> None:
    line = f"toonforge{extras}{written}{marker}"
    assert fits(line, core) == (bool(marker) or Requirement(line).specifier.contains(core))
