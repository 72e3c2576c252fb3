"""Channels-last is taken where it pays, changes rounding alone, and is seen by nobody outside of a network."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toonforge_cartoongan.networks import CartoonGenerator
from toonforge_mha_unet.network import AttentionUnet
from torch import nn

from tests.pictures import fill
from tests.plain_recipes import EVERY, plain
from tests.test_split_backward import with_speed
from toonforge import recipe as recipes
from toonforge.nn import quick
from toonforge.nn.choices import Norm
from toonforge.nn.double_unet import DoubleUnetGenerator
from toonforge.nn.patchgan import PatchGAN
from toonforge.nn.quick import as_written, quicken
from toonforge.nn.resnet import ResnetGenerator
from toonforge.nn.unet import UnetGenerator
from toonforge.runs.log import read_events
from toonforge.speed.choice import Speed
from toonforge.speed.layout import arranged, pays
from toonforge.train.state import load_optimizer, optimizer_tensors
from toonforge.train.step import Training, make_accelerator
from toonforge.train.trainer import train
from toonforge.use.evaluate import evaluate
from toonforge.use.model import load
from toonforge.weights.tensors import write_tensors

LAST = torch.channels_last
BOTH = Speed(tricks=("quick-norms", "channels-last"))
CPU = torch.device("cpu")


def is_laid_out(network: nn.Module) -> bool:
    """Whether every kernel that has two layouts lies in channels-last."""
    kernels = [p for p in network.parameters() if p.ndim == 4 and p.shape[1] > 1 and p.shape[2] > 1]
    return bool(kernels) and all(p.is_contiguous(memory_format=LAST) for p in kernels)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (lambda: ResnetGenerator(width=8, blocks=3), True),
        (lambda: CartoonGenerator(width=8, blocks=3), True),
        (lambda: DoubleUnetGenerator(width=8, norm="instance"), True),
        (lambda: PatchGAN(width=8), True),
        (lambda: UnetGenerator(width=8), False),
        (lambda: AttentionUnet(width=8), False),
        (lambda: nn.Sequential(nn.Conv2d(3, 8, 3)), False),
    ],
    ids=["resnet", "cartoongan", "double-unet", "patchgan", "unet", "mha-unet", "another's"],
)
def test_where_it_pays_on_a_cpu(network: object, expected: bool) -> None:
    built = network()  # type: ignore[operator]
    assert is_laid_out(arranged(built, BOTH, CPU)) == expected


def test_weights_that_are_large_beside_their_pictures_stay() -> None:
    assert pays(quicken(ResnetGenerator(width=64, blocks=1)), CPU)
    assert not pays(quicken(ResnetGenerator(width=160, blocks=1)), CPU)


def test_torchs_own_instance_norm_would_copy_everything() -> None:
    assert not is_laid_out(arranged(ResnetGenerator(width=8, blocks=3), Speed(tricks=("channels-last",)), CPU))
    assert is_laid_out(
        arranged(ResnetGenerator(width=8, blocks=3, norm="batch"), Speed(tricks=("channels-last",)), CPU)
    )


class Own(nn.InstanceNorm2d):
    """Somebody's."""


@pytest.mark.parametrize(
    "norm",
    [
        lambda: Own(32),
        lambda: nn.InstanceNorm2d(32, track_running_stats=True),
        lambda: nn.LazyInstanceNorm2d(),
    ],
    ids=["subclass", "running", "lazy"],
)
def test_networks_with_norms_that_stay_torchs_own_stay_as_they_are(norm: Callable[[], nn.Module]) -> None:
    """Torch's gradient of one picture is wrong in channels-last."""
    network = ResnetGenerator(width=8, blocks=1)
    (where,) = [
        (parent, key)
        for parent in network.modules()
        for key, child in parent.named_children()
        if isinstance(child, nn.InstanceNorm2d) and child.num_features == 32
    ][:1]
    setattr(*where, norm())
    assert not is_laid_out(arranged(network, BOTH, CPU))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("how", ["fp32", "bf16", "as written", "bfloat16"])
@pytest.mark.parametrize("norm", ["instance", "instance-affine", "batch"])
def test_gradients_are_right_however_norms_are_computed(norm: Norm, how: str, count: int) -> None:
    """Torch's own instance norm yields wrong ones for one picture in channels-last."""
    torch.manual_seed(0)
    exact = ResnetGenerator(width=8, blocks=1, norm=norm, statistics="picture").double().eval()
    network = arranged(copy.deepcopy(exact).float(), BOTH, CPU)
    assert is_laid_out(network)
    x, slope = torch.randn(count, 3, 16, 16), torch.randn(count, 3, 16, 16)
    exact(x.double()).backward(slope.double())
    if how == "bfloat16":
        network.bfloat16()
        x = x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16, enabled=how == "bf16"), as_written() if how[0] == "a" else nullcontext():
        network(x).float().backward(slope)
    for one, other in zip(network.parameters(), exact.parameters(), strict=True):
        if one.ndim == 4:
            assert one.grad is not None and other.grad is not None
            far = float((one.grad - other.grad).norm() / other.grad.norm())
            assert far < (1e-4 if how in ("fp32", "as written") else 0.5)


def test_nothing_is_arranged_without_tricks() -> None:
    network = arranged(ResnetGenerator(width=8, blocks=1), Speed(), CPU)
    assert not is_laid_out(network)
    assert {type(module) for module in network.modules() if isinstance(module, nn.InstanceNorm2d)} == {
        nn.InstanceNorm2d
    }


