"""The networks layer by layer: Tables 1 and 2 written by hand, parameter counts, and plain re-implementations."""

from __future__ import annotations

import pytest
import torch
from toonforge_toon2real import PatchGAN, Resnet
from torch import nn

Row = tuple[object, ...]
# A row: "conv"/"up", inputs, outputs, kernel, stride, padding and its kind; norms and activations by name.


def table(network: nn.Module) -> list[Row]:
    rows: list[Row] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.kernel_size[0] == module.kernel_size[1]
            assert module.stride[0] == module.stride[1]
            assert module.bias is not None
            name = "conv" if isinstance(module, nn.Conv2d) else "up"
            rows.append(
                (
                    name, module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0],
                    module.padding[0], module.padding_mode,
                )
            )  # fmt: skip
        elif isinstance(module, nn.InstanceNorm2d):
            assert not module.affine
            assert not module.track_running_stats
            rows.append(("instance", module.num_features))
        elif isinstance(module, nn.ReLU):
            rows.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            rows.append(("lrelu", module.negative_slope))
    return rows


BLOCK: list[Row] = [
    ("conv", 256, 256, 3, 1, 1, "reflect"), ("instance", 256), ("relu",),
    ("conv", 256, 256, 3, 1, 1, "reflect"), ("instance", 256),
]  # fmt: skip
TABLE_1: list[Row] = [
    ("conv", 3, 64, 7, 1, 3, "reflect"), ("instance", 64), ("relu",),  # 1
    ("conv", 64, 128, 3, 2, 1, "zeros"), ("instance", 128), ("relu",),  # 2
    ("conv", 128, 256, 3, 2, 1, "zeros"), ("instance", 256), ("relu",),  # 3
    *(6 * BLOCK),  # 4 to 9
    ("up", 256, 128, 3, 2, 1, "zeros"), ("instance", 128), ("relu",),  # 10
    ("up", 128, 64, 3, 2, 1, "zeros"), ("instance", 64), ("relu",),  # 11
    ("conv", 64, 3, 7, 1, 3, "reflect"),  # 12
]  # fmt: skip
FIRST_THREE: list[Row] = [
    ("conv", 3, 64, 4, 2, 1, "zeros"), ("lrelu", 0.2),  # 1
    ("conv", 64, 128, 4, 2, 1, "zeros"), ("instance", 128), ("lrelu", 0.2),  # 2
    ("conv", 128, 256, 4, 2, 1, "zeros"), ("instance", 256), ("lrelu", 0.2),  # 3
]  # fmt: skip


def test_the_generator_is_table_1_with_tanh_in_place_of_the_last_norm_and_relu() -> None:
    assert table(Resnet().build()) == TABLE_1


def test_as_printed_the_generator_is_table_1_to_the_letter() -> None:
    assert table(Resnet(as_printed=True).build()) == [*TABLE_1, ("instance", 3), ("relu",)]


def test_the_discriminator_is_the_70_pixel_patchgan() -> None:
    assert table(PatchGAN(spectral_norm=False).build()) == [
        *FIRST_THREE,
        ("conv", 256, 512, 4, 1, 1, "zeros"), ("instance", 512), ("lrelu", 0.2),
        ("conv", 512, 1, 4, 1, 1, "zeros"),
    ]  # fmt: skip


def test_as_printed_the_discriminator_is_table_2_and_a_layer_for_the_logits() -> None:
    assert table(PatchGAN(as_printed=True, spectral_norm=False).build()) == [
        *FIRST_THREE,
        ("conv", 256, 512, 4, 2, 1, "zeros"), ("instance", 512), ("lrelu", 0.2),  # 4
        ("conv", 512, 1, 1, 1, 0, "zeros"),
    ]  # fmt: skip


@pytest.mark.parametrize("as_printed", [False, True])
def test_spectral_normalisation_adds_no_layer(as_printed: bool) -> None:
    plain, normed = (PatchGAN(as_printed=as_printed, spectral_norm=on).build() for on in (False, True))
    assert table(plain) == table(normed)


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2 + outputs


