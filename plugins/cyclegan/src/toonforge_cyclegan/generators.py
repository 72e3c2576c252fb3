"""The generators' configs: fields with the original's values, shapes, and how to build the networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypeVar

from toonforge.components import Generator, Shape, component, param
from toonforge.errors import FieldError
from toonforge.nn import Interpolation, Norm, Padding, Upsample, one_picture, with_channels
from toonforge.nn.choices import INTERPOLATION_DOC, NORM_DOC, UPSAMPLE_DOC

if TYPE_CHECKING:
    from torch import nn

G = TypeVar("G", bound="AnySize")

CODE = "CycleGAN code, networks.py"
RESIDUAL_DOC = "start as the identity and learn a difference: output = clamp(input + 2 network(input))"


class AnySize(Generator):
    """What the generators share: pictures of any size, and a number of channels that recipes infer."""

    name: ClassVar[str]
    residual: bool
    in_channels: int | None
    out_channels: int

    def __attrs_post_init__(self) -> None:
        channels = self.in_channels or 3
        if self.residual and channels != self.out_channels:
            raise FieldError(
                "out_channels", self.out_channels, f"{channels} as in the input", "`residual` adds the two"
            )

    def fit(self: G, *inputs: Shape) -> G:
        """With the input's channels filled in."""
        return with_channels(self, one_picture(self.name, inputs, self.in_channels)[0])

    def shape(self, *inputs: Shape) -> Shape:
        """The input's height and width, whatever they are."""
        _, height, width = one_picture(self.name, inputs, self.in_channels)
        return (self.out_channels, height, width)


@component
class Resnet(AnySize):
    """Johnson's ResNet generator: 7x7 stem, two strided stages, residual blocks, two upsampling stages, 7x7 head."""

    name = "cyclegan/resnet"

    blocks: int = param(
        9,
        doc="residual blocks; the original takes 9 for 256 pixels, 6 for 128",
        source="CycleGAN, appendix 7.2",
        at_least=0,
        tiny=1,
    )
    width: int = param(
        64,
        doc="channels after the stem; 4 times as many in the blocks",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("instance", doc=NORM_DOC, source="CycleGAN, appendix 7.2")
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=CODE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    dropout: float = param(
        0.0, doc="probability inside the blocks (the original's option is 0.5)", at_least=0, below=1, source=CODE
    )
    padding: Padding = param("reflect", doc="what unstrided convolutions see beyond the border", source=CODE)
    residual: bool = param(False, doc=RESIDUAL_DOC)
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", at_least=1)

    def build(self) -> nn.Module:
        """`toonforge.nn.resnet.ResnetGenerator`."""
        from toonforge.nn.resnet import ResnetGenerator

        return ResnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            width=self.width,
            blocks=self.blocks,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            dropout=self.dropout,
            padding=self.padding,
            residual=self.residual,
        )


@component
class Unet(AnySize):
    """pix2pix' U-Net generator: strided stages down to 1 / 2^levels, and back with skip connections."""

    name = "cyclegan/unet"

    levels: int = param(
        8, doc="stages down; smaller pictures than 2^levels are padded up", source=CODE, at_least=1, at_most=12, tiny=2
    )
    width: int = param(
        64,
        doc="channels of the first stage, doubling up to 8 times as many",
        unit="channels",
        source=CODE,
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("batch", doc=NORM_DOC, source="pix2pix, appendix 6.1")
    upsample: Upsample = param("transposed", doc=UPSAMPLE_DOC, source=CODE)
    interpolation: Interpolation = param("nearest", doc=INTERPOLATION_DOC)
    dropout: float = param(
        0.0,
        doc="probability in the decoder stages between two of the widest (pix2pix: 0.5)",
        at_least=0,
        below=1,
        source=CODE,
    )
    padding: Padding = param("zero", doc="what convolutions see beyond the border", source=CODE)
    residual: bool = param(False, doc=RESIDUAL_DOC)
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", at_least=1)

    def build(self) -> nn.Module:
        """`toonforge.nn.unet.UnetGenerator`."""
        from toonforge.nn.unet import UnetGenerator

        return UnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            levels=self.levels,
            width=self.width,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            dropout=self.dropout,
            padding=self.padding,
            residual=self.residual,
        )


@component
class DoubleUnet(AnySize):
    """Ronneberger's U-Net, two convolutions a size: keeps fine lines with few channels and short trainings."""

    name = "cyclegan/double-unet"

    levels: int = param(3, doc="times the sides are halved", at_least=1, at_most=8, tiny=1)
    width: int = param(
        16,
        doc="channels at the picture's own size, doubling up to 4 times as many",
        unit="channels",
        at_least=1,
        tiny=4,
    )
    norm: Norm = param("none", doc=NORM_DOC + "; instance norm leaves blobs in flat regions after short trainings")
    upsample: Upsample = param("resize", doc=UPSAMPLE_DOC)
    interpolation: Interpolation = param("bilinear", doc=INTERPOLATION_DOC)
    residual: bool = param(True, doc=RESIDUAL_DOC)
    in_channels: int | None = param(
        None, doc="channels of the input; inferred in a recipe, otherwise 3", unit="channels", at_least=1
    )
    out_channels: int = param(3, doc="channels of the output", unit="channels", at_least=1)

    def build(self) -> nn.Module:
        """`toonforge.nn.double_unet.DoubleUnetGenerator`."""
        from toonforge.nn.double_unet import DoubleUnetGenerator

        return DoubleUnetGenerator(
            self.in_channels or 3,
            self.out_channels,
            levels=self.levels,
            width=self.width,
            norm=self.norm,
            upsample=self.upsample,
            interpolation=self.interpolation,
            residual=self.residual,
        )
