"""Translating picture files: nothing of a picture is lost, nothing is overwritten, a bad one does not stop the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from safetensors.torch import save_file

from toonforge import registries
from toonforge.cli import main
from toonforge.components import Generator, Shape, component
from toonforge.errors import RunError
from toonforge.registry import Provenance
from toonforge.use.model import load
from toonforge.use.translate import Job, plan, translate_file


@component
class Invert(Generator):
    """The negative of a picture, times a scale that is its one parameter."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> torch.nn.Module:
        return Negative()


class Negative(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return -x * self.scale


if "negative/invert" not in registries.generators:
    who = Provenance(plugin="negative", distribution="tests", version="0")
    registries.generators.add("negative/invert", Invert, who)


def about(network: str, translations: Mapping[str, str], signals: Mapping[str, str] = {}) -> dict[str, Any]:
    return {
        "format": 1,
        "network": network,
        "kind": "generators",
        "component": {"type": "negative/invert"},
        "translations": dict(translations),
        "signals": dict(signals),
        "value_range": [-1, 1],
        "image_size": 32,
        "recipe": "negative",
    }


def save(folder: Path, name: str, metadata: Mapping[str, Any], scale: float = 1.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    save_file({"scale": torch.tensor([scale])}, path, {"toonforge": json.dumps(metadata)})
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    translations = {"anime": "G(photo)", "photo": "F(G(noise(pool(anime), 0.5)))"}
    for name in ("G", "F"):
        save(folder / "checkpoints" / "step-000500", name, about(name, translations))
    (folder / "checkpoints" / "latest").write_text("step-000500\n", "utf-8")
    (folder / "resolved.toml").write_text("", "utf-8")
    return folder


def picture(path: Path, size: tuple[int, int] = (40, 24), mode: str = "RGB", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], len(Image.new(mode, (1, 1)).getbands())))
    Image.fromarray(values.astype(np.uint8).squeeze(), mode=None if mode != "LA" else "LA").save(path, **options)
    return path


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as image:
        return np.asarray(image)


