"""Hashes and which are near: against brute force, and what must hold for whatever is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.scenes import jpeg, scene
from toonforge.data.transforms import scale_short_side
from toonforge.prepare.duplicates.hashes import hashed, hashed_mirrored
from toonforge.prepare.duplicates.keepers import keepers
from toonforge.prepare.duplicates.near import FARTHEST, _blocks_alike, near_pairs, popcount


def bits(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def brute(hashes: np.ndarray, distance: int) -> set[tuple[int, int, int]]:
    values = hashes.tolist()
    pairs = ((i, j, (values[i] ^ values[j]).bit_count()) for i in range(len(values)) for j in range(i))
    return {(j, i, differ) for i, j, differ in pairs if differ <= distance}


@st.composite
def clustered(draw: st.DrawFn) -> np.ndarray:
    """Hashes of which many are near each other."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    seeds = rng.integers(0, 2**64, draw(st.integers(1, 6)), dtype=np.uint64)
    values = seeds[rng.integers(0, len(seeds), draw(st.integers(0, 60)))]
    for _ in range(draw(st.integers(0, FARTHEST))):
        values = values ^ (np.uint64(1) << rng.integers(0, 64, len(values)).astype(np.uint64))
    return values


distances = st.integers(0, FARTHEST)


@given(clustered(), distances)
@settings(max_examples=200)
def test_the_search_finds_what_comparing_each_with_each_finds(hashes: np.ndarray, distance: int) -> None:
    first, second, differ = near_pairs(hashes, distance)
    found = list(zip(first.tolist(), second.tolist(), differ.tolist()))
    assert len(found) == len(set(found))
    assert set(found) == brute(hashes, distance)
    assert found == sorted(found)


