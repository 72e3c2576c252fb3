"""Measuring folders of pictures: what must hold for any pictures, the numbers by hand, and what is refused."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toonforge_samples.credits import samples

from toonforge.cli import main
from toonforge.errors import ToonforgeError
from toonforge.use.evaluate import evaluate, evaluation_data, write_json

SMALL = ["kid={size = 32}", "fid={size = 32}"]
PAIRS = ["pixel-l1", "psnr", "ssim", "cosine-dissimilarity"]
SIZE = (64, 48)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray[Any, Any]]:
    """Eight photographs and eight drawings, (48,64,3) each."""
    return [
        np.asarray(Image.open(sample.path).convert("RGB").resize(SIZE))
        for kind in ("photo", "anime")
        for sample in [sample for sample in samples() if sample.kind == kind][:8]
    ]


@pytest.fixture
def photos(pictures: list[np.ndarray[Any, Any]], tmp_path: Path) -> Path:
    return save(pictures[:8], tmp_path / "photos")


@pytest.fixture
def drawings(pictures: list[np.ndarray[Any, Any]], tmp_path: Path) -> Path:
    return save(pictures[8:], tmp_path / "drawings")


def save(pictures: list[np.ndarray[Any, Any]], folder: Path, name: Callable[[int], str] = "{:02d}".format) -> Path:
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{name(number)}.png")
    return folder


def noisy(pictures: list[np.ndarray[Any, Any]], folder: Path, level: float) -> Path:
    """The same noise, stronger with the level (in steps of 255)."""
    rng = np.random.default_rng(0)
    changed = [picture + level * rng.standard_normal(picture.shape) for picture in pictures]
    return save([picture.clip(0, 255).astype(np.uint8) for picture in changed], folder)


def read(folder: Path) -> torch.Tensor:
    """(N,3,H,W) in [0, 1]."""
    files = sorted(folder.glob("*.png"))
    return torch.stack([torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1) for file in files]) / 255


def headlines(generated: Path, reference: Path, metrics: list[str], **options: Any) -> dict[str, float]:
    found = evaluate(generated, reference, metrics=metrics, cpu=True, **options)
    return {name: results[""] for name, results in found.values.items()}


def few(folder: Path) -> Path:
    """Three pictures are left, where features of all would take long."""
    for file in sorted(folder.iterdir())[3:]:
        file.unlink()
    return folder


def messages(error: ToonforgeError) -> str:
    return "\n".join(map(str, error.problems))


# -- what must hold -------------------------------------------------------------------------------------------------


def test_a_folder_beside_itself_is_perfect(photos: Path) -> None:
    found = headlines(photos, photos, [*SMALL, *PAIRS])
    assert found["fid"] == pytest.approx(0, abs=1e-6) and found["kid"] <= 0
    assert found["pixel-l1"] == 0 and found["ssim"] == pytest.approx(1, abs=1e-6)
    assert found["psnr"] == 100 and found["cosine-dissimilarity"] == pytest.approx(0, abs=1e-12)


def test_order_and_names_do_not_matter_to_sets(photos: Path, drawings: Path, tmp_path: Path) -> None:
    (tmp_path / "renamed").mkdir()
    for number, file in enumerate(sorted(photos.iterdir())):
        shutil.copy(file, tmp_path / "renamed" / f"{(7 * number) % 8}-other{number}.png")
    renamed = headlines(tmp_path / "renamed", drawings, SMALL)
    assert renamed == pytest.approx(headlines(photos, drawings, SMALL), rel=1e-4)


def test_distances_are_alike_from_both_sides(photos: Path, drawings: Path) -> None:
    assert headlines(photos, drawings, SMALL) == pytest.approx(headlines(drawings, photos, SMALL), rel=1e-6)


def test_growing_noise_is_seen(pictures: list[np.ndarray[Any, Any]], photos: Path, tmp_path: Path) -> None:
    levels = (5, 20, 60)
    folders = [noisy(pictures[:8], tmp_path / f"noise-{level}", level) for level in levels]
    found = [headlines(folder, photos, [*SMALL, *PAIRS]) for folder in folders]
    for name in ("kid", "fid", "pixel-l1", "cosine-dissimilarity"):
        assert [values[name] for values in found] == sorted(values[name] for values in found), name
    for name in ("psnr", "ssim"):
        assert [values[name] for values in found] == sorted((values[name] for values in found), reverse=True), name
    kept = [
        evaluate(folder, input=photos, metrics=["content-preservation={size = 32}"], cpu=True) for folder in folders
    ]
    shares = [each.values["content-preservation"][""] for each in kept]
    assert shares == sorted(shares, reverse=True)


def test_pictures_of_different_sizes_make_a_set(
    pictures: list[np.ndarray[Any, Any]], photos: Path, tmp_path: Path
) -> None:
    mixed = [picture if number % 2 else picture[:40, :50] for number, picture in enumerate(pictures[8:])]
    found = evaluate(save(mixed, tmp_path / "mixed"), photos, metrics=["kid={size = 32}"], pairs=False, cpu=True)
    assert found.about["kid"].pictures == {"generated": 8, "reference": 8}
    assert math.isfinite(found.values["kid"][""]) and "at their own size" in found.about["kid"].protocol


# -- by hand --------------------------------------------------------------------------------------------------------


def test_sets_are_measured_as_torch_fidelity_does(photos: Path, drawings: Path) -> None:
    from toonforge.nn.efficientnet_lite import trained
    from toonforge.nn.torchvision_guard import beside_torchvision

    theirs = {name: beside_torchvision(f"torch_fidelity.metric_{name}") for name in ("fid", "kid")}
    network = trained().eval()
    with torch.no_grad():
        one, other = (
            network.pooled(
                torch.nn.functional.interpolate(read(folder) * 2 - 1, (32, 32), mode="bilinear", antialias=True)
            )
            for folder in (photos, drawings)
        )
    one_stat, other_stat = map(theirs["fid"].fid_features_to_statistics, (one, other))
    fid = theirs["fid"].fid_statistics_to_metric(one_stat, other_stat, verbose=False)["frechet_inception_distance"]
    kid = theirs["kid"].kid_features_to_metric(one, other, kid_subsets=1, kid_subset_size=8, verbose=False)
    found = headlines(photos, drawings, SMALL)
    assert found["fid"] == pytest.approx(fid, rel=1e-3)
    assert found["kid"] == pytest.approx(1000 * kid["kernel_inception_distance_mean"], rel=1e-4)


def test_pairs_are_measured_as_torchmetrics_does(photos: Path, drawings: Path) -> None:
    from toonforge.nn.torchvision_guard import beside_torchvision

    theirs = beside_torchvision("torchmetrics.functional.image")
    x, y = read(photos), read(drawings)
    _, similarity = theirs.structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True)
    by_hand = {
        "pixel-l1": float((x - y).abs().mean() * 2),
        "psnr": float(
            theirs.peak_signal_noise_ratio(x, y, data_range=1.0, dim=(1, 2, 3), reduction="elementwise_mean")
        ),
        "ssim": float(similarity[..., 5:-5, 5:-5].mean()),
        "cosine-dissimilarity": float(1 - torch.cosine_similarity(x.flatten(1), y.flatten(1)).mean()),
    }
    assert headlines(photos, drawings, PAIRS) == pytest.approx(by_hand, rel=1e-4)


def test_a_size_scales_and_cuts_all_pictures_alike(photos: Path, drawings: Path, tmp_path: Path) -> None:
    large = save([np.asarray(Image.open(f).resize((128, 96))) for f in sorted(drawings.iterdir())], tmp_path / "large")
    with pytest.raises(ToonforgeError, match="--size"):
        headlines(photos, large, ["pixel-l1"])
    with pytest.raises(ToonforgeError, match="--size"):
        evaluate(photos, large, pairs=True, cpu=True)
    cut = [
        save([np.asarray(Image.open(f))[:, 8:56] for f in sorted(folder.iterdir())], tmp_path / f"cut-{folder.name}")
        for folder in (photos, drawings)
    ]
    assert headlines(photos, drawings, PAIRS, size=48) == headlines(*cut, PAIRS)
    found = evaluate(photos, large, metrics=["pixel-l1"], size=48, cpu=True)
    assert "48x48 cut from the middle" in found.about["pixel-l1"].protocol
    guessed = evaluate(few(photos), few(large), cpu=True)
    assert set(guessed.values) == {"kid", "fid"} and "3 pairs differ in size" in guessed.notes[0]


# -- what belongs together ------------------------------------------------------------------------------------------


def test_pairs_are_measured_where_every_file_has_its_partner(photos: Path, drawings: Path, tmp_path: Path) -> None:
    few(photos), few(drawings)
    assert set(evaluate(photos, drawings, cpu=True).values) == {"kid", "fid", *PAIRS}
    assert set(evaluate(photos, drawings, pairs=False, cpu=True).values) == {"kid", "fid"}
    (drawings / "00.png").rename(drawings / "other.png")
    found = evaluate(photos, drawings, cpu=True)
    assert set(found.values) == {"kid", "fid"} and "2 names are in both" in " ".join(found.notes)
    with pytest.raises(ToonforgeError) as caught:
        evaluate(photos, drawings, pairs=True, cpu=True)
    assert "'00'" in messages(caught.value) and "'other'" in messages(caught.value)


def test_endings_do_not_matter_to_pairs(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "bmp").mkdir()
    for file in photos.iterdir():
        Image.open(file).save(tmp_path / "bmp" / f"{file.stem}.bmp")
    assert headlines(tmp_path / "bmp", photos, ["pixel-l1"]) == {"pixel-l1": 0}


def test_the_untranslated_pictures_bring_what_has_to_be_beaten(photos: Path, drawings: Path, tmp_path: Path) -> None:
    few(photos), few(drawings)
    made = save([np.asarray(Image.open(f))[..., ::-1].copy() for f in sorted(photos.iterdir())], tmp_path / "made")
    wanted = save(
        [np.asarray(Image.open(f)) for f in sorted(drawings.iterdir())], tmp_path / "wanted", "drawn{}".format
    )
    found = evaluate(made, wanted, input=photos, cpu=True)
    assert set(found.values) == {"kid", "fid", "content-preservation", "weighted-fid", "fourier"}
    assert found.values["fid"]["untranslated"] == evaluate(photos, wanted, metrics=["fid"], cpu=True).values["fid"][""]
    assert math.isfinite(found.values["kid"]["filter"])
    assert found.values["weighted-fid"]["target"] == pytest.approx(found.values["fid"][""])
    assert set(found.drawings) == {"fourier"}
    (photos / "00.png").unlink()
    with pytest.raises(ToonforgeError, match="00"):
        evaluate(made, wanted, input=photos, cpu=True)


def test_without_reference_pictures_what_was_kept_is_measured(photos: Path, drawings: Path) -> None:
    few(photos), few(drawings)
    assert set(evaluate(drawings, input=photos, cpu=True).values) == {"content-preservation", "fourier"}


def test_a_folder_in_another_is_said(photos: Path, pictures: list[np.ndarray[Any, Any]]) -> None:
    inner = save(pictures[8:], photos / "inner")
    assert "compared with themselves" in " ".join(evaluate(inner, photos, metrics=SMALL, cpu=True).notes)


def test_pictures_on_both_sides_are_said(photos: Path, drawings: Path, tmp_path: Path) -> None:
    def said(generated: Path, reference: Path, **options: Any) -> list[str]:
        found = evaluate(generated, reference, cpu=True, **{"metrics": SMALL, "pairs": False, **options})
        return [note for note in found.notes if "compared with themselves" in note]

    assert not said(photos, drawings)
    copy = shutil.copytree(photos, tmp_path / "copy")
    (note,) = said(photos, copy)
    assert f"8 of 8 pictures in {copy} are in {photos} too" in note
    (copy / "00.png").rename(copy / "other.png")
    (copy / "01.png").write_bytes((drawings / "01.png").read_bytes())
    (note,) = said(photos, copy)
    assert "7 of 8 pictures" in note
    (note,) = said(drawings, photos, input=photos)
    assert f"the pictures in {photos} stand on both sides" in note
    assert not said(photos, photos, metrics=["pixel-l1"], pairs=True)


def test_a_set_beside_itself_is_cautioned_of(photos: Path) -> None:
    found = evaluate(photos, photos, metrics=["kid={size = 32}"], pairs=False, cpu=True)
    assert found.values["kid"][""] < -3 * found.values["kid"]["std"]
    assert "far below 0" in " ".join(found.about["kid"].cautions)


# -- what goes wrong ------------------------------------------------------------------------------------------------


def test_unreadable_pictures_are_named_and_not_counted(photos: Path, drawings: Path) -> None:
    (photos / "03.png").write_bytes(b"\x89PNG nothing")
    found = evaluate(photos, drawings, metrics=["pixel-l1", "kid={size = 32}"], cpu=True)
    assert list(found.skipped) == [str(photos / "03.png")]
    assert found.about["pixel-l1"].pictures == {"input": 7, "target": 7}
    for file in photos.iterdir():
        file.write_bytes(b"")
    with pytest.raises(ToonforgeError, match="no picture could be read"):
        evaluate(photos, drawings, metrics=["pixel-l1"], cpu=True)


def test_one_picture_makes_no_set(
    photos: Path, drawings: Path, pictures: list[np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    found = evaluate(save(pictures[:1], tmp_path / "one"), drawings, metrics=SMALL, cpu=True)
    for name in ("kid", "fid"):
        assert math.isnan(found.values[name][""])
        assert "at least two pictures" in " ".join(found.about[name].cautions)
    assert evaluation_data(found)["metrics"]["kid"] is None


def test_small_sets_are_cautioned_of(photos: Path, drawings: Path) -> None:
    about = evaluate(photos, drawings, metrics=SMALL, cpu=True).about
    assert "biased" in " ".join(about["fid"].cautions) and "kid" in " ".join(about["fid"].cautions)


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("kdi", "did you mean 'kid'"),
        ("kid={sise = 32}", "did you mean 'size'"),
        ('kid={size = "large"}', "kid.size"),
        ("kid={size = 1}", "kid.size"),
        ("kid={size =}", "NAME={key = value}"),
        ("kid=3", "NAME={key = value}"),
        ("kid={size = 32}\nfid = 3", "NAME={key = value}"),
        ('kid={generated = "photo"}', "known already"),
        ('kid={type = "fid"}', "known already"),
        ("weighted-fid", "--input"),
        ("content-preservation", "--input"),
    ],
)
def test_metrics_that_cannot_be_measured_say_why(photos: Path, drawings: Path, metric: str, said: str) -> None:
    with pytest.raises(ToonforgeError) as caught:
        evaluate(photos, drawings, metrics=[metric], pairs=False, cpu=True)
    assert said in messages(caught.value)


def test_pictures_too_small_for_a_metric_are_refused(
    pictures: list[np.ndarray[Any, Any]], photos: Path, tmp_path: Path
) -> None:
    small = save([picture[:9] for picture in pictures[:2]], tmp_path / "small")
    for options in ({"generated": small, "reference": small}, {"generated": photos, "reference": photos, "size": 9}):
        with pytest.raises(ToonforgeError, match="at least 11x11"):
            evaluate(**options, metrics=["ssim"], cpu=True)


def test_features_of_an_unknown_name_are_refused(photos: Path, drawings: Path) -> None:
    with pytest.raises(ToonforgeError, match="incept"):
        evaluate(photos, drawings, features="incepton", cpu=True)


def test_a_metric_asked_for_twice_is_measured_twice(photos: Path, drawings: Path) -> None:
    found = evaluate(photos, drawings, metrics=["kid={size = 32}", "kid={size = 64}"], cpu=True)
    assert list(found.values) == ["kid", "kid-2"] and found.values["kid"] != found.values["kid-2"]


@pytest.mark.parametrize("option", [{"part": "test"}, {"to": "anime"}, {"checkpoint": "best"}])
def test_options_of_runs_are_refused_for_folders(photos: Path, drawings: Path, option: dict[str, Any]) -> None:
    with pytest.raises(ToonforgeError, match="run's folder"):
        evaluate(photos, drawings, cpu=True, **option)


def test_what_is_neither_a_run_nor_a_folder_is_refused(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "recipe.toml").write_text("")
    for generated, reference, said in (
        (photos, None, "--input"),
        (tmp_path / "empty", photos, "holds no pictures"),
        (photos, tmp_path / "empty", "holds no pictures"),
        (photos, tmp_path / "nowhere", "does not exist"),
        (tmp_path / "photo", photos, "did you mean"),
        (tmp_path / "recipe.toml", photos, "toonforge run"),
        (photos / "00.png", photos, "is a file"),
    ):
        with pytest.raises(ToonforgeError) as caught:
            evaluate(generated, reference, cpu=True)
        assert said in messages(caught.value)


# -- the command ----------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_writes_json(
    photos: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", str(photos), str(drawings), "--metric", "psnr", "--metric", "kid={size = 32}", "--cpu"]
    assert main([*words, "--json", str(tmp_path / "new" / "numbers.json")]) == 0
    shown = capsys.readouterr().out
    assert "psnr" in shown and "numbers.json" in shown
    found = json.loads((tmp_path / "new" / "numbers.json").read_text("utf-8"))
    assert found["generated"] == str(photos) and found["metrics"]["psnr"] > 0
    assert found["about"]["kid"]["pictures"] == {"generated": 8, "reference": 8}
    assert main(["evaluate", str(photos), str(tmp_path / "nowhere")]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_pictures_that_metrics_draw_are_written_where_asked(photos: Path, drawings: Path, tmp_path: Path) -> None:
    words = ["evaluate", str(drawings), "--input", str(photos), "--metric", "fourier", "--cpu"]
    assert main([*words, "--pictures", str(tmp_path / "drawn")]) == 0
    assert (tmp_path / "drawn" / "fourier.png").is_file()


def test_what_is_no_number_is_null(photos: Path, drawings: Path, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    shutil.copy(min(photos.iterdir()), tmp_path / "one")
    write_json(evaluate(tmp_path / "one", few(drawings), metrics=["kid"], cpu=True), tmp_path / "numbers.json")
    metrics = json.loads((tmp_path / "numbers.json").read_text("utf-8"))["metrics"]
    assert metrics["kid"] is None and "NaN" not in (tmp_path / "numbers.json").read_text("utf-8")


def test_mistakes_are_told_before_torch_is_imported(photos: Path, drawings: Path) -> None:
    folders = [str(photos), str(drawings)]
    mistakes = [["nowhere"], [*folders, "--metric", "kdi"], [*folders, "--part", "test"]]
    code = (
        "import sys; from toonforge.cli import main\n"
        f"for words in {mistakes!r}: print(main(['evaluate', *words]), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["2 False"] * len(mistakes), done.stdout


def test_ctrl_c_leaves_at_once(
    photos: Path, drawings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("toonforge.validation.measuring.Measuring.__call__", interrupted)
    assert main(["evaluate", str(photos), str(drawings), "--metric", "pixel-l1", "--cpu"]) == 130
    shown = capsys.readouterr()
    assert shown.err.strip() == "stopped" and not shown.out


def test_features_asked_for_are_those_of_every_metric_over_features(
    photos: Path, drawings: Path, tmp_path: Path
) -> None:
    with pytest.raises(ToonforgeError) as caught:
        evaluate(photos, drawings, metrics=[f'kid={{weights = "{tmp_path}/none.pth"}}'], features="inception", cpu=True)
    assert "none.pth" in messages(caught.value)
    own = evaluate(
        photos, drawings, metrics=['kid={features = "efficientnet-lite0", size = 32}'], features="inception", cpu=True
    )
    assert "EfficientNet" in own.about["kid"].protocol
