"""`toonforge.load(…)(picture)`: the kind of thing that goes in comes out, and what is no picture is told so."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import toonforge
from tests.test_use_translate import about, save
from toonforge.errors import RunError
from toonforge.use.model import Model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Gives the negative of a picture."""
    folder = tmp_path_factory.mktemp("model")
    save(folder, "G", about("G", {"anime": "G(photo)"}))
    return toonforge.load(folder, cpu=True)


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@given(height=st.integers(1, 9), width=st.integers(1, 9))
def test_arrays_of_bytes_give_arrays_of_bytes(model: Model, height: int, width: int) -> None:
    for shape in ((height, width, 3), (2, height, width, 3)):
        x = values(*shape)
        made = model(x)
        assert made.dtype == np.uint8 and np.array_equal(made, 255 - x)
    grey = values(height, width)
    assert np.array_equal(model(grey), np.repeat((255 - grey)[..., None], 3, -1))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_of_floats_give_floats_of_their_kind(model: Model, dtype: type) -> None:
    x = (values(4, 5, 3) / 255).astype(dtype)
    made = model(x)
    assert made.dtype == dtype and np.allclose(made, 1 - x, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_give_tensors_of_their_kind(model: Model, dtype: torch.dtype) -> None:
    for shape in ((3, 4, 5), (2, 3, 4, 5)):
        x = (torch.rand(shape) * 2 - 1).to(dtype)
        made = model(x)
        assert made.dtype == dtype and made.shape == x.shape and torch.allclose(made, -x, atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "I;16"])
def test_images_of_every_mode_give_images(model: Model, mode: str) -> None:
    made = model(Image.new(mode, (7, 5)))
    assert isinstance(made, Image.Image) and (made.mode, made.size) == ("RGB", (7, 5))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "La", "RGBa", "PA"])
def test_images_keep_their_transparency(model: Model, mode: str) -> None:
    image = Image.fromarray(values(5, 7, 4)).convert("LA" if mode == "La" else "RGBA").convert(mode)
    made = model(image)
    straight = image.convert("LA") if mode == "La" else image
    assert made.mode == "RGBA"
    assert np.array_equal(made.getchannel("A"), straight.convert("RGBA").getchannel("A"))


def test_images_are_turned_upright(model: Model) -> None:
    image = Image.fromarray(values(3, 5, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.info["exif"] = exif.tobytes()
    image._exif = None  # what was read before
    made = model(image)
    assert np.array_equal(made, 255 - np.rot90(np.asarray(image), -1))
    assert made.getexif()[0x0112] == 1


def test_batches_are_their_pictures(model: Model) -> None:
    x = values(3, 4, 5, 3)
    assert np.array_equal(model(x), np.stack([model(picture) for picture in x]))


def test_the_look_is_that_of_the_command(model: Model) -> None:
    x = values(8, 8, 3)
    assert np.array_equal(model(x, strength=0), x)
    assert np.array_equal(model(Image.fromarray(x), strength=0), x)
    assert np.allclose(model(x, strength=0.5), 127.5, atol=0.51)  # a picture and its negative
    assert not np.array_equal(model(x, smooth=1), model(x))
    assert not np.array_equal(model(x, keep_color=True), model(x))


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_strength_0_is_the_array_to_the_last_bit(model: Model, dtype: type) -> None:
    x = values(9, 7, 3) if dtype == np.uint8 else np.random.default_rng(0).random((9, 7, 3)).astype(dtype)
    made = model(x, strength=0)
    assert made.dtype == dtype and np.array_equal(made, x) and not np.shares_memory(made, x)
    assert np.array_equal(model(x[..., 0], strength=0), np.repeat(x[..., :1], 3, -1))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_strength_0_is_the_tensor_to_the_last_bit(model: Model, dtype: torch.dtype) -> None:
    x = torch.rand((3, 9, 7), dtype=torch.float64).to(dtype) * 2 - 1
    assert torch.equal(model(x, strength=0), x)


def test_what_is_only_read_or_has_gradients_is_taken_without_a_warning(model: Model) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(np.asarray(Image.new("RGB", (8, 8))))
        assert not model(torch.zeros(3, 8, 8, requires_grad=True)).requires_grad


def test_the_input_is_not_changed(model: Model) -> None:
    array, tensor = values(4, 4, 3), torch.zeros(3, 4, 4)
    image = Image.fromarray(array.copy())
    for thing in (array, tensor, image):
        model(thing, strength=0.5)
    assert np.array_equal(image, array) and not tensor.any()


def test_a_model_tells_what_it_is(model: Model) -> None:
    assert repr(model) == "<Model negative: anime: G(photo), trained on 32x32, on cpu>"
    assert list(model.translations) == ["anime"]


def test_a_copy_on_a_device_has_networks_of_its_own(model: Model) -> None:
    copy = model.on("cpu")
    assert torch.equal(copy(torch.ones(3, 2, 2)), model(torch.ones(3, 2, 2)))
    assert copy.inference.networks["G"] is not model.inference.networks["G"]


@pytest.mark.parametrize(
    ("thing", "said"),
    [
        (np.zeros((4, 4, 4), np.uint8), "keeps its transparency"),
        (np.zeros((3, 4, 5), np.uint8), "channels come last"),
        (np.zeros((4, 4, 3), np.int64), "array of int64"),
        (np.full((4, 4, 3), 200.0), "from 200 to 200"),
        (np.full((4, 4, 3), -0.5), "give a tensor"),
        (np.full((4, 4, 3), np.nan), "some values are no finite numbers"),
        (np.zeros((0, 4, 3), np.uint8), "array of 0, 4, 3"),
        (np.zeros(3, np.uint8), "array of 3 is no picture"),
        (torch.zeros(4, 5, 3), "channels come first"),
        (torch.zeros(3, 4, 5, dtype=torch.uint8), "tensor of uint8"),
        (torch.full((3, 4, 5), 2.0), "from 2 to 2"),
        (torch.full((3, 4, 5), torch.nan), "some values are no finite numbers"),
        (torch.zeros(3, 0, 5), "tensor of 3, 0, 5"),
        (torch.zeros(1, 1, 3, 4, 5), "tensor of 1, 1, 3, 4, 5"),
        ([np.zeros((4, 4, 3), np.uint8)], "one by one"),
        ("photo.jpg", "open it first"),
        (Path("photo.jpg"), "open it first"),
        (None, "NoneType is no picture"),
        (Image.new("F", (3, 3)), "no known range"),
        (Image.new("RGB", (0, 3)), "no pixels"),
    ],
)
def test_what_is_no_picture_is_told_so(model: Model, thing: object, said: str) -> None:
    with pytest.raises(RunError, match=said):
        model(thing)


def test_bad_wishes_are_told(model: Model) -> None:
    for picture in (values(4, 4, 3), torch.zeros(3, 4, 4), Image.new("RGB", (4, 4))):
        with pytest.raises(RunError, match="does not translate to 'anme'"):
            model(picture, "anme")
        with pytest.raises(RunError, match="strength"):
            model(picture, strength=2)
        with pytest.raises(RunError, match="strength: is no number"):
            model(picture, strength="much")  # type: ignore[arg-type]
        with pytest.raises(RunError, match="does not translate to 'anme'"):
            model(picture, "anme", strength=0)
