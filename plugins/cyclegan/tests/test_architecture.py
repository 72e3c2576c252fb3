"""The networks layer by layer: against hand-written tables, parameter counts, and plain re-implementations."""

from __future__ import annotations

import pytest
import torch
from toonforge_cyclegan import PatchGAN, Resnet, Unet
from torch import nn

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.InstanceNorm2d, nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU, nn.Dropout)
# A row: "conv"/"up", inputs, outputs, kernel, stride, padding (with its kind), bias; norms and activations by name.


def table(network: nn.Module) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            assert module.output_padding == ((1, 1) if module.kernel_size == (3, 3) else (0, 0))
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            name = "conv" if isinstance(module, nn.Conv2d) else "up"
            assert module.kernel_size[0] == module.kernel_size[1]
            assert module.stride[0] == module.stride[1]
            rows.append(
                (
                    name, module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0],
                    module.padding[0], module.padding_mode, module.bias is not None,
                )
            )  # fmt: skip
        elif isinstance(module, nn.InstanceNorm2d):
            assert not module.affine
            assert not module.track_running_stats
            rows.append(("instance", module.num_features))
        elif isinstance(module, nn.BatchNorm2d):
            assert module.affine
            assert module.track_running_stats
            rows.append(("batch", module.num_features))
        elif isinstance(module, nn.ReLU):
            rows.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            rows.append(("lrelu", module.negative_slope))
        elif isinstance(module, nn.Dropout):
            rows.append(("dropout", module.p))
    return rows


def test_the_resnet_is_johnsons() -> None:
    block = [
        ("conv", 256, 256, 3, 1, 1, "reflect", True), ("instance", 256), ("relu",),
        ("conv", 256, 256, 3, 1, 1, "reflect", True), ("instance", 256),
    ]  # fmt: skip
    expected = [
        ("conv", 3, 64, 7, 1, 3, "reflect", True), ("instance", 64), ("relu",),
        ("conv", 64, 128, 3, 2, 1, "zeros", True), ("instance", 128), ("relu",),
        ("conv", 128, 256, 3, 2, 1, "zeros", True), ("instance", 256), ("relu",),
        *(9 * block),
        ("up", 256, 128, 3, 2, 1, "zeros", True), ("instance", 128), ("relu",),
        ("up", 128, 64, 3, 2, 1, "zeros", True), ("instance", 64), ("relu",),
        ("conv", 64, 3, 7, 1, 3, "reflect", True),
    ]  # fmt: skip
    assert table(Resnet().build()) == expected


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_the_unet_is_pix2pix(dropout: float) -> None:
    def down(inputs: int, outputs: int) -> list[tuple[object, ...]]:
        return [("lrelu", 0.2), ("conv", inputs, outputs, 4, 2, 1, "zeros", False), ("batch", outputs)]

    def up(inputs: int, outputs: int, drop: bool = False) -> list[tuple[object, ...]]:
        rows: list[tuple[object, ...]] = [
            ("relu",), ("up", inputs, outputs, 4, 2, 1, "zeros", False), ("batch", outputs),
        ]  # fmt: skip
        return [*rows, ("dropout", 0.5)] if drop and dropout else rows

    expected = [
        ("conv", 3, 64, 4, 2, 1, "zeros", False),
        *down(64, 128), *down(128, 256), *down(256, 512), *down(512, 512), *down(512, 512), *down(512, 512),
        ("lrelu", 0.2), ("conv", 512, 512, 4, 2, 1, "zeros", False),
        *up(512, 512), *up(1024, 512, True), *up(1024, 512, True), *up(1024, 512, True),
        *up(1024, 256), *up(512, 128), *up(256, 64),
        ("relu",), ("up", 128, 3, 4, 2, 1, "zeros", True),
    ]  # fmt: skip
    assert table(Unet(dropout=dropout).build()) == expected


def test_the_discriminator_is_the_70_pixel_patchgan() -> None:
    expected = [
        ("conv", 3, 64, 4, 2, 1, "zeros", True), ("lrelu", 0.2),
        ("conv", 64, 128, 4, 2, 1, "zeros", True), ("instance", 128), ("lrelu", 0.2),
        ("conv", 128, 256, 4, 2, 1, "zeros", True), ("instance", 256), ("lrelu", 0.2),
        ("conv", 256, 512, 4, 1, 1, "zeros", True), ("instance", 512), ("lrelu", 0.2),
        ("conv", 512, 1, 4, 1, 1, "zeros", True),
    ]  # fmt: skip
    assert table(PatchGAN().build()) == expected


