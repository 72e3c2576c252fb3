"""Which pictures are computed in parts, how tiles are blended, and what a model's user sees of it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toonforge_cyclegan import DoubleUnet, Resnet
from toonforge_mha_unet import Unet as AttentionUnet

from tests.tiled_networks import CPU, alive, apart, drawn, model_of, picture, whole
from toonforge.errors import RunError
from toonforge.use.tiled import Tiles, any_size, compute, free
from toonforge.use.tiled.blended import blended, difference
from toonforge.use.tiled.free import UNKNOWN, container_free, host_free
from toonforge.use.tiled.trace import peak_bytes, traced
from toonforge.use.tiled.values import Values
from toonforge.use.tiled.whole import per_pixel, surely_at_most, whole_bytes
from toonforge.use.tiled.windows import shares, spans, tiles_of

SINGLE = torch.float32
ALWAYS = Tiles(use="always")


class Untraceable(torch.nn.Module):
    """What decides by the values that it sees."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x) if bool(x.isfinite().all()) else x


# -- the model ---------------------------------------------------------------------------------------------------------


def test_expressions_of_several_networks_and_ops() -> None:
    config = DoubleUnet(width=4, levels=2, norm="instance").fit((3, 64, 64))
    networks = {"G": drawn(config, 1, SINGLE), "F": drawn(config, 2, SINGLE)}
    model = model_of(networks, "blur(F(soft), 1.5)", dict.fromkeys(networks, config), soft="blur(G(photo), 0.7)")
    x = torch.cat([picture(50, 70, SINGLE), picture(50, 70, SINGLE).flip(3)])
    said: list[str] = []
    assert apart(compute(model, x, tiles=ALWAYS, note=said.append), model.compute(x)) < 1e-5
    assert said == ["70x50 pixels are computed in parts: the result is that of the whole picture"]
    assert apart(model.translate(x, tiles=ALWAYS), model.compute(x)) < 1e-5
    assert torch.equal(model.translate(x), model.compute(x)), "small pictures are computed at once"


