"""What the networks of a translation promise besides: generators, and the discriminators that judge them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from toonforge.components import Shape
from toonforge.testing.calls import Arguments, called, shapes_of
from toonforge.testing.networks import NetworkSuite

OUT_OF_RANGE = "values reach {:.2f}: pictures are in [-1, 1], so end with tanh or clamp"


class GeneratorSuite(NetworkSuite):
    """A generator takes pictures of any size and yields as many pixels, in [-1, 1]."""

    inputs: ClassVar[Sequence[Shape | Arguments]] = ((3, 64, 64), (3, 65, 97), (3, 37, 64))

    def test_output_is_a_picture_of_the_same_size(self) -> None:
        for entry in self.inputs:
            network, batch = self.build(entry).eval(), self.batch(entry)
            sides = shapes_of(entry)[0][-2:]
            output = called(network, batch, "in eval mode")
            assert tuple(output.shape[-2:]) == sides, (
                f"{entry} came back as {tuple(output.shape[1:])}: pad what strides do not divide, and cut it off at "
                "the end"
            )
            assert output.abs().max() <= 1, OUT_OF_RANGE.format(output.abs().max())

    def test_output_is_a_picture_whatever_it_learns(self) -> None:
        """With large weights, drawn from a normal distribution, in place of its first ones; in float64.

        What overflows to nan is not judged: the exponential of a large weight may.
        """
        import torch

        network = self.build(self.inputs[0]).eval().double()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_()
            batch = [part.double() if isinstance(part, torch.Tensor) else part for part in self.batch(self.inputs[0])]
            output = called(network, batch, "in float64")
        largest = output.nan_to_num(0.0).abs().max()
        assert largest <= 1, f"with larger weights than its first ones {OUT_OF_RANGE.format(largest)}"


class DiscriminatorSuite(NetworkSuite):
    """A discriminator yields logits, not probabilities, and fits its input channels to what it judges."""

    inputs: ClassVar[Sequence[Shape | Arguments]] = ((3, 64, 64), (6, 64, 64), (3, 70, 90))

    def test_yields_logits(self) -> None:
        import torch

        network = self.build(self.inputs[0]).train()
        batch = [part * 50 if isinstance(part, torch.Tensor) else part for part in self.batch(self.inputs[0], 4)]
        output = called(network, batch, "in train mode")
        assert output.min() < 0 or output.max() > 1, "outputs stay in [0, 1]: leave the sigmoid to the loss"
