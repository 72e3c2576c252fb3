"""What ops promise: `shape()` is true, gradients pass or do not as it says, and a resumed run goes on as before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from toonforge.components import Op, Shape
from toonforge.errors import ShapeError
from toonforge.testing.calls import Arguments, arguments_of, called, tensors
from toonforge.testing.components import ComponentSuite
from toonforge.testing.resuming import assert_resumes
from toonforge.testing.untouched import untouched


class OpSuite(ComponentSuite):
    """An op's shape, gradients, draws and state.

    Attributes:
        component: the op under test.
        inputs: what it must take: argument tuples of shapes of one sample each and of numbers, as they stand in an
            expression: `(((3, 8, 8), 0.5),)`. The first and the second number of arguments that `arguments` allows
            should be among them.
        constant: positions, from 1, of arguments that no gradient reaches by design.
    """

    component: ClassVar[Op]
    inputs: ClassVar[Sequence[Shape | Arguments]] = ((3, 16, 16),)
    constant: ClassVar[frozenset[int]] = frozenset()

    def batch(self, entry: Shape | Arguments, size: int = 2, seed: int = 5) -> list[Any]:
        """The arguments of a call: random samples in [-1, 1], and the numbers."""
        return tensors(entry, size, seed)

    def test_inputs_go_with_its_arguments(self) -> None:
        least, most = self.component.arguments
        counts = {len(arguments_of(entry)) for entry in self.inputs}
        for count in counts:
            assert count >= least and (most is None or count <= most), (
                f"`inputs` gives {count} arguments, and `arguments` says {least} to {most or 'any number'}: mend one "
                "of them"
            )
        assert least in counts, f"`arguments` allows {least}: add such a call to `inputs`"
        assert most is None or most in counts, f"`arguments` allows {most}: add such a call to `inputs`"

    def test_yields_the_shape_it_announces(self) -> None:
        for entry in self.inputs:
            announced = self.component.shape(*arguments_of(entry))
            for size in (1, 3):
                output = called(self.component.build(), self.batch(entry, size), f"for a batch of {size}")
                assert tuple(output.shape) == (size, *announced), (
                    f"{entry} gave {tuple(output.shape)}; shape() announced {(size, *announced)}: recipes are checked "
                    "by shape(), so mend whichever is wrong"
                )

    def test_refuses_a_number_for_its_tensor(self) -> None:
        arguments = arguments_of(self.inputs[0])
        for position, argument in enumerate(arguments):
            if isinstance(argument, tuple):
                wrong = [*arguments[:position], 1.0, *arguments[position + 1 :]]
                try:
                    self.component.shape(*wrong)
                except ShapeError:
                    continue
                except Exception as error:
                    raise AssertionError(_refuse(position, f"raises {type(error).__name__}: {error}")) from error
                raise AssertionError(_refuse(position, "takes it"))

    def test_evaluation_is_one_of_two(self) -> None:
        op = self.component
        assert op.evaluation in ("same", "identity"), f'evaluation is {op.evaluation!r}, expected "same" or "identity"'
        for entry in self.inputs if op.evaluation == "identity" else ():
            first, announced = arguments_of(entry)[0], op.shape(*arguments_of(entry))
            assert announced == first, (
                f'evaluation = "identity" lets {first} through in metrics and translations, where training has '
                f"{announced}"
            )

    def test_detaches_as_it_says(self) -> None:
        import torch

        for entry in self.inputs:
            batch = [x.requires_grad_() if isinstance(x, torch.Tensor) else x for x in self.batch(entry)]
            output = called(self.component.build(), batch, "in training")
            if self.component.detaches:
                assert not output.requires_grad, (
                    "it says `detaches = True`, and a gradient passes: detach what it yields"
                )
                continue
            assert output.requires_grad, (
                "no gradient passes, and it says `detaches = False`: say True, or keep the graph"
            )
            torch.autograd.backward(output.sum())
            for position, x in enumerate(batch, 1):
                if isinstance(x, torch.Tensor) and position not in self.constant:
                    assert x.grad is not None, (
                        f"argument {position} gets no gradient; list it in `constant` if that is meant"
                    )
                    assert x.grad.isfinite().all(), (
                        f"the gradient of argument {position} is infinite or nan: look for a square root, a norm or a "
                        "division at 0, and add a small number there"
                    )

    def test_flat_pictures_pass(self) -> None:
        """Of one gray: where a difference is 0, so is what a square root is taken of, or what is divided by."""
        import torch

        advice = "add a small number under the square root, or to what is divided by"
        for entry in self.inputs:
            batch = [
                torch.zeros_like(x).requires_grad_() if isinstance(x, torch.Tensor) else x for x in self.batch(entry)
            ]
            output = called(self.component.build(), batch, "for pictures of one gray")
            assert output.isfinite().all(), f"for pictures of one gray its output is infinite or nan: {advice}"
            if output.requires_grad:
                torch.autograd.backward(output.sum())
            for position, x in enumerate(batch, 1):
                if isinstance(x, torch.Tensor) and x.grad is not None:
                    assert x.grad.isfinite().all(), (
                        f"for pictures of one gray the gradient of argument {position} is infinite or nan, and one "
                        f"such step ruins a network: {advice}"
                    )

    def test_keeps_the_dtype(self) -> None:
        import torch

        for dtype in (torch.float64, torch.bfloat16):
            batch = [x.to(dtype) if isinstance(x, torch.Tensor) else x for x in self.batch(self.inputs[0])]
            found = called(self.component.build(), batch, f"in {dtype}").dtype
            assert found == dtype, f"{dtype} came back as {found}: make what it adds of the input's dtype"

    def test_draws_from_torch_alone(self) -> None:
        import torch

        from toonforge.data.seeds import seed_all

        batch, outputs = self.batch(self.inputs[0]), []
        with untouched("the op", may_draw=True):
            for when in ("once", "again"):
                seed_all(4)
                outputs.append(called(self.component.build(), batch, when))
        assert torch.equal(*outputs), (
            "two calls with one seed differ: draw from torch's, numpy's or Python's global state, which a step seeds"
        )

    def test_what_it_remembers_survives_a_checkpoint(self, tmp_path: Path) -> None:
        """Called a few times, saved, loaded into a new one: both go on alike."""
        assert_resumes(
            self.component.build,
            lambda op, step: called(op, self.batch(self.inputs[0], seed=step), "in training"),
            tmp_path / "op.safetensors",
        )


def _refuse(position: int, instead: str) -> str:
    return (
        f"shape() {instead}, given a number as argument {position + 1}, which is a tensor: raise ShapeError, so that "
        "the recipe's line is named"
    )
