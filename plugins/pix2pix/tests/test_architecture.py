"""The networks layer by layer: hand-written tables, parameter counts, and a plain re-implementation."""

from __future__ import annotations

import pytest
import torch
from toonforge_pix2pix import PatchGAN, Unet
from torch import nn

Row = tuple[object, ...]


def table(network: nn.Module) -> list[Row]:
    """("conv"/"up", inputs, outputs, kernel, stride, padding, bias); norms, activations and dropout by name."""
    rows: list[Row] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            name = "conv" if isinstance(module, nn.Conv2d) else "up"
            (kernel,), (stride,), (padding,) = map(set, (module.kernel_size, module.stride, module.padding))  # type: ignore[arg-type]
            assert module.padding_mode == "zeros" and module.groups == 1 and set(module.output_padding) == {0}
            rows.append(
                (name, module.in_channels, module.out_channels, kernel, stride, padding, module.bias is not None)
            )
        elif isinstance(module, nn.BatchNorm2d):
            assert module.affine and module.eps == 1e-5
            rows.append(("batch", module.num_features))
        elif isinstance(module, nn.ReLU):
            rows.append(("relu",))
        elif isinstance(module, nn.LeakyReLU):
            rows.append(("lrelu", module.negative_slope))
        elif isinstance(module, nn.Dropout):
            rows.append(("dropout", module.p))
        else:
            assert not list(module.parameters(recurse=False)), f"{module} has weights of its own"
    return rows


def down(inputs: int, outputs: int) -> list[Row]:
    return [("lrelu", 0.2), ("conv", inputs, outputs, 4, 2, 1, False), ("batch", outputs)]


def up(inputs: int, outputs: int, *drop: Row) -> list[Row]:
    return [("relu",), ("up", inputs, outputs, 4, 2, 1, False), ("batch", outputs), *drop]


def test_the_generator_is_the_papers_unet_256() -> None:
    drop = ("dropout", 0.5)
    assert table(Unet().build()) == [
        ("conv", 3, 64, 4, 2, 1, False),
        *down(64, 128), *down(128, 256), *down(256, 512), *down(512, 512), *down(512, 512), *down(512, 512),
        ("lrelu", 0.2), ("conv", 512, 512, 4, 2, 1, False),
        *up(512, 512), *up(1024, 512, drop), *up(1024, 512, drop), *up(1024, 512, drop),
        *up(1024, 256), *up(512, 128), *up(256, 64),
        ("relu",), ("up", 128, 3, 4, 2, 1, True),
    ]  # fmt: skip


def test_the_discriminator_is_the_conditional_70_pixel_patchgan() -> None:
    assert table(PatchGAN().fit((6, 256, 256)).build()) == [
        ("conv", 6, 64, 4, 2, 1, True), ("lrelu", 0.2),
        ("conv", 64, 128, 4, 2, 1, False), ("batch", 128), ("lrelu", 0.2),
        ("conv", 128, 256, 4, 2, 1, False), ("batch", 256), ("lrelu", 0.2),
        ("conv", 256, 512, 4, 1, 1, False), ("batch", 512), ("lrelu", 0.2),
        ("conv", 512, 1, 4, 1, 1, True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "parameters"), [(Unet(), 54_413_955), (PatchGAN(in_channels=6), 2_768_705), (PatchGAN(), 2_765_633)]
)
def test_parameter_counts_are_the_authors(config: Unet | PatchGAN, parameters: int) -> None:
    assert sum(p.numel() for p in config.build().parameters()) == parameters


def test_the_shapes_of_256_pixels() -> None:
    assert Unet().shape((3, 256, 256)) == (3, 256, 256)
    assert PatchGAN(in_channels=6).shape((6, 256, 256)) == (1, 30, 30)


