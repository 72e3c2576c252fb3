"""The networks against the authors', written anew as plain torch layers: counts, numbers, and what a logit sees."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_singlegan import MultiScale, Resnet
from toonforge_singlegan.layers import CentralBias
from torch import Tensor, nn
from torch.nn import functional as F

from toonforge.errors import FieldError, ShapeError

# -- the authors' networks, after what models/model.py, models/cbin.py and models/cbbn.py say; spectral norm left out


class Biased(nn.Module):
    """Instance norm, or batch norm less each picture's mean; then (x + tanh(linear(code))) * weight + bias."""

    def __init__(self, channels: int, domains: int, batch: bool) -> None:
        super().__init__()
        self.batch = nn.BatchNorm2d(channels, affine=False) if batch else None
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.linear = nn.Linear(domains, channels)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        n, c = x.shape[:2]
        shift = torch.tanh(self.linear(code)).view(n, c, 1, 1)
        if self.batch is None:
            normed = F.instance_norm(x)
        else:
            normed = self.batch(x)
            normed = normed - F.adaptive_avg_pool2d(normed, 1)
        return (normed + shift) * self.weight.view(1, c, 1, 1) + self.bias.view(1, c, 1, 1)


def padded(inputs: int, outputs: int, kernel: int, stride: int, padding: int, bias: bool = False) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(padding), nn.Conv2d(inputs, outputs, kernel, stride, bias=bias))


class Residual(nn.Module):
    def __init__(self, width: int, domains: int, batch: bool) -> None:
        super().__init__()
        self.c1, self.n1 = padded(width, width, 3, 1, 1), Biased(width, domains, batch)
        self.c2, self.n2 = padded(width, width, 3, 1, 1), Biased(width, domains, batch)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        return x + self.n2(self.c2(torch.relu(self.n1(self.c1(x), code))), code)


class Generator(nn.Module):
    """Pictures (N,3,H,W) and codes (N,domains) to pictures (N,3,H,W)."""

    def __init__(self, width: int = 64, domains: int = 2, blocks: int = 6, batch: bool = False) -> None:
        super().__init__()
        w, norm = width, nn.BatchNorm2d if batch else nn.InstanceNorm2d
        self.c1, self.n1 = padded(3, w, 7, 1, 3), Biased(w, domains, batch)
        self.c2, self.n2 = padded(w, 2 * w, 4, 2, 1), Biased(2 * w, domains, batch)
        self.c3, self.n3 = padded(2 * w, 4 * w, 4, 2, 1), Biased(4 * w, domains, batch)
        self.blocks = nn.ModuleList(Residual(4 * w, domains, batch) for _ in range(blocks))
        self.u1, self.m1 = nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1, bias=False), norm(2 * w)
        self.u2, self.m2 = nn.ConvTranspose2d(2 * w, w, 4, 2, 1, bias=False), norm(w)
        self.last = padded(w, 3, 7, 1, 3)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        for conv, norm in ((self.c1, self.n1), (self.c2, self.n2), (self.c3, self.n3)):
            x = torch.relu(norm(conv(x), code))
        for block in self.blocks:
            x = block(x, code)
        for up, norm in ((self.u1, self.m1), (self.u2, self.m2)):
            x = torch.relu(norm(up(x)))
        return torch.tanh(self.last(x))


