"""Networks as other programs lay them out, written from their layer tables: what imported weights must equal.

Their state dicts have the names that those programs' files have; that is what the numbers in sequences are for.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[int], nn.Module]


def plain(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels)


def tracking(channels: int) -> nn.Module:
    """As instance norm was saved before torch 0.4."""
    return nn.InstanceNorm2d(channels, track_running_stats=True)


def affine(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


def batch(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def none(channels: int) -> nn.Module:
    return nn.Identity()


NORMS = {"instance": plain, "instance-tracking": tracking, "instance-affine": affine, "batch": batch, "none": none}
BIASED = (plain, tracking, affine)
"""Convolutions before these norms have biases in the original, those before the others none."""
PADS = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d}


class Residual(nn.Module):
    """x + f(x); `name` is what the program calls f."""

    def __init__(self, layers: list[nn.Module], name: str) -> None:
        super().__init__()
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        (layers,) = self.children()
        y: Tensor = x + layers(x)
        return y


class Sequence(nn.Module):
    """A network that is one sequence called `name`."""

    def __init__(self, layers: list[nn.Module], name: str = "model") -> None:
        super().__init__()
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, x: Tensor) -> Tensor:
        (layers,) = self.children()
        y: Tensor = layers(x)
        return y


def resnet(
    norm: Norm,
    *,
    blocks: int = 6,
    width: int = 4,
    dropout: bool = False,
    pad: str = "reflect",
    channels: tuple[int, int] = (3, 3),
    inner: str = "conv_block",
) -> nn.Module:
    """ResnetGenerator of pytorch-CycleGAN-and-pix2pix; `pad`: of its blocks."""
    bias = norm in BIASED

    def stage(layer: nn.Module, outputs: int) -> list[nn.Module]:
        return [layer, norm(outputs), nn.ReLU()]

    def block() -> nn.Module:
        size = 4 * width
        layers: list[nn.Module] = []
        for second in (False, True):
            if pad == "zero":
                convolution = nn.Conv2d(size, size, 3, padding=1, bias=bias)
            else:
                layers.append(PADS[pad](1))
                convolution = nn.Conv2d(size, size, 3, bias=bias)
            layers += [convolution, norm(size)]
            if not second:
                layers += [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])]
        return Residual(layers, inner)

    return Sequence(
        [
            nn.ReflectionPad2d(3),
            *stage(nn.Conv2d(channels[0], width, 7, bias=bias), width),
            *stage(nn.Conv2d(width, 2 * width, 3, 2, 1, bias=bias), 2 * width),
            *stage(nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=bias), 4 * width),
            *(block() for _ in range(blocks)),
            *stage(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1, bias=bias), 2 * width),
            *stage(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=bias), width),
            nn.ReflectionPad2d(3),
            nn.Conv2d(width, channels[1], 7),
            nn.Tanh(),
        ]
    )


class Level(nn.Module):
    """One level of the U-Net and all that lie inside it; beside its output goes its input, but for the outermost."""

    def __init__(self, layers: list[nn.Module], outermost: bool) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)
        self.outermost = outermost

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.model(x)
        return y if self.outermost else torch.cat([x, y], 1)


def unet(norm: Norm, *, levels: int = 7, width: int = 2, dropout: bool = False) -> nn.Module:
    """UnetGenerator of pytorch-CycleGAN-and-pix2pix; at least 5 levels."""
    bias = norm in BIASED
    widths = [width, 2 * width, 4 * width] + [8 * width] * (levels - 3)
    inside: nn.Module | None = None
    for level in reversed(range(1, levels)):
        outer, inner = widths[level - 1], widths[level]
        down = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=bias)]
        grown = inner if inside is None else 2 * inner
        up = [nn.ReLU(), nn.ConvTranspose2d(grown, outer, 4, 2, 1, bias=bias), norm(outer)]
        if inside is None:
            layers = down + up
        else:
            drop = [nn.Dropout(0.5)] if dropout and outer == inner else []
            layers = [*down, norm(inner), inside, *up, *drop]
        inside = Level(layers, outermost=False)
    assert inside is not None
    first = nn.Conv2d(3, width, 4, 2, 1, bias=bias)
    network = nn.Module()
    outermost = Level([first, inside, nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh()], outermost=True)
    network.model = outermost
    network.forward = outermost.forward  # type: ignore[method-assign]
    return network


def patchgan(norm: Norm, *, layers: int = 3, width: int = 4, channels: int = 3) -> nn.Module:
    """NLayerDiscriminator."""
    bias = norm in BIASED
    stages: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for layer in range(1, layers + 1):
        inputs, outputs = (min(2**n, 8) * width for n in (layer - 1, layer))
        stride = 2 if layer < layers else 1
        stages += [nn.Conv2d(inputs, outputs, 4, stride, 1, bias=bias), norm(outputs), nn.LeakyReLU(0.2)]
    return Sequence([*stages, nn.Conv2d(outputs, 1, 4, 1, 1)])


def pixelgan(norm: Norm, *, width: int = 4, channels: int = 3) -> nn.Module:
    """PixelDiscriminator."""
    bias = norm in BIASED
    second = nn.Conv2d(width, 2 * width, 1, bias=bias)
    last = nn.Conv2d(2 * width, 1, 1, bias=bias)
    return Sequence(
        [nn.Conv2d(channels, width, 1), nn.LeakyReLU(0.2), second, norm(2 * width), nn.LeakyReLU(0.2), last], "net"
    )


class ScaleShift(nn.Module):
    """Instance norm as Yijunmaverick's port writes it: `scale`, `shift`, and 1e-9 added to the variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.rand(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), unbiased=False, keepdim=True)
        return (x - mean) / (variance + 1e-9).sqrt() * self.scale[:, None, None] + self.shift[:, None, None]


