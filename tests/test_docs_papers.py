"""The pages on phases and on a step say what is done: when, at which rates, what is passed how often, what comes out."""

from __future__ import annotations

import copy
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from toonforge import recipe as recipes
from toonforge.recipe.model import Recipe
from toonforge.train.phases import PlannedPhase, plan, total_steps
from toonforge.train.seeds import seed_call
from toonforge.train.step import Training

PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "how-phases-replay-papers.md"
STEP = PAGE.with_name("how-a-step-is-evaluated.md")
EPOCH = 5
NETWORKS = {
    "G": 'generators.G = { type = "tiny/generator" }',
    "F": 'generators.F = { type = "tiny/generator" }',
    "D": 'discriminators.D = { type = "tiny/discriminator" }',
    "D_anime": 'discriminators.D_anime = { type = "tiny/discriminator" }',
    "D_photo": 'discriminators.D_photo = { type = "tiny/discriminator" }',
    "V": 'networks.V = { type = "tiny/features" }',
}
FIRST = """
name = "page"
data = { type = "tiny/pictures", paired = true }
%s
"""
TRAIN = {"batch_size": "2", "speed": '"safe"', "precision": '"fp64"', "seed": "3"}
STEPS = 10
UNIT = 1e-4
"""Of the rates that are shown."""


