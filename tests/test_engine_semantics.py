"""What the recipe language promises of a step: how often things are computed, and where gradients go."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from tests.test_engine_equality import CYCLEGAN, PIX2PIX
from toonforge import recipe as recipes
from toonforge.errors import RecipeError
from toonforge.ops import Gray
from toonforge.train.step import Training, make_accelerator

BASE = """
name = "semantics"
[data]
type = "tiny/pictures"
[generators]
G = { type = "tiny/generator", dropout = 0.5 }
F = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator" }
[signals]
fake = "G(photo)"
back = "F(fake)"
[train]
steps = 10
batch_size = 2
"""


def used(text: str) -> str:
    """Without what the phases do not use: the check refuses a network that nothing calls."""
    for line, uses in (
        ('F = { type = "tiny/generator" }\n', ("back", "F(")),
        ('D = { type = "tiny/discriminator" }\n', ("D(",)),
    ):
        phases = text[text.index("[phases") :]
        if not any(use in phases for use in uses):
            text = text.replace(line, "")
            text = text.replace('back = "F(fake)"\n', "") if line.startswith("F") else text
    return text


def prepare(text: str) -> tuple[Training, Counter[str], Counter[str]]:
    """(training, calls of each network, calls that recorded a graph reaching its own parameters)."""
    training = Training(recipes.loads(used(text)), 10, 3)
    calls: Counter[str] = Counter()
    recorded: Counter[str] = Counter()

    def count(name: str) -> object:
        def hook(module: torch.nn.Module, inputs: object, output: Tensor) -> None:
            calls[name] += 1
            if output.requires_grad and next(module.parameters()).requires_grad:
                recorded[name] += 1

        return hook

    for name, network in training.networks.items():
        network.register_forward_hook(count(name))  # type: ignore[arg-type]
    return training, calls, recorded


def batch(*fields: str) -> dict[str, Tensor]:
    return {field: torch.rand(2, 3, 16, 16) * 2 - 1 for field in fields or ("photo", "anime")}


def test_generators_first_computes_nothing_twice(tiny: None) -> None:
    training, calls, recorded = prepare(CYCLEGAN.format(data="", train=""))
    training.step(0, [batch()])
    # G: fake, cycle, identity. D: fool in the first phase; real and pooled fake in the second.
    assert calls == {"G": 3, "F": 3, "D_anime": 3, "D_photo": 3}
    assert recorded == {"G": 3, "F": 3, "D_anime": 2, "D_photo": 2}


def test_discriminators_first_shares_the_generators_graph(tiny: None) -> None:
    training, calls, recorded = prepare(PIX2PIX.format(data='fields = ["photo", "cartoon"]\npaired = true', train=""))
    training.step(0, [batch("photo", "cartoon")])
    assert calls == {"G": 1, "D": 3}
    assert recorded == {"G": 1, "D": 2}


def test_a_signal_is_computed_again_only_for_a_gradient_after_an_update_below(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["F"]
    losses.a = { type = "l1", input = "back", target = "photo" }
    [phases.second]
    updates = ["G"]
    losses.b = { type = "l1", input = "back", target = "photo" }
    [phases.third]
    updates = ["D"]
    losses.c = { type = "lsgan", logits = "D(back)", real = false }
    """
    training, calls, recorded = prepare(BASE + phases)
    training.step(0, [batch()])
    # first: fake (kept with G's graph for `second`) and back; second: back again, since F has stepped; third: detached.
    assert calls == {"G": 1, "F": 2, "D": 1}
    assert recorded == {"G": 1, "F": 1, "D": 1}