GENERATOR = (
    conv(3, 64, 7) + conv(64, 128, 3) + conv(128, 256, 3) + 12 * conv(256, 256, 3)
    + conv(256, 128, 3) + conv(128, 64, 3) + conv(64, 3, 7)
)  # fmt: skip
THREE = conv(3, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 512, 4)


@pytest.mark.parametrize(
    ("config", "parameters", "worked_out"),
    [
        (Resnet(), 7_837_699, GENERATOR),
        (Resnet(as_printed=True), 7_837_699, GENERATOR),
        (PatchGAN(), 2_764_737, THREE + conv(512, 1, 4)),
        (PatchGAN(spectral_norm=False), 2_764_737, THREE + conv(512, 1, 4)),
        (PatchGAN(as_printed=True), 2_757_057, THREE + conv(512, 1, 1)),
    ],
)
def test_parameter_counts(config: Resnet | PatchGAN, parameters: int, worked_out: int) -> None:
    assert parameters == worked_out
    assert sum(p.numel() for p in config.build().parameters()) == parameters


@pytest.mark.parametrize(
    ("as_printed", "layers", "pixels"),
    [(False, 3, 70), (False, 2, 34), (True, 1, 10), (True, 2, 22), (True, 3, 46), (True, 4, 94)],
)
def test_how_many_pixels_a_logit_sees(as_printed: bool, layers: int, pixels: int) -> None:
    network = PatchGAN(width=2, norm="none", as_printed=as_printed, layers=layers).build().eval()
    x = torch.rand(1, 3, 192, 192, requires_grad=True)
    y = network(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == pixels


class Shortcut(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class Printed(nn.Module):
    """Table 1's end on pictures in [0, 1]."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inside((x + 1) / 2) * 2 - 1


def plain_resnet(w: int, as_printed: bool) -> nn.Module:
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(4 * w), nn.ReLU(),
        *(Shortcut(4 * w) for _ in range(6)),
        nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7),
    ]  # fmt: skip
    if as_printed:
        return Printed(nn.Sequential(*layers, nn.InstanceNorm2d(3), nn.ReLU()))
    return nn.Sequential(*layers, nn.Tanh())


def plain_patchgan(w: int, as_printed: bool) -> nn.Sequential:
    head = nn.Conv2d(8 * w, 1, 1) if as_printed else nn.Conv2d(8 * w, 1, 4, padding=1)
    return nn.Sequential(
        nn.Conv2d(3, w, 4, stride=2, padding=1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 4, stride=2, padding=1), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * w, 4 * w, 4, stride=2, padding=1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(4 * w, 8 * w, 4, stride=2 if as_printed else 1, padding=1), nn.InstanceNorm2d(8 * w),
        nn.LeakyReLU(0.2), head,
    )  # fmt: skip


@torch.no_grad()
def randomised(network: nn.Module, other: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Both with the same random weights, in the order of their layers."""
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        assert ours.shape == theirs.shape
        theirs.copy_(ours.copy_(torch.randn_like(ours) * 0.1))
    return network, other


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("as_printed", [True, False])
def test_the_generator_equals_a_plain_one_bit_for_bit(as_printed: bool, training: bool) -> None:
    torch.manual_seed(0)
    ours, plain = randomised(Resnet(width=6, as_printed=as_printed).build(), plain_resnet(6, as_printed))
    ours.train(training)
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    expected = plain(x)
    assert torch.equal(ours(x), expected if training or not as_printed else expected.clamp(-1, 1))


@pytest.mark.parametrize("as_printed", [True, False])
def test_the_discriminator_equals_a_plain_one_bit_for_bit(as_printed: bool) -> None:
    torch.manual_seed(0)
    config = PatchGAN(width=6, as_printed=as_printed, spectral_norm=False)
    ours, plain = randomised(config.build(), plain_patchgan(6, as_printed))
    x = torch.rand(2, 3, 70, 64) * 2 - 1
    assert torch.equal(ours(x), plain(x))


def test_initial_weights_are_cyclegans() -> None:
    torch.manual_seed(0)
    printed = PatchGAN(as_printed=True, spectral_norm=False)
    for config in (Resnet(as_printed=True), PatchGAN(spectral_norm=False), printed):
        for module in config.build().modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert module.bias is None or not module.bias.any()