def blocks(what: str, language: str, page: Path = PAGE) -> dict[str, str]:
    """Name -> the fenced block after `<!-- what: name -->`."""
    found = re.findall(rf"^<!-- {what}: (\S+) -->\n```{language}\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return dict(found)


PHASES = blocks("phases", "toml") | blocks("phases", "toml", STEP)


def recipe_of(name: str) -> Recipe:
    """The page's phases as a whole recipe over tiny networks."""
    text = PHASES[name]
    used = [line for network, line in NETWORKS.items() if re.search(rf"\b{network}\(", text)]
    train = [f"{key} = {value}" for key, value in TRAIN.items()]
    if "\nsteps" not in text:
        train.append(f"steps = {STEPS}")
    settings = "\n".join(train)
    text = (
        text.replace("[train]\n", f"[train]\n{settings}\n") if "[train]" in text else f"{text}\n[train]\n{settings}\n"
    )
    return recipes.loads(FIRST % "\n".join(used) + text)


def planned(recipe: Recipe) -> list[PlannedPhase]:
    return plan(recipe.phases, recipe.train, total_steps(recipe.train, EPOCH), EPOCH)


def table(rows: dict[str, list[str]]) -> str:
    """Columns that are as wide as what stands in them, a row a phase."""
    wide = max(map(len, rows))
    cells = max(len(cell) for row in rows.values() for cell in row)
    lines = [f"{name:<{wide}}  " + " ".join(f"{cell:>{cells}}" for cell in row) for name, row in rows.items()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def timeline(recipe: Recipe) -> str:
    """A row a phase: x where it is active."""
    steps = range(total_steps(recipe.train, EPOCH))
    rows = {"step": [str(step) for step in steps]}
    return table(rows | {p.name: ["x" if p.active(step) else "." for step in steps] for p in planned(recipe)})


def rates(recipe: Recipe) -> str:
    """A row a phase: its learning rate where it is active, in units of 1e-4."""
    steps = range(total_steps(recipe.train, EPOCH))
    rows = {"step": [str(step) for step in steps]}
    for phase in planned(recipe):
        lr: float = phase.optimizer.lr  # type: ignore[attr-defined]
        rows[phase.name] = [f"{lr * phase.factor(step) / UNIT:.3g}" if phase.active(step) else "." for step in steps]
    return table(rows)


@pytest.mark.parametrize("name", PHASES)
def test_the_pages_phases_are_a_recipe(tiny: None, name: str) -> None:
    assert recipe_of(name).phases


@pytest.mark.parametrize("name", blocks("timeline", "text"))
def test_a_timeline_is_that_of_its_phases(tiny: None, name: str) -> None:
    assert blocks("timeline", "text")[name] == timeline(recipe_of(name))


@pytest.mark.parametrize("name", blocks("rates", "text"))
def test_rates_are_those_of_their_phases(tiny: None, name: str) -> None:
    assert blocks("rates", "text")[name] == rates(recipe_of(name))


def test_a_step_uses_the_rates_that_are_shown(tiny: None) -> None:
    recipe = recipe_of("cartoongan")
    training = Training(recipe, total_steps(recipe.train, EPOCH), EPOCH)
    (_, *rows) = (line.split() for line in rates(recipe).splitlines())
    for step in range(total_steps(recipe.train, EPOCH)):
        training.step(step, [batch(step)])
        shown = {name: cells[step] for name, *cells in rows if cells[step] != "."}
        assert {name: f"{training.rates[name] / UNIT:.3g}" for name in shown} == shown


def batch(step: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(100 + step)
    return {
        field: torch.rand(2, 3, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1
        for field in ("photo", "anime")
    }


def passes(name: str) -> str:
    """The page's row on how often each network is passed in a step, and how often it learns from that."""
    recipe = recipe_of(name)
    training = Training(recipe, STEPS, EPOCH)
    calls: Counter[str] = Counter()
    recorded: Counter[str] = Counter()
    for network, module in training.networks.items():

        def count(module: nn.Module, _: object, output: Tensor, network: str = network) -> None:
            calls[network] += 1
            recorded[network] += output.requires_grad and next(module.parameters()).requires_grad

        module.register_forward_hook(count)
    training.step(0, [batch(0)])
    cells = (", ".join(f"{network} {count}" for network, count in counts.items()) for counts in (calls, recorded))
    return f"| {name} | {' | '.join(cells)} |"


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan"])
def test_networks_are_passed_as_often_as_the_table_says(tiny: None, name: str) -> None:
    (shown,) = re.findall(r"<!-- passes -->\n\n(.*?)\n\n<!-- end -->", PAGE.read_text("utf-8"), re.S)
    assert passes(name) in shown.splitlines()


@pytest.mark.parametrize(
    ("first", "calls"),
    [
        ("generator", ["G learns", "D passes", "D learns", "D learns"]),
        ("discriminator", ["G learns", "D learns", "D learns", "D passes"]),
    ],
)
def test_a_step_calls_networks_as_its_page_says(
    tiny: None, monkeypatch: pytest.MonkeyPatch, first: str, calls: list[str]
) -> None:
    """Whether a network gets the gradient or passes it on, call by call; the page's phases in either order."""
    signals, *phases = re.split(r"^(?=\[phases)", PHASES["step"], flags=re.M)
    phases.sort(key=lambda phase: not phase.startswith(f"[phases.{first}]"))
    monkeypatch.setitem(PHASES, "step", "\n".join([signals, *phases]))
    training = Training(recipe_of("step"), STEPS, EPOCH)
    made: list[str] = []
    for network, module in training.networks.items():

        def note(module: nn.Module, _: object, output: Tensor, network: str = network) -> None:
            learns = next(module.parameters()).requires_grad
            made.append(f"{network} {'learns' if learns else 'passes' if output.requires_grad else 'stands'}")

        module.register_forward_hook(note)
    training.step(0, [batch(0)])
    assert made == calls


def test_the_loop_and_the_phases_of_wgan_gp_end_with_equal_weights(tiny: None) -> None:
    """Bit for bit, after ten steps in float64; both networks have moved."""
    training = Training(recipe_of("wgan-gp"), STEPS, EPOCH)
    before = copy.deepcopy(training.networks)
    by_hand = copy.deepcopy(training.networks)
    for step in range(STEPS):
        training.step(step, [batch(step)])

    def share(step: int) -> Tensor:
        seed_call(3, step, 0, 0, "phases.critic.losses.penalty")
        return torch.rand(2, 1, 1, 1, dtype=torch.float64)

    names: dict[str, object] = {}
    exec(compile(blocks("loop", "python")["wgan-gp"], "page", "exec", dont_inherit=True), names)
    data = [(batch(step)["photo"], batch(step)["anime"]) for step in range(STEPS)]
    names["wgan_gp"](by_hand["G"], by_hand["D"], data, share)  # type: ignore[operator]
    for name, network in training.networks.items():
        states = (network.state_dict(), by_hand[name].state_dict(), before[name].state_dict())
        for key, value in states[0].items():
            assert torch.equal(value, states[1][key]), f"{name}.{key} differs by {(value - states[1][key]).abs().max()}"
        assert any(not torch.equal(value, states[2][key]) for key, value in states[0].items()), f"{name} never moved"
