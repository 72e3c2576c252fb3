"""What is given beside a recipe: --set and --grid, and recipes that extend and refer."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from tests import recipe_plugin
from tests.fuzz.fuzzed import fuzzed, outcome
from tests.fuzz.mutations import NASTY, texts
from tests.fuzz.test_recipes_as_tables import EXPRESSIONS, PATHS, VALUES
from tests.fuzz.test_recipes_as_text import judged
from toonforge.errors import RecipeError
from toonforge.recipe import load
from toonforge.sweeps.grid import read_grid, run_name

KEYS = st.sampled_from([".".join(map(str, path)) for path in PATHS]) | st.text(max_size=20) | st.sampled_from(NASTY)
GIVEN = EXPRESSIONS | VALUES.map(repr) | st.sampled_from(NASTY) | st.text(max_size=12)
FITTING = st.sampled_from(
    ["train.seed=3", "train.epochs=2", "train.batch_size=8", "train.optimizer={type='sgd'}", "train.optimizer.lr=1e-3", "generators.G.blocks=3", "data.image_size=32", "phases.generators.every=2",
     "name='x'", "train.steps=9", "phases.generators.losses.cycle.weight=0", "phases.discriminators.before='generators'", "signals.fake_anime='G(G(photo))'", "metrics={}", "train.ema=0.5"]
)  # fmt: skip
SETS = FITTING | st.builds("{}={}".format, KEYS, GIVEN) | st.text(max_size=30)


@fuzzed(st.lists(SETS, min_size=1, max_size=3), short=150)
def test_any_override_is_taken_or_refused(overrides: list[str]) -> str:
    return judged(recipe_plugin.TEXT, *overrides)


GRIDS = [
    "train.batch_size=1,8,64",
    'data.kinds=["anime"],["scene"]',
    "train.optimizer={type='adam',lr=1e-4},{type = 'sgd'}",
    "generators.G.norm=none,batch",
    "a.'b c'.\"d\"=1.5,true,x/y",
]


@fuzzed(
    st.lists(texts(GRIDS, most=3).map(lambda raw: raw.decode("utf-8", "surrogateescape")) | SETS, max_size=3), short=150
)
def test_any_grid_is_axes_with_safe_labels_or_refused(grids: list[str]) -> str:
    def read() -> None:
        for axis in read_grid(grids):
            assert axis.values and axis.label
            labels = [value.label for value in axis.values]
            assert len({label.lower() for label in labels}) == len(labels)
            for label in labels:
                name = run_name([(axis.label, label)])
                assert len(name) < 200 and "/" not in name and name not in (".", "..") and name.isprintable(), name

    return outcome(read, RecipeError)


FILES = ["a.toml", "b.toml", "c.toml", "sub/d.toml"]
LINES = st.lists(
    st.sampled_from(
        ["[train]\nseed = 3", "[signals]\nx = '${name}'", "[signals]\nx = '${signals.y}'\ny = '${signals.x}'", "[y]\nx = '${y}'", "[generators]\nG = '${generators.F}'",
         "name = '${data.type}'", "[data]\nfields = '${data}'", "train = '${train}'", "[generators.F]\nblocks = '${generators.G.blocks}'", "x = ['${x[0]}', '${x.1}', '${x}']",
         "[phases]\na = '${phases.generators}'\nb = '${phases}'", "before = 1", "[phases.generators]\nafter = 'discriminators'", "[phases.generators]\nafter = 'generators'\nbefore = 3"]
    ),
    max_size=3,
).map("\n".join)  # fmt: skip
PARENTS = st.sampled_from(
    [
        "t/base",
        *FILES,
        "../a.toml",
        "sub/../a.toml",
        "loop.toml",
        "pipe",
        "folder.toml",
        "missing.toml",
        "t/bas",
        "/dev/zero",
        "/dev/stdin",
        "",
        "\0",
        "x" * 5000,
        "~/x.toml",
        "/proc/self/mem",
    ]
)


@fuzzed(st.lists(st.tuples(PARENTS, LINES), min_size=4, max_size=4), short=60, share=0.5)
def test_any_chain_of_extends_is_a_recipe_or_refused(files: list[tuple[str, str]]) -> str:
    recipe_plugin.register()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "sub").mkdir()
        (folder / "folder.toml").mkdir()
        (folder / "loop.toml").symlink_to("loop.toml")
        os.mkfifo(folder / "pipe")
        for name, (parent, lines) in zip(FILES, files):
            extends = "".join(c if c.isprintable() and c not in '"\\' else f"\\u{ord(c):04x}" for c in parent)
            (folder / name).write_text(f'extends = "{extends}"\n{lines}\n', "utf-8")
        return outcome(lambda: load(folder / "a.toml"), RecipeError)
