"""The data order: permutations, one after the other, from the seed and the sample's number alone."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from toonforge.data.order import Order, steps_per_epoch

sizes = st.dictionaries(st.sampled_from(["photo", "anime", "pair"]), st.integers(1, 30), min_size=1)
batches = st.integers(1, 12)
seeds = st.integers(0, 2**53)


def indices(order: Order, group: str, count: int) -> list[int]:
    return [order.draws(number)[group].index for number in range(count)]


@given(sizes, batches, seeds)
def test_each_round_is_a_permutation(sizes: dict[str, int], batch: int, seed: int) -> None:
    order = Order(sizes, batch, seed)
    longest = max(sizes.values())
    for group, size in sizes.items():
        dropped = longest % batch if size == longest and batch <= longest else 0
        length = size - dropped
        drawn = indices(order, group, 3 * length)
        for start in range(0, 3 * length, length):
            assert len(set(drawn[start : start + length])) == length
            assert set(drawn[start : start + length]) <= set(range(size))


@given(sizes, batches, seeds, st.randoms(use_true_random=False))
def test_any_order_of_asking_gives_the_same(
    sizes: dict[str, int], batch: int, seed: int, shuffler: random.Random
) -> None:
    forward = [Order(sizes, batch, seed).draws(number) for number in range(60)]
    numbers = list(range(60))
    shuffler.shuffle(numbers)
    order = Order(sizes, batch, seed)
    assert {number: order.draws(number) for number in numbers} == dict(enumerate(forward))


@given(st.integers(1, 30), st.integers(1, 30), batches, seeds)
def test_groups_do_not_disturb_each_other(one: int, two: int, batch: int, seed: int) -> None:
    longest = {"longest": 40}
    alone = Order({"photo": one, **longest}, batch, seed)
    together = Order({"photo": one, "anime": two, **longest}, batch, seed)
    assert [alone.draws(n)["photo"] for n in range(50)] == [together.draws(n)["photo"] for n in range(50)]


def test_groups_of_one_size_have_different_orders() -> None:
    order = Order({"photo": 40, "anime": 40}, 4, 0)
    assert indices(order, "photo", 40) != indices(order, "anime", 40)


@given(seeds, seeds)
def test_seeds_and_rounds_differ(one: int, two: int) -> None:
    first, second = (indices(Order({"photo": 40}, 1, seed), "photo", 80) for seed in (one, two))
    assert (first == second) == (one == two)
    assert first[:40] != first[40:]


def test_the_shorter_side_starts_again_while_the_longer_goes_on() -> None:
    order = Order({"photo": 10, "anime": 4}, 2, 0)
    assert sorted(indices(order, "photo", 10)) == list(range(10))
    short = indices(order, "anime", 20)
    assert all(sorted(short[start : start + 4]) == list(range(4)) for start in range(0, 20, 4))


def test_an_epoch_is_the_longer_side_without_an_incomplete_batch() -> None:
    assert steps_per_epoch({"photo": 10, "anime": 4}, 3) == 3
    assert steps_per_epoch({"photo": 2, "anime": 2}, 8) == 1
    order = Order({"photo": 10}, 3, 0)
    assert len(set(indices(order, "photo", 9))) == 9


@given(sizes, batches, seeds, st.integers(0, 200))
def test_replacements_are_all_the_others(sizes: dict[str, int], batch: int, seed: int, sample: int) -> None:
    order = Order(sizes, batch, seed)
    for group, size in sizes.items():
        others = list(order.replacements(group, sample))
        assert sorted([order.draws(sample)[group].index, *others]) == list(range(size))


def test_the_next_of_the_permutation_stands_in() -> None:
    order = Order({"photo": 9}, 3, 5)
    assert next(order.replacements("photo", 3)) == order.draws(4)["photo"].index


def test_augmentation_differs_by_sample_and_group() -> None:
    order = Order({"photo": 3, "anime": 3}, 3, 0)
    first = {order.draws(n)[g].generator().integers(2**62) for n in range(50) for g in ("photo", "anime")}
    assert len(first) == 100
    assert order.draws(7)["photo"].generator().integers(2**62) == order.draws(7)["photo"].generator().integers(2**62)


def test_few_permutations_are_kept() -> None:
    order = Order({"photo": 3}, 3, 0)
    for number in range(300):
        order.draws(number)
    assert len(order._permutations["photo"]) <= 2
