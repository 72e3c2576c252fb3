"""One training step: every active phase in order, each with one backward pass and one update."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from toonforge import registries
from toonforge.blame import built, of_component, refuse_other_than_number
from toonforge.data.transforms import normalised
from toonforge.recipe.graph import Graph, averaged
from toonforge.recipe.model import Recipe
from toonforge.speed.capture import CudaRecorder
from toonforge.speed.choice import choose
from toonforge.speed.compiled import Compiled
from toonforge.speed.idle import idle
from toonforge.speed.in_backward import StepInBackward
from toonforge.speed.layout import arranged
from toonforge.speed.pages import keep_pages
from toonforge.speed.recompute import recompute
from toonforge.speed.tf32 import settings_of
from toonforge.train.accelerating import make_accelerator, several_as_one, situation
from toonforge.train.averaging import average_next, no_sync, refuse_in_part
from toonforge.train.batching import BatchingEngine, Together, takes_batches
from toonforge.train.captured import CapturedSteps
from toonforge.train.first_weights import State, start_from
from toonforge.train.graph import Arguments, Compiler, Engine, Part
from toonforge.train.groups import Group, changes, groups, in_one
from toonforge.train.phases import PlannedPhase, plan
from toonforge.train.seeds import seed_call, seed_step
from toonforge.train.sharding import refuse_kind
from toonforge.train.state import DTYPES, Average, Memory, Optimizers, build_networks


class Training:
    """Networks, optimizers and averages of a run, and the step that changes them.

    With the trick keep-pages the whole process keeps its memory from here on; `train` gives it back at its end, and who
    makes a Training by itself may do so by `toonforge.speed.pages.give_back`.

    Args:
        recipe: checked.
        total_steps: the run's length.
        steps_per_epoch: of its data set.
        accelerator: device, precision and processes; made from the recipe when left out.
    """

    def __init__(
        self, recipe: Recipe, total_steps: int, steps_per_epoch: int, accelerator: Accelerator | None = None
    ) -> None:
        self.recipe = recipe
        self.accelerator = accelerator or make_accelerator(recipe.train.precision)
        refuse_kind(self.accelerator.distributed_type.value)
        if self.accelerator.num_processes == 1 < recipe.train.processes:
            raise several_as_one(recipe.train.processes)
        self.device: torch.device = self.accelerator.device
        self.rank: int = self.accelerator.process_index
        self.speed = choose(recipe.train.speed, situation(recipe, self.accelerator))
        if "keep-pages" in self.speed:
            keep_pages()
        self.phases = plan(recipe.phases, recipe.train, total_steps, steps_per_epoch)
        networks = build_networks(recipe)
        self.networks = {name: arranged(network, self.speed, self.device) for name, network in networks.items()}
        translating = {name: self.networks[name].to(self.device) for name in averaged(recipe)}
        # Copied before Accelerate replaces `forward`, which a copy would go on calling on the original.
        self.average = Average(translating, recipe.train.ema) if recipe.train.ema is not None else None
        for name in recipe.train.recompute:
            recompute(self.networks[name], name)
        trained = {name for phase in self.phases for name in phase.updates}
        self.wrapped: dict[str, nn.Module] = {
            # Told where to be: otherwise Accelerate loads all of torch's distributed tensors to see whether it is one.
            name: self.accelerator.prepare_model(network, device_placement=True, evaluation_mode=name not in trained)
            for name, network in self.networks.items()
        }
        self.optimizers = Optimizers(self.phases, self.networks, fused="fused-optimizers" in self.speed)
        self.speed = self.speed.without(
            [*idle(self.networks.values()), *(() if self.optimizers.fusible else ("fused-optimizers",))]
        )
        in_backward = "step-in-backward" in self.speed
        self._in_backward = StepInBackward(self.optimizers.by_key.values() if in_backward else ())
        self.graph = Graph(self.networks, recipe.signals)
        self.compiler = Compiler(self.graph, registries.ops, self.device)
        engine = BatchingEngine if "batched-calls" in self.speed else Engine
        self.engine = engine(self.compiler, self.networks, self.wrapped, self._seed_call, recipe.modules)
        self._uses = {p.name: (p.updates, self.graph.signals_used(p.phase)) for p in self.phases}
        # Compiled now, not at the first use: a checkpoint must know the ops of phases that are not active yet.
        self._losses = {
            p.name: {
                name: (
                    term,
                    self._loss(term.loss, f"phases.{p.name}.losses.{name}"),
                    self.compiler.arguments(term.loss),
                )
                for name, term in p.phase.losses.items()
                if term.weight != 0
            }
            for p in self.phases
        }
        remembering = {
            f"phases.{phase}.losses.{name}": loss
            for phase, losses in self._losses.items()
            for name, (_, loss, _) in losses.items()
        }
        self.memory = Memory({**self.compiler.ops, **remembering})
        self._groups = {phase.name: self._grouped(phase) for phase in self.phases}
        self._named = [f"{phase.name}.{name}" for phase in self.phases for name in self._losses[phase.name]]
        self._split = any(len(found) > 1 for found in self._groups.values())
        self.compiled = Compiled(self._compilable() if "compile" in self.speed else {})
        self.captured = CapturedSteps(self, CudaRecorder(self.device)) if "cuda-graphs" in self.speed else None
        self.seeding: Callable[[int, str], None] = self._seed
        self.now = 0
        self.losses: dict[str, Tensor] = {}
        self.totals: dict[str, Tensor] = {}
        self.rates: dict[str, float] = {}
        self.finite = torch.ones((), dtype=torch.bool, device=self.device)

    def _loss(self, config: Any, place: str) -> Any:
        loss = built(config, place)
        return loss.to(self.device, DTYPES[self.recipe.train.precision]) if isinstance(loss, nn.Module) else loss

    def _grouped(self, phase: PlannedPhase) -> tuple[Group, ...]:
        """The phase's losses in groups; and which of its calls are made at once."""
        losses, signals = self.losses_of(phase), self.compiler.signals
        changing = {name for name, network in self.networks.items() if changes(network)}
        sets: Sequence[frozenset[str]] = ()
        if isinstance(self.engine, BatchingEngine):
            roots = [node for arguments in losses.values() for node in arguments.nodes.values()]
            batched = {name for name, network in self.networks.items() if takes_batches(network)}
            plan = self.engine.plans[phase.name] = Together(roots, phase.updates, signals, batched, changing)
            sets = plan.sets
        if "split-backward" not in self.speed:
            return in_one(losses, phase.phase.updates)
        processes = self.accelerator.num_processes
        return groups(losses, phase.phase.updates, signals, changing=changing, together=sets, processes=processes)

    def _compilable(self) -> dict[str, nn.Module]:
        """Networks that losses are not lent: those may want a gradient's gradient, which torch.compile has not.

        Nor those that compute their activations again: that is not to be compiled.
        """
        losses = [arguments for found in self._losses.values() for _, _, arguments in found.values()]
        lent = {name for arguments in losses for name in arguments.networks.values()}
        others = lent.union(self.recipe.train.recompute)
        return {name: network for name, network in self.networks.items() if name not in others}

    def start_from(self, states: Mapping[str, State]) -> None:
        """Give networks their first weights, before the first step; every process calls this.

        Args:
            states: network -> its state, on the main process; the others take what that has.
        """
        averages = self.average.networks if self.average is not None else {}
        for name in self.recipe.initial:
            state = states[name] if self.accelerator.is_main_process else None
            start_from(self.networks[name], averages.get(name), state, self.accelerator.num_processes)

    def _seed_call(self, part: int, text: str) -> None:
        self.seeding(part, text)

    def _seed(self, part: int, text: str) -> None:
        seed_call(self.recipe.train.seed, self.now, part, self.rank, text, self.device)

    def step(self, step: int, parts: Sequence[Mapping[str, Tensor]]) -> None:
        """Run the phases that are active at `step` over the parts of this process's batch, which are on its device.

        Afterwards `losses`, `totals` and `finite` hold the step's values on the device, unread.
        """
        self.now = step
        seed_step(self.recipe.train.seed, step, self.rank, self.device)
        dtype = DTYPES[self.recipe.train.precision]
        batch = [{key: normalised(value).to(dtype) for key, value in fields.items()} for fields in parts]
        active = [phase for phase in self.phases if phase.active(step)]
        self.losses, self.totals = {}, {}
        with settings_of(self.speed, self.device), self.compiled.active():
            if self.captured is not None:
                self.captured.run(active, batch)
            else:
                self.run_phases(active, [Part(fields, index) for index, fields in enumerate(batch)])
        if self.average is not None:
            for name in self.average.networks:
                if any(name in phase.updates for phase in active):
                    self.average.update(name, self.networks[name])

    def run_phases(self, active: Sequence[PlannedPhase], batch: Sequence[Part]) -> None:
        """Run the phases one after another."""
        for index, phase in enumerate(active):
            self.clear_gradients(phase)
            self.set_rate(phase)
            self.gradients(phase, batch, active[index + 1 :])
            self.update(phase)

    def losses_of(self, phase: PlannedPhase) -> Mapping[str, Arguments]:
        """What the phase's losses take, by name."""
        return {name: arguments for name, (_, _, arguments) in self._losses[phase.name].items()}

    def clear_gradients(self, phase: PlannedPhase) -> None:
        """Forget the gradients of what the phase updates."""
        for optimizer in self.optimizers.of(phase):
            optimizer.zero_grad(set_to_none=True)

    def set_rate(self, phase: PlannedPhase) -> None:
        """Set the phase's learning rate for the present step."""
        self.rates[phase.name] = self.optimizers.set_rate(phase, self.now)

    def gradients(self, phase: PlannedPhase, batch: Sequence[Part], later: Sequence[PlannedPhase]) -> None:
        """Evaluate the phase's losses and differentiate them; `later` are the phases that follow in this step."""
        uses = [self._uses[other.name] for other in later]
        with (
            self.engine.phase(phase.updates, uses, phase.name),
            self._in_backward.phase(self.optimizers.of(phase)),
        ):
            for part in batch:
                self._differentiate(phase, part, len(batch), part is batch[-1])

    def update(self, phase: PlannedPhase) -> None:
        """Update the phase's networks by their gradients."""
        if self.accelerator.num_processes > 1:
            refuse_in_part(phase, self.networks, self.wrapped, self._split)
        if self.recipe.train.clip is not None:
            parameters = [p for name in phase.phase.updates for p in self.networks[name].parameters()]
            nn.utils.clip_grad_norm_(parameters, self.recipe.train.clip)
        for optimizer in self.optimizers.of(phase):
            optimizer.step()
        for name in phase.updates:
            self.engine.stepped(name)

    def _differentiate(self, phase: PlannedPhase, part: Part, parts: int, is_last: bool) -> None:
        """Add the gradient of the phase's losses over one part to its networks, one group of losses after another."""
        several = parts > 1 or self._split
        differentiated = False
        whole: Tensor | None = None
        for group in self._groups[phase.name]:
            with ExitStack() as stack:
                for context in no_sync(self.wrapped, several):
                    stack.enter_context(context)
                total = self._total(phase, group, part, parts)
            if several and is_last:
                average_next(self.wrapped[name] for name in group.complete)
            whole = total.detach() if whole is None else whole + total.detach()
            if parts > 1:
                total = total / parts
            if total.requires_grad:
                with self._in_backward.during(self.optimizers.of(phase, group.complete if is_last else ())):
                    total.backward()  # type: ignore[no-untyped-call]
                differentiated = True
            part.forget(group.later)
        assert whole is not None  # the recipe's check refuses a phase without losses
        if not differentiated:
            whole.backward()  # type: ignore[no-untyped-call]  # it says that nothing has a gradient
        self._note(self.totals, phase.name, whole, parts)
        self.finite = self.finite & torch.isfinite(whole)

    def _total(self, phase: PlannedPhase, group: Group, part: Part, parts: int) -> Tensor:
        """The weighted sum of a group's losses over one part of the batch."""
        total: Tensor | None = None
        for name in group.losses:
            term, loss, compiled = self._losses[phase.name][name]
            arguments = self.engine.arguments(compiled, part)
            place = f"phases.{phase.name}.losses.{name}"
            if term.loss.draws:
                self._seed_call(part.index, place)
            with of_component(term.loss, place, lent=self.engine.lent(compiled)):
                value = loss(**arguments)
            refuse_other_than_number(term.loss, place, value)
            self._note(self.losses, f"{phase.name}.{name}", value, parts)
            weighted = value if term.weight == 1 else value * term.weight
            total = weighted if total is None else total + weighted
        assert total is not None  # a group has losses
        return total

    @staticmethod
    def _note(into: dict[str, Tensor], name: str, value: Tensor, parts: int) -> None:
        share = value.detach() if parts == 1 else value.detach() / parts
        into[name] = into[name] + share if name in into else share

    def read(self) -> tuple[dict[str, float], dict[str, float], bool]:
        """(losses, totals, all finite so far): the mean over processes. This waits for the device."""
        losses = {name: self.losses[name] for name in self._named if name in self.losses}
        names = [*losses, *self.totals]
        if not names:
            return {}, {}, bool(self.finite)
        values = [*losses.values(), *self.totals.values(), self.finite]
        row = torch.stack([value.double() if value.device.type == "cpu" else value.float() for value in values])
        if self.accelerator.num_processes > 1:
            row = self.accelerator.reduce(row, reduction="mean")
        numbers: list[float] = row.tolist()
        known = dict(zip(names, numbers, strict=False))
        return {name: known[name] for name in losses}, {name: known[name] for name in self.totals}, numbers[-1] == 1.0
