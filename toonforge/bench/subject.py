"""A training that is measured: its networks, its pictures, and what can be asked of it. Nothing is written."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from toonforge.bench.asked import loaded
from toonforge.bench.lines import Start
from toonforge.bench.parts import by_kind, shared_out
from toonforge.bench.peaks import free_bytes, peak_bytes, rates
from toonforge.bench.pictures import as_later
from toonforge.bench.profiled import Labels, labelled_training, profiled
from toonforge.bench.stage import stage_of
from toonforge.data.batch import Batch
from toonforge.data.order import steps_per_epoch
from toonforge.data.prefetch import on_device
from toonforge.data.used import only_used
from toonforge.errors import Problem, RunError
from toonforge.memory import doing, is_out_of_memory
from toonforge.recipe.graph import Graph
from toonforge.speed.choice import IDLE, choose
from toonforge.speed.tf32 import settings_of
from toonforge.speed.tricks import TRICKS
from toonforge.train.accelerating import make_accelerator, situation
from toonforge.train.batches import loader_of, reads_ahead
from toonforge.train.pace import pace_of
from toonforge.train.phases import total_steps
from toonforge.train.process import device_name
from toonforge.train.reader import Reader

ENDLESS = 10**9
"""Steps that there are pictures for."""
WARM = 2
"""Steps after which nothing is done for the first time, on a CPU; more of them where they are short."""
WARM_DEVICE = 12
"""The same on a GPU: kernels are chosen, graphs recorded."""
WARM_SECONDS = 2.0
MOST_WARM = 20


class Subject:
    """One variant. Leave it with `with`, which ends the processes that load pictures.

    Args:
        start: which.

    Raises:
        DataError, RecipeError, RunError: for recipes and data that cannot be trained; where memory runs out.
    """

    def __init__(self, start: Start) -> None:
        self.recipe = recipe = loaded(start.source, start.overrides)
        self.accelerator = make_accelerator(recipe.train.precision, start.cpu)
        used = Graph(recipe.modules, recipe.signals).trained_fields(recipe.phases)
        source = only_used(recipe.data.build("train"), recipe.data.groups(), used)
        epoch = steps_per_epoch(source.sizes, recipe.train.batch_size)
        total = total_steps(recipe.train, epoch)
        self.labels = Labels()
        with doing("building the networks"):
            self.training = labelled_training(self.labels, recipe, total, epoch, self.accelerator)
        stage = stage_of(self.training.phases, total, start.at)
        if stage is None:
            raise RunError(
                Problem(
                    message="there is no such step to measure",
                    key="--at",
                    found=str(start.at),
                    expected=f"below {total}",
                )
            )
        self.stage = stage
        pictures = as_later(source, recipe.data, recipe.train.batch_size)
        self.kept = pictures is not source
        loader = loader_of(
            recipe.train, pictures, self.accelerator, Path("."), start_step=stage.first, total_steps=ENDLESS
        )
        self.device: torch.device = self.accelerator.device
        self.situation = situation(recipe, self.accelerator)
        batches = on_device(loader, self.device)
        self._reader: Reader[Batch] = Reader(batches, reads_ahead(loader, self.accelerator))
        self._pace = pace_of(self.device, 0, recipe.train.batch_size)
        self._done = 0

    def __enter__(self) -> Subject:
        self._reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, traceback)

    def described(self) -> dict[str, Any]:
        """What the process that asks wants to know of it."""
        train, speed, stage = self.recipe.train, self.training.speed, self.stage
        idle = [trick for trick, why in speed.why.items() if why == IDLE]
        auto = choose("auto", self.situation).without(idle)
        possible = choose(list(TRICKS), self.situation).without(idle)
        return {
            "name": self.recipe.name,
            "torch": torch.__version__,
            "device": device_name(self.device),
            "hardware": self._hardware(),
            "precision": train.precision,
            "batch_size": train.batch_size,
            "parts": train.accumulate,
            "workers": train.workers,
            "cache": getattr(self.recipe.data, "cache", None),
            "kept": self.kept,
            "first": stage.first,
            "cycle": stage.cycle,
            "phases": list(stage.phases),
            "kinds": self.kinds,
            "parameters": {
                name: sum(p.numel() for p in network.parameters()) for name, network in self.training.networks.items()
            },
            "wanted": speed.wanted,
            "chosen": list(speed.tricks),
            "auto": list(auto.tricks),
            "impossible": dict(possible.why),
        }

    @property
    def kinds(self) -> dict[str, str]:
        """Network -> what people call its like."""
        recipe = self.recipe
        kinds = dict.fromkeys(recipe.generators, "generators")
        kinds |= dict.fromkeys(recipe.discriminators, "discriminators")
        return kinds | dict.fromkeys(recipe.networks, "other networks")

    def _hardware(self) -> str:
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        count = torch.get_num_threads()
        return f"{count} thread{'s' * (count != 1)}" if self.device.type == "cpu" else ""

    # -- steps ------------------------------------------------------------------------------------------------

    def warm(self) -> dict[str, Any]:
        """Steps until nothing is done for the first time; what is told is of the last ones."""
        least = self.stage.rounded(WARM if self.device.type == "cpu" else WARM_DEVICE)
        began = time.perf_counter()
        self.turn(least)
        while True:
            turn = self.turn(self.stage.cycle)
            least += self.stage.cycle
            if least >= MOST_WARM or time.perf_counter() - began > WARM_SECONDS:
                return turn

    def turn(self, steps: int) -> dict[str, Any]:
        """So many steps, as in a training; see `toonforge.bench.lines`."""
        try:
            self._wait()
            self._pace.since(self._done)
            for _ in range(steps):
                with self._pace.waiting():
                    batch = self._next()
                self._step(batch)
            self._wait()
            rate = self._pace.since(self._done)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            raise RunError(
                Problem(
                    message=f"out of memory on {device_name(self.device)}",
                    found=f"train.batch_size {self.recipe.train.batch_size}",
                    hint="a smaller batch or picture, or train.accumulate",
                )
            ) from error
        seconds = steps * self.recipe.train.batch_size / rate.pictures
        return {
            "steps": steps,
            "seconds": seconds,
            "data": rate.waiting * seconds,
            "memory": peak_bytes(self.device),
            "room": free_bytes(self.device),
        }

    def _next(self) -> Batch:
        batch = self._reader.next(lambda: False)
        assert isinstance(batch, Batch)
        return batch

    def _step(self, batch: Batch) -> None:
        self.training.step(self.stage.step(self._done), batch.parts)
        self._done += 1

    def _wait(self) -> None:
        """Until the device has computed all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    # -- what is in them ----------------------------------------------------------------------------------------

    def parts(self, steps: int) -> dict[str, Any]:
        """Where the time of steps goes; the profiler slows the processor, so shares count, not seconds.

        Steps that were recorded as CUDA graphs tell nothing of what is in them: they are computed from here on.
        """
        self.training.captured = None
        batches = [self._next() for _ in range(steps)]
        self._wait()
        spans, calls, seconds = profiled(
            self.training, self.labels, self.device, [partial(self._step, batch) for batch in batches]
        )
        parts = shared_out(spans, calls, device=self.device.type == "cuda")
        rows = by_kind(parts, self.kinds)
        return {
            "parts": {kind: {way: each / steps for way, each in row.items()} for kind, row in rows.items()},
            "networks": {
                name: {
                    way: each / steps for (kind, one, way), each in parts.items() if kind == "network" and one == name
                }
                for name in self.kinds
            },
            "seconds": seconds / steps,
        }

    def flops(self) -> int:
        """Floating-point operations of a step in convolutions, matrix products and attention, forward and backward.

        A mean over the stage's cycle. A multiplication and its addition are two. The counter looks at every module, so
        these steps round otherwise than the others, as under `quick-norms` with hooks.
        """
        count = self.stage.rounded(1)
        batches = [self._next() for _ in range(count)]
        with FlopCounterMode(display=False) as counter:
            for batch in batches:
                self._step(batch)
        total: int = counter.get_total_flops()
        return round(total / count)

    def rates(self) -> dict[str, float]:
        """How many operations a second the device comes to, in the recipe's precision."""
        with settings_of(self.training.speed, self.device):
            return rates(self.device, self.recipe.train.precision)

    def losses(self) -> dict[str, float]:
        """Those of the last step."""
        return self.training.read()[0]
