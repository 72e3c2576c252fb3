"""The small U-Net and the plain discriminator, layer by layer."""

from __future__ import annotations

import pytest
import torch
from toonforge_cyclegan import DoubleUnet, Plain
from torch import nn


def layers(network: nn.Module) -> list[tuple[str, int, int, int, int]]:
    """(kind, inputs, outputs, kernel, stride) of what has weights, in the order of the state."""
    found = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            found.append(("conv", module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0]))
        elif isinstance(module, nn.Linear):
            found.append(("linear", module.in_features, module.out_features, 1, 1))
    return found


def test_plain_is_the_papers_convolutions_and_one_output() -> None:
    network = Plain().build()
    assert layers(network) == [
        ("conv", 3, 64, 3, 2),
        ("conv", 64, 128, 3, 2),
        ("conv", 128, 256, 3, 2),
        ("conv", 256, 512, 3, 2),
        ("linear", 512, 1, 1, 1),
    ]
    assert sum(p.numel() for p in network.parameters()) == 1_551_489


def test_plain_judges_the_whole_picture() -> None:
    torch.manual_seed(0)
    network = Plain(norm="none").build().eval()
    picture = torch.rand(1, 3, 64, 64)
    corners = [(0, 0), (0, 63), (63, 0), (63, 63), (31, 31)]
    before = network(picture)
    for y, x in corners:
        changed = picture.clone()
        changed[..., y, x] += 5
        assert not torch.equal(network(changed), before)


def test_double_unet_layer_by_layer() -> None:
    network = DoubleUnet().build()
    assert layers(network) == [
        ("conv", 3, 16, 3, 1),
        ("conv", 16, 32, 4, 2),
        ("conv", 32, 64, 4, 2),
        ("conv", 64, 64, 4, 2),
        ("conv", 64, 64, 3, 1),
        ("conv", 64, 64, 3, 1),
        ("conv", 64, 32, 3, 1),
        ("conv", 32, 16, 3, 1),
        ("conv", 128, 64, 3, 1),
        ("conv", 64, 32, 3, 1),
        ("conv", 32, 16, 3, 1),
        ("conv", 16, 3, 3, 1),
    ]
    assert sum(p.numel() for p in network.parameters()) == 301_363


@pytest.mark.parametrize("upsample", ["resize", "pixel-shuffle", "transposed"])
def test_a_residual_network_starts_as_the_identity_and_is_clamped_only_in_use(upsample: str) -> None:
    network = DoubleUnet(upsample=upsample, width=4).build()  # type: ignore[arg-type]
    picture = torch.rand(2, 3, 21, 34) * 2 - 1
    assert torch.equal(network.train()(picture), picture)
    nn.init.constant_(network.head.bias, 0.9)  # type: ignore[arg-type,union-attr]
    assert network.train()(picture).max() > 1
    assert network.eval()(picture).max() <= 1
