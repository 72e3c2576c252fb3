"""What ops compute, what shapes they accept, and the image pool's behaviour over time."""

from __future__ import annotations

import pytest
import torch

from toonforge.errors import ShapeError
from toonforge.nn.padding import pad_to_multiple
from toonforge.ops import Augment, Cat, Crop, Gray, Noise, Pool
from toonforge.ops.image_pool import ImagePool


def pictures(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 2, 2).clone()


def test_cat_stacks_channels() -> None:
    a, b = torch.rand(2, 3, 4, 5), torch.rand(2, 1, 4, 5)
    assert Cat().shape((3, 4, 5), (1, 4, 5)) == (4, 4, 5)
    assert torch.equal(Cat().build()(a, b), torch.cat([a, b], 1))


@pytest.mark.parametrize("inputs", [((3, 4, 4), (3, 4, 5)), ((3, 4, 4), 1.0), ((3, 4, 4), ())])
def test_cat_refuses_other_sizes_and_numbers(inputs: tuple[object, ...]) -> None:
    with pytest.raises(ShapeError):
        Cat().shape(*inputs)


def test_gray_is_the_luma_in_the_same_range() -> None:
    x = torch.rand(2, 3, 4, 4) * 2 - 1
    y = Gray().build()(x)
    luma = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    assert y.shape == x.shape
    for channel in range(3):
        assert torch.allclose(y[:, channel], luma, atol=1e-6)
    ends = Gray().build()(pictures(-1, 1))
    assert torch.allclose(ends, pictures(-1, 1), atol=1e-6)


def test_gray_needs_three_channels() -> None:
    assert Gray().shape((3, 4, 4)) == (3, 4, 4)
    with pytest.raises(ShapeError, match="3 channels"):
        Gray().shape((1, 4, 4))


def test_noise_has_the_wanted_deviation_and_follows_the_seed() -> None:
    noise = Noise().build()
    x = torch.zeros(4, 3, 64, 64)
    torch.manual_seed(3)
    first = noise(x, 0.5)
    torch.manual_seed(3)
    assert torch.equal(noise(x, 0.5), first)
    assert first.std().item() == pytest.approx(0.5, rel=0.02)
    assert torch.equal(noise(x, 0.0), x)


def test_noise_refuses_a_negative_deviation() -> None:
    assert Noise().shape((3, 4, 4), 0.1) == (3, 4, 4)
    with pytest.raises(ShapeError, match="0 or more"):
        Noise().shape((3, 4, 4), -0.1)
    with pytest.raises(ShapeError, match="number"):
        Noise().shape((3, 4, 4), (3, 4, 4))


def test_the_number_of_a_draw_changes_nothing_by_itself() -> None:
    """The engine seeds every call by its expression's text, in which the number stands."""
    noise, x = Noise().build(), torch.zeros(1, 2, 3, 3)
    drawn = []
    for numbers in ((), (1,), (2,)):
        torch.manual_seed(3)
        drawn.append(noise(x, 0.5, *numbers))
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])
    assert Noise().shape((3, 4, 4), 0.1, 2) == (3, 4, 4)
    with pytest.raises(ShapeError, match="argument 3 of noise must be a number"):
        Noise().shape((3, 4, 4), 0.1, (3, 4, 4))


@pytest.mark.parametrize("multiple", [1, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (5, 16), (31, 33), (64, 7)])
def test_crop_gives_back_what_was_padded(size: tuple[int, int], multiple: int) -> None:
    x = torch.rand(2, 3, *size, requires_grad=True)
    padded = pad_to_multiple(x, multiple, 2 * multiple)
    assert all(side % multiple == 0 and side >= 2 * multiple for side in padded.shape[-2:])
    cut = Crop().build()(padded, x)
    assert torch.equal(cut, x)
    assert Crop().shape(tuple(padded.shape[1:]), (1, *size)) == (3, *size)
    cut.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_crop_of_one_size_copies_nothing() -> None:
    x = torch.rand(1, 3, 4, 5)
    assert Crop().build()(x, torch.rand(1, 1, 4, 5)) is x


def test_crop_refuses_what_is_larger_and_numbers() -> None:
    with pytest.raises(ShapeError, match="4x5 has no part of 5x4"):
        Crop().shape((3, 4, 5), (3, 5, 4))
    with pytest.raises(ShapeError, match="argument 2 of crop"):
        Crop().shape((3, 4, 5), 2.0)


def test_training_only_ops_are_identities_in_evaluation() -> None:
    assert (Pool.evaluation, Noise.evaluation) == ("identity", "identity")
    assert (Cat.evaluation, Crop.evaluation, Gray.evaluation) == ("same", "same", "same")


@pytest.mark.parametrize("size", [-1.0, 2.5])
def test_pool_refuses_sizes_that_are_no_count(size: float) -> None:
    with pytest.raises(ShapeError, match="whole number"):
        Pool().shape((3, 4, 4), size)


def test_a_pool_of_nothing_is_off() -> None:
    pool, x = ImagePool(), torch.rand(2, 3, 2, 2, requires_grad=True)
    y = pool(x, 0)
    assert torch.equal(x, y)
    assert not y.requires_grad
    assert pool.state_dict() == {}