class Stage(nn.Module):
    """One level of the U-Net as the authors nest it: down, what lies inside, up, beside the level's own input."""

    def __init__(self, down: nn.Module, inside: nn.Module | None, up: nn.Module, outermost: bool = False) -> None:
        super().__init__()
        self.down, self.inside, self.up, self.outermost = down, inside, up, outermost

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.down(x)
        if self.inside is not None:
            y = self.inside(y)
        y = self.up(y)
        return torch.tanh(y) if self.outermost else torch.cat([x, y], 1)

    def order(self) -> list[nn.Module]:
        """The way down, then the way up: the order of `toonforge.nn.unet`."""
        inside = self.inside.order() if isinstance(self.inside, Stage) else []
        return [self.down, *inside, self.up]


def plain_unet(w: int, dropout: float = 0.5) -> Stage:
    """pix2pix' unet_256, each level spelled out, with stock layers only."""

    def level(outer: int, inner: int, inside: Stage | None, drop: bool = False) -> Stage:
        down: list[nn.Module] = [nn.LeakyReLU(0.2), nn.Conv2d(outer, inner, 4, 2, 1, bias=False)]
        if inside is not None:
            down.append(nn.BatchNorm2d(inner))
        grown = inner if inside is None else 2 * inner
        up = [nn.ReLU(), nn.ConvTranspose2d(grown, outer, 4, 2, 1, bias=False), nn.BatchNorm2d(outer)]
        return Stage(nn.Sequential(*down), inside, nn.Sequential(*up, *([nn.Dropout(dropout)] if drop else [])))

    net = level(8 * w, 8 * w, None)
    for _ in range(3):
        net = level(8 * w, 8 * w, net, drop=True)
    net = level(w, 2 * w, level(2 * w, 4 * w, level(4 * w, 8 * w, net)))
    last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * w, 3, 4, 2, 1))
    return Stage(nn.Conv2d(3, w, 4, 2, 1, bias=False), net, last, outermost=True)


def pair(dropout: float = 0.5, width: int = 3) -> tuple[nn.Module, nn.Module]:
    """Our generator and the plain one, with the same random weights."""
    torch.manual_seed(0)
    ours, plain = Unet(width=width, dropout=dropout).build(), plain_unet(width, dropout)
    theirs = [parameter for stage in plain.order() for parameter in stage.parameters()]
    with torch.no_grad():
        for mine, other in zip(ours.parameters(), theirs, strict=True):
            mine.copy_(torch.randn_like(mine) * 0.1)
            other.copy_(mine)
    return ours, plain


def test_the_generator_equals_a_plain_one_bit_for_bit_in_training_with_its_dropout() -> None:
    ours, plain = pair()
    x = torch.rand(2, 3, 256, 256) * 2 - 1
    outputs = []
    for network in (ours, plain):
        torch.manual_seed(1)
        outputs.append(network.train()(x))
    assert torch.equal(*outputs)
    assert not torch.equal(outputs[0], ours(x)), "dropout draws anew"


def test_in_evaluation_each_picture_gets_what_the_original_gives_it_alone() -> None:
    """The original tests one picture at a time, batch norm in training mode; without dropout, to compare."""
    ours, plain = pair(dropout=0.0)
    ours.train()(torch.rand(4, 3, 256, 256) * 3)  # running statistics that would show, were they used
    x = torch.rand(3, 3, 256, 256) * 2 - 1
    ours.eval()
    plain.train()
    with torch.no_grad():
        for picture in x.split(1):
            assert torch.allclose(ours(picture), plain(picture), atol=1e-6)
        together = ours(x)
        assert torch.allclose(together, torch.cat([plain(picture) for picture in x.split(1)]), atol=1e-5)


def test_in_evaluation_dropout_is_off() -> None:
    ours, _ = pair()
    x = torch.rand(1, 3, 256, 256) * 2 - 1
    assert torch.equal(ours.eval()(x), ours(x))


def test_a_logit_sees_70_pixels() -> None:
    network = PatchGAN(width=2, norm="none", in_channels=6).build()
    x = torch.rand(1, 6, 128, 128, requires_grad=True)
    y = network(x)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.abs().sum((0, 1)) > 0  # type: ignore[union-attr]
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == 70
