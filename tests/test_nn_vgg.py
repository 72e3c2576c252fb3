"""VGG19: the layer table, torchvision's own maps on the same weights, preprocessing by hand, and weights of files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from toonforge.errors import FieldError, ShapeError, ToonforgeError
from toonforge.nn.features import VGG16, VGG19
from toonforge.nn.torchvision_guard import torchvision
from toonforge.nn.vgg import VGG19 as Network
from toonforge.nn.vgg import convolutions
from toonforge.testing import NetworkSuite

# Index in torchvision's features, input and output channels, of the sixteen convolutions.
TABLE = {
    "conv1_1": (0, 3, 64), "conv1_2": (2, 64, 64),
    "conv2_1": (5, 64, 128), "conv2_2": (7, 128, 128),
    "conv3_1": (10, 128, 256), "conv3_2": (12, 256, 256), "conv3_3": (14, 256, 256), "conv3_4": (16, 256, 256),
    "conv4_1": (19, 256, 512), "conv4_2": (21, 512, 512), "conv4_3": (23, 512, 512), "conv4_4": (25, 512, 512),
    "conv5_1": (28, 512, 512), "conv5_2": (30, 512, 512), "conv5_3": (32, 512, 512), "conv5_4": (34, 512, 512),
}  # fmt: skip
POOLINGS = (4, 9, 18, 27)


def pictures(size: int = 32) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


@pytest.fixture(scope="module")
def small_weights() -> dict[str, torch.Tensor]:
    """Random weights up to conv2_2, under torchvision's names."""
    torch.manual_seed(1)
    return {f"features.{key}": value for key, value in convolutions("conv2_2", False).state_dict().items()}


class TestVGG19(NetworkSuite):
    component = VGG19()
    inputs = ((3, 64, 64), (3, 65, 97))


class TestScaledVGG19(NetworkSuite):
    component = VGG19(size=48, activated=True, weights="random", preprocessing="caffe")
    inputs = ((3, 64, 64), (3, 20, 33))


def test_the_layers_are_the_papers() -> None:
    network = convolutions("conv5_4", False)
    assert len(network) == 35
    for index, module in enumerate(network):
        if isinstance(module, nn.Conv2d):
            assert (index, module.in_channels, module.out_channels) in TABLE.values()
            assert (module.kernel_size, module.stride, module.padding) == ((3, 3), (1, 1), (1, 1))
            assert module.bias is not None
        elif isinstance(module, nn.MaxPool2d):
            assert index in POOLINGS
            assert (module.kernel_size, module.stride, module.padding) == (2, 2, 0)
        else:
            assert isinstance(module, nn.ReLU)
    assert sum(isinstance(module, nn.Conv2d) for module in network) == 16
    assert sum(parameter.numel() for parameter in network.parameters()) == 20_024_384


@pytest.mark.parametrize("layer", TABLE)
def test_a_map_is_what_its_convolution_yields_before_its_relu(layer: str) -> None:
    index, _, channels = TABLE[layer]
    network = VGG19(layer=layer, weights="random").build()  # type: ignore[arg-type]
    assert len(network.features) == index + 1
    assert isinstance(network.features[-1], nn.Conv2d)
    with torch.no_grad():
        found = network(pictures())
    assert found.min() < 0
    assert tuple(found.shape[1:]) == VGG19(layer=layer).shape((3, 32, 32))  # type: ignore[arg-type]
    assert found.shape[1] == channels


def test_conv4_4_is_torchvisions_26th_layer_with_the_same_weights() -> None:
    models = torchvision()
    torch.manual_seed(0)
    with torch.device("meta"):  # the classifier's 124 million weights are not wanted
        theirs = models.vgg19().features[:26]
    theirs = theirs.to_empty(device="cpu")
    ours = VGG19(weights="random").build()
    with torch.no_grad():
        for parameter in ours.features.parameters():
            parameter.copy_(torch.randn(parameter.shape) * 0.05)
    theirs.load_state_dict(ours.features.state_dict())
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    x = pictures(48)
    with torch.no_grad():
        expected = theirs(((x + 1) / 2 - mean.view(3, 1, 1)) / std.view(3, 1, 1))
        assert torch.equal(ours(x), expected)
        assert torch.equal(VGG19_activated(ours)(x), expected.relu())