class Transformer(nn.Module):
    """The port of the authors' generator: BGR pictures, layers by name."""

    def __init__(self, width: int = 4, blocks: int = 8) -> None:
        super().__init__()
        w, self.blocks = width, blocks
        table: list[tuple[str, nn.Module]] = [("conv01_1", nn.Conv2d(3, w, 7)), ("in01_1", ScaleShift(w))]
        for stage, size in ((2, 2 * w), (3, 4 * w)):
            table += [(f"conv0{stage}_1", nn.Conv2d(size // 2, size, 3, 2, 1))]
            table += [(f"conv0{stage}_2", nn.Conv2d(size, size, 3, 1, 1)), (f"in0{stage}_1", ScaleShift(size))]
        for block in range(4, 4 + blocks):
            for place in (1, 2):
                table += [(f"conv{block:02d}_{place}", nn.Conv2d(4 * w, 4 * w, 3))]
                table += [(f"in{block:02d}_{place}", ScaleShift(4 * w))]
        for stage, size in ((1, 2 * w), (2, w)):
            table += [(f"deconv0{stage}_1", nn.ConvTranspose2d(2 * size, size, 3, 2, 1, 1))]
            table += [(f"deconv0{stage}_2", nn.Conv2d(size, size, 3, 1, 1))]
            table += [(f"in{3 + blocks + stage:02d}_1", ScaleShift(size))]
        for name, layer in [*table, ("deconv03_1", nn.Conv2d(w, 3, 7))]:
            self.add_module(name, layer)

    def forward(self, x: Tensor) -> Tensor:
        def run(*names: str, pad: int = 0) -> Callable[[Tensor], Tensor]:
            def through(y: Tensor) -> Tensor:
                y = nn.functional.pad(y, (pad,) * 4, mode="reflect") if pad else y
                for name in names:
                    y = getattr(self, name)(y)
                return y

            return through

        relu = nn.functional.relu
        y = relu(run("conv01_1", "in01_1", pad=3)(x))
        y = relu(run("conv02_1", "conv02_2", "in02_1")(y))
        y = relu(run("conv03_1", "conv03_2", "in03_1")(y))
        for block in range(4, 4 + self.blocks):
            z = relu(run(f"conv{block:02d}_1", f"in{block:02d}_1", pad=1)(y))
            y = y + run(f"conv{block:02d}_2", f"in{block:02d}_2", pad=1)(z)
        y = relu(run("deconv01_1", "deconv01_2", f"in{4 + self.blocks:02d}_1")(y))
        y = relu(run("deconv02_1", "deconv02_2", f"in{5 + self.blocks:02d}_1")(y))
        return torch.tanh(run("deconv03_1", pad=3)(y))


class ConvPair(nn.Module):
    """A residual block of znxlwm's port."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.conv1_norm, self.conv2_norm = nn.InstanceNorm2d(width), nn.InstanceNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2_norm(self.conv2(nn.functional.relu(self.conv1_norm(self.conv1(x)))))
        return y


class PortGenerator(nn.Module):
    """znxlwm's generator: zeros beyond the border, norms without weights."""

    def __init__(self, width: int = 4, blocks: int = 8) -> None:
        super().__init__()
        w = width

        def normed(layer: nn.Module, outputs: int) -> list[nn.Module]:
            return [layer, nn.InstanceNorm2d(outputs), nn.ReLU()]

        def twice(resize: nn.Module, outputs: int) -> list[nn.Module]:
            return [resize, *normed(nn.Conv2d(outputs, outputs, 3, 1, 1), outputs)]

        self.down_convs = nn.Sequential(
            *normed(nn.Conv2d(3, w, 7, 1, 3), w),
            *twice(nn.Conv2d(w, 2 * w, 3, 2, 1), 2 * w),
            *twice(nn.Conv2d(2 * w, 4 * w, 3, 2, 1), 4 * w),
        )
        self.resnet_blocks = nn.Sequential(*(ConvPair(4 * w) for _ in range(blocks)))
        self.up_convs = nn.Sequential(
            *twice(nn.ConvTranspose2d(4 * w, 2 * w, 3, 2, 1, 1), 2 * w),
            *twice(nn.ConvTranspose2d(2 * w, w, 3, 2, 1, 1), w),
            nn.Conv2d(w, 3, 7, 1, 3),
            nn.Tanh(),
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.up_convs(self.resnet_blocks(self.down_convs(x)))
        return y


def port_discriminator(width: int = 4) -> nn.Module:
    """znxlwm's discriminator without the sigmoid at its end."""
    w = width

    def down(inputs: int, strided: int, outputs: int) -> list[nn.Module]:
        first = [nn.Conv2d(inputs, strided, 3, 2, 1), nn.LeakyReLU(0.2)]
        return [*first, nn.Conv2d(strided, outputs, 3, 1, 1), nn.InstanceNorm2d(outputs), nn.LeakyReLU(0.2)]

    return Sequence(
        [
            nn.Conv2d(3, w, 3, 1, 1), nn.LeakyReLU(0.2),
            *down(w, 2 * w, 4 * w), *down(4 * w, 4 * w, 8 * w),
            nn.Conv2d(8 * w, 8 * w, 3, 1, 1), nn.InstanceNorm2d(8 * w), nn.LeakyReLU(0.2),
            nn.Conv2d(8 * w, 1, 3, 1, 1),
        ],
        "convs",
    )  # fmt: skip


def shaken(network: nn.Module, seed: int = 0) -> nn.Module:
    """All parameters and statistics random, so that each one matters, and no activation saturates."""
    draw = torch.Generator().manual_seed(seed)
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            value.fill_(7)
        elif value.ndim > 1:
            value.copy_(torch.randn(value.shape, generator=draw) * 1.2 / value[0].numel() ** 0.5)
        elif name.endswith("running_var"):
            value.copy_(torch.rand(value.shape, generator=draw) + 0.5)
        else:
            value.copy_(torch.randn(value.shape, generator=draw) * 0.3 + name.endswith((".scale", "norm.weight")))
    return network
