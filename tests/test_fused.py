"""Fused optimizers compute what the plain ones do, keep the same state, and are used only where they are right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim import SGD, Adagrad, Adam, AdamW, RMSprop

from toonforge.components import Optimizer, component
from toonforge.speed.fused import fuse
from toonforge.train.state import Optimizers, load_optimizer, optimizer_tensors

SHAPES = ((3, 2, 4, 4), (5,), (7, 3), (1, 6, 1, 1))
LAST = torch.channels_last


def network(dtype: torch.dtype = torch.float64, layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    torch.manual_seed(0)
    values = [torch.randn(shape, dtype=dtype) for shape in SHAPES]
    return nn.ParameterList([v.contiguous(memory_format=layout) if v.dim() == 4 else v for v in values])


def gradients(parameters: list[nn.Parameter], step: int, present: frozenset[int]) -> None:
    """Give every parameter of `present` the gradient of a step, in its own order of memory, and the others none."""
    drawn = torch.Generator().manual_seed(step)
    for index, parameter in enumerate(parameters):
        value = torch.randn(parameter.shape, generator=drawn, dtype=torch.float64).to(parameter.dtype)
        parameter.grad = torch.empty_like(parameter).copy_(value) if index in present else None


def run(
    optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], steps: list[frozenset[int]], first: int
) -> None:
    for step, present in enumerate(steps, first):
        gradients(parameters, step, present)
        optimizer.step()


SUBSETS = st.frozensets(st.integers(0, len(SHAPES) - 1))
BUILT: st.SearchedStrategy[tuple[type[Any], dict[str, Any]]] = st.one_of(
    st.tuples(
        st.sampled_from([Adam, AdamW]),
        st.fixed_dictionaries(
            {
                "lr": st.floats(1e-4, 0.1),
                "betas": st.sampled_from([(0.5, 0.999), (0.9, 0.99), (0.0, 0.9)]),
                "weight_decay": st.sampled_from([0.0, 0.05]),
                "amsgrad": st.booleans(),
                "maximize": st.booleans(),
            }
        ),
    ),
    st.tuples(
        st.just(SGD),
        st.fixed_dictionaries(
            {
                "lr": st.floats(1e-3, 0.1),
                "momentum": st.sampled_from([0.0, 0.9]),
                "weight_decay": st.sampled_from([0.0, 0.05]),
            }
        ),
    ),
    st.just((SGD, {"lr": 0.1, "momentum": 0.8, "nesterov": True})),
    st.just((Adagrad, {"lr": 0.05, "lr_decay": 0.1})),
)


@settings(max_examples=60)
@given(
    built=BUILT,
    steps=st.lists(SUBSETS, min_size=1, max_size=5),
    layout=st.sampled_from([LAST, torch.contiguous_format]),
)
def test_a_fused_optimizer_computes_what_the_plain_one_does(
    built: tuple[type[Any], dict[str, Any]], steps: list[frozenset[int]], layout: torch.memory_format
) -> None:
    kind, how = built
    plain, fused = [*network(layout=layout).parameters()], [*network(layout=layout).parameters()]
    ours, theirs = kind(fused, **how), kind(plain, **how)
    assert fuse(ours) is None and all(group["fused"] for group in ours.param_groups)
    run(ours, fused, steps, 0)
    run(theirs, plain, steps, 0)
    for one, other in zip(fused, plain, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)
        held, expected = ours.state.get(one, {}), theirs.state.get(other, {})
        values = {key: value for key, value in expected.items() if value is not None}
        assert {key for key, value in held.items() if value is not None} == values.keys()
        for key, value in values.items():
            torch.testing.assert_close(held[key], value, rtol=1e-10, atol=1e-12, check_dtype=False)


KINDS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "adam": lambda p: Adam(p, 0.01),
    "adamw": lambda p: AdamW(p, 0.01, amsgrad=True),
    "sgd": lambda p: SGD(p, 0.01, momentum=0.9),
    "adagrad": lambda p: Adagrad(p, 0.01),
}
EVERY = [frozenset(range(len(SHAPES)))] * 2


def went_on(kind: str, before: bool, after: bool, layout: torch.memory_format, stored: bool = True) -> list[Tensor]:
    """Two steps, what they leave put into files' order of memory and loaded, two more; fused or not in either half."""
    module = network(torch.float32, layout)
    optimizer = KINDS[kind](module.parameters())
    if before:
        assert fuse(optimizer) is None
    run(optimizer, [*module.parameters()], EVERY, 0)
    if stored:
        tensors, plain = optimizer_tensors(optimizer, module)
        assert not plain
        optimizer = KINDS[kind](module.parameters())
        if after:
            assert fuse(optimizer) is None
        load_optimizer(optimizer, module, {key: value.contiguous() for key, value in tensors.items()}, plain)
    run(optimizer, [*module.parameters()], EVERY, 2)
    return [*module.parameters()]