def test_looking_at_a_network_changes_nothing_of_it() -> None:
    """A spectral norm takes a step whenever its weight is looked at."""
    network = PatchGAN(width=8, spectral=True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    arranged(network, BOTH, CPU)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("size", [(1, 3, 32, 32), (2, 3, 30, 21)])
def test_outside_everything_lies_as_torch_has_it(size: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    written = ResnetGenerator(width=8, blocks=1)
    network = arranged(copy.deepcopy(written), BOTH, CPU)
    x = torch.randn(size)
    y = network(x)
    assert y.is_contiguous() and y.view(size[0], -1).shape[1] == size[1] * size[2] * size[3]
    assert torch.allclose(y, written(x), atol=1e-5)
    assert torch.equal(copy.deepcopy(network)(x), y)


def test_files_lie_as_torch_has_it_and_loading_keeps_the_layout(tmp_path: Path) -> None:
    network = arranged(ResnetGenerator(width=8, blocks=1), BOTH, CPU)
    write_tensors(tmp_path / "G.safetensors", network.state_dict())
    saved = load_file(tmp_path / "G.safetensors")
    assert all(value.is_contiguous() for value in saved.values())
    other = arranged(ResnetGenerator(width=8, blocks=1), BOTH, CPU)
    other.load_state_dict(saved)
    assert is_laid_out(other)
    assert all(torch.equal(value, saved[key]) for key, value in other.state_dict().items())


def test_averages_and_what_optimizers_keep_have_the_layout_of_their_parameters() -> None:
    recipe = with_speed(plain("cyclegan/cyclegan", steps=1), (*BOTH.tricks, "fused-optimizers"))
    training = Training(recipe, 1, 4, make_accelerator("fp64", cpu=True))
    shapes = {field: shape for group in recipe.data.groups().values() for field, shape in group.items()}
    training.step(0, [{field: torch.rand(2, *shape) for field, shape in shapes.items()}])
    assert training.average is not None
    for name in recipe.generators:
        network = training.networks[name]
        assert is_laid_out(network) and is_laid_out(training.average.networks[name])
    for (_, name), optimizer in training.optimizers.by_key.items():
        network = training.networks[name]
        tensors, plainly = optimizer_tensors(optimizer, network)
        files = {key: value.clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}
        load_optimizer(optimizer, network, files, plainly)
        for parameter in network.parameters():
            kept = [v for v in optimizer.state[parameter].values() if v.shape == parameter.shape]
            assert kept and all(value.stride() == parameter.stride() for value in kept)


RUN = """
name = "laid-out"
data = { type = "unpaired-folders", fields = { photo = "PHOTO", anime = "ANIME" }, validation = 0.3, image_size = 16,
         load_size = 18 }
generators.G = { type = "cyclegan/resnet", width = 8, blocks = 2 }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "photo" } }
translations = { anime = "G(photo)" }
[train]
steps = 3
batch_size = 2
ema = 0.9
checkpoint = { every = 1, keep = 9 }
metrics = { every = 1 }
speed = SPEED
[metrics]
again = { type = "pixel-l1", input = "G(photo)", target = "photo" }
"""


@pytest.mark.parametrize("speed", ['"auto"', '"safe"', '["quick-norms"]'])
def test_evaluate_computes_as_the_training_did(tmp_path: Path, speed: str) -> None:
    for field in ("photo", "anime"):
        fill(tmp_path / field, 8, field)
    text = RUN.replace("PHOTO", str(tmp_path / "photo")).replace("ANIME", str(tmp_path / "anime"))
    run = tmp_path / "run"
    train(recipes.loads(text.replace("SPEED", speed)), folder=run, cpu=True)
    then = {event["step"]: event["metrics"]["again"] for event in read_events(run) if event["event"] == "metrics"}
    for step in (1, 3):
        found = evaluate(run, part="validation", checkpoint=step, cpu=True)
        assert found.values["again"][""] == then[step]
    assert is_laid_out(load(run, cpu=True).inference.networks["G"])


def test_every_packaged_recipe_builds_with_it() -> None:
    """And yields pictures as torch has them, whatever its networks are."""
    laid_out = set()
    for name in (
        "cyclegan/cyclegan",
        "pix2pix/pix2pix",
        "recipes/cartoon_mha_unet.toml",
        "recipes/anime_cartoongan.toml",
    ):
        recipe = with_speed(plain(name, steps=1), BOTH.tricks)
        training = Training(recipe, 1, 4, make_accelerator("fp64", cpu=True))
        laid_out |= {f"{name} {key}" for key, network in training.networks.items() if is_laid_out(network)}
    assert name in EVERY
    assert {"cyclegan/cyclegan G", "recipes/anime_cartoongan.toml G"} <= laid_out
    assert not {"pix2pix/pix2pix G", "recipes/cartoon_mha_unet.toml G"} & laid_out


def test_norms_and_their_gradients_are_given_what_torch_takes_for_channels_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch looks at the stride along a batch of one, too, and takes a far slower way."""
    strides: list[bool] = []
    norm = quick._exact

    def looked(x: torch.Tensor, *rest: object) -> torch.Tensor:
        strides.append(x.stride() == torch.empty_like(x, memory_format=LAST).stride())
        return norm(x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(quick, "_exact", looked)
    gradients = quick._in_channels_last
    monkeypatch.setattr(quick, "_in_channels_last", lambda g: strides.append(True) or gradients(g))
    arranged(ResnetGenerator(width=8, blocks=1), BOTH, CPU)(torch.randn(1, 3, 16, 16)).sum().backward()
    assert len(strides) == 14 and all(strides)  # forward and backward
