"""The packaged model: it loads by its name, says what it is, and draws an unseen photograph as it did when shipped."""

from __future__ import annotations

import csv
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tomli
import toonforge_starter
from PIL import Image
from toonforge_samples import samples
from toonforge_starter.plugin import MODEL

import toonforge
from toonforge.components import ImageSource
from toonforge.data import read_picture
from toonforge.data.transforms import scale
from toonforge.recipe import load as load_recipe
from toonforge.testing import PluginSuite, RecipeSuite
from toonforge.use.model import Model

ROOT = Path(__file__).parent.parent
REPOSITORY = ROOT.parent.parent
NAME = "starter/photo-to-cartoon"
REFERENCE = Path(__file__).parent / "mont-st-michel-drawn.png"
UNSEEN = {Path(sample.file).stem for sample in samples() if sample.kind == "photo" and sample.split == "validation"}


class TestPlugin(PluginSuite):
    plugin = "starter"


class TestPhotoToCartoon(RecipeSuite):
    recipe = NAME


@pytest.fixture(scope="module")
def model() -> Model:
    return toonforge.load("photo-to-cartoon", cpu=True)


def unseen(name: str = "mont-st-michel", width: int = 144, height: int = 96) -> np.ndarray:
    (sample,) = [each for each in samples() if Path(each.file).stem == name and each.split == "validation"]
    return scale(read_picture(sample.path), height, width)


def test_it_is_found_by_both_its_names_and_offers_cartoons(model: Model) -> None:
    assert Path(toonforge.models[NAME]) == MODEL
    assert list(model.translations) == ["cartoon"]
    picture = unseen()
    assert np.array_equal(toonforge.load(NAME, cpu=True)(picture), model(picture))


def test_it_draws_an_unseen_photograph_as_it_did_when_it_was_shipped(model: Model) -> None:
    # Made by this function's own lines; other releases of torch differ by a level at most.
    drawn, reference = model(unseen()), np.asarray(Image.open(REFERENCE))
    assert drawn.shape == reference.shape
    difference = np.abs(drawn.astype(float) - reference)
    assert difference.mean() < 0.5 and difference.max() <= 4
    assert np.abs(drawn.astype(float) - unseen()).mean() > 10, "it hardly changes the photograph"


def names_of(source: ImageSource) -> set[str]:
    """Names of the photographs of one part, without endings."""
    return {Path(source.name("photo", index)).stem for index in range(source.sizes["photo"])}


def colourfulness(picture: np.ndarray) -> float:
    return float(np.ptp(picture.astype(float), axis=-1).mean())


def roughness(picture: np.ndarray) -> float:
    """Mean difference of neighbours, of those that are no edge: the lower half of all."""
    differences = np.abs(np.diff(picture.astype(float).mean(-1), axis=1)).ravel()
    return float(np.sort(differences)[: differences.size // 2].mean())


def test_unseen_photographs_become_more_colourful_and_calmer(model: Model) -> None:
    photos = [unseen(name, 192, 192) for name in sorted(UNSEEN)]
    drawn = [model(photo) for photo in photos]
    livelier = [colourfulness(after) > colourfulness(before) for before, after in zip(photos, drawn)]
    calmer = [roughness(after) < roughness(before) for before, after in zip(photos, drawn)]
    assert sum(livelier) >= 7 and sum(calmer) >= 7, (livelier, calmer)


def test_grain_is_drawn_flat(model: Model) -> None:
    grain = (128 + np.random.default_rng(0).normal(0, 8, (64, 64, 1))).repeat(3, -1).clip(0, 255).astype(np.uint8)
    assert model(grain)[8:-8, 8:-8].std() < 0.6 * grain.std()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (97, 131), (300, 17)])
def test_pictures_keep_their_size(model: Model, width: int, height: int) -> None:
    assert model(unseen(width=width, height=height)).shape == (height, width, 3)


def test_the_file_says_what_a_user_must_know(model: Model) -> None:
    card = tomli.loads((ROOT / "card.toml").read_text("utf-8"))
    assert dict(model.card) == card
    assert {"title", "description", "license", "credit", "data", "training", "limits"} <= set(card)
    assert "CC-BY-SA-4.0" in card["license"] and "CREDITS.csv" in card["credit"]


def test_it_is_small() -> None:
    assert MODEL.stat().st_size < 5_000_000


def test_every_picture_that_it_was_trained_on_is_credited_and_no_validation_picture_is_among_them() -> None:
    with (Path(toonforge_starter.__file__).parent / "CREDITS.csv").open(encoding="utf-8", newline="") as rows:
        credited = list(csv.DictReader(rows))
    recipe = load_recipe(NAME)
    trained = names_of(recipe.data.build("train"))
    assert {Path(row["file"]).stem for row in credited} == trained and len(trained) == 56
    assert all(row["author"] and row["licence"] for row in credited)
    assert not trained & UNSEEN


def test_the_recipe_that_starts_from_it_measures_pictures_that_neither_saw() -> None:
    started = load_recipe(REPOSITORY / "recipes" / "anime_unet.toml").data
    assert names_of(started.build("validation")) == UNSEEN


def test_listing_names_it_without_torch() -> None:
    code = (
        "import sys; from toonforge.cli import main\ntry: main(['list', 'models'])\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and NAME in run.stdout, run.stderr


def test_a_wheel_holds_the_model_its_recipe_and_its_credits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 5_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        inside = archive.read("toonforge_starter/photo_to_cartoon.safetensors")
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    assert inside == MODEL.read_bytes()
    assert {"toonforge_starter/recipes/photo-to-cartoon.toml", "toonforge_starter/CREDITS.csv"} <= names
    assert "CC-BY-SA-4.0" in metadata and any(name.endswith("/licenses/LICENSE") for name in names)
