"""What generators, discriminators and other networks promise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from toonforge.components import NetworkComponent, Shape
from toonforge.testing.components import ComponentSuite


class NetworkSuite(ComponentSuite):
    """Shapes, gradients, determinism and weights files of a network.

    Attributes:
        component: the config under test; its `tiny()` is what gets built.
        inputs: shapes of one sample each, (channels, height, width), that the network must take.
    """

    component: ClassVar[NetworkComponent]
    inputs: ClassVar[Sequence[Shape]] = ((3, 64, 64),)

    def build(self, shape: Shape, seed: int = 0) -> Any:
        """The tiny network for inputs of this shape, its weights drawn from `seed`."""
        import torch

        torch.manual_seed(seed)
        return self.component.tiny().fit(shape).build()

    def batch(self, shape: Shape, size: int = 2) -> Any:
        """Random pictures in [-1, 1]."""
        import torch

        return torch.rand(size, *shape, generator=torch.Generator().manual_seed(5)) * 2 - 1

    def test_yields_the_shape_it_announces(self) -> None:
        for shape in self.inputs:
            announced = self.component.tiny().fit(shape).shape(shape)
            for size in (1, 2):
                found = tuple(self.build(shape).eval()(self.batch(shape, size)).shape)
                assert found == (size, *announced), f"{shape} gave {found}; shape() announced {(size, *announced)}"

    def test_gradients_reach_every_parameter(self) -> None:
        import torch

        shape = self.inputs[0]
        network = self.build(shape).train()
        # A random target: constant ones cancel in symmetric networks.
        output = network(self.batch(shape))
        (output * torch.randn(output.shape, generator=torch.Generator().manual_seed(6))).sum().backward()
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, f"{name} gets no gradient: it is not used in forward()"
            assert torch.isfinite(parameter.grad).all(), f"the gradient of {name} is infinite or nan"

    def test_same_seed_same_weights_and_output(self) -> None:
        import torch

        shape = self.inputs[0]
        one, two = self.build(shape).eval(), self.build(shape).eval()
        for (name, a), b in zip(one.state_dict().items(), two.state_dict().values(), strict=True):
            assert torch.equal(a, b), f"{name} differs between builds of one seed: draw weights from torch's RNG only"
        assert torch.equal(one(self.batch(shape)), two(self.batch(shape))), "two equal networks differ in their output"

    def test_weights_survive_safetensors(self, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import load_file, save_file

        shape = self.inputs[0]
        network, other = self.build(shape).eval(), self.build(shape, seed=1).eval()
        save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "n.safetensors")
        other.load_state_dict(load_file(tmp_path / "n.safetensors"))
        batch = self.batch(shape)
        assert torch.equal(network(batch), other(batch)), "weights that were saved and loaded give another output"

    def test_train_and_eval_both_run(self) -> None:
        shape = self.inputs[0]
        network = self.build(shape)
        for mode in (True, False):
            assert network.train(mode)(self.batch(shape)).isfinite().all(), f"not finite with train({mode})"

    def test_runs_in_bfloat16_autocast(self) -> None:
        import torch

        shape = self.inputs[0]
        network = self.build(shape).eval()
        with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
            assert network(self.batch(shape)).isfinite().all(), "not finite under bfloat16 autocast"


class GeneratorSuite(NetworkSuite):
    """A generator takes pictures of any size and yields as many pixels, in [-1, 1]."""

    inputs: ClassVar[Sequence[Shape]] = ((3, 64, 64), (3, 65, 97), (3, 37, 64))

    def test_output_is_a_picture_of_the_same_size(self) -> None:
        for shape in self.inputs:
            output = self.build(shape).eval()(self.batch(shape))
            assert tuple(output.shape[-2:]) == shape[-2:], f"{shape} came back as {tuple(output.shape[1:])}"
            assert output.abs().max() <= 1, f"values reach {output.abs().max():.2f}: pictures are in [-1, 1]"


class DiscriminatorSuite(NetworkSuite):
    """A discriminator yields logits, not probabilities, and fits its input channels to what it judges."""

    inputs: ClassVar[Sequence[Shape]] = ((3, 64, 64), (6, 64, 64), (3, 70, 90))

    def test_yields_logits(self) -> None:
        shape = self.inputs[0]
        output = self.build(shape).train()(self.batch(shape, 4) * 50)
        assert output.min() < 0 or output.max() > 1, "outputs stay in [0, 1]: leave the sigmoid to the loss"