def test_vgg16_is_torchvisions_up_to_its_last_convolution() -> None:
    """Layer by layer on the meta device; what its weights are named and shaped decides which files load."""
    with torch.device("meta"):
        theirs = torchvision().vgg16().features[:-1]
        ours = VGG16(weights="random", activated=True).build()
    assert [str(layer) for layer in ours.features] == [str(layer) for layer in theirs]
    shapes = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in ours.features.state_dict().items()} == shapes
    assert len(shapes) == 2 * 13
    assert VGG16().shape((3, 256, 256)) == (512, 16, 16)
    with pytest.raises(ShapeError, match="vgg16 needs pictures of at least 16x16 for conv5_3"):
        VGG16().shape((3, 15, 64))


def test_weights_of_vgg19_are_none_of_vgg16(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(VGG19(layer="conv3_4", weights="random").build().state_dict(), tmp_path / "19.safetensors")
    path = str(tmp_path / "19.safetensors")
    assert VGG16(layer="conv3_3", weights=path).build().name == "VGG16"
    with pytest.raises(ToonforgeError, match="torchvision's vgg16 without batch norm"):
        VGG16(layer="conv4_1", weights=path).build()


def VGG19_activated(network: nn.Module) -> nn.Module:
    activated = VGG19(weights="random", activated=True).build()
    activated.load_state_dict(network.state_dict())
    return activated


def test_preprocessing_is_what_each_name_says() -> None:
    # One pixel: red 255, green 0, blue 51 of 255.
    pixel = torch.tensor([1.0, -1.0, -0.6]).view(1, 3, 1, 1)
    expected = {
        "imagenet": [(1 - 0.485) / 0.229, (0 - 0.456) / 0.224, (0.2 - 0.406) / 0.225],
        "caffe": [51 - 103.939, 0 - 116.779, 255 - 123.68],
        "none": [1.0, 0.0, 0.2],
    }
    for name, values in expected.items():
        found = Network("conv1_1", preprocessing=name).prepared(pixel).flatten().tolist()  # type: ignore[arg-type]
        assert found == pytest.approx(values, abs=2e-5), name


def test_pictures_are_scaled_to_the_wanted_size_first() -> None:
    network = Network("conv1_1", preprocessing="none", size=4)
    x = torch.tensor([[0.0, 1.0], [0.0, 1.0]]).expand(1, 3, 2, 2)
    # Bilinear with pixels as areas: 0, 1/4, 3/4, 1 along the row.
    assert (network.prepared(x * 2 - 1)[0, 0, 1] - torch.tensor([0, 0.25, 0.75, 1])).abs().max() < 1e-6
    assert VGG19(size=224).shape((3, 256, 256)) == (512, 28, 28)
    assert VGG19().shape((3, 256, 256)) == (512, 32, 32)


@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
@pytest.mark.parametrize("whole", [True, False], ids=["network", "features"])
def test_weights_survive_a_file(
    tmp_path: Path, small_weights: dict[str, torch.Tensor], suffix: str, whole: bool
) -> None:
    state = {**small_weights, "classifier.0.bias": torch.zeros(3)}
    if not whole:
        state = {key.removeprefix("features."): value for key, value in small_weights.items()}
    path = tmp_path / f"vgg.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)
    network = VGG19(layer="conv2_1", weights=str(path)).build()
    assert set(network.state_dict()) < set(small_weights)
    assert all(torch.equal(value, small_weights[key]) for key, value in network.state_dict().items())


def test_what_does_not_fit_in_a_file_is_named_at_once(tmp_path: Path, small_weights: dict[str, torch.Tensor]) -> None:
    path = tmp_path / "vgg.pth"
    torch.save({**small_weights, "features.0.weight": torch.zeros(64, 1, 3, 3)}, path)
    with pytest.raises(ToonforgeError) as caught:
        VGG19(layer="conv3_2", weights=str(path)).build()
    (problem,) = caught.value.problems
    assert problem.key == "weights"
    assert "features.0.weight of 64x1x3x3 in the place of 64x3x3x3" in problem.found
    assert "no features.10.weight, no features.10.bias" in problem.found
    assert "and 1 more" in problem.found
    torch.save({"epoch": 3, "state_dict": small_weights}, path)
    with pytest.raises(ToonforgeError, match="begins with 'epoch', 'state_dict'"):
        VGG19(layer="conv1_1", weights=str(path)).build()


class Malicious:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return open, ("never-opened", "w")


def test_files_that_are_no_weights_are_refused_without_running_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"features.0.weight": Malicious()}, "code.pth")
    torch.save([1, 2], "list.pth")
    Path("text.pth").write_text("no weights")
    Path("text.safetensors").write_text("no weights")
    for name in ("code.pth", "list.pth", "text.pth", "text.safetensors"):
        with pytest.raises(ToonforgeError, match=f"{name} cannot be read as weights"):
            VGG19(weights=name).build()
    assert not Path("never-opened").exists()
    with pytest.raises(ToonforgeError, match=r"there is no weights file surely/not\.pth"):
        VGG19(weights="surely/not.pth").build()


