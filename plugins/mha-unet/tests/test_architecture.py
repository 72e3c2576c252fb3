"""The networks layer by layer: against hand-written tables, parameter counts, and plain re-implementations."""

from __future__ import annotations

import pytest
import torch
from toonforge_mha_unet import PatchGAN, Unet
from torch import nn

Row = tuple[object, ...]
# A row: "conv"/"up", inputs, outputs, kernel, padding, what is beyond the border, bias (all strides are 2); the rest
# by name.


def down(inputs: int, outputs: int) -> list[Row]:
    return [("conv", inputs, outputs, 4, 1, "reflect", False), ("batch", outputs), ("lrelu", 0.2)]


def up(inputs: int, outputs: int, drop: bool = False) -> list[Row]:
    rows: list[Row] = [("up", inputs, outputs, 4, 1, "zeros", False), ("batch", outputs), ("lrelu", 0.2)]
    return [*rows, ("dropout", 0.5)] if drop else rows


ENCODER: list[Row] = [
    *down(3, 64), *down(64, 128), *down(128, 256), *down(256, 512), *down(512, 512), *down(512, 512), *down(512, 512),
    ("conv", 512, 512, 5, 2, "zeros", True), ("lrelu", 0.2),
]  # fmt: skip
DECODER: list[Row] = [
    *up(512, 512, True), *up(1024, 512, True), *up(1024, 512, True), *up(1024, 512),
    *up(1024, 256), *up(512, 128), *up(256, 64),
    ("up", 128, 3, 4, 1, "zeros", True),
]  # fmt: skip
ATTENTION = 1_050_624


def table(network: nn.Module) -> list[Row]:
    rows: list[Row] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            name = "conv" if isinstance(module, nn.Conv2d) else "up"
            kernel, padding = module.kernel_size[0], module.padding[0]
            assert (module.kernel_size, module.padding) == ((kernel, kernel), (padding, padding))
            assert module.stride == (2, 2) and module.output_padding == (0, 0)
            rows.append(
                (
                    name, module.in_channels, module.out_channels, kernel, padding, module.padding_mode,
                    module.bias is not None,
                )
            )  # fmt: skip
        elif isinstance(module, nn.BatchNorm2d):
            assert module.affine and module.track_running_stats
            rows.append(("batch", module.num_features))
        elif isinstance(module, nn.LeakyReLU):
            rows.append(("lrelu", module.negative_slope))
        elif isinstance(module, nn.Dropout):
            rows.append(("dropout", module.p))
        else:
            containers = (nn.ModuleList, nn.Sequential, nn.Identity)
            assert module is network or isinstance(module, containers), f"{module} is in no table"
    return rows


def parameters_of(rows: list[Row]) -> int:
    """By hand: kernel^2 x inputs x outputs and a bias; a scale and a shift for each normalised channel."""
    count = 0
    for name, *values in rows:
        if name in ("conv", "up"):
            inputs, outputs, kernel, _, _, bias = values
            count += kernel**2 * inputs * outputs + bias * outputs  # type: ignore[operator]
        elif name == "batch":
            count += 2 * values[0]  # type: ignore[operator]
    return count


def number_of_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_network_without_attention_is_the_table() -> None:
    assert table(Unet(heads=0).build()) == ENCODER + DECODER


def test_attention_stands_between_encoder_and_decoder() -> None:
    network = Unet().build()
    assert table(network.encoder) == ENCODER
    assert table(network.decoder) == DECODER
    attention = network.attention.attention
    assert isinstance(attention, nn.MultiheadAttention)
    assert (attention.embed_dim, attention.num_heads, attention.dropout) == (512, 8, 0.0)
    order: list[str] = []
    for name in ("encoder", "decoder"):
        getattr(network, name)[-1 if name == "encoder" else 0].register_forward_hook(lambda *_, n=name: order.append(n))
    network.attention.register_forward_hook(lambda *_: order.append("attention"))
    network.eval()(torch.zeros(1, 3, 512, 512))
    assert order == ["encoder", "attention", "decoder"]


def test_parameters_are_those_of_the_table() -> None:
    plain = parameters_of(ENCODER + DECODER)
    assert (parameters_of(ENCODER), parameters_of(DECODER), plain) == (21_897_600, 34_876_291, 56_773_891)
    assert number_of_parameters(Unet(heads=0).build()) == plain
    network = Unet().build()
    # Four 512x512 maps (query, key, value, output), each with a bias; what the authors' nn.MultiheadAttention holds.
    assert number_of_parameters(network.attention) == ATTENTION == 4 * (512 * 512 + 512)
    assert number_of_parameters(nn.MultiheadAttention(512, 8)) == ATTENTION
    assert number_of_parameters(network) == plain + ATTENTION == 57_824_515


