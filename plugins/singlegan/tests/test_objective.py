"""The packaged recipe's step against the authors' loop written by hand, term by term; and three domains."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from toonforge_singlegan import MultiScale, Resnet
from torch import Tensor, nn
from torch.nn import functional as F

import toonforge
from toonforge.recipe import loads
from toonforge.recipe.model import Recipe
from toonforge.train.step import Training

README = Path(__file__).parent.parent / "README.md"
SMALL = (
    "generators.G.width=4",
    "generators.G.blocks=2",
    "discriminators.D_cartoon.width=4",
    'train.precision="fp64"',
)
DOMAINS = ("cartoon", "photo")


def batch(names: tuple[str, ...] = DOMAINS, size: int = 40, seed: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(2, 3, size, size, generator=generator).double() * 2 - 1 for name in names}


def training_of(recipe: Recipe) -> tuple[Training, dict[str, nn.Module]]:
    """A training, and copies of its networks to be trained by hand."""
    training = Training(recipe, 100, 10)
    copies = {key: copy.deepcopy(network).train().requires_grad_(True) for key, network in training.networks.items()}
    return training, copies


def adam(network: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=1e-4, betas=(0.5, 0.999))


def gan(logits: list[Tensor], label: float) -> Tensor:
    """The authors' GANLoss: a mean for each scale, added up."""
    return sum((F.mse_loss(one, torch.full_like(one, label)) for one in logits), torch.zeros(()).double())


def judged(network: nn.Module, pictures: Tensor) -> list[Tensor]:
    return [network(pictures, scale) for scale in range(2)]


def by_hand(
    nets: dict[str, nn.Module], pictures: dict[str, Tensor], pairs: list[tuple[int, int]], cycle: float, identity: float
) -> tuple[dict[str, list[float]], float]:
    """`update_model` of models/single_gan.py: what it makes lies one after another in one batch, as there.

    Args:
        pairs: (source, target) domains, as in data/dataloader.py.

    Returns:
        Each judge's loss, and the generator's.
    """
    names = [*pictures]
    G, judges = nets["G"], [nets[f"D_{name}"] for name in names]
    of_G, of_judges = adam(G), [adam(judge) for judge in judges]
    size = len(pictures[names[0]])
    real = torch.cat([pictures[names[source]] for source, _ in pairs])
    fake = torch.cat([G(pictures[names[source]], target) for source, target in pairs])
    back = torch.cat([G(fake[n * size : (n + 1) * size], source) for n, (source, _) in enumerate(pairs)])
    same = torch.cat([G(pictures[names[source]], source) for source, _ in pairs]) if identity else real

    def chosen(tensor: Tensor, which: int, domain: int) -> Tensor:
        return torch.cat([tensor[n * size : (n + 1) * size] for n, pair in enumerate(pairs) if pair[which] == domain])

    losses: dict[str, list[float]] = {}
    for domain, (judge, optimizer) in enumerate(zip(judges, of_judges, strict=True)):
        optimizer.zero_grad()
        of_fakes = gan(judged(judge, chosen(fake, 1, domain).detach()), 0)
        loss = of_fakes + gan(judged(judge, chosen(real, 0, domain)), 1)
        loss.backward()
        optimizer.step()
        losses[names[domain]] = [loss.item()]
    of_G.zero_grad()
    total = cycle * (back - real).abs().mean() + identity * (same - real).abs().mean()
    for domain, judge in enumerate(judges):
        term = gan(judged(judge, chosen(fake, 1, domain)), 1)
        total = total + term
        losses[names[domain]].append(term.item())
    total.backward()
    of_G.step()
    return losses, total.item()


def assert_trained_alike(training: Training, nets: dict[str, nn.Module]) -> None:
    for key, network in training.networks.items():
        theirs = nets[key].state_dict()
        for where, ours in network.state_dict().items():
            assert torch.allclose(ours, theirs[where], rtol=1e-6, atol=1e-9), f"{key} {where}"


