"""Imported networks compute what the original ones compute, whatever their options."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import toonforge
from tests import foreign_networks as theirs
from toonforge.use.foreign import Imported
from toonforge.weights.described import read_weights
from toonforge.weights.network import build_network

MOST = 1e-5
"""The largest difference of an output that is allowed."""
NORMS = tuple(theirs.NORMS)


def imported(network: nn.Module, folder: Path, name: str = "latest_net_G.pth", **options: Any) -> list[nn.Module]:
    torch.save(network.state_dict(), folder / name)
    toonforge.import_weights(folder / name, folder / "model.safetensors", force=True, **options)
    return [build_network(each) for each in read_weights(folder / "model.safetensors")]


def difference(
    original: nn.Module, ours: nn.Module, *size: int, tests_in_training_mode: bool = False, varied: bool = True
) -> float:
    original.train(tests_in_training_mode)
    for module in original.modules():
        if isinstance(module, nn.Dropout):
            module.eval()  # its outputs are random: what is left is what both have
    x = torch.rand(1, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        wanted, found = original(x), ours(x)
    assert wanted.shape == found.shape
    assert wanted.std() > 0.01 or not varied, "an output that says nothing"
    return float((wanted - found).abs().max())


@pytest.mark.parametrize(
    ("norm", "dropout", "blocks"), [*itertools.product(NORMS, (False, True), (6,)), ("instance", False, 9)]
)
def test_resnets_equal_the_original(norm: str, dropout: bool, blocks: int, tmp_path: Path) -> None:
    original = theirs.shaken(theirs.resnet(theirs.NORMS[norm], dropout=dropout, blocks=blocks))
    (ours,) = imported(original, tmp_path)
    # The original tests in training mode: batch norm then takes the one picture's statistics. So does instance norm.
    training = norm in ("batch", "instance-tracking")
    assert difference(original, ours, 3, 32, 48, tests_in_training_mode=training) <= MOST


@pytest.mark.parametrize(("pad", "options"), [("zero", {}), ("replicate", {"block_padding": "replicate"})])
@pytest.mark.parametrize("dropout", [False, True])
def test_blocks_with_another_padding_equal_the_original(
    pad: str, options: dict[str, str], dropout: bool, tmp_path: Path
) -> None:
    original = theirs.shaken(theirs.resnet(theirs.plain, pad=pad, dropout=dropout))
    (ours,) = imported(original, tmp_path, options=options)
    assert difference(original, ours, 3, 32, 32) <= MOST


@pytest.mark.parametrize(
    ("norm", "dropout", "levels"),
    [(norm, drop, 7) for norm in NORMS for drop in (False, True)] + [("batch", True, 8), ("instance", False, 5)],
)
def test_unets_equal_the_original(norm: str, dropout: bool, levels: int, tmp_path: Path) -> None:
    original = theirs.shaken(theirs.unet(theirs.NORMS[norm], dropout=dropout, levels=levels))
    (ours,) = imported(original, tmp_path)
    training = norm in ("batch", "instance-tracking")
    assert difference(original, ours, 3, 2**levels, 2**levels, tests_in_training_mode=training) <= MOST


@pytest.mark.parametrize("network", [theirs.resnet, theirs.unet])
def test_batch_norm_tested_with_running_statistics_equals_the_original(
    network: Callable[..., nn.Module], tmp_path: Path
) -> None:
    original = theirs.shaken(network(theirs.batch))
    (own,) = imported(original, tmp_path)
    (tracked,) = imported(original, tmp_path, options={"statistics": "running"})
    assert difference(original, tracked, 3, 128, 128) <= MOST
    assert difference(original, own, 3, 128, 128) > 0.01  # without the option it is another network


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layers", [1, 3, 5])
def test_patchgans_equal_the_original(norm: str, layers: int, tmp_path: Path) -> None:
    original = theirs.shaken(theirs.patchgan(theirs.NORMS[norm], layers=layers, channels=6))
    (ours,) = imported(original, tmp_path, "latest_net_D.pth")
    training = norm == "instance-tracking"
    assert difference(original, ours, 6, 128, 128, tests_in_training_mode=training) <= MOST


@pytest.mark.parametrize("norm", NORMS)
def test_discriminators_of_single_pixels_equal_the_original(norm: str, tmp_path: Path) -> None:
    original = theirs.shaken(theirs.pixelgan(theirs.NORMS[norm]))
    (ours,) = imported(original, tmp_path, "latest_net_D.pth")
    training = norm == "instance-tracking"
    assert difference(original, ours, 3, 16, 16, tests_in_training_mode=training) <= MOST


class TurnedRound(nn.Module):
    """A network of BGR pictures, used on RGB ones."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.network(x.flip(1)).flip(1)
        return y