def test_512_pixels_are_2x2_tokens() -> None:
    network = Unet(width=2, heads=4).build().eval()
    seen: list[torch.Size] = []
    network.attention.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    network(torch.zeros(1, 3, 512, 512))
    assert seen == [torch.Size([1, 16, 2, 2])]


def test_the_discriminator_is_pix2pixs_on_six_channels() -> None:
    expected = [(6, 64, 2, True), (64, 128, 2, False), (128, 256, 2, False), (256, 512, 1, False), (512, 1, 1, True)]
    network = PatchGAN().fit((6, 512, 512)).build()
    layers = list(network.layers)
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    assert all(conv.kernel_size == (4, 4) and conv.padding == (1, 1) for conv in convolutions)
    assert [(c.in_channels, c.out_channels, c.stride[0], c.bias is not None) for c in convolutions] == expected
    assert [layer.num_features for layer in layers if isinstance(layer, nn.BatchNorm2d)] == [128, 256, 512]
    assert layers[-1] is convolutions[-1]  # no norm and no sigmoid after it
    assert number_of_parameters(network) == 2_768_705


class Plain(nn.Module):
    """The generator once more, written down layer by layer from the slides and the authors' code."""

    def __init__(self, w: int, heads: int) -> None:
        super().__init__()

        def e(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 4, 2, bias=False), nn.BatchNorm2d(outputs),
                nn.LeakyReLU(0.2),
            )  # fmt: skip

        def d(inputs: int, outputs: int) -> nn.Sequential:
            return nn.Sequential(
                nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)
            )

        self.e1, self.e2, self.e3, self.e4 = e(3, w), e(w, 2 * w), e(2 * w, 4 * w), e(4 * w, 8 * w)
        self.e5, self.e6, self.e7 = e(8 * w, 8 * w), e(8 * w, 8 * w), e(8 * w, 8 * w)
        self.e8 = nn.Sequential(nn.ZeroPad2d(2), nn.Conv2d(8 * w, 8 * w, 5, 2), nn.LeakyReLU(0.2))
        self.d1, self.d2, self.d3, self.d4 = d(8 * w, 8 * w), d(16 * w, 8 * w), d(16 * w, 8 * w), d(16 * w, 8 * w)
        self.d5, self.d6, self.d7 = d(16 * w, 4 * w), d(8 * w, 2 * w), d(4 * w, w)
        self.d8 = nn.Sequential(nn.ConvTranspose2d(2 * w, 3, 4, 2, 1), nn.Tanh())
        self.mha = nn.MultiheadAttention(8 * w, heads)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        e1 = self.e1(x)
        e2 = self.e2(e1)
        e3 = self.e3(e2)
        e4 = self.e4(e3)
        e5 = self.e5(e4)
        e6 = self.e6(e5)
        e7 = self.e7(e6)
        e8 = self.e8(e7)
        b, c, h, w = e8.shape
        tokens = e8.view(b, c, h * w).permute(2, 0, 1)
        e8 = self.mha(tokens, tokens, tokens, need_weights=False)[0].permute(1, 2, 0).reshape(b, c, h, w)
        d1 = self.d1(e8)
        d2 = self.d2(torch.cat([e7, d1], 1))
        d3 = self.d3(torch.cat([e6, d2], 1))
        d4 = self.d4(torch.cat([e5, d3], 1))
        d5 = self.d5(torch.cat([e4, d4], 1))
        d6 = self.d6(torch.cat([e3, d5], 1))
        d7 = self.d7(torch.cat([e2, d6], 1))
        out: torch.Tensor = self.d8(torch.cat([e1, d7], 1))
        return out


def randomised(network: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return network


@pytest.mark.parametrize("training", [True, False])
def test_the_network_equals_a_plain_one_bit_for_bit(training: bool) -> None:
    torch.manual_seed(0)
    ours, plain = randomised(Unet(width=3, heads=8, dropout=0).build()), Plain(3, 8)
    assert list(dict(ours.named_children())) == ["encoder", "decoder", "attention"]
    with torch.no_grad():
        for source, target in zip(ours.parameters(), plain.parameters(), strict=True):
            target.copy_(source)
    x = torch.rand(2, 3, 512, 512) * 2 - 1
    assert torch.equal(ours.train(training)(x), plain.train(training)(x))
    if training:  # statistics of the norms too
        buffers = zip(ours.buffers(), plain.buffers(), strict=True)
        assert all(torch.equal(one, other) for one, other in buffers)


def test_initial_weights() -> None:
    torch.manual_seed(0)
    network = Unet(levels=5).build()
    for module in [*network.encoder.modules(), *network.decoder.modules()]:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
    attention = network.attention.attention
    # torch's own: Glorot's uniform numbers for query, key and value, and a linear layer's for the output.
    assert attention.in_proj_weight.abs().max().item() == pytest.approx((6 / (512 + 3 * 512)) ** 0.5, rel=0.01)
    assert attention.out_proj.weight.abs().max().item() == pytest.approx(512**-0.5, rel=0.01)