def net(width: int) -> nn.Sequential:
    """One scale of the discriminator."""
    return nn.Sequential(
        padded(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
        padded(width, 2 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        padded(2 * width, 4 * width, 4, 2, 1), nn.LeakyReLU(0.2),
        padded(4 * width, 1, 4, 1, 1, bias=True),
    )  # fmt: skip


class Discriminator(nn.Module):
    """Pictures (N,3,H,W) to the logits of both scales."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.first, self.second = net(width), net(width // 2)
        self.down = nn.AvgPool2d(3, stride=2, padding=[1, 1], count_include_pad=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        return [self.first(x), self.second(self.down(x))]


# -- ours against them -------------------------------------------------------------------------------------------------


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def layers(network: nn.Module) -> list[nn.Module]:
    """Every module that holds parameters itself, in the order declared: that of the computation, ours and theirs."""
    return [module for module in network.modules() if next(module.parameters(recurse=False), None) is not None]


@torch.no_grad()
def randomised(theirs: nn.Module, ours: nn.Module) -> None:
    """Both with the same random weights."""
    for plain, own in zip(layers(theirs), layers(ours), strict=True):
        for one, other in zip(plain.parameters(recurse=False), own.parameters(recurse=False), strict=True):
            assert one.shape == other.shape
            one.copy_(other.copy_(torch.randn_like(other) * 0.3))


def codes(domain: int, pictures: int, domains: int) -> Tensor:
    return F.one_hot(torch.full((pictures,), domain), domains).float()


def conv(inputs: int, outputs: int, kernel: int) -> int:
    return inputs * outputs * kernel**2


def biased(channels: int, domains: int) -> int:
    return 2 * channels + (domains + 1) * channels


@pytest.mark.parametrize(
    ("domains", "norm", "parameters"),
    [(2, "instance", 8_425_024), (4, "instance", 8_432_064), (2, "batch", 8_425_408)],
)
def test_the_generator_has_as_many_parameters_as_the_authors(domains: int, norm: str, parameters: int) -> None:
    worked_out = (
        conv(3, 64, 7) + conv(64, 128, 4) + conv(128, 256, 4) + 12 * conv(256, 256, 3)
        + conv(256, 128, 4) + conv(128, 64, 4) + conv(64, 3, 7)
        + biased(64, domains) + biased(128, domains) + 13 * biased(256, domains)
        + (2 * 128 + 2 * 64 if norm == "batch" else 0)
    )  # fmt: skip
    assert parameters == worked_out == count(Generator(domains=domains, batch=norm == "batch"))
    assert count(Resnet(domains=domains, norm=norm).build()) == parameters


def test_the_discriminator_has_as_many_parameters_as_the_authors() -> None:
    first = conv(3, 64, 4) + conv(64, 128, 4) + conv(128, 256, 4) + conv(256, 1, 4) + 1
    second = conv(3, 32, 4) + conv(32, 64, 4) + conv(64, 128, 4) + conv(128, 1, 4) + 1
    assert first + second == 829_954 == count(Discriminator())
    assert count(MultiScale().build()) == 829_954


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("domains", [2, 3])
def test_the_generator_yields_what_the_authors_yields(domains: int, norm: str) -> None:
    """In training first, and then in use: batch norm has statistics by then, and the pictures are others."""
    torch.manual_seed(0)
    ours = Resnet(width=6, domains=domains, blocks=2, norm=norm, spectral_norm=False).build()
    theirs = Generator(6, domains, 2, norm == "batch")
    randomised(theirs, ours)
    for training in (True, False):
        x = torch.rand(2, 3, 32, 40) * (2 - training) - 1
        made = [ours.train(training)(x, domain) for domain in range(domains)]
        for domain, picture in enumerate(made):
            yielded = theirs.train(training)(x, codes(domain, 2, domains))
            assert torch.allclose(picture, yielded, atol=1e-6)
            assert not any(torch.allclose(picture, other, atol=1e-2) for other in made[:domain])


@pytest.mark.parametrize("size", [(64, 64), (51, 70)])
def test_the_discriminator_yields_what_the_authors_yields_at_both_scales(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    ours, theirs = MultiScale(width=6, spectral_norm=False).build(), Discriminator(6)
    randomised(theirs, ours)
    x = torch.rand(2, 3, *size) * 2 - 1
    for scale, logits in enumerate(theirs(x)):
        assert torch.equal(ours(x, scale), logits)


@pytest.mark.parametrize(("layers", "scale", "pixels"), [(3, 0, 46), (2, 0, 22), (1, 0, 10), (3, 1, 93)])
def test_how_many_pixels_a_logit_sees(layers: int, scale: int, pixels: int) -> None:
    """At scale 1, 46 pixels of the halved picture, each the mean of 3x3 two apart."""
    network = MultiScale(width=2, layers=layers).build().eval()
    x = torch.rand(1, 3, 256, 256, requires_grad=True)
    y = network(x, scale)
    y[0, 0, y.shape[2] // 2, y.shape[3] // 2].backward()
    seen = x.grad.abs().sum((0, 1)) > 0
    assert int(seen.any(0).sum()) == int(seen.any(1).sum()) == pixels


@settings(max_examples=40)
@given(
    config=st.builds(
        Resnet, width=st.just(2), blocks=st.integers(0, 2), domains=st.integers(1, 3),
        norm=st.sampled_from(("instance", "batch", "group", "layer")),
        upsample=st.sampled_from(("transposed", "resize", "pixel-shuffle")),
        spectral_norm=st.booleans(), residual=st.booleans(),
    ),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    domain=st.integers(0, 2),
)  # fmt: skip
def test_the_generator_takes_any_size_and_the_domains_that_there_are(
    config: Resnet, height: int, width: int, domain: int
) -> None:
    shape = (3, height, width)
    if domain >= config.domains:
        with pytest.raises(ShapeError, match=f"0 to {config.domains - 1} with domains = {config.domains}"):
            config.shape(shape, domain)
        return
    network = config.fit(shape).build()
    x = torch.rand(2, *shape) * 2 - 1
    for training in (True, False):
        y = network.train(training)(x, domain)
        assert tuple(y.shape[1:]) == config.fit(shape).shape(shape, domain) == shape
        assert y.isfinite().all()
        assert y.abs().max() <= 1 or (training and config.residual)


@settings(max_examples=40)
@given(
    config=st.builds(MultiScale, width=st.just(2), layers=st.integers(1, 3), scales=st.integers(1, 3)),
    height=st.integers(1, 80),
    width=st.integers(1, 80),
    scale=st.integers(0, 2),
)
def test_the_discriminator_yields_the_promised_patches_or_refuses(
    config: MultiScale, height: int, width: int, scale: int
) -> None:
    try:
        promised = config.shape((3, height, width), scale)
    except ShapeError:
        if scale < config.scales:
            with pytest.raises(RuntimeError):
                config.build()(torch.rand(1, 3, height, width), scale)
        return
    assert scale < config.scales
    assert tuple(config.build()(torch.rand(1, 3, height, width), scale).shape[1:]) == promised


@pytest.mark.parametrize(
    ("arguments", "found"), [((), ""), ((2,), " and 2"), ((1.0,), " and 1.0"), ((0, 1), " and 0 and 1")]
)
def test_a_call_without_the_right_number_is_refused(arguments: tuple[float, ...], found: str) -> None:
    for config, said in ((Resnet(), "domains = 2"), (MultiScale(), "scales = 2")):
        with pytest.raises(ShapeError, match=f"0 to 1 with {said}, found a picture{found}$"):
            config.shape((3, 64, 64), *arguments)


def test_too_small_a_picture_is_refused_with_the_least_size() -> None:
    with pytest.raises(ShapeError, match="at least 16x16 at scale 0, found 15x64"):
        MultiScale().shape((3, 15, 64), 0)
    with pytest.raises(ShapeError, match="at least 31x31 at scale 1, found 30x64"):
        MultiScale().shape((3, 30, 64), 1)
    assert MultiScale().shape((3, 128, 128), 0) == (1, 15, 15)
    assert MultiScale().shape((3, 128, 128), 1) == (1, 7, 7)


@pytest.mark.parametrize("values", [{"domains": 0}, {"width": 0}, {"blocks": -1}])
def test_values_out_of_range_are_refused(values: dict[str, int]) -> None:
    with pytest.raises(FieldError):
        Resnet(**values)


def test_first_weights_are_xaviers_with_a_gain_of_the_root_of_two() -> None:
    torch.manual_seed(0)
    for network in (Resnet(spectral_norm=False).build(), MultiScale(spectral_norm=False).build()):
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                fan = sum(module.weight.shape[:2]) * module.weight[0, 0].numel()
                assert module.weight.std().item() == pytest.approx(math.sqrt(2 * 2 / fan), rel=0.15)
                assert module.bias is None or not module.bias.any()


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_gains_begin_evenly_between_0_and_1_and_biases_with_0(norm: str) -> None:
    """Those of the central biases; and of the upsampling stages, where these have any."""
    torch.manual_seed(0)
    network = Resnet(norm=norm).build()
    norms = [module for module in network.modules() if isinstance(module, CentralBias | nn.BatchNorm2d)]
    norms = [module for module in norms if module.weight is not None]
    assert len(norms) == (15 + 2 if norm == "batch" else 15)
    for module in norms:
        weight = module.weight.detach()
        assert 0 <= weight.min() < 0.1 and 0.9 < weight.max() <= 1
        assert weight.std().item() == pytest.approx(12**-0.5, rel=0.25)
        assert not module.bias.any()


def test_a_residual_generator_starts_as_the_identity_for_every_domain() -> None:
    network = Resnet(width=4, blocks=1, domains=3, residual=True).build()
    x = torch.rand(2, 3, 19, 23) * 2 - 1
    for training in (True, False):
        for domain in range(3):
            assert torch.equal(network.train(training)(x, domain), x)
    network.train()(x, 1).sum().backward()
    assert network.head.weight.grad is not None and network.head.weight.grad.abs().sum() > 0


def test_a_residual_generator_is_clamped_in_use_alone() -> None:
    """In training a pixel that has gone too far is still pulled back."""
    torch.manual_seed(0)
    network = Resnet(width=4, blocks=1, residual=True).build()
    nn.init.normal_(network.head.weight)
    x = (torch.rand(2, 3, 16, 16) * 2 - 1).requires_grad_()
    made = network.train()(x, 1)
    far = made.abs() > 1
    assert far.any()
    (gradient,) = torch.autograd.grad(made[far].abs().sum(), network.head.weight)
    assert gradient.any()
    assert torch.equal(network.eval()(x, 1), made.clamp(-1, 1))
