"""The networks against plain ones built by hand from the authors' code: layers, parameters, first weights, outputs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_unit import Decoder, Encoder, MultiScale
from toonforge_unit.networks import PictureNorm
from torch import nn
from torch.nn import functional as F

from toonforge.errors import FieldError, ShapeError


class Around(nn.Module):
    """x + layers(x)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.layers(x)


class AllTogether(nn.Module):
    """The code's layer norm, picture by picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        each = [(picture - picture.mean()) / (picture.std() + 1e-5) for picture in x]
        return torch.stack([y * self.gamma[:, None, None] + self.beta[:, None, None] for y in each])


def block(w: int) -> nn.Module:
    return Around(
        nn.ReflectionPad2d(1), nn.Conv2d(w, w, 3), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.ReflectionPad2d(1), nn.Conv2d(w, w, 3), nn.InstanceNorm2d(w),
    )  # fmt: skip


def encoder(w: int) -> nn.Module:
    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, w, 7), nn.InstanceNorm2d(w), nn.ReLU(),
        nn.ReflectionPad2d(1), nn.Conv2d(w, 2 * w, 4, 2), nn.InstanceNorm2d(2 * w), nn.ReLU(),
        nn.ReflectionPad2d(1), nn.Conv2d(2 * w, 4 * w, 4, 2), nn.InstanceNorm2d(4 * w), nn.ReLU(),
        *(block(4 * w) for _ in range(4)),
    )  # fmt: skip


def decoder(w: int) -> nn.Module:
    return nn.Sequential(
        *(block(4 * w) for _ in range(4)),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.ReflectionPad2d(2), nn.Conv2d(4 * w, 2 * w, 5), AllTogether(2 * w), nn.ReLU(),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.ReflectionPad2d(2), nn.Conv2d(2 * w, w, 5), AllTogether(w), nn.ReLU(),
        nn.ReflectionPad2d(3), nn.Conv2d(w, 3, 7), nn.Tanh(),
    )  # fmt: skip


def judge(w: int) -> nn.Sequential:
    stages: list[nn.Module] = []
    for inputs, outputs in ((3, w), (w, 2 * w), (2 * w, 4 * w), (4 * w, 8 * w)):
        stages += [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 4, 2), nn.LeakyReLU(0.2)]
    return nn.Sequential(*stages, nn.Conv2d(8 * w, 1, 1))


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@torch.no_grad()
def randomised(network: nn.Module, other: nn.Module) -> None:
    """Both get the same random weights, in the order of their layers."""
    for ours, theirs in zip(network.parameters(), other.parameters(), strict=True):
        assert ours.shape == theirs.shape
        theirs.copy_(ours.copy_(torch.randn_like(ours) * 0.1))


def test_parameters_are_the_originals() -> None:
    """Worked out by the plain networks at the original's width; the original's VAEGen is an encoder and a decoder."""
    found = [parameters(config.build()) for config in (Encoder(), Decoder(), MultiScale())]
    with torch.device("meta"):
        assert found == [parameters(encoder(64)), parameters(decoder(64)), 3 * parameters(judge(64))]
    assert found == [5_385_856, 5_754_627, 8_271_171]


@pytest.mark.parametrize("training", [True, False])
def test_the_encoder_equals_a_plain_one(training: bool) -> None:
    torch.manual_seed(0)
    ours, plain = Encoder(width=4).build().train(training).double(), encoder(4).double()
    randomised(ours, plain)
    x = torch.rand(2, 3, 32, 40).double() * 2 - 1
    assert torch.equal(ours(x), plain(x))


@pytest.mark.parametrize("count", [1, 3])
def test_the_decoder_equals_a_plain_one(count: int) -> None:
    torch.manual_seed(0)
    ours, plain = Decoder(in_channels=16).build().double(), decoder(4).double()
    randomised(ours, plain)
    x = torch.randn(count, 16, 8, 9).double()
    assert torch.allclose(ours(x), plain(x), rtol=1e-12, atol=1e-13)


def test_each_scale_equals_a_plain_judge_of_the_halved_picture() -> None:
    torch.manual_seed(0)
    ours = MultiScale(width=4).build().double()
    x = torch.rand(2, 3, 65, 70).double() * 2 - 1
    seen = x
    for scale in range(3):
        plain = judge(4).double()
        randomised(ours.scales[scale], plain)
        assert torch.equal(ours(x, scale), plain(seen))
        # The mean of the 3x3 pixels that there are, every second place.
        ones = F.conv2d(torch.ones_like(seen[:, :1]), torch.ones(1, 1, 3, 3).double(), stride=2, padding=1)
        sums = F.conv2d(seen.flatten(0, 1)[:, None], torch.ones(1, 1, 3, 3).double(), stride=2, padding=1)
        seen = sums.view(2, 3, *sums.shape[-2:]) / ones


def test_the_layer_norm_is_of_all_numbers_of_a_picture() -> None:
    x = torch.randn(4, 6, 5, 7, dtype=torch.float64) * 3 + 2
    y = PictureNorm(6).double()
    with torch.no_grad():
        y.weight.fill_(1)
    flat = y(x).flatten(1)
    assert torch.allclose(flat.mean(1), torch.zeros(4).double(), atol=1e-12)
    assert torch.allclose(flat.std(1), torch.ones(4).double(), atol=1e-4)


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def test_first_weights_are_kaimings_in_encoders_and_decoders() -> None:
    """N(0, 2 / inputs), as for ReLU; layer norms' weights even in [0, 1]."""
    torch.manual_seed(0)
    for config in (Encoder(), Decoder()):
        network = config.build()
        scaled = []
        for conv in convolutions(network):
            inputs = conv.in_channels * conv.kernel_size[0] ** 2
            scaled.append(conv.weight.flatten() * (inputs / 2) ** 0.5)
            assert scaled[-1].std().item() == pytest.approx(1, rel=0.05)
            assert not conv.bias.any()
        # Of millions together: for a leaky ReLU of slope 0.2 they would be a fiftieth smaller.
        assert torch.cat(scaled).std().item() == pytest.approx(1, rel=0.005)
    norms = [module for module in network.modules() if isinstance(module, PictureNorm)]
    for norm in norms:
        assert 0 <= norm.weight.min() < 0.1 and 0.9 < norm.weight.max() <= 1 and not norm.bias.any()
    assert len(norms) == 2


