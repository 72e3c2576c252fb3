"""`split-backward`: losses that share no gradient are differentiated one group after another, with the same result."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import attrs
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.plain_recipes import EVERY, Trained, assert_equal, everything, plain, small, trained
from tests.ranks import together
from tests.test_engine_equality import CYCLEGAN
from tests.test_equal_processes import IN_PARTS, PENALTY, PLAINLY
from toonforge import recipe as recipes
from toonforge.components import changed
from toonforge.errors import RunError
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.recipe.model import Recipe
from toonforge.registries import ops, optimizers
from toonforge.train.graph import Arguments, Compiler
from toonforge.train.groups import Group, groups, reach
from toonforge.train.step import Training, make_accelerator

SPLIT = ("split-backward",)


def with_speed(recipe: Recipe, speed: Any) -> Recipe:
    return attrs.evolve(recipe, train=changed(recipe.train, speed=speed))


def whole(name: str, steps: int = 1) -> Recipe:
    """A recipe with all that draws and remembers left in, shrunk, in float64."""
    recipe = small(EVERY[name], steps)
    sgd = optimizers["sgd"](lr=1e-3, momentum=0.9)
    phases = {key: changed(phase, optimizer=phase.optimizer and sgd) for key, phase in recipe.phases.items()}
    train = changed(recipe.train, precision="fp64", optimizer=sgd, ema=0.9)
    return attrs.evolve(recipe, phases=phases, train=train)


def steps(recipe: Recipe, count: int, parts: int = 1) -> Trained:
    """Some steps on noise, in this process."""
    training = Training(recipe, count, 4, make_accelerator(recipe.train.precision, cpu=True))
    shapes = {field: shape for group in recipe.data.groups().values() for field, shape in group.items()}
    generator = torch.Generator().manual_seed(4)
    logged = []
    for step in range(count):
        share = recipe.train.batch_size // parts
        batch = [
            {f: torch.rand(share, *shape, generator=generator) * 2 - 1 for f, shape in shapes.items()}
            for _ in range(parts)
        ]
        training.step(step, batch)
        losses, totals, finite = training.read()
        assert finite
        logged.append({**losses, **{f"total {key}": value for key, value in totals.items()}})
    return Trained(everything(training), logged)


# -- which losses go together ----------------------------------------------------------------------------------------

NETWORKS = ("G", "F", "D", "V")
SIGNALS = {"fake": Expr.parse("G(photo)"), "back": Expr.parse("F(fake)"), "pooled": Expr.parse("pool(fake)")}
EXPRESSIONS = (
    "photo", "fake", "back", "D(fake)", "D(photo)", "D(pooled)", "V(fake)", "V(photo)", "G(anime)", "F(G(anime))",
    "D(cat(photo, fake))", "D(pool(fake))", "gray(G(photo))", "F(photo)", "V(back)", "D(back)", "G(F(photo))", "G(back)",
)  # fmt: skip
COMPILER = Compiler(Graph(NETWORKS, SIGNALS), ops, torch.device("cpu"))

terms = st.builds(
    lambda texts, lent: Arguments(
        {f"input{i}": COMPILER(Expr.parse(text)) for i, text in enumerate(texts)}, dict.fromkeys(lent, lent)
    ),
    st.lists(st.sampled_from(EXPRESSIONS), min_size=1, max_size=3),
    st.sampled_from(["", "", "", "D", "V"]),
)
losses_of_a_phase = st.lists(terms, min_size=1, max_size=7).map(
    lambda found: {f"loss{i}": t for i, t in enumerate(found)}
)
updated = st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3, unique=True)
changing_networks = st.frozensets(st.sampled_from(NETWORKS))


@given(losses=losses_of_a_phase, updates=updated, changing=changing_networks, processes=st.integers(1, 2))
def test_groups_share_no_gradient_and_keep_the_order_that_matters(
    losses: Mapping[str, Arguments], updates: list[str], changing: frozenset[str], processes: int
) -> None:
    found = groups(losses, updates, COMPILER.signals, changing=changing, processes=processes)
    order = [name for group in found for name in group.losses]
    assert sorted(order) == sorted(losses), "each loss once"
    reaches = {name: reach(term, frozenset(updates), COMPILER.signals) for name, term in losses.items()}
    for group in found:
        assert list(group.losses) == [name for name in losses if name in group.losses], "written order in a group"
        others = frozenset().union(*(reaches[name].carrying for name in losses if name not in group.losses))
        own = frozenset().union(*(reaches[name].carrying for name in group.losses))
        assert not own & others, "two groups share what a gradient passes through"
    for network in changing:
        calling = [name for name in losses if network in reaches[name].called]
        assert [name for name in order if name in calling] == calling, f"{network} is called in another order"


@given(losses=losses_of_a_phase, updates=updated, changing=changing_networks, processes=st.integers(1, 2))
def test_a_networks_gradient_is_complete_once_and_after_its_last_use(
    losses: Mapping[str, Arguments], updates: list[str], changing: frozenset[str], processes: int
) -> None:
    found = groups(losses, updates, COMPILER.signals, changing=changing, processes=processes)
    assert sorted(network for group in found for network in group.complete) == sorted(updates)
    reaches = {name: reach(term, frozenset(updates), COMPILER.signals) for name, term in losses.items()}
    for index, group in enumerate(found):
        for network in group.complete:
            later = [name for other in found[index + 1 :] for name in other.losses]
            assert not any(network in reaches[name].called | reaches[name].lent for name in later)
        for network in group.complete if processes > 1 else ():
            trained = {name for name in losses if network in reaches[name].trained}
            assert not trained or trained & {*group.losses}, "averaged where nothing reaches its last parameters"


@given(losses=losses_of_a_phase, updates=updated)
def test_groups_are_as_small_as_can_be(losses: Mapping[str, Arguments], updates: list[str]) -> None:
    """In each, every loss is connected to every other one through values that carry a gradient."""
    reaches = {name: reach(term, frozenset(updates), COMPILER.signals) for name, term in losses.items()}
    for group in groups(losses, updates, COMPILER.signals):
        connected, waiting = set[str](), [group.losses[0]]
        while waiting:
            name = waiting.pop()
            connected.add(name)
            waiting += [o for o in group.losses if o not in connected and reaches[o].carrying & reaches[name].carrying]
        assert connected == set(group.losses)


@given(losses=losses_of_a_phase, updates=updated)
def test_nothing_is_forgotten_that_is_looked_at_again(losses: Mapping[str, Arguments], updates: list[str]) -> None:
    found = groups(losses, updates, COMPILER.signals)
    for group, following in pairwise(found):
        texts = frozenset().union(
            *(reach(losses[name], frozenset(updates), COMPILER.signals).texts for name in following.losses)
        )
        assert texts <= group.later
    assert found[-1].later == frozenset()


def written(text: str) -> dict[str, list[Group]]:
    training = Training(with_speed(recipes.loads(text), SPLIT), 10, 3)
    return {name: list(found) for name, found in training._groups.items()}


def test_cyclegans_generators_are_four_groups(tiny: None) -> None:
    found = written(CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', ""))
    assert [group.losses for group in found["generators"]] == [
        ("fool_anime", "cycle_photo"),
        ("fool_photo", "cycle_anime"),
        ("identity_anime",),
        ("identity_photo",),
    ]
    assert [group.complete for group in found["generators"]] == [(), (), ("G",), ("F",)]
    assert [len(group.losses) for group in found["discriminators"]] == [1, 1, 1, 1]


def test_a_network_that_changes_when_called_keeps_losses_together(tiny: None) -> None:
    """G's running statistics see photo, anime, photo again: apart, in two groups, they would see another order."""
    terms = {
        "first": 'logits = "D(fake)", real = true',
        "second": 'logits = "D(G(anime))", real = true',
        "third": 'logits = "D(gray(fake))", real = true',
    }
    text = CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', "")
    head = text[: text.index("[generators]")]
    for norm, expected in (("true", [("first", "second", "third")]), ("false", [("first", "third"), ("second",)])):
        found = written(
            head
            + f"""
            [generators]
            G = {{ type = "tiny/generator" }}
            [discriminators]
            D = {{ type = "tiny/discriminator", norm = {norm} }}
            [signals]
            fake = "G(photo)"
            [phases.g]
            updates = ["G"]
            [phases.g.losses]
            """
            + "\n".join(f'{name} = {{ type = "lsgan", {keys} }}' for name, keys in terms.items())
            + """
            [phases.d]
            updates = ["D"]
            [phases.d.losses]
            reals = { type = "lsgan", logits = "D(photo)", real = true }
            """
        )
        assert [group.losses for group in found["g"]] == expected


