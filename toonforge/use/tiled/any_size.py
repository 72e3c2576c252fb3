"""Pictures of any size: whole where they fit into memory, in parts otherwise."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs
import torch
from torch import nn

from toonforge import registries
from toonforge.errors import RunError
from toonforge.inference import Inference
from toonforge.memory import is_out_of_memory
from toonforge.use.tiled import ignore
from toonforge.use.tiled.blended import LEAST, MOST, blended, difference
from toonforge.use.tiled.exact import computed
from toonforge.use.tiled.free import allowed_bytes, easy_bytes, kept_bytes
from toonforge.use.tiled.network import Steps, steps_of
from toonforge.use.tiled.plan import Plan, make_plan
from toonforge.use.tiled.step import NotInParts
from toonforge.use.tiled.tiles import Tiles
from toonforge.use.tiled.trace import state_of, traced
from toonforge.use.tiled.watch import Check, Part, Watch, stopping
from toonforge.use.tiled.whole import UNSEEN, per_pixel, surely_at_most, whole_bytes

if TYPE_CHECKING:
    from toonforge.use.model import Model

STRIP = {"cpu": 32 << 20, "cuda": 1 << 30}
"""Bytes of one strip's values at most: on a CPU more is slower, since it does not stay in the caches."""
QUICK = 2**21
"""Pixels of a picture up to which it is computed whole wherever that surely fits: to find out more takes longer."""
MORE_WORK = 1.2
"""So many times the work of the whole computation are better than to keep more in memory."""
TRIES = 4
"""So often smaller strips are tried where memory runs out nevertheless."""

Note = Callable[[str], None]


def at_any_size(
    model: Model,
    pictures: torch.Tensor,
    to: str | None,
    tiles: Tiles,
    note: Note,
    check: Check | None = None,
    part: Part | None = None,
) -> torch.Tensor:
    """See `toonforge.use.tiled.compute`."""
    with stopping():
        return _at_any_size(model, pictures, to, tiles, note, Watch(check, part))


def _at_any_size(
    model: Model, pictures: torch.Tensor, to: str | None, tiles: Tiles, note: Note, watch: Watch
) -> torch.Tensor:
    networks = _networks_of(model, to)
    if tiles.use == "never":
        with watch.whole():
            return model.compute(pictures, to)
    if tiles.use == "auto" and tiles.size is None:
        small = pictures.shape[-2] * pictures.shape[-1] <= QUICK
        allowed = tiles.memory or (allowed_bytes if small else easy_bytes)(model.device)
        if sum(surely_at_most(network, [pictures]) for network in networks.values()) <= allowed:
            try:
                with watch.whole():
                    return model.compute(pictures, to)
            except RunError as error:
                if error.__cause__ is None or not is_out_of_memory(error.__cause__):
                    raise
            _release(model.device)
    told: set[str] = set()

    def once(text: str) -> None:
        if text not in told:
            told.add(text)
            note(text)

    told_once = ignore if note is ignore else once

    parts = {name: InParts(network, model.device, tiles, told_once, watch) for name, network in networks.items()}
    inference = Inference({**model.inference.networks, **parts}, model.inference.signals, registries.ops)
    here = attrs.evolve(model, inference=inference, device=torch.device("cpu"))
    return torch.cat([here.compute(picture[None].cpu(), to) for picture in pictures]).to(pictures.device)


def _networks_of(model: Model, to: str | None) -> dict[str, nn.Module]:
    """Those that the translation calls."""
    from toonforge.recipe.graph import Graph

    calls = Graph(model.inference.networks, model.inference.signals).calls_of(model.choose(to))
    return {name: network for name, network in model.inference.networks.items() if name in calls}