@pytest.mark.parametrize(
    ("config", "parameters"),
    [
        (Resnet(), 11_378_179),
        (Unet(), 54_413_955),
        (PatchGAN(), 2_764_737),
        (PatchGAN(norm="batch", in_channels=6), 2_768_705),
    ],
)
def test_parameter_counts_are_the_authors(config: Resnet | Unet | PatchGAN, parameters: int) -> None:
    assert sum(p.numel() for p in config.build().parameters()) == parameters


def test_a_logit_of_the_patchgan_sees_70_pixels() -> None:
    network = PatchGAN(width=2, norm="none").build()
    x = torch.rand(1, 3, 128, 128, requires_grad=True)
    y = network(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == 70


class Shortcut(nn.Module):
    """A residual block of the authors' code, with explicit padding layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


def plain_resnet(w: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.Conv2d(2 * w, 4 * w, 3, stride=2, padding=1), nn.InstanceNorm2d(4 * w), nn.ReLU(),
        *(Shortcut(4 * w) for _ in range(blocks)),
        nn.ConvTranspose2d(4 * w, 2 * w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.ConvTranspose2d(2 * w, w, 3, stride=2, padding=1, output_padding=1), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh(),
    )  # fmt: skip


class Nested(nn.Module):
    """A U-Net level of the authors' code, which builds them from the inside out; weights are listed outermost first."""

    def __init__(self, outer: int, inner: int, channels: int, inside: Nested | None, last: bool) -> None:
        super().__init__()
        down = nn.Conv2d(channels, inner, 4, stride=2, padding=1, bias=False)
        up = nn.ConvTranspose2d(inner * (2 if inside else 1), outer, 4, stride=2, padding=1, bias=last)
        self.last, self.inside = last, inside
        if last:
            self.before, self.after = nn.Sequential(down), nn.Sequential(nn.ReLU(), up, nn.Tanh())
        elif inside is None:
            self.before = nn.Sequential(nn.LeakyReLU(0.2), down)
            self.after = nn.Sequential(nn.ReLU(), up, nn.BatchNorm2d(outer))
        else:
            self.before = nn.Sequential(nn.LeakyReLU(0.2), down, nn.BatchNorm2d(inner))
            self.after = nn.Sequential(nn.ReLU(), up, nn.BatchNorm2d(outer))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.before(x)
        y = self.after(self.inside(y) if self.inside else y)
        return y if self.last else torch.cat([x, y], 1)


def plain_unet(levels: int, w: int) -> Nested:
    widths = [min(2**level, 8) * w for level in range(levels)]
    inside: Nested | None = None
    for level in reversed(range(levels)):
        outer = widths[level - 1] if level else 3
        inside = Nested(outer, widths[level], outer if level else 3, inside, last=level == 0)
    assert inside is not None
    return inside


def tensors_of(network: nn.Module) -> list[torch.Tensor]:
    kept = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    return [t for module in network.modules() if isinstance(module, kept) for t in module.parameters()]


def copy(source: list[torch.Tensor], target: list[torch.Tensor]) -> None:
    assert [t.shape for t in source] == [t.shape for t in target]
    with torch.no_grad():
        for ours, theirs in zip(source, target, strict=True):
            theirs.copy_(ours)


def randomise(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.1)
    return network


def test_the_resnet_equals_a_plain_one_bit_for_bit() -> None:
    torch.manual_seed(0)
    ours, plain = randomise(Resnet(width=6, blocks=3).build()), plain_resnet(6, 3)
    copy(tensors_of(ours), tensors_of(plain))
    x = torch.rand(2, 3, 32, 40) * 2 - 1
    assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize("levels", [5, 7, 8])
@pytest.mark.parametrize("training", [True, False])
def test_the_unet_equals_a_nested_one_bit_for_bit(levels: int, training: bool) -> None:
    torch.manual_seed(0)
    ours, plain = randomise(Unet(levels=levels, width=4).build()), plain_unet(levels, 4)

    def in_order(level: Nested | None) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        if level is None:
            return [], []
        before, after = in_order(level.inside)
        return tensors_of(level.before) + before, after + tensors_of(level.after)

    before, after = in_order(plain)
    copy(tensors_of(ours), before + after)
    ours.train(training)
    plain.train(training)
    x = torch.rand(2, 3, 256, 256) * 2 - 1
    assert torch.equal(ours(x), plain(x))


def test_initial_weights_are_the_authors() -> None:
    torch.manual_seed(0)
    for config in (Resnet(blocks=2, norm="batch"), Unet(levels=5), PatchGAN(norm="batch")):
        for module in config.build().modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert abs(module.weight.mean().item()) < 2e-3
            elif isinstance(module, nn.BatchNorm2d):
                assert module.weight.mean().item() == pytest.approx(1, abs=0.02)
            else:
                continue
            assert module.bias is None or not module.bias.any()