# -- equal to the step as written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cyclegan/cyclegan", "toon2real/toon2real", "recipes/anime_unet.toml"])
def test_equal_to_the_step_as_written(name: str) -> None:
    """Losses, gradients (SGD's momentum), weights, averages, running statistics and power iterations."""
    recipe = whole(name)
    count = recipe.train.steps or 1
    assert_equal(steps(with_speed(recipe, "safe"), count), steps(with_speed(recipe, SPLIT), count), 1e-10)


@pytest.mark.soak
@pytest.mark.parametrize("name", EVERY)
def test_every_recipe_is_equal_to_its_steps_as_written(name: str) -> None:
    """pytest -m soak tests/test_split_backward.py -k every_recipe"""
    recipe = whole(name)
    count = recipe.train.steps or 1
    assert_equal(steps(with_speed(recipe, "safe"), count), steps(with_speed(recipe, SPLIT), count), 1e-10)


ANY = """
name = "any"
data = {{ type = "tiny/pictures" }}
generators.G = {{ type = "tiny/generator", dropout = {dropout} }}
generators.F = {{ type = "tiny/generator", norm = false }}
discriminators.D = {{ type = "tiny/discriminator", norm = {norm} }}
networks.V = {{ type = "tiny/features" }}
signals.fake = "G(photo)"
signals.back = "F(fake)"
[train]
steps = 3
batch_size = 4
precision = "fp64"
accumulate = {parts}
optimizer = {{ type = "sgd", lr = 1e-4, momentum = 0.9 }}
ema = 0.9
{clip}
"""
LOSSES = (
    '{ type = "l1", input = "fake", target = "anime" }',
    '{ type = "l1", input = "back", target = "photo", weight = 3 }',
    '{ type = "l1", input = "G(anime)", target = "anime", weight = 0.5 }',
    '{ type = "l1", input = "F(photo)", target = "photo" }',
    '{ type = "l2", input = "V(fake)", target = "V(photo)" }',
    '{ type = "feature-l1", input = "F(anime)", target = "anime", features = "V" }',
    '{ type = "lsgan", logits = "D(fake)", real = true }',
    '{ type = "lsgan", logits = "D(pool(fake, 3))", real = false }',
    '{ type = "bce", logits = "D(noise(anime, 0.1))", real = true }',
    '{ type = "hinge", logits = "D(back)", role = "generator" }',
    '{ type = "gradient-penalty", discriminator = "D", real = "anime", fake = "fake", weight = 2 }',
)
one_phase = st.tuples(
    st.lists(st.sampled_from(["G", "F", "D"]), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from(LOSSES), min_size=1, max_size=6, unique=True),
)


