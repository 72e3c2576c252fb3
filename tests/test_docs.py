"""The docs say what the code does: generated pages are up to date, and what can be run cheaply is run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import attrs

from toonforge.data.filters.cartoonize import STYLES
from toonforge.data.filters.fields import FILTERS
from toonforge.recipe import load

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def block(page: str, language: str, marker: str) -> str:
    """The fenced block after `<!-- run: MARKER -->`."""
    pattern = rf"^<!-- run: {marker} -->\n```{language}\n(.*?)```"
    match = re.search(pattern, (DOCS / page).read_text("utf-8"), re.M | re.S)
    assert match is not None
    return match[1]


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tutorials_recipe_checks(tmp_path: Path) -> None:
    text = block("tutorial.md", "toml", "check").replace('"recipes/', f'"{ROOT.as_posix()}/recipes/')
    (tmp_path / "bolder.toml").write_text(text, "utf-8")
    assert load(tmp_path / "bolder.toml").phases["generators"].losses["fool_anime"].weight == 2


def test_the_tutorial_quotes_the_recipe() -> None:
    recipe = " ".join((ROOT / "recipes" / "anime_unet.toml").read_text("utf-8").split())
    (quoted,) = re.findall(r"^```toml\n(\[signals\].*?)```", (DOCS / "tutorial.md").read_text("utf-8"), re.M | re.S)
    for line in quoted.splitlines():
        assert " ".join(line.split()) in recipe


def test_the_how_tos_recipe_checks(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "train-on-your-pictures.md").read_text("utf-8")
    match = re.search(r"^```toml\n(.*?)```", page, re.M | re.S)
    assert match is not None
    (tmp_path / "mine.toml").write_text(match[1], "utf-8")
    assert load(tmp_path / "mine.toml").train.epochs == 100


def test_the_how_tos_small_recipe_checks(tmp_path: Path) -> None:
    page = (DOCS / "how-to" / "train-on-your-pictures.md").read_text("utf-8")
    text = re.findall(r"^```toml\n(.*?)```", page, re.M | re.S)[1].replace('"recipes/', f'"{ROOT.as_posix()}/recipes/')
    (tmp_path / "small.toml").write_text(text, "utf-8")
    assert load(tmp_path / "small.toml").data.groups()["photo"].keys() == {"photo", "drawing"}


def test_the_page_of_filters_has_every_style_with_its_numbers(tmp_path: Path) -> None:
    text = (DOCS / "reference" / "filters.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M))
    assert list(rows) == list(STYLES)
    for style in ("drawn", "poster"):
        found = set(map(float, re.findall(r"\d+(?:\.\d+)?", rows[style])))
        assert set(attrs.astuple(STYLES[style])) <= found, style
    assert all(f"`{name}(FIELD" in text for name in FILTERS)
    example = re.findall(r"^```toml\n(.*?)```", text, re.M | re.S)[0]
    (tmp_path / "recipe.toml").write_text('extends = "cyclegan/cyclegan"\n' + example, "utf-8")
    assert load(tmp_path / "recipe.toml").data.groups()["photo"].keys() == {"photo", "drawing"}
