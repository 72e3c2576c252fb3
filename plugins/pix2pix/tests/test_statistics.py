"""Batch norm with each picture's own statistics: the batch's in training, no one else's in evaluation."""

from __future__ import annotations

import pytest
import torch
from toonforge_pix2pix import Unet
from torch import nn

from toonforge.nn.norms import PictureBatchNorm2d, norm_layer


def norm() -> PictureBatchNorm2d:
    torch.manual_seed(0)
    layer = PictureBatchNorm2d(5)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    layer(torch.randn(4, 5, 6, 6) * 7 + 3)  # running statistics far from the test pictures'
    return layer


def copy_of(layer: nn.Module) -> nn.BatchNorm2d:
    plain = nn.BatchNorm2d(5)
    plain.load_state_dict(layer.state_dict())
    return plain


def test_in_training_it_is_batch_norm_running_statistics_included() -> None:
    ours, x = norm(), torch.randn(3, 5, 4, 8)
    plain = copy_of(ours)
    assert torch.equal(ours.train()(x), plain.train()(x))
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True))


@pytest.mark.parametrize("size", [(2, 2), (7, 3), (64, 64)])
def test_in_evaluation_it_is_batch_norm_in_training_on_one_picture(size: tuple[int, int]) -> None:
    ours, x = norm().eval(), torch.randn(1, 5, *size)
    assert torch.equal(ours(x), copy_of(ours).train()(x))


def test_in_evaluation_a_picture_does_not_depend_on_its_batch() -> None:
    ours, x = norm().eval(), torch.randn(6, 5, 8, 8)
    alone = torch.cat([ours(picture) for picture in x.split(1)])
    assert torch.equal(ours(x), alone)
    assert torch.equal(ours(x.flip(0)).flip(0), alone)


def test_evaluation_leaves_the_running_statistics_alone() -> None:
    ours = norm().eval()
    before = {key: value.clone() for key, value in ours.state_dict().items()}
    ours(torch.randn(2, 5, 8, 8))
    assert all(torch.equal(value, before[key]) for key, value in ours.state_dict().items())


def test_the_state_is_batch_norms() -> None:
    assert list(norm().state_dict()) == list(nn.BatchNorm2d(5).state_dict())
    assert type(norm_layer("batch", 5)) is nn.BatchNorm2d


def test_weights_go_between_the_two_kinds_of_statistics() -> None:
    own, tracked = Unet(width=4, levels=3).build(), Unet(width=4, levels=3, statistics="running").build()
    tracked.load_state_dict(own.state_dict())
    x = torch.rand(2, 3, 16, 16)
    assert not torch.allclose(own.eval()(x), tracked.eval()(x))


def test_tracked_statistics_are_those_of_training() -> None:
    network = Unet(width=4, levels=2, statistics="running").build().eval()
    x = torch.rand(2, 3, 16, 16)
    before = network(x)
    network.train()(torch.rand(2, 3, 16, 16) * 9)
    assert not torch.allclose(network.eval()(x), before)


@pytest.mark.parametrize("side", [1, 5, 37])
def test_pictures_of_any_size_are_translated(side: int) -> None:
    network = Unet(width=2, levels=4).build().eval()
    assert network(torch.rand(1, 3, side, side + 1)).isfinite().all()