def test_a_pool_passes_pictures_on_while_it_fills() -> None:
    pool = ImagePool()
    for step in range(5):
        x = pictures(2 * step, 2 * step + 1)
        assert torch.equal(pool(x, 10), x)
    assert len(pool.pictures) == 10


def test_a_full_pool_swaps_half_of_the_time_and_loses_nothing() -> None:
    torch.manual_seed(0)
    pool, swapped, given = ImagePool(), 0, []
    returned = []
    for step in range(1000):
        x = pictures(float(step))
        y = pool(x, 50)
        given.append(step)
        returned.append(int(y[0, 0, 0, 0]))
        swapped += step >= 50 and returned[-1] != step
    assert 0.45 < swapped / 950 < 0.55
    assert all(value <= step for step, value in enumerate(returned))
    # While filling, pictures are both stored and passed on; later each either passes or takes a stored one's place.
    stored = sorted(int(p[0, 0, 0]) for p in pool.pictures)
    assert sorted(returned[50:] + stored) == sorted(given)


def test_a_pool_follows_the_written_algorithm_draw_by_draw() -> None:
    def reference(history: list[float], value: float, size: int) -> float:
        if len(history) < size:
            history.append(value)
            return value
        if torch.rand(()).item() > 0.5:
            at = int(torch.randint(size, ()).item())
            old, history[at] = history[at], value
            return old
        return value

    values = [float(v) for v in range(60)]
    torch.manual_seed(5)
    history: list[float] = []
    expected = [reference(history, v, 4) for v in values]
    torch.manual_seed(5)
    pool = ImagePool()
    found = [v for start in range(0, 60, 3) for v in pool(pictures(*values[start : start + 3]), 4)[:, 0, 0, 0].tolist()]
    assert found == expected


def test_a_pool_yields_constants_and_keeps_copies() -> None:
    pool = ImagePool()
    x = torch.zeros(1, 3, 2, 2, requires_grad=True)
    assert not pool(x * 1, 5).requires_grad
    fresh = torch.zeros(1, 3, 2, 2)
    pool(fresh, 5)
    fresh += 1
    assert pool.pictures[1].sum() == 0


def test_a_restored_pool_goes_on_as_if_nothing_happened() -> None:
    torch.manual_seed(1)
    pool = ImagePool()
    for step in range(20):
        pool(pictures(step), 6)
    copy = ImagePool()
    copy.load_state_dict({key: value.clone() for key, value in pool.state_dict().items()})
    futures = []
    for each in (pool, copy):
        torch.manual_seed(2)
        futures.append(torch.cat([each(pictures(100 + step), 6) for step in range(30)]))
    assert torch.equal(*futures)
    copy.load_state_dict({})
    assert copy.pictures == []


def test_a_restored_pool_moves_to_where_the_pictures_are() -> None:
    pool = Pool().build()
    pool(torch.rand(2, 3, 4, 4), 3)
    state, restored = pool.state_dict(), Pool().build()
    restored.load_state_dict(state)
    restored(torch.rand(1, 3, 4, 4, device="meta"), 3)
    assert {picture.device.type for picture in restored.pictures} == {"meta"}
    assert restored.state_dict()["pictures"].shape == (3, 3, 4, 4)


def test_augment_is_different_for_each_picture_and_the_same_for_one_seed() -> None:
    augment = Augment().build()
    pictures = torch.rand(1, 3, 32, 32).repeat(4, 1, 1, 1) * 2 - 1
    torch.manual_seed(3)
    one = augment(pictures)
    torch.manual_seed(3)
    assert torch.equal(one, augment(pictures))
    assert one.shape == pictures.shape
    assert all(not torch.equal(one[0], other) for other in one[1:])


def test_augment_of_strength_0_is_the_identity() -> None:
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    assert torch.allclose(Augment().build()(pictures, 0), pictures, atol=1e-6)


def test_augment_keeps_to_its_ranges() -> None:
    augment = Augment().build()
    flat = torch.full((200, 3, 16, 16), 0.2)
    values = augment(flat, 0.5)
    inside = values[:, :, 4:-4, 4:-4].flatten(1)
    assert (inside - inside[:, :1]).abs().max() < 1e-6  # flat stays flat: only brightness moves it
    assert 0.2 < (inside[:, 0] - 0.2).abs().max() <= 0.25 + 1e-6
    moved = (values[:, 0] == 0).any((1, 2)).float().mean()
    assert 0.5 < moved < 1  # translated by up to one pixel of 16 each way, filled with 0


def test_augment_is_differentiable() -> None:
    pictures = torch.zeros(2, 3, 16, 16, requires_grad=True)
    Augment().build()(pictures).sum().backward()
    assert pictures.grad is not None and pictures.grad.abs().sum() > 0


@pytest.mark.parametrize("strength", [-0.1, 1.5])
def test_augment_refuses_other_strengths(strength: float) -> None:
    with pytest.raises(ShapeError, match="0 to 1"):
        Augment().shape((3, 8, 8), strength)
