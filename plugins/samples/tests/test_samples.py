"""The packaged pictures: all there, all credited, split without leaks, and still there in a built wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from toonforge_samples import PICTURES, PhotoCartoon, samples
from toonforge_samples.folds import cut_into_folds, families

from toonforge.data import is_picture_name, read_picture
from toonforge.errors import DataError, FieldError
from toonforge.testing import DatasetSuite, PluginSuite

ROOT = Path(__file__).parent.parent


class TestPlugin(PluginSuite):
    plugin = "samples"


class TestPhotoCartoon(DatasetSuite):
    component = PhotoCartoon(image_size=32)


class TestPhotoCartoonInFolds(DatasetSuite):
    component = PhotoCartoon(image_size=32, cartoon_field="anime", folds=4, fold=2, kinds=("scene", "cutout"))


def test_every_picture_is_credited_and_every_credit_has_its_picture() -> None:
    there = {path.relative_to(PICTURES).as_posix() for path in PICTURES.rglob("*") if is_picture_name(path.name)}
    assert there == {sample.file for sample in samples()}
    assert len(samples()) == 128
    for sample in samples():
        assert sample.author
        assert sample.source_package
        assert sample.source_path
        assert sample.kind == "photo" or sample.file.split("/")[1] == "cartoon"


def test_every_licence_has_its_text() -> None:
    texts = {path.stem for path in (PICTURES / "LICENSES").iterdir()}
    assert texts == {sample.licence for sample in samples()}
    for code, words in {"CC0-1.0": "CC0 1.0 Universal", "CC-BY-2.0": "Attribution 2.0", "Expat": "AS IS"}.items():
        assert words in (PICTURES / "LICENSES" / f"{code}.txt").read_text()
    assert all(path.stat().st_size > 300 for path in (PICTURES / "LICENSES").iterdir())


def test_pictures_are_as_the_readme_says() -> None:
    for sample in samples():
        assert min(read_picture(sample.path).shape[:2]) == 288, sample.file


def test_the_shipped_split_is_56_and_8_of_each() -> None:
    data = PhotoCartoon(kinds=("anime", "scene", "cutout"))
    assert dict(data.build("train").sizes) == {"photo": 56, "cartoon": 56}
    assert dict(data.build("validation").sizes) == {"photo": 8, "cartoon": 8}


def test_kinds_choose_the_cartoons() -> None:
    alone = {kind: PhotoCartoon(kinds=(kind,)).build("train") for kind in ("anime", "scene", "cutout")}
    counts = {kind: source.sizes["cartoon"] for kind, source in alone.items()}
    assert counts == {"anime": 12, "scene": 17, "cutout": 27}
    assert PhotoCartoon().build("train").sizes["cartoon"] == 29


def test_fields_are_named_by_the_recipe() -> None:
    data = PhotoCartoon(cartoon_field="anime", photo_field="real", image_size=64)
    assert data.groups() == {"real": {"real": (3, 64, 64)}, "anime": {"anime": (3, 64, 64)}}
    assert set(data.build("train").item("anime", 0, None)) == {"anime"}


@pytest.mark.parametrize("folds", [2, 4, 5])
def test_every_picture_is_held_out_exactly_once(folds: int) -> None:
    held: Counter[str] = Counter()
    for fold in range(folds):
        data = PhotoCartoon(kinds=("anime", "scene", "cutout"), folds=folds, fold=fold)
        validation, train = data.build("validation"), data.build("train")
        for field in ("photo", "cartoon"):
            names = [{source.name(field, i) for i in range(source.sizes[field])} for source in (validation, train)]
            assert len(names[0] | names[1]) == 64
            assert not names[0] & names[1]
            assert abs(len(names[0]) - 64 / folds) < 4
            held.update(f"{field}/{name}" for name in names[0])
    assert len(held) == 128
    assert set(held.values()) == {1}


def test_no_family_is_cut() -> None:
    for fold in cut_into_folds(samples(), 4):
        for family in families(samples()):
            assert len(set(map(id, family)) & set(map(id, fold))) in (0, len(family))


def test_pictures_of_one_original_make_families() -> None:
    large = [family for family in families(samples()) if len(family) > 1]
    assert {sample.kind for family in large for sample in family} == {"anime"}
    assert sorted(map(len, large)) == [3, 4, 4, 4]


def test_the_shipped_split_cuts_no_original() -> None:
    sides: dict[str, set[str]] = {}
    for sample in samples():
        for source in sample.sources:
            sides.setdefault(source, set()).add(sample.split)
    assert all(len(side) == 1 for side in sides.values())


@pytest.mark.parametrize(
    "settings",
    [
        {"kinds": ()},
        {"kinds": ("anime", "anime")},
        {"fold": 1},
        {"folds": 3, "fold": 3},
        {"folds": 1},
        {"cartoon_field": "photo"},
        {"cartoon_field": "my cartoon"},
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(FieldError):
        PhotoCartoon(**settings)  # type: ignore[arg-type]


def test_a_fold_that_would_be_empty_is_a_data_error() -> None:
    with pytest.raises(DataError, match="no 'cartoon' pictures are left"):
        PhotoCartoon(kinds=("anime",), folds=5, fold=4).verify()


def test_missing_pictures_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert samples()
    monkeypatch.setattr("toonforge_samples.credits.PICTURES", tmp_path)
    with pytest.raises(DataError, match="packaged pictures are missing, such as train/photo/") as caught:
        PhotoCartoon(kinds=("anime",)).verify()
    (problem,) = caught.value.problems
    assert problem.hint is not None and "from its checkout or wheel" in problem.hint  # it is on no package index


def test_a_wheel_holds_pictures_credits_and_licences(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "--wheel-dir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    folder = "toonforge_samples/pictures"
    assert {f"{folder}/{sample.file}" for sample in samples()} <= names
    assert {f"{folder}/CREDITS.csv", *(f"{folder}/LICENSES/{s.licence}.txt" for s in samples())} <= names
    (metadata,) = [tmp_path / "site" / name for name in names if name.endswith(".dist-info/METADATA")]
    assert "CC-BY-SA-4.0" in metadata.read_text()
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import toonforge_samples as s; "
        "assert s.__file__.startswith(sys.argv[1]); d = s.PhotoCartoon(); d.verify(); print(len(s.samples()))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "site")], capture_output=True, text=True, check=False
    )
    assert run.stdout.strip() == "128", run.stderr
