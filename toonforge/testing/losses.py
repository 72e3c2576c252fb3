"""What losses promise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from toonforge.components import Loss, Shape, expressions
from toonforge.testing.claims import where
from toonforge.testing.components import ComponentSuite
from toonforge.testing.resuming import assert_resumes
from toonforge.testing.untouched import untouched

if TYPE_CHECKING:
    import torch


class LossSuite(ComponentSuite):
    """A loss is one finite number with right gradients to each of its inputs that it is differentiable in.

    Attributes:
        component: the config under test.
        shapes: shape of one sample for each `Expr` field.
        constant: `Expr` fields that no gradient reaches by design (a target that the loss detaches).
        mean_over_batch: the loss of a batch is the mean of its pictures' losses, as training in parts
            (`train.accumulate`) and on several processes takes for granted.
        reference: the loss's formula written by hand, a function of the same keywords that yields a number.
    """

    component: ClassVar[Loss]
    shapes: ClassVar[Mapping[str, Shape]] = {}
    constant: ClassVar[frozenset[str]] = frozenset()
    mean_over_batch: ClassVar[bool] = True
    reference: ClassVar[Any] = None

    def values(self) -> dict[str, Any]:
        """Random inputs, two samples each; override where a field needs a module or another range."""
        import torch

        generator = torch.Generator().manual_seed(3)
        names = list(expressions(self.component))
        missing = [name for name in names if name not in self.shapes]
        assert not missing, f"say in `shapes` what {missing} look like: shapes = {{{missing[0]!r}: (3, 8, 8)}}"
        return {
            name: (torch.rand(2, *self.shapes[name], generator=generator) * 2 - 1).requires_grad_() for name in names
        }

    def test_is_one_finite_number(self) -> None:
        import torch

        value = _run(self.component.build(), self.values())
        assert isinstance(value, torch.Tensor), (
            f"the loss is {type(value).__name__}: yield a tensor, which can be trained by"
        )
        assert value.shape == (), f"the loss has shape {tuple(value.shape)}: reduce it to one number, with .mean()"
        assert value.isfinite(), f"the loss is {value}: look for a logarithm or a division at 0"

    def test_gradients_are_finite(self) -> None:
        import torch

        values = self.values()
        value = _number(self.component.build(), values)
        assert value.requires_grad, (
            "no gradient passes: the loss detaches its inputs, works with Python's numbers, or counts, rounds and "
            "compares, which has no slope: take a smooth form of it"
        )
        torch.autograd.backward(value)
        for name, tensor in values.items():
            if isinstance(tensor, torch.Tensor) and name not in self.constant:
                assert tensor.grad is not None, f"no gradient reaches {name!r}; list it in `constant` if that is meant"
                assert tensor.grad.isfinite().all(), f"the gradient of {name!r} is infinite or nan"

    def test_gradients_stay_finite_where_it_is_least(self) -> None:
        """Inputs that are all alike: where a difference is 0, so is what a square root or a norm is taken of."""
        import torch

        values = {name: self._alike(value) for name, value in self.values().items()}
        value = _number(self.component.build(), values)
        assert value.isfinite(), f"for inputs of zeros the loss is {value}"
        if value.requires_grad:
            torch.autograd.backward(value)
        for name, tensor in values.items():
            if isinstance(tensor, torch.Tensor) and tensor.grad is not None:
                assert tensor.grad.isfinite().all(), (
                    f"for inputs of zeros the gradient of {name!r} is infinite or nan, and one such step ruins a "
                    "network: add a small number under the square root, or take vector_norm"
                )

    @staticmethod
    def _alike(value: Any) -> Any:
        import torch

        return torch.zeros_like(value).requires_grad_() if isinstance(value, torch.Tensor) else value

    def test_gradient_is_that_of_the_value(self) -> None:
        """In float64, against differences of the value itself: what a detach or an in-place change breaks."""
        import torch

        values = _doubled(self.values())
        loss = self.component.build()
        inputs = [v for name, v in values.items() if isinstance(v, torch.Tensor) and name not in self.constant]
        if not inputs:  # a penalty on a network itself
            inputs = [p for v in values.values() if isinstance(v, torch.nn.Module) for p in v.parameters()]
        assert inputs, "the loss has no input that it is differentiable in: nothing can be trained by it"
        if not _number(loss, values).requires_grad:
            return  # no gradient passes at all, which `test_gradients_are_finite` says

        def value(*_: torch.Tensor) -> torch.Tensor:
            torch.manual_seed(3)  # the same draws each time
            return _number(loss, values)

        try:
            torch.autograd.gradcheck(value, inputs, eps=1e-6, atol=1e-5, rtol=1e-3, fast_mode=True)
        except RuntimeError as error:
            raise AssertionError(
                "the gradient is not that of the value: something between the inputs and the loss is detached, "
                f"changed in place, or has a backward of its own\n{error}"
            ) from error

    @where("mean_over_batch")
    def test_a_batch_is_the_mean_of_its_pictures(self) -> None:
        import torch

        values = _doubled(self.values())
        loss = self.component.build()
        torch.manual_seed(3)
        whole = _number(loss, values)
        torch.manual_seed(3)  # what it draws, it draws picture by picture: the halves draw on where the last one ended
        halves = [
            _number(loss, {k: v[i : i + 1] if isinstance(v, torch.Tensor) else v for k, v in values.items()})
            for i in (0, 1)
        ]
        far = (sum(halves) / 2 - whole).abs().item()
        assert far <= 1e-9 * max(1.0, whole.abs().item()), (
            f"the loss of two pictures ({whole:.6g}) is not the mean of theirs ({halves[0]:.6g}, {halves[1]:.6g}): "
            "take "
            "the mean over the batch, not the sum, or training in parts or on several processes is another training; "
            "where it looks at the batch as a whole, or draws for it as a whole, say mean_over_batch = False"
        )

    @where("reference")
    def test_equals_its_formula(self) -> None:
        """As `reference` has it, in float64."""
        import torch

        values = _doubled(self.values())
        torch.manual_seed(3)
        found = float(_number(self.component.build(), values).detach())
        torch.manual_seed(3)
        expected = float(torch.as_tensor(self.reference(**values)).detach())
        assert abs(found - expected) <= 1e-9 * max(1.0, abs(expected)), (
            f"the loss is {found}, its formula gives {expected}"
        )

    def test_draws_as_it_says(self) -> None:
        values = self.values()
        loss = self.component.build()
        with untouched(
            "the loss",
            may_draw=self.component.draws,
            why="it says `draws = False`, so its random state is not kept from step to step: say draws = True",
        ):
            _run(loss, values)

    def test_what_it_remembers_survives_a_checkpoint(self, tmp_path: Path) -> None:
        """Called a few times, saved, loaded into a new one: both go on alike."""
        values = _doubled(self.values())
        assert_resumes(
            self.component.build, lambda loss, step: _number(loss, values).detach(), tmp_path / "l.safetensors"
        )

    def test_accepts_its_shapes(self) -> None:
        self.component.check(**self.shapes)


def _doubled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same in float64: new leaves for tensors; modules in eval mode, as a recipe's frozen networks are."""
    import torch

    return {
        name: value.detach().double().requires_grad_() if isinstance(value, torch.Tensor) else value.double().eval()
        for name, value in values.items()
    }


def _run(loss: Callable[..., torch.Tensor], values: Mapping[str, Any]) -> torch.Tensor:
    try:
        return loss(**values)
    except Exception as error:
        given = ", ".join(f"{name}: {getattr(value, 'dtype', type(value).__name__)}" for name, value in values.items())
        raise AssertionError(
            f"the loss fails, given {given}: {type(error).__name__}: {error}\nmake what it adds of its inputs' dtype "
            "and device: x.new_zeros(...), torch.zeros_like(x)"
        ) from error


def _number(loss: Callable[..., torch.Tensor], values: Mapping[str, Any]) -> torch.Tensor:
    """As a tensor of one number whatever it yields: that it should be one is said by `test_is_one_finite_number`."""
    import torch

    return torch.as_tensor(_run(loss, values)).mean()
