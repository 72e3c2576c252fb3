"""What an editor shows of the schema, asked of a language server as editors ask it: completion, hover, squiggles.

The server is that of olpat, which goes on from Taplo's sources: the wheel of Taplo is built without one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.taplo import LanguageServer
from toonforge import registries
from toonforge.recipe.model import Recipe
from toonforge.recipe.schema import FILE, recipe_schema_text

HEADER = f"#:schema ./{FILE}\n"


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    folder: Path = tmp_path_factory.mktemp("editor")
    (folder / FILE).write_text(recipe_schema_text(), "utf-8")
    with LanguageServer(folder) as server:
        yield server


def test_the_tables_of_a_recipe_are_offered_with_what_they_are(editor: LanguageServer) -> None:
    editor.open(f'{HEADER}name = "mine"\n|\n')
    offered = editor.offered()
    tables = {field.name for field in Recipe.__attrs_attrs__} - {"name", "initial"}
    assert tables | {"extends"} <= set(offered) and "name" not in offered
    assert "frozen unless a phase updates them" in offered["networks"]


def test_every_component_of_a_kind_is_offered_as_type_with_what_it_is(editor: LanguageServer) -> None:
    editor.open(f'{HEADER}generators.G = {{ type = "|" }}\n')
    offered = editor.offered()
    assert set(offered) == {f'"{name}"' for name in registries.generators}
    assert (
        offered['"cyclegan/unet"'].startswith("pix2pix' U-Net") and "toonforge-cyclegan" in offered['"cyclegan/unet"']
    )


def test_keys_of_a_component_are_offered_but_for_those_that_are_there(editor: LanguageServer) -> None:
    editor.open(f'{HEADER}[generators.G]\ntype = "cyclegan/unet"\nwidth = 8\n|\n')
    offered = editor.offered()
    assert "levels" in offered and "type" not in offered and "width" not in offered
    assert "`cyclegan/unet`" in offered["levels"] and "at least 1 and at most 12" in offered["levels"]
    assert "networks.py" in offered["levels"]  # where the default comes from


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ('[train]\nprecision = "|"', {'"fp32"', '"bf16"', '"fp64"'}),
        ('phases.p.losses.a = { type = "lsgan", real = | }', {"true", "false", '""'}),
        ("[train]\nbatch_size = |", {"1", '""'}),
        ("[generators]\nG = { out_channels = | }", {"3", '""'}),
        ('metrics.m = { type = "kid", features = "|" }', {'"efficientnet-lite0"', '"inception"'}),
    ],
    ids=["choices", "truth", "default", "default of all components", "choices in a table"],
)
def test_values_are_offered(editor: LanguageServer, text: str, choices: set[str]) -> None:
    editor.open(HEADER + text + "\n")
    assert set(editor.offered()) == choices


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[tra|in]\nsteps = 5", "How long, in which batches"),
        ("[train]\nste|ps = 5", "How many steps; give this or `epochs`; at least 1."),
        ("[train]\nba|tch_size = 5", "default `1`. Pictures a step"),
        ('generators.G = { type = "cyclegan/u|net" }', "pix2pix' U-Net generator"),
        ("generators.G = { wid|th = 3 }", "`cartoongan/resnet`: *integer*, default `64`"),
        ('discriminators.D|_a = { type = "cyclegan/patchgan" }', "One discriminator: `type` names the component"),
        ("[phases.generators]\nunt|il = 5", "*count*, may be left out. First step (or epoch) at which it no longer is"),
        ('phases.p.losses.a = { type = "l1", inp|ut = "x" }', "*expression*, required. What was made."),
        ('phases.p.losses.a = { type = "l1", wei|ght = 2 }', "Factor in the phase's sum"),
    ],
    ids=["table", "key", "default", "component", "shared key", "a user's name", "count", "expression", "weight"],
)
def test_what_is_under_the_cursor_is_told(editor: LanguageServer, text: str, shown: str) -> None:
    editor.open(HEADER + text + "\n")
    assert shown in editor.hover()


def test_mistakes_are_underlined_where_they_are_and_go_when_they_are_mended(editor: LanguageServer) -> None:
    editor.open(f'{HEADER}[train]\nbatch_size = 0|\nprecision = "fp61"\n')
    editor.hover()
    marks = {(mark["range"]["start"]["line"], mark["range"]["start"]["character"]) for mark in editor.underlined}
    assert marks == {(2, len("batch_size = ")), (3, len("precision = "))}
    assert {mark["message"].split(" is ")[0] for mark in editor.underlined} == {"0", '"fp61"'}
    editor.open(f'{HEADER}[train]\nbatch_size = 1|\nprecision = "fp64"\n')
    editor.hover()
    assert editor.underlined == []