@pytest.mark.parametrize("identity", [0, 1])
def test_the_step_is_the_authors(identity: float) -> None:
    weights = [f"phases.generator.losses.identity_{name}.weight={identity / 2}" for name in DOMAINS]
    training, nets = training_of(toonforge.load_recipe("singlegan/singlegan", overrides=[*SMALL, *weights]))
    pictures = batch()
    training.step(0, [pictures])
    expected, total = by_hand(nets, pictures, [(0, 1), (1, 0)], 10, identity)
    found, totals, _ = training.read()
    for name in DOMAINS:
        of_judge = [
            found[f"discriminators.{kind}_{name}{half}"] for kind in ("fakes", "reals") for half in ("", "_half")
        ]
        of_maker = [found[f"generator.fool_{name}{half}"] for half in ("", "_half")]
        assert [sum(of_judge), sum(of_maker)] == pytest.approx(expected[name], rel=1e-6)
    assert totals["generator"] == pytest.approx(total, rel=1e-6)
    assert_trained_alike(training, nets)


def three_domains() -> Recipe:
    """The README's."""
    (text,) = re.findall(r"<!-- recipe: three domains -->\n```toml\n(.*?)```", README.read_text("utf-8"), re.S)
    return loads(
        re.sub(r"\[data\].*?\n\n", "", text, flags=re.S)
        + '\n[data]\ntype = "synthetic"\nimage_size = 64\ncount = 8\n'
        + 'fields = { photo = ["photo"], anime = ["anime"], sketch = ["sketch"] }\n',
        overrides=[
            "generators.G.width=4",
            "generators.G.blocks=1",
            "generators.G.spectral_norm=false",
            "discriminators.D_photo.width=4",
            "discriminators.D_photo.spectral_norm=false",
            "train.optimizer.lr=1e-4",
            'train.precision="fp64"',
        ],
    )


def test_three_domains_are_the_authors_one_to_many() -> None:
    """There a judge sees all fakes of its domain at once; here in a term each. Without power iterations that is one."""
    training, nets = training_of(three_domains())
    pictures = batch(("photo", "anime", "sketch"), 64)
    training.step(0, [pictures])
    expected, total = by_hand(nets, pictures, [(0, 1), (0, 2), (1, 0), (2, 0)], 10, 0)
    _, totals, _ = training.read()
    assert totals["generator"] == pytest.approx(total, rel=1e-6)
    assert totals["discriminators"] == pytest.approx(sum(loss for loss, _ in expected.values()), rel=1e-6)
    assert_trained_alike(training, nets)


def test_each_domain_pulls_its_own_shifts() -> None:
    """What only one domain's pictures are judged by moves no other domain's code."""
    network = Resnet(width=4, blocks=1, domains=3).build().double()
    network(batch(size=16)["photo"], 2).square().sum().backward()
    gradient = network.stem.norm.shifts.weight.grad
    assert gradient is not None and gradient[:, 2].abs().sum() > 0
    assert not gradient[:, :2].any()


def test_the_packaged_recipe_is_the_authors_base_model() -> None:
    full = toonforge.load_recipe("singlegan/singlegan")
    weights = {name: term.weight for phase in full.phases.values() for name, term in phase.losses.items()}
    ones = [f"{kind}_{name}{half}" for kind in ("fakes", "reals", "fool") for name in DOMAINS for half in ("", "_half")]
    assert weights == {
        **dict.fromkeys(ones, 1), "cycle_cartoon": 5, "cycle_photo": 5, "identity_cartoon": 0, "identity_photo": 0
    }  # fmt: skip
    assert list(full.phases) == ["discriminators", "generator"]
    assert dict(full.generators) == {"G": Resnet(in_channels=3)}
    assert dict(full.discriminators) == {f"D_{name}": MultiScale(in_channels=3) for name in DOMAINS}
    assert (full.data.load_size, full.data.image_size, full.data.flip) == (143, 128, True)
    assert (full.train.epochs, full.train.batch_size) == (200, 1)
    assert (full.train.optimizer.lr, full.train.optimizer.betas) == (1e-4, (0.5, 0.999))


def test_the_rate_falls_as_the_authors_train_py_lets_it_fall() -> None:
    """niter = niter_decay = 100: at the end of each epoch beyond the 100th a hundredth is taken off."""
    schedule = toonforge.load_recipe("singlegan/singlegan").train.schedule
    lr = 1.0
    for epoch in range(1, 201):
        assert schedule.factor((epoch - 1) * 7, 200 * 7, 7) == pytest.approx(lr, abs=1e-9)
        if epoch > 100:
            lr -= 1 / 100