def test_first_weights_are_normal_in_discriminators() -> None:
    torch.manual_seed(0)
    for conv in convolutions(MultiScale().build()):
        assert conv.weight.std().item() == pytest.approx(0.02, rel=0.15)
        assert not conv.bias.any()


@pytest.mark.parametrize(("layers", "pixels"), [(1, 4), (2, 10), (3, 22), (4, 46)])
def test_how_many_pixels_a_logit_sees(layers: int, pixels: int) -> None:
    network = MultiScale(width=2, layers=layers, scales=1).build().double()
    x = torch.rand(1, 3, 160, 160, dtype=torch.float64, requires_grad=True)
    y = network(x, 0)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == pixels


@settings(max_examples=40)
@given(
    down=st.integers(1, 3), blocks=st.integers(0, 1), height=st.integers(1, 40), width=st.integers(1, 40),
    padding=st.sampled_from(("reflect", "replicate", "zero")),
)  # fmt: skip
def test_a_picture_of_any_size_is_encoded_and_decoded(
    down: int, blocks: int, height: int, width: int, padding: str
) -> None:
    """To the next multiple: what `crop` then takes the middle of."""
    shape = (3, height, width)
    encode = Encoder(width=2, downsamples=down, blocks=blocks, padding=padding).fit(shape)
    code = encode.shape(shape)
    decode = Decoder(upsamples=down, blocks=blocks, padding=padding).fit(code)
    picture = decode.shape(code)
    latent = encode.build()(torch.rand(1, *shape))
    made = decode.build()(latent)
    assert (tuple(latent.shape[1:]), tuple(made.shape[1:])) == (code, picture)
    assert picture[1] >= height and picture[2] >= width
    assert max(picture[1] - height, picture[2] - width) < 2 ** (down + 1)


@settings(max_examples=60)
@given(
    layers=st.integers(1, 5), scales=st.integers(1, 4), scale=st.integers(0, 3), height=st.integers(1, 80),
    width=st.integers(1, 80),
)  # fmt: skip
def test_the_discriminator_yields_the_promised_patches_or_refuses(
    layers: int, scales: int, scale: int, height: int, width: int
) -> None:
    config = MultiScale(layers=layers, scales=scales, width=2).fit((3, height, width))
    picture = torch.rand(1, 3, height, width)
    try:
        promised = config.shape((3, height, width), scale)
    except ShapeError:
        with pytest.raises((RuntimeError, IndexError)):
            config.build()(picture, scale)
        return
    assert tuple(config.build()(picture, scale).shape[1:]) == promised


def test_a_discriminator_asks_for_its_scale() -> None:
    for wrong in ((), (3,), (-1,), (1.0,), (0, 1)):
        with pytest.raises(ShapeError, match="takes a picture and a whole number, 0 to 2 with scales = 3, found a pic"):
            MultiScale().shape((3, 64, 64), *wrong)
    assert MultiScale().shape((3, 256, 256), 2) == (1, 4, 4)
    with pytest.raises(ShapeError, match="at least 61x61 for scale 2, found 60x64"):
        MultiScale().shape((3, 60, 64), 2)


def test_codes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="halves the code's channels 2 times, found 3"):
        Decoder().shape((3, 8, 8))
    with pytest.raises(ShapeError, match="at least 2x2"):
        Decoder().shape((16, 1, 8))
    with pytest.raises(ShapeError, match="made for 3 channels"):
        Encoder(in_channels=3).shape((4, 8, 8))
    with pytest.raises(FieldError):
        Encoder(downsamples=0)