def test_a_phase_that_updates_nothing_below_sees_the_value_from_before_the_update(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["G"]
    losses.a = { type = "l1", input = "fake", target = "photo" }
    [phases.second]
    updates = ["D"]
    losses.b = { type = "lsgan", logits = "D(fake)", real = false }
    """
    training, calls, _ = prepare(BASE + phases)
    training.step(0, [batch()])
    assert calls == {"G": 1, "D": 1}


def test_without_a_later_use_no_graph_is_kept(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["D"]
    losses.b = { type = "lsgan", logits = "D(fake)", real = false }
    """
    training, _, recorded = prepare(BASE + phases)
    training.step(0, [batch()])
    assert recorded == {"D": 1}


def test_dropout_draws_once_for_an_expression_and_step(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["F"]
    losses.a = { type = "l1", input = "F(G(photo))", target = "photo" }
    [phases.second]
    updates = ["D"]
    losses.b = { type = "lsgan", logits = "D(G(photo))", real = false }
    """
    training, calls, _ = prepare(BASE + phases)
    outputs: list[Tensor] = []
    training.networks["G"].register_forward_hook(lambda m, i, o: outputs.append(o.detach().clone()))
    training.step(0, [batch()])
    assert calls["G"] == 2 and torch.equal(outputs[0], outputs[1])
    training.step(1, [batch()])
    assert not torch.equal(outputs[1], outputs[2])


def test_a_frozen_network_passes_gradients_and_takes_none(tiny: None) -> None:
    training, _, _ = prepare(CYCLEGAN.format(data="", train=""))
    before = {key: value.clone() for key, value in training.networks["D_anime"].state_dict().items()}
    phase = training.phases[0]
    with training.engine.phase(phase.updates, []):
        assert not any(p.requires_grad for p in training.networks["D_anime"].parameters())
        assert all(p.requires_grad for p in training.networks["G"].parameters())
    training.phases = [phase]
    training.step(0, [batch()])
    after = training.networks["D_anime"].state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert all(p.grad is None for p in training.networks["D_anime"].parameters())


@pytest.mark.parametrize("order", ["generators", "discriminators"])
def test_accumulated_parts_equal_the_whole_batch(tiny: None, order: str) -> None:
    text = (
        CYCLEGAN.format(data="", train='precision = "fp64"\noptimizer = { type = "sgd", lr = 0.05 }\naccumulate = 1')
        .replace("pool(fake_anime, 3)", "fake_anime")
        .replace("pool(fake_photo, 3)", "fake_photo")
    )
    if order == "discriminators":
        text = text.replace("[phases.discriminators]\n", '[phases.discriminators]\nbefore = "generators"\n')
    whole, parts = Training(recipes.loads(text), 10, 3), Training(recipes.loads(text), 10, 3)
    for step in range(3):
        generator = torch.Generator().manual_seed(step)
        data = {f: torch.rand(4, 3, 16, 16, generator=generator, dtype=torch.float64) for f in ("photo", "anime")}
        whole.step(step, [data])
        parts.step(step, [{k: v[:2] for k, v in data.items()}, {k: v[2:] for k, v in data.items()}])
    for name, network in whole.networks.items():
        for key, value in network.state_dict().items():
            assert torch.allclose(value, parts.networks[name].state_dict()[key], rtol=0, atol=1e-12), (name, key)
    for name, value in whole.losses.items():
        assert torch.allclose(value, parts.losses[name], rtol=0, atol=1e-12), name


def test_phases_are_active_by_the_step_alone(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["G"]
    from = 2
    until = 7
    every = 2
    losses.a = { type = "l1", input = "fake", target = "photo" }
    """
    training, _, _ = prepare(BASE + phases)
    assert [step for step in range(10) if training.phases[0].active(step)] == [2, 4, 6]


def test_a_phase_with_its_own_optimizer_keeps_its_own_state(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["G"]
    optimizer = { type = "adam", lr = 1e-3 }
    losses.a = { type = "l1", input = "fake", target = "photo" }
    [phases.second]
    updates = ["G"]
    losses.a = { type = "l1", input = "fake", target = "photo" }
    [phases.third]
    updates = ["G", "D"]
    losses.b = { type = "lsgan", logits = "D(fake)", real = true }
    """
    training, _, _ = prepare(BASE + phases)
    assert set(training.optimizers.by_key) == {("phases.first", "G"), ("train", "G"), ("train", "D")}
    training.step(0, [batch()])
    state = training.optimizers.by_key["train", "G"].state
    assert {int(entry["step"]) for entry in state.values()} == {2}


def test_a_phase_called_train_does_not_share_the_optimizer_of_train(tiny: None) -> None:
    phases = """
    [phases.train]
    updates = ["G"]
    optimizer = { type = "sgd", lr = 1e-3 }
    losses.a = { type = "l1", input = "fake", target = "photo" }
    [phases.other]
    updates = ["G"]
    losses.a = { type = "l1", input = "fake", target = "photo" }
    """
    training, _, _ = prepare(BASE + phases)
    assert len(training.optimizers.by_key) == 2


def test_an_op_that_is_a_module_passes_gradients(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gray, "build", lambda self: torch.nn.AvgPool2d(3, 1, 1))
    phases = """
    [phases.first]
    updates = ["G"]
    losses.a = { type = "l1", input = "gray(fake)", target = "photo" }
    """
    training, _, _ = prepare(BASE + phases)
    weights = [value for key, value in training.networks["G"].named_parameters() if key.endswith("weight")]
    before = [value.detach().clone() for value in weights]
    training.step(0, [batch()])
    assert not any(torch.equal(value, old) for value, old in zip(weights, before, strict=True))


def test_a_loss_behind_a_pool_reaches_no_generator(tiny: None) -> None:
    phases = """
    [phases.first]
    updates = ["G"]
    losses.a = { type = "l1", input = "pool(fake)", target = "photo" }
    """
    with pytest.raises(RecipeError, match="no loss of the phase reaches 'G'"):
        recipes.loads(used(BASE + phases))


def test_runs_of_one_process_may_differ_in_precision(tiny: None) -> None:
    for precision in ("fp32", "bf16", "fp64"):
        assert make_accelerator(precision, cpu=True).mixed_precision == ("bf16" if precision == "bf16" else "no")


def test_the_average_follows_the_generators_only(tiny: None) -> None:
    training, _, _ = prepare(CYCLEGAN.format(data="", train="ema = 0.5"))
    assert training.average is not None and set(training.average.networks) == {"G", "F"}
    expected = {k: v.clone() for k, v in training.networks["G"].state_dict().items()}
    for step in range(3):
        training.step(step, [batch()])
        decay = min(0.5, (2 + step) / (11 + step))
        for key, value in training.networks["G"].state_dict().items():
            expected[key] = expected[key] * decay + value * (1 - decay)
    for key, value in training.average.networks["G"].state_dict().items():
        assert torch.allclose(value, expected[key], atol=1e-7)


def test_a_new_network_changes_no_other_networks_weights(tiny: None) -> None:
    phase = '\n[phases.p]\nupdates = ["G"]\nlosses.a = { type = "l1", input = "back", target = "photo" }\n'
    text = BASE.replace('D = { type = "tiny/discriminator" }', "") + phase
    more = text.replace("[discriminators]", '[discriminators]\nA = { type = "tiny/discriminator" }')
    one = Training(recipes.loads(text), 10, 3)
    two = Training(recipes.loads(more + 'losses.b = { type = "lsgan", logits = "A(fake)", real = true }'), 10, 3)
    for key, value in one.networks["G"].state_dict().items():
        assert torch.equal(value, two.networks["G"].state_dict()[key])


def test_clipping_bounds_the_gradient_of_each_phase(tiny: None) -> None:
    text = CYCLEGAN.format(data="", train='clip = 1e-3\noptimizer = { type = "sgd", lr = 1.0 }')
    training = Training(recipes.loads(text), 10, 3)
    before = {n: {k: v.clone() for k, v in net.state_dict().items()} for n, net in training.networks.items()}
    training.step(0, [batch()])
    for names in (("G", "F"), ("D_anime", "D_photo")):
        moved = [
            value - before[name][key] for name in names for key, value in training.networks[name].state_dict().items()
        ]
        norm = torch.cat([m.flatten() for m in moved]).norm()
        assert 0.99e-3 < norm < 1.001e-3


def test_one_text_is_one_draw_of_noise_and_a_number_asks_for_another(tiny: None) -> None:
    training, _, _ = prepare(
        BASE
        + """
[phases.one]
updates = ["G"]
[phases.one.losses]
same = { type = "l2", input = "noise(G(photo), 1)", target = "noise(G(photo), 1)" }
other = { type = "l2", input = "noise(G(photo), 1)", target = "noise(G(photo), 1, 2)" }
third = { type = "l2", input = "noise(G(photo), 1, 2)", target = "noise(G(photo), 1, 3)" }
"""
    )
    training.step(0, [batch("photo")])
    values = {name.removeprefix("one."): value.item() for name, value in training.losses.items()}
    assert values["same"] == 0
    assert values["other"] == pytest.approx(2, rel=0.2), "the difference of two draws has twice the variance"
    assert values["third"] == pytest.approx(2, rel=0.2)
