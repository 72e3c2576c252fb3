"""What losses promise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from toonforge.components import Loss, Shape, expressions
from toonforge.testing.components import ComponentSuite


class LossSuite(ComponentSuite):
    """A loss is one finite number with finite gradients to each of its inputs that it is differentiable in.

    Attributes:
        component: the config under test.
        shapes: shape of one sample for each `Expr` field.
        constant: `Expr` fields that no gradient reaches by design (a target that the loss detaches).
    """

    component: ClassVar[Loss]
    shapes: ClassVar[Mapping[str, Shape]] = {}
    constant: ClassVar[frozenset[str]] = frozenset()

    def values(self) -> dict[str, Any]:
        """Random inputs; override where a field needs a module or another range."""
        import torch

        generator = torch.Generator().manual_seed(3)
        names = list(expressions(self.component))
        missing = [name for name in names if name not in self.shapes]
        assert not missing, f"say in `shapes` what {missing} look like"
        return {
            name: (torch.rand(2, *self.shapes[name], generator=generator) * 2 - 1).requires_grad_() for name in names
        }

    def test_is_one_finite_number(self) -> None:
        value = self.component.build()(**self.values())
        assert value.shape == (), f"the loss has shape {tuple(value.shape)}: reduce it to one number"
        assert value.isfinite(), f"the loss is {value}"

    def test_gradients_are_finite(self) -> None:
        import torch

        values = self.values()
        torch.autograd.backward(self.component.build()(**values))
        for name, tensor in values.items():
            if isinstance(tensor, torch.Tensor) and name not in self.constant:
                assert tensor.grad is not None, f"no gradient reaches {name!r}; list it in `constant` if that is meant"
                assert tensor.grad.isfinite().all(), f"the gradient of {name!r} is infinite or nan"

    def test_accepts_its_shapes(self) -> None:
        self.component.check(**self.shapes)