def test_imagenet_weights_come_through_torchvision_with_their_hash_checked(
    monkeypatch: pytest.MonkeyPatch, small_weights: dict[str, torch.Tensor]
) -> None:
    weights = torchvision().VGG19_Weights.IMAGENET1K_V1
    asked: dict[str, object] = {}

    def get_state_dict(self: object, **options: object) -> dict[str, torch.Tensor]:
        asked.update(options)
        return small_weights

    monkeypatch.setattr(type(weights), "get_state_dict", get_state_dict)
    network = VGG19(layer="conv1_2").build()
    assert asked["check_hash"] is True
    assert torch.equal(network.features[2].weight, small_weights["features.2.weight"])


def test_without_a_network_the_error_says_how_to_give_a_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))

    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ToonforgeError) as caught:
        VGG19().build()
    (problem,) = caught.value.problems
    assert "vgg19-dcbb9e9d.pth" in str(problem)
    assert "Name or service not known" in str(problem)
    assert 'weights = "path/to/vgg19-dcbb9e9d.pth"' in str(problem.hint)


def test_it_learns_only_where_a_phase_lets_it() -> None:
    network = VGG19(layer="conv1_2", weights="random").build()
    assert all(parameter.requires_grad for parameter in network.parameters())
    x = pictures().requires_grad_()
    network(x).abs().mean().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    network.requires_grad_(False)
    assert torch.autograd.grad(network(x).abs().mean(), x)[0].abs().sum() > 0


def test_the_config_refuses_what_does_not_go_together() -> None:
    with pytest.raises(FieldError, match="preprocessing"):
        VGG19(preprocessing="caffe")
    assert VGG19(preprocessing="caffe", weights="vgg.pth").tiny().weights == "random"
    with pytest.raises(ShapeError, match="at least 8x8 for conv4_4, found 7x64"):
        VGG19().shape((3, 7, 64))
    with pytest.raises(ShapeError, match="3 channels"):
        VGG19().shape((1, 64, 64))
    with pytest.raises(FieldError):
        VGG19(size=0)


def test_shapes_are_known_without_torch() -> None:
    code = (
        "import sys; from toonforge.nn.features import VGG19; "
        "assert VGG19(layer='conv5_1').shape((3, 70, 90)) == (512, 4, 5); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
