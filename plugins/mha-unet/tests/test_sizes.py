"""Sizes: any picture is translated, but training on pictures of less than 2x2 tokens is refused where the recipe asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_mha_unet import PatchGAN, Unet, plugin

from toonforge.errors import FieldError, RecipeError, ShapeError
from toonforge.recipe import load

RECIPE = plugin.RECIPES / "mha-unet.toml"
NORMS: tuple[Literal["instance", "batch", "group", "layer", "none"], ...] = (
    "instance", "batch", "group", "layer", "none",
)  # fmt: skip


@settings(max_examples=60)
@given(
    levels=st.integers(2, 4),
    heads=st.sampled_from([0, 1, 2, 4]),
    norm=st.sampled_from(NORMS),
    last_kernel=st.integers(3, 7),
    upsample=st.sampled_from(["transposed", "resize", "pixel-shuffle"]),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
)
def test_every_size_is_translated_and_has_two_by_two_tokens(
    levels: int, heads: int, norm: str, last_kernel: int, upsample: str, height: int, width: int
) -> None:
    config = Unet(
        levels=levels, width=4, heads=heads, norm=norm, last_kernel=last_kernel, upsample=upsample  # type: ignore[arg-type]
    )  # fmt: skip
    network = config.build()
    tokens: list[torch.Size] = []
    network.attention.register_forward_pre_hook(lambda _, inputs: tokens.append(inputs[0].shape[-2:]))
    x = torch.rand(1, 3, height, width) * 2 - 1
    for training in (True, False):
        y = network.train(training)(x)
        assert y.shape == x.shape and y.isfinite().all() and y.abs().max() <= 1
    assert min(tokens[0]) >= (2 if heads else 1)


@given(levels=st.integers(2, 10), height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_pictures_that_would_be_padded_up_to_the_least_are_refused_and_no_others(
    levels: int, height: int, width: int
) -> None:
    config = Unet(levels=levels)
    side = min(height, width)
    if side < 2 ** (levels + 1):
        with pytest.raises(ShapeError, match="repeat the borders") as refused:
            config.shape((3, height, width))
        assert f"at least {2 ** (levels + 1)} pixels on each side" in str(refused.value)
        for fewer in range(2, levels):
            fits = side >= 2 ** (fewer + 1)
            assert not fits or Unet(levels=fewer).shape((3, height, width)) == (3, height, width)
            if f"at most {fewer} levels" in str(refused.value):
                assert fits and side < 2 ** (fewer + 2)
    else:
        assert config.shape((3, height, width)) == (3, height, width)
    assert Unet(levels=levels, heads=0).shape((3, height, width)) == (3, height, width)


@pytest.mark.parametrize("size", [(256, 256), (384, 384), (511, 512), (512, 256)])
def test_at_8_levels_less_than_512_pixels_on_a_side_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="at least 512 pixels on each side"):
        Unet().shape((3, *size))
    assert Unet().shape((3, 512, 512)) == (3, 512, 512)


@settings(max_examples=40)
@given(levels=st.integers(2, 4), height=st.integers(1, 70), width=st.integers(1, 70))
def test_the_config_refuses_what_the_network_would_pad_up_to_the_least(levels: int, height: int, width: int) -> None:
    config = Unet(levels=levels, width=4, heads=4, norm="none")
    network, seen = config.build(), []
    network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-2:]))
    network(torch.rand(1, 3, height, width))
    multiple = 2**levels
    whole = [-(-side // multiple) * multiple for side in (height, width)]  # padded for the strides alone
    padded_up = list(seen[0]) != whole or any(
        side < 2 * multiple == padded for side, padded in zip((height, width), seen[0], strict=True)
    )
    try:
        refused = config.shape((3, height, width)) is None
    except ShapeError:
        refused = True
    assert refused == padded_up


def test_the_refusal_says_sizes_tokens_and_what_to_do() -> None:
    with pytest.raises(ShapeError) as refused:
        Unet().shape((3, 256, 384))
    assert str(refused.value) == (
        "mha-unet/unet with 8 levels would repeat the borders of pictures of 256x384 up to 512 pixels, two tokens of "
        "the attention a side (over a single one, 256 pixels, attention is only a linear map): take pictures of at "
        "least 512 pixels on each side, at most 7 levels, or heads = 0"
    )
    with pytest.raises(ShapeError, match="8 pixels on each side, or heads = 0"):  # no network has fewer levels than 2
        Unet(levels=2).shape((3, 4, 7))


def test_the_check_of_a_recipe_shows_the_refusal_at_its_line() -> None:
    with pytest.raises(RecipeError) as refused:
        load(RECIPE, ["data.image_size=256"])
    (problem,) = refused.value.problems
    line = RECIPE.read_text(encoding="utf-8").splitlines().index('fake = "G(photo)"') + 1
    assert problem.where is not None
    assert (problem.where.line, problem.key, problem.found) == (line, "signals.fake", "3x256x256")
    assert "at least 512 pixels on each side, at most 7 levels, or heads = 0" in problem.message


@pytest.mark.parametrize("cure", ["data.image_size=512", "generators.G.levels=7", "generators.G.heads=0"])
def test_each_remedy_of_the_refusal_works(cure: str) -> None:
    load(RECIPE, ["data.image_size=256", cure])


def test_the_command_line_shows_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from toonforge.cli import main

    recipe = tmp_path / "small.toml"
    recipe.write_text('extends = "mha-unet/mha-unet"\n[data]\nimage_size = 256\n', encoding="utf-8")
    assert main(["check", str(recipe)]) == 2
    assert "repeat the borders of pictures of 256x256 up to 512 pixels" in " ".join(capsys.readouterr().err.split())


def test_small_pictures_are_padded_by_repeating_their_border() -> None:
    torch.manual_seed(0)
    network = Unet(levels=3, width=4, heads=4).build().eval()
    x = torch.rand(1, 3, 10, 14) * 2 - 1
    padded = torch.nn.functional.pad(x, (1, 1, 3, 3), mode="replicate")  # to 16x16: 2x2 tokens of 8x8 pixels
    assert torch.equal(network(x), network(padded)[..., 3:13, 1:15])


@pytest.mark.parametrize("heads", [3, 7, 1024])
def test_heads_that_do_not_divide_the_channels_are_refused(heads: int) -> None:
    with pytest.raises(FieldError, match="a divisor of the bottleneck's 512 channels"):
        Unet(heads=heads)


@pytest.mark.parametrize(
    "values", [{"levels": 1}, {"levels": 13}, {"last_kernel": 2}, {"heads": -1}, {"dropout": 1.0}, {"width": 0}]
)
def test_values_out_of_range_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(FieldError):
        Unet(**values)  # type: ignore[arg-type]


def test_tiny_keeps_attention_or_its_absence() -> None:
    assert (Unet().tiny().heads, Unet(heads=0).tiny().heads, Unet(width=3, heads=3).tiny().heads) == (2, 0, 2)


@settings(max_examples=30)
@given(layers=st.integers(1, 4), height=st.integers(1, 80), width=st.integers(1, 80))
def test_the_discriminator_yields_the_promised_patches_or_refuses(layers: int, height: int, width: int) -> None:
    config = PatchGAN(width=2, layers=layers).fit((6, height, width))
    try:
        promised = config.shape((6, height, width))
    except ShapeError:
        return
    assert tuple(config.build()(torch.rand(1, 6, height, width)).shape[1:]) == promised
