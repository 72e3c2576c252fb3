"""Who watches a big picture is told of its parts, and may end it between two."""

from __future__ import annotations

import pytest
import torch
from toonforge_cyclegan import Resnet

from tests.tiled_networks import apart, drawn, model_of, picture
from tests.tiled_networks import whole as at_once
from toonforge.errors import RunError
from toonforge.use.model import Model
from toonforge.use.tiled import Tiles

SINGLE = torch.float32


class Looking(torch.nn.Module):
    """Cannot be traced."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x) if bool(x.isfinite().all()) else x


def _model(traceable: bool = True) -> Model:
    config = Resnet(width=4, blocks=1).fit((3, 64, 64))
    network = drawn(config, dtype=SINGLE)
    return model_of({"G": network if traceable else Looking(network)}, "G(photo)", {"G": config})


@pytest.mark.parametrize("traceable", [True, False])
def test_parts_are_counted_from_the_first_to_the_last(traceable: bool) -> None:
    model, seen = _model(traceable), list[tuple[int, int]]()
    tiles, x = Tiles(use="always", size=16), picture(50, 40, SINGLE)
    made = model.translate(x, tiles=tiles, note=lambda _: None, part=lambda *given: seen.append(given))
    total = seen[0][1]
    assert total > 4 and seen == [(done, total) for done in range(1, total + 1)]
    assert torch.equal(made, model.translate(x, tiles=tiles, note=lambda _: None)), "being watched changes nothing"


class Enough(Exception):
    pass


@pytest.mark.parametrize("raised", [Enough, KeyboardInterrupt, RunError, torch.OutOfMemoryError])
@pytest.mark.parametrize(
    ("use", "traceable", "most"), [("never", True, 0), ("auto", True, 0), ("always", True, 2), ("always", False, 2)]
)
def test_a_check_ends_the_translation_at_the_next_part(
    raised: type[BaseException], use: str, traceable: bool, most: int
) -> None:
    """Whatever it raises: nothing takes it for the network's own failure, or for want of memory."""
    model, done, asked = _model(traceable), list[int](), list[int]()
    error = raised("enough") if raised is not RunError else RunError("enough")

    def check() -> None:
        asked.append(1)
        if len(done) == most and len(asked) > 2:
            raise error

    with pytest.raises(raised) as found:
        model.translate(
            picture(50, 40, SINGLE),
            tiles=Tiles(use=use, size=16 if use == "always" else None),  # type: ignore[arg-type]
            note=lambda _: None,
            check=check,
            part=lambda number, _: done.append(number),
        )
    assert found.value is error
    assert len(done) == most


def test_a_network_is_as_it_was_after_it_was_ended() -> None:
    model, x = _model(), picture(50, 40, SINGLE)
    before = model.compute(x)
    left = iter(range(5))

    def check() -> None:
        if next(left, None) is None:
            raise Enough

    with pytest.raises(Enough):
        model.translate(x, tiles=Tiles(use="always", size=4), check=check)
    assert apart(model.compute(x), before) == 0
    assert apart(at_once(model.inference.networks["G"], x).clamp(-1, 1), before) == 0
