"""What generators, discriminators and other networks promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from toonforge.components import NetworkComponent, Shape
from toonforge.errors import FieldError, ShapeError
from toonforge.testing.calls import Arguments, alike, arguments_of, built, called, shapes_of, tensors
from toonforge.testing.claims import where
from toonforge.testing.components import ComponentSuite
from toonforge.testing.untouched import seeds, untouched

ANY_LAYOUT = "says any_layout = True: take reshape() or flatten() for view(), or leave that out"
DRAWS_IN_EVAL = "metrics and translations are made in eval mode: draw (dropout, noise) only where self.training is true"
EIGHT_BITS = "it has 8 bits of precision; compute small sums and differences in float()"


class NetworkSuite(ComponentSuite):
    """Shapes, gradients, determinism, modes, precisions and weights files of a network.

    Attributes:
        component: the config under test; its `tiny()` is what gets built.
        inputs: what the network must take: (channels, height, width) of one sample each, or, for a network of several
            arguments, a tuple of such shapes and of numbers: `((3, 64, 64), 1)`.
        pictures_alone: in eval mode a picture's output does not depend on the rest of its batch. Only batch
            normalisation by the batch's own statistics has a reason to say False.
        processes: several processes train it like one. False where its gradient depends on the whole batch by design.
        compiles: it is claimed to run under `torch.compile` as one graph.
        exports_onnx: it is claimed to be exported to ONNX, for any batch size, height and width.
    """

    component: ClassVar[NetworkComponent]
    inputs: ClassVar[Sequence[Shape | Arguments]] = ((3, 64, 64),)
    pictures_alone: ClassVar[bool] = True
    processes: ClassVar[bool] = True
    compiles: ClassVar[bool] = False
    exports_onnx: ClassVar[bool] = False

    def build(self, entry: Shape | Arguments, seed: int = 0) -> Any:
        """The tiny network for inputs of these shapes, its weights drawn from `seed`."""
        return built(self.component.tiny(), entry, seed)

    def batch(self, entry: Shape | Arguments, size: int = 2) -> list[Any]:
        """The arguments of a call: random samples in [-1, 1], and the numbers."""
        return tensors(entry, size)

    def test_yields_the_shape_it_announces(self) -> None:
        for entry in self.inputs:
            fitted = self.component.tiny().fit(*shapes_of(entry))
            announced = fitted.shape(*arguments_of(entry))  # type: ignore[arg-type]  # numbers come as they are
            network = self.build(entry).eval()
            for size in (1, 2, 3):
                found = tuple(called(network, self.batch(entry, size), f"for a batch of {size}").shape)
                assert found == (size, *announced), (
                    f"{entry} gave {found}; shape() announced {(size, *announced)}: recipes are checked by shape(), so "
                    "mend whichever is wrong"
                )

    def test_takes_the_channels_that_it_announces(self) -> None:
        """Pictures of 1 and of 6 channels, where neither fit() nor shape() refuses them."""
        first, *others = arguments_of(self.inputs[0])
        if not isinstance(first, tuple) or len(first) != 3:
            return
        for channels in (1, 6):
            entry: Arguments = ((channels, *first[1:]), *others)
            try:
                announced = self.component.tiny().fit(*shapes_of(entry)).shape(*entry)  # type: ignore[arg-type]
            except (ShapeError, FieldError):
                continue
            try:
                found = tuple(self.build(entry).eval()(*self.batch(entry)).shape)
            except Exception as error:
                raise AssertionError(
                    f"shape() takes pictures of {channels} channels, and forward() fails: {type(error).__name__}: "
                    f"{error}\nmake the first layer for the channels that fit() is given (an in_channels field that it "
                    "fills in), or let shape() raise ShapeError"
                ) from error
            assert found == (2, *announced), (
                f"{entry} gave {found}; shape() announced {(2, *announced)}: mend whichever is wrong"
            )

    def test_fitting_again_changes_nothing(self) -> None:
        for entry in self.inputs:
            fitted = self.component.fit(*shapes_of(entry))
            again = fitted.fit(*shapes_of(entry))
            assert again == fitted, f"fit() of a fitted config gave {again}: it must be a fixed point"

    def test_gradients_reach_every_parameter(self) -> None:
        import torch

        network = self.build(self.inputs[0]).train()
        total = torch.zeros(())
        for entry in alike(self.inputs):
            # A random target: constant ones cancel in symmetric networks.
            output = called(network, self.batch(entry), "in train mode")
            total = total + (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(6))).sum()
        torch.autograd.backward(total)
        for name, parameter in network.named_parameters():
            assert parameter.requires_grad, f"{name} never learns: register_buffer(...) keeps what is no parameter"
            assert parameter.grad is not None, (
                f"{name} gets no gradient: it is not used in forward(), or what uses it is detached. Use it or leave "
                "it out: training on several processes waits for it for ever"
            )
            assert torch.isfinite(parameter.grad).all(), (
                f"the gradient of {name} is infinite or nan: look for a square root, a norm or a division at 0"
            )

    def test_same_seed_same_weights_and_output(self) -> None:
        import torch

        entry = self.inputs[0]
        one, two = self.build(entry).eval(), self.build(entry).eval()
        for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert torch.equal(a, b), f"{name} differs between builds of one seed: draw weights from torch's RNG only"
        batch = self.batch(entry)
        first = called(one, batch, "in eval mode")
        assert torch.equal(first, called(two, batch, "in eval mode")), "two equal networks differ in their output"
        assert torch.equal(first, called(one, batch, "a second time")), (
            "a second call in eval mode gives another output: forward() may change what it keeps in train mode alone"
        )

    def test_building_leaves_global_state_alone(self) -> None:
        component, shapes = self.component.tiny(), shapes_of(self.inputs[0])
        with untouched("build()", may_draw=True):
            component.fit(*shapes).build()
        assert not seeds(lambda: component.fit(*shapes).build()), (
            "build() seeds torch's random state: the run does that, so that a recipe's seed decides. Leave "
            "torch.manual_seed out"
        )

    def test_forward_leaves_global_state_alone(self) -> None:
        network, batch = self.build(self.inputs[0]), self.batch(self.inputs[0])
        with untouched("forward() in train mode", may_draw=True):
            called(network.train(), batch, "in train mode")
        with untouched("forward() in eval mode", why=DRAWS_IN_EVAL):
            called(network.eval(), batch, "in eval mode")

    def test_changes_no_input(self) -> None:
        import torch

        network, batch = self.build(self.inputs[0]), self.batch(self.inputs[0])
        before = [part.clone() if isinstance(part, torch.Tensor) else part for part in batch]
        for mode in (True, False):
            with torch.no_grad():
                called(network.train(mode), batch, f"with train({mode})")
            assert all(part.equal(old) for part, old in zip(batch, before) if isinstance(part, torch.Tensor)), (
                f"forward() changes its input in place with train({mode}): every later loss and network of the step "
                "gets the changed one. Take x = x.clamp(...) for x.clamp_(...), and no inplace=True on an input"
            )

    def test_works_in_any_layout_where_it_says_so(self) -> None:
        """Of a module whose class says `any_layout = True`, which `train.speed` then trains in channels_last."""
        import torch

        network = self.build(self.inputs[0]).eval().double()
        if not getattr(network, "any_layout", False):
            return
        batch = [part.double() if isinstance(part, torch.Tensor) else part for part in self.batch(self.inputs[0])]
        expected = called(network, batch, "in float64")
        network = network.to(memory_format=torch.channels_last)
        for layout in (torch.contiguous_format, torch.channels_last):
            given = [
                part.contiguous(memory_format=layout) if isinstance(part, torch.Tensor) and part.ndim == 4 else part
                for part in batch
            ]
            far = (called(network, given, f"in channels_last, where its class {ANY_LAYOUT}") - expected).abs().max()
            assert far <= 1e-9 * max(1.0, expected.abs().max().item()), (
                f"in channels_last its output is another one (by {far:.1e}), and its class {ANY_LAYOUT}"
            )

    def test_weights_survive_safetensors(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file, save_file

        entry = self.inputs[0]
        network, other = self.build(entry), self.build(entry, seed=1).eval()
        for size in (2, 3):  # running statistics and the like are then no longer as they were built
            called(network.train(), self.batch(entry, size), "in train mode")
        network.eval()
        try:
            save_file(
                {key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "n.safetensors"
            )
        except (RuntimeError, ValueError) as error:
            raise AssertionError(
                f"its weights cannot be saved: {error}\nregister a module or a parameter that is used twice under one "
                "name"
            ) from error
        other.load_state_dict(load_file(tmp_path / "n.safetensors"))
        batch = self.batch(entry)
        assert torch.equal(called(network, batch, "in eval mode"), called(other, batch, "in eval mode")), (
            "weights that were saved and loaded give another output: what forward() uses, and build() draws or "
            "training changes, must be a parameter or a buffer (register_buffer), not a plain attribute"
        )

    def test_train_and_eval_both_run(self) -> None:
        network, batch = self.build(self.inputs[0]), self.batch(self.inputs[0])
        for mode in (True, False):
            output = called(network.train(mode), batch, f"with train({mode})")
            assert output.isfinite().all(), f"not finite with train({mode}): look for a division by 0 or a logarithm"

    def test_runs_in_bfloat16_autocast(self) -> None:
        """Forward and backward, as `precision = "bf16"` trains it."""
        import torch

        network = self.build(self.inputs[0]).train()
        with torch.autocast("cpu", torch.bfloat16):
            output = called(network, self.batch(self.inputs[0]), "under bfloat16 autocast")
        assert output.isfinite().all(), f"not finite under bfloat16 autocast: {EIGHT_BITS}"
        torch.autograd.backward(output.float().sum())
        for name, parameter in network.named_parameters():
            assert parameter.grad is None or parameter.grad.isfinite().all(), (
                f"the gradient of {name} is not finite under bfloat16 autocast: {EIGHT_BITS}"
            )

    @where("pictures_alone")
    def test_a_picture_alone_is_as_in_a_batch(self) -> None:
        import torch

        entry = self.inputs[0]
        network = self.build(entry).eval().double()
        batch = [part.double() if isinstance(part, torch.Tensor) else part for part in self.batch(entry, 3)]
        whole = called(network, batch, "in float64")
        for index in range(3):
            one = [part[index : index + 1] if isinstance(part, torch.Tensor) else part for part in batch]
            far = (called(network, one, "in float64") - whole[index : index + 1]).abs().max().item()
            assert far <= 1e-9 * max(1.0, whole.abs().max().item()), (
                f"in eval mode a picture's output depends on the rest of its batch (by {far:.1e}): normalise over each "
                "picture or by running statistics; where batch statistics are meant, say pictures_alone = False"
            )

    @where("processes")
    def test_two_processes_train_like_one(self) -> None:
        """The gradient of a batch is the mean of what two processes have for its halves, in float64.

        Dropout is off, and batch norms use their running statistics: they differ by process, and that is meant. Starts
        two processes: `pytest -k "not two_processes"` leaves it out.
        """
        from toonforge.testing.processes import gradients_of_one, gradients_of_two

        component, entries = self.component.tiny(), alike(self.inputs)
        one = gradients_of_one(component, entries)
        for rank, two in enumerate(gradients_of_two(component, entries)):
            for name, gradient in one.items():
                far = (gradient - two[name]).abs().max().item()
                assert far <= 1e-9 * max(1.0, gradient.abs().max().item()), (
                    f"two processes (rank {rank}) have another gradient of {name} than one has (by {far:.1e}): a "
                    "picture's output must not depend on its batch in train mode either; where that is meant, say "
                    "processes = False, and in the README that its trainings differ by the number of processes"
                )

    @where("compiles")
    def test_runs_under_torch_compile(self) -> None:
        from toonforge.testing.compiling import assert_compiles

        for entry in self.inputs[:2]:
            assert_compiles(self.build(entry), self.batch(entry))

    @where("exports_onnx")
    def test_exports_to_onnx(self, tmp_path: Path) -> None:
        from toonforge.testing.onnx import assert_exports

        (height, width) = shapes_of(self.inputs[0])[0][1:]
        other = tuple(
            (part[0], height + 8, width + 16) if isinstance(part, tuple) else part
            for part in arguments_of(self.inputs[0])
        )
        network = self.build(self.inputs[0]).eval()
        assert_exports(network, self.batch(self.inputs[0]), self.batch(other, 3), tmp_path / "network.onnx")