def recipe_of(phases: Sequence[tuple[list[str], list[str]]], **settings: Any) -> Recipe:
    """A recipe of these phases; every network that one updates is reached, and every network is used."""
    reaching = {"G": LOSSES[0], "F": LOSSES[3], "D": LOSSES[8]}
    text = ANY.format(**settings)
    for number, (updates, found) in enumerate([*phases, (["G", "F", "D"], [LOSSES[4]])]):
        chosen = list(dict.fromkeys([*found, *(reaching[network] for network in updates)]))
        text += f"[phases.p{number}]\nupdates = {updates}\n[phases.p{number}.losses]\n"
        text += "".join(f"loss{i} = {loss}\n" for i, loss in enumerate(chosen))
    return recipes.loads(text)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    phases=st.lists(one_phase, min_size=1, max_size=3),
    dropout=st.sampled_from([0.0, 0.5]),
    norm=st.sampled_from(["true", "false"]),
    parts=st.sampled_from([1, 2]),
    clip=st.sampled_from(["", "clip = 0.1"]),
)
def test_any_phases_are_equal_to_their_steps_as_written(
    tiny: None, phases: list[tuple[list[str], list[str]]], **settings: Any
) -> None:
    """Whatever order losses are written in: dropout, batch norm, pools, noise and penalties draw and count alike."""
    recipe = recipe_of(phases, **settings)
    parts = recipe.train.accumulate
    expected = steps(with_speed(recipe, "safe"), 3, parts)
    found = steps(with_speed(recipe, SPLIT), 3, parts)
    assert_equal(expected, found, 1e-10)
    assert [list(row) for row in expected.logged] == [list(row) for row in found.logged], "told in another order"


def test_a_penalty_draws_alike_wherever_its_group_stands(tiny: None) -> None:
    """As written another call comes before it, which seeds torch's random state."""
    recipe = recipes.loads(
        """
        name = "drawing"
        data = { type = "tiny/pictures" }
        discriminators.D = { type = "tiny/discriminator" }
        train = { steps = 1, batch_size = 4, precision = "fp64" }
        [phases.p]
        updates = ["D"]
        [phases.p.losses]
        real = { type = "lsgan", logits = "D(photo)", real = true }
        penalty = { type = "gradient-penalty", discriminator = "D", real = "photo", fake = "anime" }
        gray = { type = "l1", input = "D(photo)", target = "D(gray(photo))" }
        """
    )
    expected, found = steps(with_speed(recipe, "safe"), 1), steps(with_speed(recipe, SPLIT), 1)
    assert expected.logged[0]["p.penalty"] == pytest.approx(found.logged[0]["p.penalty"], rel=1e-12)


