"""Pictures computed by rows: the result of the whole picture, for every generator, size and strip."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toonforge_animegan import InvertedResnet
from toonforge_cartoongan import Resnet as CartoonResnet
from toonforge_cyclegan import DoubleUnet, Resnet, Unet
from toonforge_mha_unet import Unet as AttentionUnet
from toonforge_pix2pix import Unet as Pix2PixUnet
from toonforge_toon2real import Resnet as Toon2RealResnet

from tests.tiled_networks import Parts, alive, apart, by_rows, drawn, picture, whole
from toonforge.components import NetworkComponent
from toonforge.use.tiled.network import steps_of
from toonforge.use.tiled.plan import make_plan
from toonforge.use.tiled.step import NotInParts
from toonforge.use.tiled.trace import state_of, traced

EQUAL = 1e-10
FEW = settings(max_examples=8, suppress_health_check=list(HealthCheck))
SMALL = {"width": 4, "blocks": 1}

NETWORKS: dict[str, NetworkComponent] = {
    "resnet": Resnet(**SMALL),
    "resnet-affine": Resnet(**SMALL, norm="instance-affine", upsample="resize"),
    "resnet-batch": Resnet(**SMALL, norm="batch", padding="zero"),
    "resnet-group": Resnet(**SMALL, norm="group", padding="replicate", upsample="pixel-shuffle"),
    "resnet-layer": Resnet(**SMALL, norm="layer", upsample="resize", interpolation="bilinear"),
    "resnet-residual": Resnet(**SMALL, norm="none", residual=True, dropout=0.5),
    "unet": Unet(levels=4, width=4),
    "unet-resize": Unet(levels=4, width=4, upsample="resize", padding="replicate", residual=True),
    "unet-shuffle": Unet(levels=3, width=4, upsample="pixel-shuffle", norm="group"),
    "double-unet": DoubleUnet(width=4),
    "double-unet-instance": DoubleUnet(width=4, levels=2, norm="instance", upsample="transposed"),
    "double-unet-shuffle": DoubleUnet(width=4, levels=2, upsample="pixel-shuffle", residual=False),
    "animegan": InvertedResnet(width=4, blocks=2),
    "cartoongan": CartoonResnet(**SMALL),
    "cartoongan-resize": CartoonResnet(**SMALL, upsample="resize", residual=True),
    "toon2real": Toon2RealResnet(**SMALL),
    "toon2real-as-printed": Toon2RealResnet(**SMALL, as_printed=True),
    "pix2pix-picture": Pix2PixUnet(levels=4, width=4),
    "pix2pix-running": Pix2PixUnet(levels=4, width=4, statistics="running"),
    "mha-unet": AttentionUnet(levels=3, width=4),
    "mha-unet-plain": AttentionUnet(levels=3, width=4, heads=0, norm="instance"),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_parts_are_the_whole_picture(name: str) -> None:
    network = drawn(NETWORKS[name])
    for height, width, rows in ((49, 61, 7), (8, 40, 64)):
        x = picture(height, width)
        expected = whole(network, x)
        parts = Parts(network, x)
        assert apart(parts(rows), expected) < EQUAL
        assert apart(parts(rows + 5, memory=0), expected) < EQUAL, "with nothing kept but what must be"


@FEW
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    rows=st.integers(1, 40),
    memory=st.integers(0, 400_000),
    name=st.sampled_from(sorted(NETWORKS)),
)
def test_any_size_in_any_strips(height: int, width: int, rows: int, memory: int, name: str) -> None:
    network, x = drawn(NETWORKS[name]), picture(height, width)
    try:
        expected = whole(network, x)
    except ValueError:  # a norm over a single pixel is undefined, whole or in parts
        with pytest.raises(NotInParts, match="more than 1"):
            by_rows(network, x, rows=rows)
        return
    assert apart(by_rows(network, x, rows=rows, memory=memory), expected) < EQUAL


@FEW
@given(st.data())
def test_layers_of_any_shape(data: st.DataObject) -> None:
    def pick(most: int, least: int = 1) -> int:
        return data.draw(st.integers(least, most))

    kernel, stride, dilation = pick(5), pick(3), pick(2)
    reach = dilation * (kernel - 1)
    mode = data.draw(st.sampled_from(["zeros", "reflect", "replicate"]))
    padding = pick(min(reach, 6), 0)
    down = torch.nn.Conv2d(4, 6, kernel, stride, padding, dilation, 2, padding_mode=mode)
    grown = pick(4)
    more = pick(max(grown, dilation) - 1, 0)
    up = torch.nn.ConvTranspose2d(6, 4, max(grown, pick(5)), grown, pick(3, 0), more, 2, dilation=dilation)
    network = alive(torch.nn.Sequential(down, torch.nn.GroupNorm(2, 6), up, torch.nn.PReLU(4)).double().eval())
    x = picture(pick(40, 13), pick(20, 13), channels=4)
    try:
        expected = whole(network, x)
    except RuntimeError:  # no output is left of so small a picture
        return
    assert apart(by_rows(network, x, rows=pick(9)), expected) < EQUAL


class Odd(torch.nn.Module):
    """What plugins may write: control flow by size, gates of global means, functions without modules, in place."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 8, 3, padding=1)
        self.gate, self.last = torch.nn.Linear(8, 8), torch.nn.Conv2d(8, 3, 1)
        self.register_buffer("table", torch.linspace(0, 1, 8).view(1, 8, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = x.shape[-2:]
        y = self.first(x)
        y += self.table
        mean, deviation = y.mean((2, 3), keepdim=True), y.std((2, 3), keepdim=True)
        y = (y - mean) / (deviation + 1e-3)
        for _ in range(2 if height > width else 1):
            y = y + torch.nn.functional.silu(self.second(y))
        y = y * torch.sigmoid(self.gate(torch.nn.functional.adaptive_avg_pool2d(y, 1).flatten(1)))[:, :, None, None]
        one, other = y.chunk(2, 1)
        y = torch.cat([one * other.clamp(min=0), torch.flip(one, (1,))], 1)
        down = torch.arange(height, dtype=x.dtype, device=x.device).view(1, 1, -1, 1) / height
        pooled = torch.nn.functional.interpolate(
            torch.nn.functional.avg_pool2d(y[..., :-1, 1:], 2), size=(height, width)
        )
        return torch.tanh(self.last(y + down) + self.last(pooled))


@pytest.mark.parametrize("size", [(40, 31), (31, 40), (16, 16)])
def test_networks_that_know_nothing_of_parts(size: tuple[int, int]) -> None:
    network, x = alive(Odd().double().eval()), picture(*size)
    parts = Parts(network, x)
    assert all(apart(parts(rows), whole(network, x)) < EQUAL for rows in (1, 5, 64))


class Multiple(torch.nn.Module):
    """Takes pictures of any size by padding them far, as many plugins do."""

    def __init__(self, to: int, top: bool) -> None:
        super().__init__()
        self.conv, self.to, self.top = torch.nn.Conv2d(3, 3, 3, padding=1), to, top

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        down, right = -x.shape[2] % self.to, -x.shape[3] % self.to
        return self.conv(
            torch.nn.functional.pad(x, (0, right, down, 0) if self.top else (0, right, 0, down), value=0.5)
        )


class Shifting(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pad(x * 2, (1, 1, -3, 2))


FAR = [
    Multiple(32, top=False),
    Multiple(32, top=True),
    torch.nn.Conv2d(3, 3, 1, padding=2),
    torch.nn.Conv2d(3, 3, 3, padding=7, stride=2),
    torch.nn.ConvTranspose2d(3, 3, 2, padding=0, output_padding=2, dilation=3),
    Shifting(),
]


@pytest.mark.parametrize("network", FAR, ids=lambda item: type(item).__name__)
@pytest.mark.parametrize("height", [1, 33, 40])
def test_strips_that_lie_in_the_padding(network: torch.nn.Module, height: int) -> None:
    if height == 1 and isinstance(network, Shifting):
        height = 4
    network, x = alive(network.double().eval()), picture(height, 9)
    parts, expected = Parts(network, x), whole(network, x)
    assert all(apart(parts(rows), expected) < EQUAL for rows in (1, 2, 4, 16))


@pytest.mark.parametrize(
    "network",
    [
        torch.nn.AvgPool2d(2, divisor_override=3),
        torch.nn.AvgPool2d(3, stride=2, ceil_mode=True),
        torch.nn.MaxPool2d(3, stride=2, ceil_mode=True),
        torch.nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
        torch.nn.MaxPool2d((3, 2), stride=(2, 3), dilation=2),
        torch.nn.Upsample(scale_factor=4, mode="bilinear"),
        torch.nn.ConvTranspose2d(3, 3, 3, stride=2, dilation=3, output_padding=2),
        torch.nn.ConvTranspose2d(3, 3, 2, stride=2, output_padding=1),
        torch.nn.Conv2d(3, 3, (4, 3), dilation=(3, 1)),
        torch.nn.Conv2d(3, 3, 5, padding=4, padding_mode="reflect"),
    ],
    ids=str,
)
def test_single_layers_in_strips_of_every_height(network: torch.nn.Module) -> None:
    network, x = alive(network.double().eval()), picture(24, 18)
    parts, expected = Parts(network, x), whole(network, x)
    assert all(apart(parts(rows), expected) < EQUAL for rows in (1, 2, 3, 7, 64))


class Counting(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls.add_(1)
        return x * self.calls


class Looking(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.mean() > 0 else -x


class Foreign(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(x.numpy() * 2)


CIRCULAR = torch.nn.Conv2d(3, 3, 3, padding=1, padding_mode="circular")


@pytest.mark.parametrize("network", [Counting(), Looking(), Foreign(), CIRCULAR], ids=lambda item: type(item).__name__)
def test_what_cannot_be_traced_is_refused_and_left_as_it_was(network: torch.nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(NotInParts):
        by_rows(network.eval(), picture(9, 9, torch.float32))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_weights_that_are_computed_in_use() -> None:
    network = torch.nn.Sequential(torch.nn.utils.parametrizations.spectral_norm(torch.nn.Conv2d(3, 3, 3, padding=1)))
    network.double().eval()
    assert apart(by_rows(network, picture(20, 20), rows=6), whole(network, picture(20, 20))) < EQUAL


def test_several_pictures_and_numbers() -> None:
    class Mixing(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(6, 3, 5, padding=2)

        def forward(self, one: torch.Tensor, other: torch.Tensor, share: float) -> torch.Tensor:
            return self.conv(torch.cat([one, other], 1)) * share + one * (1 - share)

    network, x, y = alive(Mixing().double().eval()), picture(30, 20), picture(30, 20).flip(2)
    assert apart(by_rows(network, x, y, 0.3, rows=4), whole(network, x, y, 0.3)) < EQUAL


@pytest.mark.parametrize("norm", ["instance", "group", "layer", "batch"])
def test_in_single_precision_to_a_thousandth_of_a_level(norm: str) -> None:
    network, x = drawn(Resnet(**SMALL, norm=norm), dtype=torch.float32), picture(90, 110, torch.float32)
    parts, expected = by_rows(network, x, rows=9), whole(network, x)
    assert apart(parts, expected) < 1e-5
    assert float((parts - expected).mean().abs()) < 1e-6, "brightness does not shift"


def test_plain_tiles_do_shift() -> None:
    """What the statistics of the whole picture are for: the tests above would not pass without."""
    network, x = drawn(Resnet(**SMALL)), picture(64, 128)
    tiles = torch.cat([whole(network, x[..., :64]), whole(network, x[..., 64:])], 3)
    assert apart(tiles, whole(network, x)) > 0.05


def test_a_constant_picture_has_no_seams() -> None:
    network = drawn(DoubleUnet(width=4, levels=2, norm="group"))
    y = by_rows(network, torch.full((1, 3, 96, 64), 0.25, dtype=torch.float64), rows=8)
    inner = y[:, :, 32:64, 24:40]
    assert float((inner[:, :, ::4] - inner[:, :, :1]).abs().max()) < EQUAL


def test_values_in_a_file_are_the_same() -> None:
    network, x = drawn(Resnet(**SMALL)), picture(60, 50)
    steps = steps_of(traced(network, [x]), state_of(network))
    assert make_plan(steps, 0, 1 << 20, 8, spill=True).spilled
    assert apart(by_rows(network, x, rows=8, memory=0, spill=True), whole(network, x)) < EQUAL


def test_less_memory_costs_work_and_more_does_not() -> None:
    network = drawn(DoubleUnet(width=8, norm="instance"), dtype=torch.float32)
    steps = steps_of(traced(network, [torch.empty(1, 3, 512, 512)]), state_of(network))
    most = make_plan(steps, 1 << 40, 1 << 20)
    plans = [make_plan(steps, int(most.memory * share), 1 << 20) for share in (1, 0.7)]
    assert plans[0].memory == most.memory and plans[0].work < 1.1
    assert plans[1].work > plans[0].work
    assert all(plan.memory <= most.memory * share for plan, share in zip(plans, (1, 0.7)))