@pytest.mark.parametrize(("width", "blocks"), [(4, 8), (3, 2)])
def test_the_cartoongan_port_of_the_authors_weights_equals_the_original(
    width: int, blocks: int, tmp_path: Path
) -> None:
    original = theirs.shaken(theirs.Transformer(width, blocks))
    (ours,) = imported(original, tmp_path)
    assert difference(TurnedRound(original), ours, 3, 32, 40) <= MOST


def test_the_port_is_equal_where_a_picture_is_flat_and_epsilon_shows(tmp_path: Path) -> None:
    original = theirs.shaken(theirs.Transformer()).eval()
    (ours,) = imported(original, tmp_path)
    (other,) = imported(original, tmp_path, options={"epsilon": 1e-5})
    flat = (torch.full((1, 3, 32, 32), 0.2) + torch.rand(1, 3, 32, 32) * 1e-3).double()
    with torch.no_grad():  # in float64: what is left of such a picture behind a norm is float32's round-off
        wanted = TurnedRound(original.double())(flat)
        assert (ours.double()(flat) - wanted).abs().max() <= MOST
        assert (other.double()(flat) - wanted).abs().max() > 0.1


@pytest.mark.parametrize(("width", "blocks"), [(4, 8), (3, 6)])
def test_znxlwms_networks_equal_the_original(width: int, blocks: int, tmp_path: Path) -> None:
    generator = theirs.shaken(theirs.PortGenerator(width, blocks))
    (ours,) = imported(generator, tmp_path)
    assert difference(generator, ours, 3, 32, 40) <= MOST
    discriminator = theirs.shaken(theirs.port_discriminator(width))
    (ours,) = imported(discriminator, tmp_path, "discriminator_latest.pkl")
    assert difference(discriminator, ours, 3, 32, 40) <= MOST


resnets = st.fixed_dictionaries(
    {
        "norm": st.sampled_from([theirs.NORMS[name] for name in NORMS]),
        "blocks": st.integers(0, 4),
        "width": st.integers(1, 5),
        "dropout": st.booleans(),
        "pad": st.sampled_from(["reflect", "zero"]),
        "channels": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "inner": st.sampled_from(["conv_block", "block"]),
    }
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    layout=resnets,
    prefix=st.sampled_from(["", "module.", "netG.module."]),
    nested=st.integers(0, 2),
    legacy=st.booleans(),
)
def test_any_resnet_in_any_wrapping_is_recognised_and_equal(
    layout: dict[str, Any], prefix: str, nested: int, legacy: bool, tmp_path: Path
) -> None:
    original = theirs.shaken(theirs.resnet(**layout))
    state: Any = {prefix + name: value for name, value in original.state_dict().items()}
    for key in ("state_dict", "netG")[:nested]:
        state = {key: state, "epoch": 3}
    torch.save(state, tmp_path / "any.pth", _use_new_zipfile_serialization=not legacy)
    (found,) = toonforge.import_weights(tmp_path / "any.pth", tmp_path / "model.safetensors", force=True)
    used = {pair.theirs for pair in found.fitted.pairs if pair.theirs is not None}
    assert used | set(found.fitted.left_out) == {prefix + name for name in original.state_dict()}
    (ours,) = (build_network(each) for each in read_weights(tmp_path / "model.safetensors"))
    training = layout["norm"] in (theirs.batch, theirs.tracking)
    assert (
        difference(original, ours, layout["channels"][0], 16, 20, tests_in_training_mode=training, varied=False) <= MOST
    )


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32_and_it_is_said(kind: torch.dtype, tmp_path: Path) -> None:
    original = theirs.shaken(theirs.resnet(theirs.plain)).to(kind)
    torch.save(original.state_dict(), tmp_path / "G.pth")
    (found,) = toonforge.import_weights(tmp_path / "G.pth", tmp_path / "model.safetensors")
    assert any(str(kind).removeprefix("torch.") in text for text in found.said)
    (ours,) = (build_network(each) for each in read_weights(tmp_path / "model.safetensors"))
    assert difference(original.float(), ours, 3, 32, 32) <= MOST


def test_safetensors_are_read_too_though_they_keep_no_order(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    original = theirs.shaken(theirs.unet(theirs.batch))
    save_file(original.state_dict(), tmp_path / "G.safetensors")
    found: tuple[Imported, ...] = toonforge.import_weights(tmp_path / "G.safetensors", tmp_path / "model.safetensors")
    assert found[0].component == "pix2pix/unet"
    (ours,) = (build_network(each) for each in read_weights(tmp_path / "model.safetensors"))
    assert difference(original, ours, 3, 128, 128, tests_in_training_mode=True) <= MOST