def test_losses_are_told_in_the_order_written(tiny: None) -> None:
    recipe = with_speed(recipes.loads(CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', "")), SPLIT)
    (row,) = steps(recipe, 1).logged
    names = [f"{phase}.{loss}" for phase, found in recipe.phases.items() for loss in found.losses]
    assert list(row)[: len(names)] == names


@pytest.mark.parametrize(("name", "how"), [("recipes/anime_cartoongan.toml", IN_PARTS), ("cyclegan/cyclegan", PLAINLY)])
def test_two_processes_train_in_groups_like_one_as_written(name: str, how: dict[str, Any]) -> None:
    recipe = plain(name, steps=1, **how)
    (one,) = together(1, lambda rank: trained(with_speed(recipe, "safe")))
    for other in together(2, lambda rank: trained(with_speed(recipe, SPLIT))):
        assert_equal(one, other)


@pytest.mark.soak
@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("name", EVERY)
def test_two_processes_train_every_recipe_in_groups_like_one(name: str, accumulate: int) -> None:
    """pytest -m soak tests/test_split_backward.py -k two_processes"""
    recipe = plain(name, steps=2, accumulate=accumulate, alternate=accumulate > 1)
    (one,) = together(1, lambda rank: trained(with_speed(recipe, "safe")))
    for other in together(2, lambda rank: trained(with_speed(recipe, SPLIT))):
        assert_equal(one, other)


@pytest.mark.parametrize("last", ["straight", "reals"])
def test_penalties_are_averaged_over_processes_in_groups(tiny: None, last: str) -> None:
    """A penalty alone reaches no bias of the last layer: it is not the pass in which gradients are averaged."""
    text = PENALTY.replace("accumulate = 2", "accumulate = 1")
    if last == "reals":
        line = next(line for line in text.splitlines() if line.startswith("reals"))
        text = text.replace(line + "\n", "").replace("[phases.generator]", line + "\n[phases.generator]")
    recipe = recipes.loads(text)
    (one,) = together(1, lambda rank: trained(with_speed(recipe, "safe")))
    for other in together(2, lambda rank: trained(with_speed(recipe, SPLIT))):
        assert_equal(one, other)


# -- what it is for --------------------------------------------------------------------------------------------------


def most_kept(recipe: Recipe) -> int:
    """The most bytes that were kept for backward passes at one moment of a step."""
    kept = {"now": 0, "most": 0}

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor

    def add(count: int) -> None:
        kept["now"] += count
        kept["most"] = max(kept["most"], kept["now"])

    def pack(tensor: Tensor) -> Kept:
        box = Kept(tensor)
        size = 0 if isinstance(tensor, nn.Parameter) else tensor.nbytes
        add(size)
        weakref.finalize(box, add, -size)
        return box

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        steps(recipe, 1)
    return kept["most"]


def test_one_groups_activations_live_at_a_time(tiny: None) -> None:
    recipe = recipes.loads(CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', ""))
    # As written six passes of a generator and two of a discriminator; in groups two and one.
    assert most_kept(with_speed(recipe, SPLIT)) < 0.4 * most_kept(with_speed(recipe, "safe"))


def test_what_no_later_group_looks_at_is_forgotten(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = with_speed(recipes.loads(CYCLEGAN.format(data="", train="").replace('speed = "safe"\n', "")), SPLIT)
    total, seen = Training._total, list[set[str]]()

    def watching(self: Training, phase: Any, group: Group, part: Any, parts: int) -> Tensor:
        seen.append({text for text, _ in part.memo})
        return total(self, phase, group, part, parts)

    monkeypatch.setattr(Training, "_total", watching)
    steps(recipe, 1)
    assert len(seen) == 8
    assert all(not {text for text in texts if "(" in text} for texts in seen), "these groups have nothing in common"


def test_a_network_whose_last_group_leaves_parameters_out_is_refused_by_several_processes(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its gradients would stay each process's own."""
    from tests.tiny import TinyGenerator

    class Moody(nn.Module):
        """One of its layers is used for the first call of a step alone."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.other, self.calls = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            return self.first(x) + (self.other(x) if self.calls % 2 else 0)

    monkeypatch.setattr(TinyGenerator, "build", lambda self: Moody())
    recipe = recipes.loads(
        """
        name = "moody"
        data = { type = "tiny/pictures" }
        generators.G = { type = "tiny/generator" }
        train = { steps = 2, batch_size = 2, speed = ["split-backward"] }
        [phases.p]
        updates = ["G"]
        [phases.p.losses]
        one = { type = "l1", input = "G(photo)", target = "anime" }
        two = { type = "l1", input = "G(anime)", target = "photo" }
        """
    )

    def work(rank: int) -> str:
        try:
            trained(recipe)
        except RunError as error:
            return str(error)
        return "trained"

    for said in together(2, work):
        assert "split-backward" in said and "G" in said
