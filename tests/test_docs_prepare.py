"""The page on making a data set does what it says: its commands, one after the other, on the sample pictures."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toonforge_samples.credits import samples

from tests.films import film
from toonforge.cli import main
from toonforge.components import Dataset
from toonforge.data import PairedFolders
from toonforge.data.listed import ListedPictures
from toonforge.recipe import load

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "prepare-data.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, and a film of drawn scenes."""
    root = tmp_path_factory.mktemp("prepare")
    (root / "photos").mkdir()
    photos = [sample.path for sample in samples() if sample.kind == "photo"][:12]
    for path in photos:
        shutil.copyfile(path, root / "photos" / path.name)
    drawn = [sample.path for sample in samples() if sample.kind == "anime"][:6]
    film(root / "film.mkv", (cut for path in drawn for cut in pan(path)), number=False)
    return root


def pan(path: Path) -> list[np.ndarray]:
    picture = np.asarray(Image.open(path).convert("RGB").resize((256, 192)))
    return [picture[n // 2 : n // 2 + 160, n : n + 214] for n in range(32)]


def run(marker: str) -> None:
    """The commands of the block after `<!-- run: MARKER -->`, in the working folder."""
    (block,) = re.findall(rf"^<!-- run: {marker} -->\n```sh\n(.*?)```", PAGE, re.M | re.S)
    for line in block.splitlines():
        words = line.split()
        assert words[:2] == ["toonforge", "data"]
        assert main(words[1:]) == 0, line


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_film_becomes_a_folder_of_pictures_that_is_looked_through(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    run("film")
    assert len(names(folder / "frames" / "film")) == 6
    assert 3 <= len(names(folder / "anime" / "kept")) <= 6
    run("inspect")
    page = (folder / "inspection" / "report.html").read_text("utf-8")
    assert "photos" in page and (folder / "inspection" / "contact-sheet.jpg").is_file()


def test_photographs_become_pairs_that_are_parted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    run("pairs")
    pairs = names(folder / "pairs" / "photos")
    assert len(pairs) == 12
    assert [Path(name).stem for name in pairs] == [Path(name).stem for name in names(folder / "pairs" / "cartoons")]
    with (folder / "parted" / "manifest.csv").open(encoding="utf-8", newline="") as file:
        parts = Counter(row["part"] for row in csv.DictReader(file))
    assert set(parts) == {"train", "validation", "test"}
    # The data set parts the folder as the verb does.
    fields = {"photo": str(folder / "pairs/photos"), "cartoon": str(folder / "pairs/cartoons")}
    data: Dataset = PairedFolders(fields=fields, validation=0.2, test=0.2)
    for part in parts:
        source = data.build(part)
        assert {source.name("pair", index) for index in range(source.sizes["pair"])} == {
            Path(name).stem for name in names(folder / "parted" / part / "photos")
        }


def test_a_list_of_the_verb_is_trained_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert main(["data", "split", "photos", "-o", "listed", "--list-only"]) == 0
    data = ListedPictures(file=str(folder / "listed/manifest.csv"), fields={"photo": "picture"}, part_column="part")
    data.verify()
    assert sum(data.build(part).sizes[group] for part in data.splits for group in data.groups()) == 12


def test_the_recipe_of_pairs_checks(tmp_path: Path) -> None:
    (text,) = re.findall(r"^```toml\n(.*?)```", PAGE, re.M | re.S)
    (tmp_path / "pairs.toml").write_text(text, "utf-8")
    assert load(tmp_path / "pairs.toml").data.groups() == {"pair": dict.fromkeys(("photo", "cartoon"), (3, 256, 256))}


def test_the_python_of_the_page_runs(folder: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)```", PAGE, re.M | re.S)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    counts, aside, *_ = done.stdout.splitlines()
    assert (counts, aside) == ("{'kept': 12}", "[]")
