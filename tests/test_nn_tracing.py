"""What networks compute of sides that are not known yet is what they compute of plain numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toonforge.nn.padding import PadToMultiple
from toonforge.nn.tracing import at_least, clamped_range, known

SIDES = st.integers(1, 3000)


@given(SIDES, st.integers(1, 40))
def test_at_least_is_the_maximum_of_numbers_tensors_and_symbols(side: int, minimum: int) -> None:
    """A number of NumPy is no `int`: it takes the way of a symbol."""
    symbol = np.int64(side)
    assert known(side) and not known(symbol) and not known(torch.tensor(side))
    assert at_least(side, minimum) == at_least(symbol, minimum) == max(side, minimum)
    assert at_least(torch.tensor(side), minimum).item() == max(side, minimum)


@given(st.integers(-20, 20), st.integers(1, 60), st.integers(1, 30))
def test_a_clamped_range_stays_inside(first: int, count: int, size: int) -> None:
    wanted = [min(max(place, 0), size - 1) for place in range(first, first + count)]
    assert clamped_range(first, count, size, torch.device("cpu")).tolist() == wanted


class Sees(PadToMultiple):
    """Yields three times what its body sees, and remembers it."""

    def body(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return x * 3


@pytest.mark.parametrize(("multiple", "minimum"), [(4, 8), (8, 1), (1, 1), (4, 6), (16, 32)])
def test_a_picture_of_an_unknown_size_is_padded_and_cropped_as_one_of_a_known_size(multiple: int, minimum: int) -> None:
    for height, width in [(1, 1), (1, 9), (8, 8), (5, 16), (31, 33), (64, 7)]:
        network, picture = Sees(multiple, minimum), torch.rand(2, 3, height, width)
        known_size = network(picture), network.seen
        any_size = network._of_any_size(picture), network.seen
        assert torch.equal(known_size[0], any_size[0]) and torch.equal(known_size[1], any_size[1])