def test_networks_keep_their_mode_and_weights() -> None:
    network = drawn(Resnet(width=4, blocks=1, norm="batch"), dtype=SINGLE)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    compute(model_of({"G": network}, "G(photo)", {"G": Resnet().fit((3, 9, 9))}), picture(40, 30, SINGLE), tiles=ALWAYS)
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def _watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which way pictures went."""
    ways: list[str] = []
    for name in ("_by_rows", "_blended"):
        usual = getattr(any_size.InParts, name)

        def watched(self: Any, *given: Any, name: str = name, usual: Any = usual) -> torch.Tensor:
            ways.append(name)
            result: torch.Tensor = usual(self, *given)
            return result

        monkeypatch.setattr(any_size.InParts, name, watched)
    return ways


def test_parts_only_where_memory_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = _watched(monkeypatch)
    config = Resnet(width=4, blocks=1).fit((3, 64, 64))
    model = model_of({"G": drawn(config, dtype=SINGLE)}, "G(photo)", {"G": config})
    x = picture(128, 128, SINGLE)
    need = whole_bytes(model.inference.networks["G"], [x])
    for tiles, expected in (
        (Tiles(memory=need), []),
        (Tiles(memory=need - 1), ["_by_rows"]),
        (Tiles(use="never", memory=1), []),
        (Tiles(size=16), ["_by_rows"]),
        (ALWAYS, ["_by_rows"]),
    ):
        ways.clear()
        assert apart(compute(model, x, tiles=tiles), model.compute(x)) < 1e-5
        assert ways == expected, tiles


def test_large_pictures_are_computed_in_parts_long_before_memory_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for an approximation memory has to run short."""
    ways = _watched(monkeypatch)
    config = Resnet(width=4, blocks=1).fit((3, 64, 64))
    network, x = drawn(config, dtype=SINGLE), picture(128, 128, SINGLE)
    for traceable in (True, False):
        model = model_of({"G": network if traceable else Untraceable(network)}, "G(photo)", {"G": config})
        need = whole_bytes(model.inference.networks["G"], [x])
        for quick, easy, most, expected in (
            (128 * 128, 1, 1 << 40, []),
            (128 * 127, 2 * need, 1 << 40, []),
            (128 * 127, need // 2, 1 << 40, ["_by_rows"]),
            (128 * 127, need // 2, need // 2, ["_by_rows", *([] if traceable else ["_blended"])]),
        ):
            monkeypatch.setattr(any_size, "QUICK", quick)
            monkeypatch.setattr(any_size, "easy_bytes", lambda _, easy=easy: easy)
            monkeypatch.setattr(any_size, "allowed_bytes", lambda _, most=most: most)
            ways.clear()
            found = compute(model, x, note=lambda _: None)
            assert ways == expected, (traceable, easy, most)
            assert "_blended" in ways or apart(found, model.compute(x)) < 1e-5


def test_what_a_cpu_takes_easily(monkeypatch: pytest.MonkeyPatch) -> None:
    for free_bytes, easily in ((4 << 30, 1 << 30), (17 << 30, 2 << 30)):
        monkeypatch.setattr(free, "host_free", lambda free_bytes=free_bytes: free_bytes)
        assert free.easy_bytes(CPU) == easily < free.allowed_bytes(CPU)


def test_parts_keep_little_where_that_costs_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    config = DoubleUnet(width=8, levels=2, norm="instance").fit((3, 64, 64))
    model, plans = model_of({"G": drawn(config, dtype=SINGLE)}, "G(photo)", {"G": config}), list[Any]()
    usual = any_size.computed
    monkeypatch.setattr(
        any_size, "computed", lambda steps, plan, *rest: plans.append(plan) or usual(steps, plan, *rest)
    )
    monkeypatch.setitem(any_size.STRIP, "cpu", 1 << 18)
    monkeypatch.setattr(any_size, "MORE_WORK", 1.5)
    for kept in (lambda: 1 << 40, lambda: plans[0].memory - 1, lambda: 1):
        monkeypatch.setattr(any_size, "kept_bytes", lambda _, kept=kept: [1, kept()])
        compute(model, picture(512, 64, SINGLE), tiles=ALWAYS)
    most, less, impossible = [plan.memory for plan in plans]
    assert less < most and plans[1].work <= any_size.MORE_WORK
    assert impossible == most and not any(plan.spilled for plan in plans), "rather than a file, or much work"


@pytest.mark.parametrize("fails", ["whole", "first strips"])
def test_memory_that_runs_out_nevertheless(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Resnet(width=4, blocks=1).fit((3, 64, 64))
    network = drawn(config, dtype=SINGLE)
    model, x = model_of({"G": network}, "G(photo)", {"G": config}), picture(70, 50, SINGLE)
    expected = model.compute(x)
    if fails == "whole":
        usual, calls = network.forward, list[int]()

        def short(x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            if len(calls) == 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            result: torch.Tensor = usual(x)
            return result

        monkeypatch.setattr(network, "forward", short)
        assert apart(compute(model, x, tiles=Tiles(memory=1 << 40)), expected) < 1e-5
        assert len(calls) == 2
    else:
        strips: list[int] = []
        usual_computed = any_size.computed

        def computed(steps: Any, plan: Any, *given: Any) -> torch.Tensor:
            strips.append(plan.strip)
            if len(strips) < 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return usual_computed(steps, plan, *given)

        monkeypatch.setattr(any_size, "computed", computed)
        monkeypatch.setitem(any_size.STRIP, "cpu", 1 << 18)
        assert apart(compute(model, x, tiles=ALWAYS), expected) < 1e-5
        assert strips[0] > strips[1] > strips[2]


@pytest.mark.parametrize("wrong", [{"use": "sometimes"}, {"memory": 0}, {"size": -1}])
def test_wrong_tiles_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="tiles"):
        Tiles(**wrong)


def test_a_network_that_fails_says_why() -> None:
    config = Resnet(width=4, blocks=1, norm="instance", padding="zero").fit((3, 64, 64))

    class Fails(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("made for larger pictures")

    model = model_of({"G": Fails()}, "G(photo)", {"G": config})
    with pytest.raises(RunError, match="made for larger pictures"):
        compute(model, picture(20, 20, SINGLE), tiles=ALWAYS)


# -- tiles -------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 400), st.integers(1, 120), st.data())
def test_shares_sum_to_one_and_pieces_fit(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    pieces = spans(length, size, overlap)
    total = torch.zeros(length, dtype=torch.float64)
    for (start, end), share in zip(pieces, shares(pieces, length)):
        assert 0 <= start < end <= length and end - start <= size
        assert float(share.min()) >= 0
        total[start:end] += share
    assert float((total - 1).abs().max()) < 1e-12
    assert all(one[1] - other[0] >= overlap for one, other in pairwise(pieces))


def test_tiles_cover_a_picture_once() -> None:
    total = torch.zeros(90, 130, dtype=torch.float64)
    for tile in tiles_of(90, 130, 40, 10):
        total[slice(*tile.rows), slice(*tile.columns)] += tile.weights
    assert float((total - 1).abs().max()) < 1e-12


def test_a_local_network_is_exact_in_tiles_but_for_their_borders() -> None:
    point = alive(torch.nn.Conv2d(3, 3, 1)).double().requires_grad_(False)
    x = picture(90, 70)
    assert apart(blended(point, [x], CPU, 32), whole(point, x)) < 1e-12


@pytest.mark.parametrize("norm", ["instance", "group", "batch"])
def test_untraceable_networks_are_blended_with_shared_statistics(norm: str) -> None:
    network = Untraceable(drawn(Resnet(width=4, blocks=1, norm=norm), 3, SINGLE))
    x = torch.nn.functional.interpolate(picture(48, 64, SINGLE), scale_factor=5, mode="bicubic").clamp(-1, 1)
    model = model_of({"G": network}, "G(photo)", {"G": Resnet().fit((3, 9, 9))})
    expected, said = model.compute(x), list[str]()
    found = compute(model, x, tiles=Tiles(use="always", size=128), note=said.append)
    error = (found - expected).abs()
    plain = torch.cat(
        [torch.cat([model.compute(x[..., a : a + 120, b : b + 80]) for b in range(0, 320, 80)], 3) for a in (0, 120)], 2
    )
    assert "cannot be traced" in said[0] and "of 255 on average" in said[0]
    if norm == "batch":  # statistics of training: nothing is taken of the picture
        assert float(error.mean()) < 1e-3
    else:
        assert float(error.mean()) < float((plain - expected).abs().mean()) / 2, "pieces by themselves are worse"


def test_the_error_that_is_said_is_the_errors_size() -> None:
    network = Untraceable(drawn(Resnet(width=4, blocks=1), 3, SINGLE))
    x = torch.nn.functional.interpolate(picture(48, 64, SINGLE), scale_factor=5, mode="bicubic").clamp(-1, 1)
    with torch.inference_mode():
        said = difference(network, [x], CPU, 128)
        assert said is not None
        true = float((blended(network, [x], CPU, 128) - network(x)).abs().mean()) * 127.5
    assert true < said.mean < true * 10, "tiles of a reduced picture have more border: it is overstated"
    assert said.largest >= said.mean and (said.height, said.width) == (110, 147)


@pytest.mark.parametrize(
    ("height", "width", "size"), [(65, 64, 16), (17, 17, 16), (10, 10, 8), (300, 1, 16), (300, 1, 128)]
)
def test_the_error_of_small_pictures_is_measured_as_they_are(height: int, width: int, size: int) -> None:
    network = alive(torch.nn.Conv2d(3, 3, 5, padding=2))
    x = picture(height, width, SINGLE)
    with torch.inference_mode():
        said = difference(network, [x], CPU, size)
        true = (blended(network, [x], CPU, size).clamp(-1, 1) - network(x).clamp(-1, 1)).abs() * 127.5
    assert said is not None
    assert said.largest == pytest.approx(float(true.max())) and said.mean == pytest.approx(float(true.mean()))
    assert said.largest > 0.05


@settings(max_examples=20, derandomize=True)
@given(st.integers(1, 3000), st.integers(1, 200), st.sampled_from([16, 32, 64, 128]), st.booleans())
def test_one_tile_is_not_compared_with_itself(height: int, width: int, size: int, turned: bool) -> None:
    """Where the picture has several tiles along a side, so has the reduced one; or nothing is said of the error."""
    sides = (width, height) if turned else (height, width)
    with torch.inference_mode():
        said = difference(torch.nn.Conv2d(3, 3, 5, padding=2), [torch.rand(1, 3, *sides)], CPU, size)
    if said is not None and max(sides) > size:
        assert said.largest > 0


def test_a_picture_too_narrow_to_be_reduced_has_no_number() -> None:
    network = Untraceable(alive(torch.nn.Conv2d(3, 3, 5, padding=2)))
    model, said = model_of({"G": network}, "G(photo)", {"G": Resnet().fit((3, 9, 9))}), list[str]()
    compute(model, picture(9000, 20, SINGLE), tiles=Tiles(use="always", size=16), note=said.append)
    assert said[0].endswith("the difference to the whole picture is not measured: it is too narrow to be reduced")


def test_nobody_listening_is_warned_of_an_approximation() -> None:
    model = model_of({"G": Untraceable(torch.nn.Identity())}, "G(photo)", {"G": Resnet().fit((3, 9, 9))})
    with pytest.warns(UserWarning, match="the difference to the whole picture"):
        compute(model, picture(40, 40, SINGLE), tiles=ALWAYS)


def test_attention_in_tiles_sees_the_whole_picture() -> None:
    """Untraceable, with a token for 8x8 pixels: alone a tile would attend to its own."""
    inner = drawn(AttentionUnet(levels=3, width=4, norm="none"), 3, SINGLE)
    x = torch.nn.functional.interpolate(picture(32, 48, SINGLE), scale_factor=5, mode="bicubic").clamp(-1, 1)
    with torch.inference_mode():
        expected, found = inner(x), blended(Untraceable(inner), [x], CPU, 96)
    assert float((found - expected).abs().mean()) < 0.1


# -- memory ------------------------------------------------------------------------------------------------------------


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  5000 kB\n")
    assert host_free(tmp_path / "meminfo", tmp_path / "none") == 5_000 * 1024
    (tmp_path / "memory.max").write_text("3000000\n")
    (tmp_path / "memory.current").write_text("2500000\n")
    assert host_free(tmp_path / "meminfo", tmp_path) == 500_000
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200000\n")
    assert host_free(tmp_path / "meminfo", tmp_path) == 700_000
    (tmp_path / "memory.max").write_text("max\n")
    assert container_free(tmp_path) == []
    assert host_free(tmp_path / "nothing", tmp_path) >= UNKNOWN // 2, "a guess where nobody says"


def test_estimates_of_the_whole() -> None:
    network, x = drawn(DoubleUnet(width=8), dtype=SINGLE), torch.empty(1, 3, 512, 512)
    estimate = peak_bytes(traced(network, [x]))
    assert estimate <= whole_bytes(network, [x]) <= surely_at_most(network, [x])
    seen = per_pixel(network, [x]) * 512 * 512  # of what really lived, at a corner of 256x256
    assert 0.4 < seen / estimate < 1
    larger = peak_bytes(traced(network, [torch.empty(1, 3, 1024, 1024)]))
    assert larger == pytest.approx(4 * estimate, rel=0.01)


def test_values_are_dropped_with_their_files() -> None:
    from toonforge.use.tiled.step import Step

    step, other = (Step(name, (), (1, 4, 64, 64), SINGLE, 4 * 64 * 64 * 4) for name in "ab")
    values = Values(spilled=True)
    values.make(step).fill_(2)
    file = values._files[step]
    assert float(values.replace(step, other).sum()) == 2 * 4 * 64 * 64
    assert step not in values and other in values
    values.close()
    assert file.closed and other not in values
