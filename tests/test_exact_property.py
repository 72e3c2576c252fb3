"""Whatever phases, schedules, epochs, pools and intervals a run has, and wherever it is interrupted: no trace of it.

A few such runs by default, two hundred with `pytest -m soak tests/test_exact_property.py` (about three minutes).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exact import Way, assert_same, in_parts
from toonforge import recipe as recipes
from toonforge.train.trainer import train

TOTAL = 6
COUNTS = st.one_of(st.integers(1, TOTAL + 1).map(str), st.sampled_from(["{ epochs = 1 }", "{ epochs = 0.5 }"]))
SCHEDULES = (
    'type = "constant"',
    'type = "linear-decay", start = 2',
    'type = "linear-decay", start = { epochs = 1 }',
    'type = "cosine", warmup = 2',
    'type = "multi-step", milestones = [0.4, 0.8]',
)
OPTIMIZERS = (
    'type = "adam", lr = 0.01',
    'type = "adamw", lr = 0.01',
    'type = "sgd", lr = 0.1, momentum = 0.9',
    'type = "rmsprop", lr = 0.01',
)
WHERE = ("step", "drawing", "grid", "measuring", "metrics", "checkpoint", "best", "finished")


@st.composite
def a_phase(draw: Any, name: str) -> str:
    """One phase: when it is active, what it updates, its own optimizer and schedule if any."""
    start = draw(st.integers(0, TOTAL - 1))
    until = draw(st.one_of(st.none(), st.integers(start + 1, TOTAL + 2)))
    lines = [f"[phases.{name}]", f"from = {start}", f"every = {draw(st.integers(1, 3))}"]
    lines += [f"until = {until}"] if until is not None else []
    if draw(st.booleans()):
        lines.append(f"optimizer = {{ {draw(st.sampled_from(OPTIMIZERS))} }}")
    if draw(st.booleans()):
        lines.append(f"schedule = {{ {draw(st.sampled_from(SCHEDULES))} }}")
    pool = draw(st.integers(1, 6))
    if draw(st.booleans()):
        lines += ['updates = ["D"]', f"[phases.{name}.losses]"]
        lines.append('reals = { type = "lsgan", logits = "D(anime)", real = true }')
        lines.append(f'fakes = {{ type = "lsgan", logits = "D(pool(fake, {pool}))", real = false }}')
    else:
        updates = draw(st.sampled_from(['"G"', '"F"', '"G", "F"']))
        lines += [f"updates = [{updates}]", f"[phases.{name}.losses]"]
        lines.append('cycle = { type = "l1", input = "F(fake)", target = "photo", weight = 3 }')
        lines.append('fool = { type = "bce", logits = "D(F(G(anime)))", real = true }')
    return "\n".join(lines)


@st.composite
def a_recipe(draw: Any) -> str:
    """A recipe of 6 steps over epochs of 2 to 10."""
    every = {name: draw(COUNTS) for name in ("samples", "metrics", "checkpoint")}
    phases = [draw(a_phase(name)) for name in draw(st.sampled_from([("one",), ("one", "two"), ("b", "a", "c")]))]
    accumulate = draw(st.sampled_from([1, 2]))
    ema = draw(st.sampled_from(["", "ema = 0.5", "ema = 0.999"]))
    return f"""
name = "any"
[data]
type = "tiny/pictures"
count = {draw(st.integers(2, 18))}
size = 8
paired = {str(draw(st.booleans())).lower()}
[generators]
G = {{ type = "tiny/generator", dropout = {draw(st.sampled_from([0.0, 0.4]))} }}
F = {{ type = "tiny/generator" }}
[discriminators]
D = {{ type = "tiny/discriminator", norm = {str(draw(st.booleans())).lower()} }}
[signals]
fake = "G(photo)"
[translations]
anime = "fake"
photo = "F(anime)"
[metrics]
shade = {{ type = "tiny/mean", input = "fake" }}
[train]
steps = {TOTAL}
batch_size = 2
seed = {draw(st.integers(0, 9))}
accumulate = {accumulate}
{ema}
log.every = {draw(st.integers(1, 4))}
samples = {{ every = {every["samples"]}, count = 1 }}
metrics = {{ every = {every["metrics"]}, best = "shade", patience = {draw(st.integers(1, 4))} }}
checkpoint = {{ every = {every["checkpoint"]}, keep = {draw(st.integers(1, 3))} }}
optimizer = {{ {draw(st.sampled_from(OPTIMIZERS))} }}
schedule = {{ {draw(st.sampled_from(SCHEDULES))} }}
{chr(10).join(phases)}
"""


WAYS = st.lists(
    st.builds(Way, st.sampled_from(["stop", "kill"]), st.integers(1, TOTAL), st.sampled_from(WHERE)),
    min_size=1,
    max_size=3,
)


FEW = settings(max_examples=8, suppress_health_check=list(HealthCheck))


@FEW
@given(text=a_recipe(), ways=WAYS)
def test_no_interruption_of_any_run_leaves_a_trace(tiny: None, text: str, ways: list[Way]) -> None:
    leaves_no_trace(text, ways)


@pytest.mark.soak
@settings(FEW, max_examples=200)
@given(text=a_recipe(), ways=WAYS)
def test_no_interruption_of_many_runs_leaves_a_trace(tiny: None, text: str, ways: list[Way]) -> None:
    leaves_no_trace(text, ways)


def leaves_no_trace(text: str, ways: list[Way]) -> None:
    """The run in parts ends as the one in one go."""
    one = recipes.loads(text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole = train(one, folder=folder / "whole", cpu=True)
        ended = in_parts(one, folder / "parts", ways)
        stops = [each.step for each in ended if each is not None and each.reason == "interrupted"]
        assert_same(folder / "whole", folder / "parts", stops)
        last = ended[-1]
        assert last is not None and (last.step, last.reason) == (whole.step, whole.reason)
        assert (str(last.metrics), last.best) == (str(whole.metrics), whole.best)


LAST = """
name = "any"
[data]
type = "tiny/pictures"
count = 2
size = 8
[generators]
G = { type = "tiny/generator" }
[translations]
anime = "G(photo)"
[metrics]
shade = { type = "tiny/mean", input = "G(photo)" }
[train]
steps = 6
log.every = 1
samples = { every = 4, count = 1 }
metrics.every = 3
checkpoint.every = 1
[phases.one]
updates = ["G"]
[phases.one.losses]
same = { type = "l1", input = "G(photo)", target = "photo" }
"""


def test_a_stop_after_the_last_step_leaves_no_trace(tiny: None) -> None:
    """What is measured there at any rate, and what is drawn because it is the last, come in the same order."""
    leaves_no_trace(LAST, [Way("stop", 6, "step")])