@pytest.mark.parametrize("layout", [LAST, torch.contiguous_format])
@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_state_goes_on_bit_for_bit_in_any_order_of_memory(kind: str, layout: torch.memory_format) -> None:
    whole = went_on(kind, True, True, layout, stored=False)
    assert all(torch.equal(one, other) for one, other in zip(went_on(kind, True, True, layout), whole, strict=True))


@pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_the_one_goes_on_with_the_other(kind: str, before: bool, after: bool) -> None:
    whole = went_on(kind, False, False, LAST, stored=False)
    for one, other in zip(went_on(kind, before, after, LAST), whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


class Own(Adam):
    """Somebody's, who may have changed what a step is."""


@pytest.mark.parametrize(
    ("build", "why"),
    [
        (lambda p: RMSprop(p), "torch has no fused RMSprop"),
        (lambda p: Own(p), "torch has no fused Own"),
        (lambda p: Adam(p, foreach=True), "says itself"),
        (lambda p: Adam(p, fused=False), "says itself"),
        (lambda p: Adam(p, differentiable=True), "says itself"),
        (lambda p: SGD(p, momentum=0.9, dampening=0.5), "dampening"),
    ],
)
def test_what_has_no_fused_form_is_left_as_it_is(build: Callable[[Any], Any], why: str) -> None:
    optimizer = build(network().parameters())
    before = [{**group} for group in optimizer.param_groups]
    assert why in (fuse(optimizer) or "")
    assert [{**group} for group in optimizer.param_groups] == before


def test_parameters_with_gaps_are_not_fused() -> None:
    gaps = Adam([nn.Parameter(torch.zeros(4, 6)[:, ::2])])
    assert "gaps" in (fuse(gaps) or "") and not gaps.param_groups[0]["fused"]


def test_a_type_of_numbers_without_a_kernel_is_not_fused() -> None:
    assert "no fused Adam" in (fuse(Adam([nn.Parameter(torch.zeros(3, dtype=torch.complex64))])) or "")


@component
class Groups(Optimizer):
    """AdamW with a rate of its own for vectors, as a plugin may write it."""

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """AdamW over two groups."""
        known = [*parameters]
        vectors = [p for p in known if p.dim() == 1]
        return AdamW([{"params": [p for p in known if p.dim() > 1]}, {"params": vectors, "lr": 0.5}], lr=0.01)


@pytest.mark.parametrize("fused", [True, False])
def test_a_plugins_optimizer_is_fused_and_its_state_is_known_beforehand(fused: bool) -> None:
    module, optimizers = network(torch.float32), Optimizers([], {}, fused=fused)
    optimizers.add(("train", "G"), Groups(), module)
    optimizer = optimizers.by_key["train", "G"]
    assert [bool(group["fused"]) for group in optimizer.param_groups] == [fused, fused]
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.5]
    after = optimizers.after_a_step(("train", "G"), module)
    run(optimizer, [*module.parameters()], EVERY, 0)
    tensors, plain = optimizer_tensors(optimizer, module)
    assert after is not None and {**tensors, **plain}.keys() == after.keys()
    assert all(value.shape == after[key].shape for key, value in tensors.items())