@pytest.mark.parametrize(("count", "distance"), [(3000, 0), (3000, 6), (3000, 12), (9000, 12)])
def test_the_search_is_exact_however_many_blocks_it_takes(count: int, distance: int) -> None:
    rng = np.random.default_rng(count + distance)
    hashes = rng.integers(0, 2**64, count, dtype=np.uint64)
    hashes[: count // 10] = hashes[-(count // 10) :]
    for _ in range(distance):
        hashes[: count // 10] ^= np.uint64(1) << rng.integers(0, 64, count // 10).astype(np.uint64)
    assert _blocks_alike(count, distance) == (2 if count > 3000 else 1)
    first, second, _ = near_pairs(hashes, distance)
    expected = set()
    for i in range(count):
        for j in (np.flatnonzero(popcount(hashes[i + 1 :] ^ hashes[i]) <= distance) + i + 1).tolist():
            expected.add((i, j))
    found = list(zip(first.tolist(), second.tolist()))
    assert set(found) == expected and len(found) == len(expected) >= count // 10


@given(st.lists(st.integers(0, 2**64 - 1)))
def test_bits_are_counted_right(values: list[int]) -> None:
    assert popcount(np.array(values, np.uint64)).tolist() == [value.bit_count() for value in values]


@pytest.mark.parametrize("distance", [-1, FARTHEST + 1])
def test_a_distance_out_of_range_is_refused(distance: int) -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        near_pairs(np.zeros(2, np.uint64), distance)


@given(clustered(), distances, st.randoms(use_true_random=False), st.booleans())
@settings(max_examples=200)
def test_all_put_aside_are_near_what_is_kept_and_no_two_kept_are_near(
    hashes: np.ndarray, distance: int, random: object, mirror: bool
) -> None:
    rank = np.array(random.sample(range(len(hashes)), len(hashes)), np.int64)  # type: ignore[attr-defined]
    mirrored = hashes[::-1].copy() if mirror else None
    found = keepers(hashes, rank, distance, mirrored)
    values, kept = hashes.tolist(), sorted(set(found.kept.tolist()))
    for i, (keeper, differ, flipped) in enumerate(zip(found.kept, found.distance, found.mirrored)):
        if flipped and mirrored is not None:
            ways = (values[i] ^ int(mirrored[keeper]), int(mirrored[i]) ^ values[keeper])
            assert differ in [way.bit_count() for way in ways]
        else:
            assert differ == (values[i] ^ values[keeper]).bit_count()
        assert differ <= distance
        if keeper != i:
            assert found.kept[keeper] == keeper
            nearest = min((values[i] ^ values[other]).bit_count() for other in kept)
            assert differ <= nearest
        assert (
            keeper == i
            or rank[keeper] < rank[i]
            or any((values[i] ^ values[better]).bit_count() <= distance and rank[better] < rank[i] for better in kept)
            or mirror
        )
    for i in kept:
        assert not any((values[i] ^ values[j]).bit_count() <= distance for j in kept if i != j)
    again = keepers(hashes[kept], rank[kept], distance, None if mirrored is None else mirrored[kept])
    assert again.kept.tolist() == list(range(len(kept)))


@given(clustered(), distances, st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_the_order_of_the_pictures_does_not_matter(hashes: np.ndarray, distance: int, random: object) -> None:
    rank = np.arange(len(hashes))
    found = keepers(hashes, rank, distance)
    order = np.array(random.sample(range(len(hashes)), len(hashes)), np.int64)  # type: ignore[attr-defined]
    shuffled = keepers(hashes[order], rank[order], distance)
    assert order[shuffled.kept].tolist() == found.kept[order].tolist()
    assert shuffled.distance.tolist() == found.distance[order].tolist()


def test_no_chain_of_small_steps_joins_pictures_that_differ() -> None:
    steps = np.array([(1 << (3 * n)) - 1 for n in range(8)], np.uint64)  # each 3 bits from the next
    found = keepers(steps, np.arange(8), 3)
    assert found.kept.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert found.distance.tolist() == [0, 3] * 4


def test_each_goes_to_the_nearest_that_is_kept() -> None:
    hashes = np.array([0b0, 0b111111, 0b11111], np.uint64)
    assert keepers(hashes, np.array([0, 1, 2]), 5).kept.tolist() == [0, 1, 1]


# The hash of a picture


def test_a_hash_hardly_changes_with_size_quality_and_brightness() -> None:
    for seed in range(4):
        picture = scene(seed=seed)
        variants = (
            scale_short_side(picture, 100),
            scale_short_side(picture, 700),
            jpeg(picture, 30),
            (picture * 0.7).astype(np.uint8),
            np.asarray(ImageOps.crop(Image.fromarray(picture), 4)),
        )
        assert all(bits(hashed(variant), hashed(picture)) <= 6 for variant in variants)
        assert bits(hashed(scene(seed=seed + 10)), hashed(picture)) > 12


def test_the_mirrored_hash_is_that_of_the_mirrored_picture() -> None:
    for seed in range(4):
        mirrored = np.ascontiguousarray(scene(seed=seed)[:, ::-1])
        assert bits(hashed_mirrored(scene(seed=seed)), hashed(mirrored)) <= 2
        assert bits(hashed(scene(seed=seed)), hashed(mirrored)) > 12


@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_flat_pictures_have_no_hash(level: int) -> None:
    flat = np.full((90, 120, 3), level, np.uint8)
    noisy = np.clip(flat + np.random.default_rng(0).normal(0, 3, flat.shape), 0, 255).astype(np.uint8)
    assert hashed(flat) == hashed_mirrored(flat) == hashed(noisy) == ""


def test_the_hash_is_that_of_imagehash() -> None:
    """Against the formula of `imagehash.phash` 4.3, which uses SciPy's transform."""
    from importlib.resources import files

    from scipy.fftpack import dct

    from toonforge.data.reading.picture import list_pictures, read_picture

    for path in list_pictures(Path(str(files("toonforge_samples") / "pictures")))[::5]:
        picture = read_picture(path)
        pixels = np.asarray(Image.fromarray(picture).convert("L").resize((32, 32), Image.Resampling.LANCZOS))
        low = dct(dct(pixels, axis=0), axis=1)[:8, :8]
        assert hashed(picture) == np.packbits(low > np.median(low)).tobytes().hex()
