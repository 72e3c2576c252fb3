"""What optimizers and schedules promise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from toonforge.components import Optimizer, Schedule
from toonforge.testing.components import ComponentSuite
from toonforge.testing.untouched import untouched

if TYPE_CHECKING:
    import torch
    from torch import nn


class OptimizerSuite(ComponentSuite):
    """An optimizer goes downhill, follows its schedule, and goes on from a checkpoint as if it had never stopped.

    Attributes:
        component: the config under test.
        steps: after so many at a rate of 0.01 it must have come down to half of where it began.
    """

    component: ClassVar[Optimizer]
    steps: ClassVar[int] = 200

    def bowl(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """A network whose weights should all become 0, and the optimizer over them."""
        import torch

        torch.manual_seed(0)
        network = torch.nn.Linear(4, 3)
        return network, self.component.build(network.parameters())

    def step(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> float:
        """One step down the bowl; its height before."""
        optimizer.zero_grad()
        height = sum((p.square().sum() for p in network.parameters()), start=next(network.parameters()).new_zeros(()))
        height.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(height.detach())

    def test_takes_all_parameters(self) -> None:
        network, optimizer = self.bowl()
        taken = {id(p) for group in optimizer.param_groups for p in group["params"]}
        assert taken == {id(p) for p in network.parameters()}, (
            "it leaves parameters out: give torch all that it is given"
        )

    def test_goes_downhill(self) -> None:
        network, optimizer = self.bowl()
        for group in optimizer.param_groups:
            group["lr"] = 0.01
        heights = [self.step(network, optimizer) for _ in range(self.steps)]
        assert math.isfinite(heights[-1]) and heights[-1] < heights[0] / 2, (
            f"after {self.steps} steps the height is {heights[-1]:.3g}, from {heights[0]:.3g}: is the sign of the step "
            "right? A slow one says `steps` in its suite"
        )

    def test_rate_zero_changes_nothing(self) -> None:
        """The schedule multiplies each group's "lr": an optimizer that keeps its own would never follow it."""
        network, optimizer = self.bowl()
        self.step(network, optimizer)
        for group in optimizer.param_groups:
            assert "lr" in group, (
                'its groups have no "lr" for the schedule to multiply: derive it from torch.optim.Optimizer'
            )
            group["lr"] = 0.0
        before = [p.detach().clone() for p in network.parameters()]
        self.step(network, optimizer)
        moved = max((p.detach() - b).abs().max().item() for p, b in zip(network.parameters(), before, strict=True))
        assert moved == 0, (
            f'with group["lr"] = 0 it still moves weights (by {moved:.1e}): read the rate from the group at every step'
        )

    def test_leaves_parameters_without_gradient_alone(self) -> None:
        """A phase steps with what its losses reach."""
        network, optimizer = self.bowl()
        before = [p.detach().clone() for p in network.parameters()]
        try:
            optimizer.step()
        except Exception as error:
            raise AssertionError(
                f"step() fails where no parameter has a gradient: {type(error).__name__}: {error}; pass over those "
                "whose grad is None"
            ) from error
        assert all(p.equal(b) for p, b in zip(network.parameters(), before, strict=True)), (
            "it moves parameters that have no gradient"
        )

    def test_goes_on_from_a_checkpoint(self, tmp_path: Path) -> None:
        """Its state, as a run saves it, makes another one go on bit for bit."""
        from safetensors.torch import load_file, save_file

        from toonforge.train.state import load_optimizer, optimizer_tensors

        network, optimizer = self.bowl()
        for _ in range(3):
            self.step(network, optimizer)
        other, fresh = self.bowl()
        other.load_state_dict({k: v.clone() for k, v in network.state_dict().items()})
        tensors, plain = optimizer_tensors(optimizer, network)
        save_file({k: v.contiguous() for k, v in tensors.items()}, tmp_path / "o.safetensors")
        load_optimizer(fresh, other, load_file(tmp_path / "o.safetensors"), plain)
        for _ in range(3):
            self.step(network, optimizer)
            self.step(other, fresh)
        for (name, one), two in zip(network.named_parameters(), other.parameters(), strict=True):
            assert one.equal(two), (
                f"after a resume {name} goes another way: keep all that it remembers in self.state[parameter], as "
                "tensors or numbers"
            )

    def test_draws_nothing(self) -> None:
        network, optimizer = self.bowl()
        why = "a phase's draws would hang on how many parameters it has; leave what is random to losses and ops"
        with untouched("step()", why=why):
            self.step(network, optimizer)


class ScheduleSuite(ComponentSuite):
    """A schedule's factor is a pure function of the step, finite and never below 0, for trainings of any length."""

    component: ClassVar[Schedule]

    def factors(self, total: int, steps_per_epoch: int) -> list[Any]:
        """The factor at some steps of such a training: the first ones, the last ones, some between."""
        steps = sorted({*range(min(total, 5)), *range(max(0, total - 5), total), *range(0, total, max(1, total // 50))})
        return [(step, self._factor(step, total, steps_per_epoch)) for step in steps]

    def _factor(self, step: int, total: int, steps_per_epoch: int) -> Any:
        try:
            return self.component.factor(step, total, steps_per_epoch)
        except Exception as error:
            raise AssertionError(
                f"factor({step}, {total}, {steps_per_epoch}) fails: {type(error).__name__}: {error}; trainings may be "
                "of a single step, and end before a decay begins"
            ) from error

    def test_is_a_finite_number_for_trainings_of_any_length(self) -> None:
        for total in (1, 2, 3, 10, 1000, 10**6):
            for steps_per_epoch in (1, 7, 5000):
                for step, factor in self.factors(total, steps_per_epoch):
                    assert isinstance(factor, float | int) and not isinstance(factor, bool), (
                        f"at step {step} of {total} the factor is {factor!r}: yield a float"
                    )
                    assert math.isfinite(factor) and factor >= 0, (
                        f"at step {step} of {total} ({steps_per_epoch} an epoch) the factor is {factor}: a rate below "
                        "0 climbs, and one that is not finite ruins the networks; clamp it with max(0.0, …)"
                    )

    def test_depends_on_the_step_alone(self) -> None:
        """Asked in any order and any number of times: so a resume needs no state."""
        first = self.factors(1000, 50)
        backwards = [(step, self._factor(step, 1000, 50)) for step, _ in reversed(first)]
        assert first == backwards[::-1], (
            "the factor depends on what was asked before: work it out of `step` alone, so that a resumed run goes on "
            "alike"
        )

    def test_is_not_always_zero(self) -> None:
        assert any(factor > 0 for _, factor in self.factors(1000, 50)), (
            "the factor is always 0: nothing would be trained"
        )
