"""The convolutions of VGG19 and VGG16 (Simonyan and Zisserman, 2015, table 1, columns E and D) up to a feature map.

Parameter names are torchvision's, so that its weights, and files saved from it, load as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from toonforge.nn.torchvision_guard import torchvision
from toonforge.nn.vgg_layers import VGG16_STAGES, VGG19_STAGES, Preprocessing, Stages
from toonforge.nn.weights import State, downloaded, fitted_state, read_state

if TYPE_CHECKING:
    from torch import Tensor

# Mean and deviation of each channel after the picture was brought to [0, 1] (imagenet) or [0, 255] (caffe).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red
PREFIX = "features."


class VGG(nn.Module):
    """Pictures (N,3,H,W) in [-1, 1] to one feature map (N,C,h,w).

    Attributes:
        name: which one: VGG19 or VGG16, as torchvision's weights are called.
        stages: channels and number of its convolutions between two poolings.

    Args:
        layer: the convolution whose output is wanted; what follows it is not built.
        activated: yield it after its ReLU.
        preprocessing: "imagenet" (mean and deviation, RGB), "caffe" (BGR in [0, 255] less the mean) or "none" ([0, 1]).
        size: height and width that pictures are scaled to first; None leaves them as they are.
    """

    name: ClassVar[str] = "VGG19"
    stages: ClassVar[Stages] = VGG19_STAGES

    def __init__(
        self,
        layer: str = "conv4_4",
        *,
        activated: bool = False,
        preprocessing: Preprocessing = "imagenet",
        size: int | None = None,
    ) -> None:
        super().__init__()
        self.preprocessing, self.size = preprocessing, size
        self.features = convolutions(layer, activated, self.stages)
        mean, std = {
            "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
            "caffe": (tuple(level / 255 for level in CAFFE_MEAN), (1 / 255,) * 3),
            "none": ((0.0,) * 3, (1.0,) * 3),
        }[preprocessing]
        # Not persistent: they are no weights, and the state dict keeps to torchvision's names.
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    mean: Tensor
    std: Tensor

    def prepared(self, x: Tensor) -> Tensor:
        """What the first convolution sees of pictures (N,3,H,W) in [-1, 1]."""
        if self.size is not None:
            x = functional.interpolate(x, (self.size, self.size), mode="bilinear", align_corners=False)
        x = (x + 1) / 2
        if self.preprocessing == "caffe":
            x = x.flip(1)  # blue, green, red
        return x if self.preprocessing == "none" else (x - self.mean) / self.std

    def forward(self, x: Tensor) -> Tensor:
        """(N,3,H,W) in [-1, 1] to (N,C,h,w)."""
        features: Tensor = self.features(self.prepared(x))
        return features


class VGG19(VGG):
    """Column E: 16 convolutions."""


class VGG16(VGG):
    """Column D: 13 convolutions."""

    name = "VGG16"
    stages = VGG16_STAGES


NETWORKS = {"vgg19": VGG19, "vgg16": VGG16}
"""By the names of their components."""


def convolutions(layer: str, activated: bool, stages: Stages = VGG19_STAGES) -> nn.Sequential:
    """torchvision's `vgg19().features` (or `vgg16().features`) up to a convolution, with its initial weights."""
    layers: list[nn.Module] = []
    inputs = 3
    for stage, (width, count) in enumerate(stages, 1):
        for index in range(1, count + 1):
            convolution = nn.Conv2d(inputs, width, 3, 1, 1)
            nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            layers.append(convolution)
            inputs = width
            if f"conv{stage}_{index}" == layer:
                return nn.Sequential(*layers, *([nn.ReLU(inplace=True)] if activated else []))
            layers.append(nn.ReLU(inplace=True))
        layers.append(nn.MaxPool2d(2))
    raise ValueError(f"VGG has no layer {layer!r}")


def load_imagenet(network: VGG) -> None:
    """Give the network torchvision's ImageNet weights, downloaded once and checked against their hash.

    Raises:
        ToonforgeError: no torchvision, or no network and no downloaded file.
    """
    weights = getattr(torchvision(), f"{network.name}_Weights").IMAGENET1K_V1
    otherwise = "efficientnet-lite0 is a feature network whose weights come as a package"
    state = downloaded(weights.get_state_dict, weights.url, whose=f"{network.name} (ImageNet)", otherwise=otherwise)
    load(network, state, str(weights.url))


def load_file(network: VGG, path: Path) -> None:
    """Give the network the weights of a file: safetensors, or what torch saves of a state dict.

    Names are torchvision's, of the whole network ("features.0.weight") or of its features alone ("0.weight").

    Raises:
        ToonforgeError: a file that holds no state dict, or one without the right convolutions.
    """
    load(network, read_state(path), str(path))


def load(network: VGG, state: State, source: str) -> None:
    """Copy the weights that the network needs out of a state dict; `ToonforgeError` names what does not fit."""
    prefix = PREFIX if any(key.startswith(PREFIX) for key in state) else ""
    which = network.name.lower()
    expected = f"torchvision's {which} without batch norm: the whole network's state dict, or its features'"
    wanted = {prefix + key: value for key, value in network.features.state_dict().items()}
    found = fitted_state(wanted, state, source, whose=network.name, expected=expected)
    network.features.load_state_dict({key.removeprefix(prefix): value for key, value in found.items()})