class InParts(nn.Module):
    """A network that computes a picture whole where it fits, in parts otherwise.

    Args:
        network: on `device`.
        note: told in a sentence what is done.
        watch: told of each part.
    """

    def __init__(self, network: nn.Module, device: torch.device, tiles: Tiles, note: Note, watch: Watch) -> None:
        super().__init__()
        self.network, self.device, self.tiles, self.note, self.watch = network, device, tiles, note, watch
        self.train(network.training)  # so that switching back after an evaluation leaves the network as it was

    def forward(self, *arguments: Any) -> torch.Tensor:
        """Pictures 1,C,H,W on the CPU, and numbers, to 1,C,H,W on the CPU."""
        tiles = self.tiles
        allowed = tiles.memory or allowed_bytes(self.device)
        easy = tiles.memory or min(allowed, easy_bytes(self.device))
        may_be_whole = tiles.use == "auto" and tiles.size is None
        if may_be_whole and self._fits(arguments, easy):
            if (found := self._whole(arguments)) is not None:
                return found
            may_be_whole = False
        try:
            return self._by_rows(arguments, allowed)
        except NotInParts as why:  # an approximation only where there is no other way
            if may_be_whole and self._fits(arguments, allowed) and (found := self._whole(arguments)) is not None:
                return found
            return self._blended(arguments, allowed, str(why))

    def _whole(self, arguments: Sequence[Any]) -> torch.Tensor | None:
        """None where memory runs out."""
        try:
            with self.watch.whole():
                result: torch.Tensor = self.network(*_moved(arguments, self.device)).cpu()
            return result
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        _release(self.device)
        return None

    def _fits(self, arguments: Sequence[Any], allowed: int) -> bool:
        return surely_at_most(self.network, arguments) <= allowed or whole_bytes(self.network, arguments) <= allowed

    def _by_rows(self, arguments: Sequence[Any], allowed: int) -> torch.Tensor:
        steps = steps_of(traced(self.network, arguments), state_of(self.network))
        pictures = [item for item in arguments if isinstance(item, torch.Tensor)]
        # Values lie in the machine's memory, strips on the device.
        memory = allowed if self.device.type == "cpu" else allowed_bytes(torch.device("cpu"))
        if (together := max((step.bytes for step in steps.all if step.run is not None), default=0)) > memory:
            raise NotInParts(f"it needs {together / 1e9:.1f} GB at once")
        strip = min(allowed // 4, STRIP.get(self.device.type, STRIP["cpu"]))
        height, width = pictures[0].shape[-2:]
        self.note(f"{width}x{height} pixels are computed in parts: the result is that of the whole picture")
        for attempt in range(TRIES):
            plan = self._plan(steps, memory, strip >> 2 * attempt)
            try:
                return computed(steps, plan, pictures, self.device, self.watch)
            except Exception as error:
                if not is_out_of_memory(error) or attempt + 1 == TRIES:
                    raise
            _release(self.device)
        raise AssertionError("unreachable")

    def _plan(self, steps: Steps, memory: int, strip: int) -> Plan:
        """Of little memory where that costs little work."""
        tiles = self.tiles
        for little in kept_bytes(self.device) if tiles.memory is None else ():
            plan = make_plan(steps, min(memory, little), strip, tiles.size, tiles.spill)
            if not plan.spilled and plan.work <= MORE_WORK:
                return plan
        return make_plan(steps, memory, strip, tiles.size, tiles.spill)

    def _blended(self, arguments: Sequence[Any], allowed: int, why: str) -> torch.Tensor:
        size = self.tiles.size
        if size is None:
            fitting = (allowed / (UNSEEN * max(1.0, per_pixel(self.network, arguments)))) ** 0.5
            size = max(LEAST, min(MOST, int(fitting) // 64 * 64))
        with self.watch.whole():
            apart = difference(self.network, arguments, self.device, size)
        self._say_approximate(
            f"computed in tiles of {size}x{size} pixels, since the network cannot be computed by rows ({why}): what it "
            "takes of the whole picture comes from a reduced one; the difference to the whole picture is "
            + str(apart or "not measured: it is too narrow to be reduced")
        )
        return blended(self.network, arguments, self.device, size, self.watch)

    def _say_approximate(self, text: str) -> None:
        if self.note is ignore:
            warnings.warn(text, stacklevel=2)
        self.note(text)


def _moved(arguments: Sequence[Any], device: torch.device) -> list[Any]:
    return [item.to(device) if isinstance(item, torch.Tensor) else item for item in arguments]


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
