"""TensorFloat-32 and tuned convolutions hold for a step on a CUDA device, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from toonforge.speed.choice import SAFE, Speed, choose
from toonforge.speed.tf32 import SETTINGS, settings_of
from toonforge.speed.tricks import Situation

CUDA = torch.device("cuda")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    before = present()
    yield
    for (_, place, name), value in zip(SETTINGS, before, strict=True):
        setattr(place, name, value)


def present() -> list[bool]:
    return [getattr(place, name) for _, place, name in SETTINGS]


def set_all(value: bool) -> None:
    for _, place, name in SETTINGS:
        setattr(place, name, value)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("tricks", [(), ("tf32",), ("tuned-convolutions",), ("tf32", "tuned-convolutions")])
def test_a_step_computes_as_chosen_and_leaves_what_it_found(before: bool, tricks: tuple[str, ...]) -> None:
    set_all(before)
    with settings_of(Speed(tricks=tricks), CUDA):
        assert present() == ["tf32" in tricks, "tf32" in tricks, "tuned-convolutions" in tricks]
    assert present() == [before] * 3


def test_an_error_leaves_what_it_found_too() -> None:
    set_all(True)
    with pytest.raises(ZeroDivisionError), settings_of(SAFE, CUDA):
        raise ZeroDivisionError
    assert present() == [True] * 3


@pytest.mark.parametrize("kind", ["cpu", "mps"])
def test_elsewhere_nothing_changes(kind: str) -> None:
    set_all(True)
    with settings_of(SAFE, torch.device(kind)):
        assert present() == [True] * 3


def test_settings_that_the_program_made_by_the_newer_names_do_no_harm() -> None:
    if not hasattr(torch.backends.cudnn, "conv"):  # before torch 2.9 there are none
        return
    torch.backends.cudnn.conv.fp32_precision = "ieee"
    try:
        with pytest.raises(RuntimeError):
            _ = torch.backends.cudnn.allow_tf32  # the trap: not even reading is allowed
        with settings_of(Speed(tricks=("tf32",)), CUDA):
            assert present() == [True, True, False]
    finally:
        torch.backends.cudnn.allow_tf32 = True


def test_auto_has_both_on_cuda_alone() -> None:
    for device in ("cuda", "cpu", "mps"):
        for precision in ("fp32", "bf16"):
            speed = choose("auto", Situation(device=device, precision=precision))
            assert ("tf32" in speed) == ("tuned-convolutions" in speed) == (device == "cuda")
    assert "for CUDA devices" in choose(["tf32"], Situation(device="cpu")).why["tf32"]
