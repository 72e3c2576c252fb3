"""The packaged recipes against AnimeGANv2 written by hand: terms from their definitions, then the weights of steps."""

from __future__ import annotations

import colorsys
import copy
import math
from pathlib import Path

import pytest
import torch
from toonforge_animegan import Colour, Shift, Style
from torch import Tensor, nn
from torch.nn import functional

import toonforge
from toonforge import Expr
from toonforge.components import changed
from toonforge.errors import ShapeError
from toonforge.testing.recipes import shrink
from toonforge.train.step import Training

STEPS = 3  # of each part: initialisation, then adversarial training


def pictures(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) * 2 - 1


def gram(x: Tensor) -> Tensor:
    count, channels, height, width = x.shape
    result = torch.zeros(count, channels, channels, dtype=x.dtype)
    for a in range(channels):
        result[:, a] = (x[:, a : a + 1] * x).sum((2, 3)) / (channels * height * width)
    return result


def yuv(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = ((x + 1) / 2).unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma, 0.492111 * (blue - luma), 0.877283 * (red - luma)


def huber(a: Tensor, b: Tensor) -> Tensor:
    apart = (a - b).abs()
    return torch.where(apart <= 1, apart.square() / 2, apart - 0.5).mean()


def test_style_is_the_distance_of_gram_matrices() -> None:
    ours, theirs = pictures(2, 5, 7, 6), pictures(2, 5, 4, 9, seed=1)
    found = Style(input=Expr.parse("a"), target=Expr.parse("b")).build()(input=ours, target=theirs)
    assert found.item() == pytest.approx((gram(ours) - gram(theirs)).abs().mean().item(), rel=1e-12)


def test_style_knows_no_place() -> None:
    x = pictures(1, 4, 6, 6)
    shuffled = x.flatten(2)[..., torch.randperm(36, generator=torch.Generator().manual_seed(0))].view_as(x)
    assert Style(input=Expr.parse("a"), target=Expr.parse("b")).build()(input=x, target=shuffled).item() < 1e-12


def test_colour_is_of_luma_and_two_differences() -> None:
    ours, theirs = pictures(2, 3, 7, 6), pictures(2, 3, 7, 6, seed=1)
    (a, b, c), (d, e, f) = yuv(ours), yuv(theirs)
    expected = (a - d).abs().mean() + huber(b, e) + huber(c, f)
    found = Colour(input=Expr.parse("a"), target=Expr.parse("b")).build()(input=ours, target=theirs)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_gray_pictures_have_no_colour() -> None:
    gray = pictures(1, 1, 4, 4).expand(1, 3, 4, 4)
    loss = Colour(input=Expr.parse("a"), target=Expr.parse("b")).build()
    assert loss(input=gray, target=gray + 0.5).item() == pytest.approx(0.25, abs=1e-7)  # luma alone, of [0, 1]
    red, green, blue = colorsys.yiq_to_rgb(0.5, 0, 0)
    assert red == green == blue


def test_shift_is_in_levels() -> None:
    x = pictures(1, 3, 2, 2)
    found = Shift().build()(x, -4.4661, -8.6698, 13.1360)
    assert torch.allclose((found - x)[0, :, 0, 0] * 127.5, torch.tensor([-4.4661, -8.6698, 13.1360]).double())
    with pytest.raises(ShapeError, match="RGB"):
        Shift().shape((1, 4, 4), 1.0, 1.0, 1.0)


def test_losses_refuse_what_has_no_colours() -> None:
    with pytest.raises(ShapeError, match="RGB"):
        Colour(input=Expr.parse("a"), target=Expr.parse("b")).check(input=(1, 4, 4), target=(1, 4, 4))
    with pytest.raises(ShapeError, match="as many channels"):
        Style(input=Expr.parse("a"), target=Expr.parse("b")).check(input=(3, 4, 4), target=(4, 4, 4))


WEIGHTS = {
    "hayao": (1.5, 2.5, 15, 1, (1.2, 1.2, 1.2, 0.8)),
    "paprika": (2.0, 0.6, 50, 0.1, (1, 1, 1, 0.005)),
    "shinkai": (1.2, 2.0, 10, 1, (1.7, 1.7, 1.7, 1.0)),
}
"""main.py's comments (content, style, colour, tv) and tools/ops.py's (real, fake, gray, blur)."""


@pytest.mark.parametrize("film", WEIGHTS)
def test_weights_are_the_authors(film: str) -> None:
    content, style, colour, tv, judged = WEIGHTS[film]
    phases = toonforge.load_recipe(f"animegan/{film}").phases
    found = {name: term.weight for name, term in phases["generator"].losses.items()}
    assert found == {"fool": 300, "content": content, "style": style, "colour": colour, "smooth": tv / 2}
    assert {name: term.weight for name, term in phases["discriminator"].losses.items()} == pytest.approx(
        dict(zip(("cartoons", "generated", "colourless", "smoothed"), (300 * share for share in judged), strict=True))
    )
    assert phases["initialisation"].losses["content"].weight == content
    features = toonforge.load_recipe(f"animegan/{film}").networks["V"]
    assert (features.layer, features.activated) == ("conv4_4", False)
    rates = {name: phase.optimizer.lr for name, phase in phases.items()}
    assert rates == {"initialisation": 2e-4, "discriminator": 4e-5, "generator": 2e-5}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file of fixed weights of VGG19's first stages, as torch saves them."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for index, (outputs, inputs) in {0: (64, 3), 2: (64, 64), 5: (128, 64)}.items():
        state[f"features.{index}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=generator) / math.sqrt(
            4.5 * inputs
        )
        state[f"features.{index}.bias"] = torch.randn(outputs, generator=generator) * 0.1
    torch.save(state, tmp_path / "vgg.pth")
    return tmp_path / "vgg.pth"


def by_hand(G: nn.Module, D: nn.Module, V: nn.Module, data: list[dict[str, Tensor]]) -> list[dict[str, float]]:
    adam = {"betas": (0.5, 0.999)}
    begin, opt_g, opt_d = (
        torch.optim.Adam(network.parameters(), lr=rate, **adam) for network, rate in ((G, 2e-4), (G, 2e-5), (D, 4e-5))
    )
    told = []
    for step, batch in enumerate(data):
        photo, anime, smooth = batch["photo"], batch["anime"], batch["smooth"]
        gray, gray_smooth = (yuv(x)[0].mul(2).sub(1)[:, None].expand(-1, 3, -1, -1) for x in (anime, smooth))
        fake = G(photo)
        content = functional.l1_loss(V(fake), V(photo))
        if step < STEPS:
            begin.zero_grad()
            (1.5 * content).backward()
            begin.step()
            told.append({"initialisation.content": content.item()})
            continue
        opt_d.zero_grad()
        real, made, colourless, blurred = (
            D(anime), D(fake.detach()), D(gray), D(gray_smooth)
        )  # fmt: skip
        terms = [(real - 1).square().mean(), *(x.square().mean() for x in (made, colourless, blurred))]
        (300 * (1.2 * terms[0] + 1.2 * terms[1] + 1.2 * terms[2] + 0.8 * terms[3])).backward()
        opt_d.step()
        opt_g.zero_grad()
        fool = (D(fake) - 1).square().mean()
        style = (gram(V(gray)) - gram(V(fake))).abs().mean()
        (a, b, c), (d, e, f) = yuv(photo), yuv(fake)
        colour = (a - d).abs().mean() + huber(b, e) + huber(c, f)
        down, across = fake[:, :, 1:] - fake[:, :, :-1], fake[..., 1:] - fake[..., :-1]
        tv = down.square().sum() / 2 / down.numel() + across.square().sum() / 2 / across.numel()
        (300 * fool + 1.5 * content + 2.5 * style + 15 * colour + tv).backward()
        opt_g.step()
        names = ("cartoons", "generated", "colourless", "smoothed")
        told.append(
            {f"discriminator.{name}": term.item() for name, term in zip(names, terms, strict=True)}
            | {
                "generator.fool": fool.item(),
                "generator.content": content.item(),
                "generator.style": style.item(),
                "generator.colour": colour.item(),
                "generator.smooth": 2 * tv.item(),
            }
        )
    return told


def test_terms_and_weights_are_those_of_a_loop_by_hand(weights: Path) -> None:
    small = shrink(toonforge.load_recipe("animegan/hayao"), steps=STEPS)
    features = changed(small.networks["V"], weights=str(weights))
    recipe = changed(small, networks={"V": features}, train=changed(small.train, precision="fp64"))
    training = Training(recipe, 2 * STEPS, 1)
    G, D, V = (copy.deepcopy(training.networks[name]) for name in "GDV")
    data = [
        {field: pictures(2, 3, 32, 32, seed=10 * step + at) for at, field in enumerate(("photo", "anime", "smooth"))}
        for step in range(2 * STEPS)
    ]
    found = []
    for step, batch in enumerate(data):
        training.step(step, [batch])
        found.append(training.read()[0])
    for ours, theirs in zip(found, by_hand(G, D, V, data), strict=True):
        assert ours == pytest.approx(theirs, rel=2e-5, abs=1e-9)
    for name, network in (("G", G), ("D", D)):
        ours, theirs = training.networks[name].state_dict(), network.state_dict()
        for key, value in ours.items():
            assert (value - theirs[key]).abs().max() < 1e-6, f"{name}.{key}"