def test_every_pixel_of_a_picture_is_translated(run: Path, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png")
    translate_file(load(run), Job(source, tmp_path / "out.png"))
    assert np.array_equal(pixels(tmp_path / "out.png"), 255 - pixels(source))


@pytest.mark.parametrize("where", ["run", "checkpoints", "checkpoint", "file"])
def test_a_run_a_checkpoint_and_a_weights_file_are_models(run: Path, where: str) -> None:
    checkpoint = run / "checkpoints" / "step-000500"
    path = {
        "run": run,
        "checkpoints": run / "checkpoints",
        "checkpoint": checkpoint,
        "file": checkpoint / "G.safetensors",
    }
    model = load(path[where])
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(model(x, "anime"), -x)
    assert list(model.translations) == (["anime"] if where == "file" else ["anime", "photo"])


def test_a_translation_may_take_several_networks_and_drops_what_training_alone_wants(run: Path) -> None:
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(load(run)(x, "photo"), x)


def test_signals_are_followed(tmp_path: Path) -> None:
    save(tmp_path, "G", about("G", {"anime": "fake"}, {"fake": "G(photo)"}))
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(load(tmp_path)(x), -x)


def test_moving_averages_are_preferred(run: Path) -> None:
    checkpoint = run / "checkpoints" / "step-000500"
    save(checkpoint, "G.ema", about("G", {"anime": "G(photo)"}), scale=0.5)
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(load(run)(x, "anime"), -x * 0.5)


def test_what_is_no_model_is_told_so(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("no weights", "utf-8")
    save_file({"x": torch.ones(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "recipe.toml").write_text('name = "x"', "utf-8")
    save(tmp_path, "future", {**about("G", {}), "format": 99})
    save(tmp_path / "offers-nothing", "G", about("G", {}))
    misfit = save(tmp_path / "misfit", "G", about("G", {"anime": "G(photo)"}))
    save_file({"other": torch.ones(1)}, misfit, {"toonforge": json.dumps(about("G", {"anime": "G(photo)"}))})
    for name, said in {
        "nowhere": "is not there",
        "empty": "holds no weights",
        "recipe.toml": "is a recipe, not what training made of it",
        "text.safetensors": "no weights file",
        "foreign.safetensors": "no weights file",
        "future.safetensors": "newer toonforge",
        "offers-nothing": "offers no translation",
        "misfit": "does not fit",
    }.items():
        with pytest.raises(RunError, match=said):
            load(tmp_path / name)
    with pytest.raises(RunError, match="does not translate"):
        load(run)(torch.zeros(1, 3, 8, 8), "foto")


def test_orientation_is_applied_once(run: Path, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = picture(tmp_path / "in.jpg", (48, 16), exif=exif, quality=95)
    translate_file(load(run), Job(source, tmp_path / "out.jpg"))
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.size == (16, 48)
        assert image.getexif()[0x0112] == 1


def test_transparency_is_kept(run: Path, tmp_path: Path) -> None:
    source = picture(tmp_path / "in.png", mode="RGBA")
    translate_file(load(run), Job(source, tmp_path / "out.png"))
    assert np.array_equal(pixels(tmp_path / "out.png")[..., 3], pixels(source)[..., 3])
    translate_file(load(run), Job(source, tmp_path / "out.jpg"))
    assert pixels(tmp_path / "out.jpg").shape[-1] == 3


def test_the_colour_profile_is_kept(run: Path, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    source = picture(tmp_path / "in.png", icc_profile=profile)
    translate_file(load(run), Job(source, tmp_path / "out.jpg"))
    with Image.open(tmp_path / "out.jpg") as image:
        assert image.info["icc_profile"] == profile


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "1", "P", "CMYK", "I;16"])
def test_pictures_of_every_mode_keep_their_size(run: Path, tmp_path: Path, mode: str) -> None:
    source = tmp_path / ("in.tif" if mode == "CMYK" else "in.png")
    Image.new(mode, (33, 21)).save(source)
    translate_file(load(run), Job(source, tmp_path / "out.png"))
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == (33, 21)


@pytest.mark.parametrize("size", [(1, 1), (7, 1000), (1000, 7)])
def test_pictures_of_any_size_keep_it(run: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "in.png")
    translate_file(load(run), Job(tmp_path / "in.png", tmp_path / "out.png"))
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == size


def test_folders_keep_their_inner_structure_and_names(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.png", "sub/c.gif"):
        picture(tmp_path / "in" / name)
    jobs = plan([tmp_path / "in"], tmp_path / "out").jobs
    assert [str(job.target.relative_to(tmp_path / "out")) for job in jobs if job.target] == [
        "a.jpg",
        "sub/b.png",
        "sub/c.png",
    ]


def test_nothing_is_overwritten_and_no_two_pictures_share_a_target(tmp_path: Path) -> None:
    first, second = picture(tmp_path / "one" / "a.png"), picture(tmp_path / "two" / "a.png")
    out = tmp_path / "out"
    picture(out / "a.png")
    with pytest.raises(RunError, match="already"):
        plan([first], out)
    assert len(plan([first], out, force=True).jobs) == 1
    with pytest.raises(RunError, match="both become"):
        plan([first, second], tmp_path / "new")
    with pytest.raises(RunError, match="is an input"):
        plan([first], tmp_path / "one", force=True)
    with pytest.raises(RunError, match="one file"):
        plan([first, second], tmp_path / "out.png")
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(RunError, match="a device or a pipe"):
        plan([first], tmp_path / "pipe.png", force=True)
    with pytest.raises(RunError, match="read but not written"):
        plan([first], tmp_path / "out.gif")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no pictures"):
        plan([tmp_path / "empty"], out)


def test_an_unreadable_picture_is_named_and_the_rest_goes_on(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_text("no picture", "utf-8")
    code = main(["translate", str(run), "in", "missing.jpg"])
    err = capsys.readouterr().err
    assert code == 2
    assert "bad.png" in err and "missing.jpg" in err and "2 of 3" in err
    assert (tmp_path / "translated" / "good.png").is_file()
    assert [path.name for path in (tmp_path / "translated").iterdir()] == ["good.png"]


def test_one_picture_can_go_to_a_file_of_any_name(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "photo.jpg")
    assert main(["translate", str(run), "photo.jpg", "-o", "anime.png"]) == 0
    said = "1 picture translated to anime: anime.png (negative, latest checkpoint, step 500, on the CPU, "
    assert capsys.readouterr().out.startswith(said)
    assert main(["translate", str(run), "photo.jpg", "-o", "anime.png"]) == 2
    assert main(["translate", str(run), "photo.jpg", "-o", "anime.png", "--force", "--to", "photo"]) == 0
    assert main(["translate", str(run), "photo.jpg", "-o", "b.png", "--to", "foto"]) == 2
    assert "did you mean 'photo'" in capsys.readouterr().err


@pytest.mark.parametrize("description", ["[]", "{", '{"format": "x"}', '{"format": [1]}', '{"format": 99}', "{}"])
def test_hostile_descriptions_are_clean_errors(tmp_path: Path, description: str) -> None:
    import numpy as np
    from safetensors.numpy import save_file

    from toonforge.errors import RunError
    from toonforge.use.model import load

    path = tmp_path / "G.safetensors"
    save_file({"weight": np.zeros(2, np.float32)}, path, {"toonforge": description})
    with pytest.raises(RunError):
        load(path)
