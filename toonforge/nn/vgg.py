"""VGG19's convolutions (Simonyan and Zisserman, 2015, table 1, column E) up to the feature map that is wanted.

Parameter names are torchvision's, so that its weights, and files saved from it, load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError

import torch
from torch import nn
from torch.nn import functional

from toonforge.errors import Problem, ToonforgeError
from toonforge.nn.features import VGG19_STAGES, Preprocessing
from toonforge.nn.torchvision_guard import torchvision

if TYPE_CHECKING:
    from torch import Tensor

# Mean and deviation of each channel after the picture was brought to [0, 1] (imagenet) or [0, 255] (caffe).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CAFFE_MEAN = (103.939, 116.779, 123.68)  # blue, green, red
PREFIX = "features."
NAMED = 4  # keys that an error lists


class VGG19(nn.Module):
    """Pictures (N,3,H,W) in [-1, 1] to one feature map (N,C,h,w).

    Args:
        layer: the convolution whose output is wanted; what follows it is not built.
        activated: yield it after its ReLU.
        preprocessing: "imagenet" (mean and deviation, RGB), "caffe" (BGR in [0, 255] less the mean) or "none" ([0, 1]).
        size: height and width that pictures are scaled to first; None leaves them as they are.
    """

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
        self.features = convolutions(layer, activated)
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


def convolutions(layer: str, activated: bool) -> nn.Sequential:
    """torchvision's `vgg19().features` up to a convolution, with its initial weights."""
    layers: list[nn.Module] = []
    inputs = 3
    for stage, (width, count) in enumerate(VGG19_STAGES, 1):
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
    raise ValueError(f"VGG19 has no layer {layer!r}")


def load_imagenet(network: VGG19) -> None:
    """Give the network torchvision's ImageNet weights, downloaded once and checked against their hash.

    Raises:
        ToonforgeError: no torchvision, or no network and no downloaded file.
    """
    weights = torchvision().VGG19_Weights.IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        # A RuntimeError is a download whose hash is not the one in its name.
        file = weights.url.rsplit("/", 1)[-1]
        raise ToonforgeError(
            Problem(
                message="the ImageNet weights of VGG19 cannot be downloaded",
                key="weights",
                found=f"{weights.url}: {getattr(error, 'reason', error)}",
                expected=f'a network connection, {file} in {torch.hub.get_dir()}/checkpoints, or weights = "PATH"',
                hint=f'download {file} elsewhere and write weights = "path/to/{file}"; '
                "efficientnet-lite0 is a feature network whose weights come as a package",
            )
        ) from error
    load(network, state, str(weights.url))


def load_file(network: VGG19, path: Path) -> None:
    """Give the network the weights of a file: safetensors, or what torch saves of a state dict.

    Names are torchvision's, of the whole network ("features.0.weight") or of its features alone ("0.weight").

    Raises:
        ToonforgeError: a file that holds no state dict, or one without the right convolutions.
    """
    load(network, _read(path), str(path))


def load(network: VGG19, state: Mapping[str, object], source: str) -> None:
    """Copy the weights that the network needs out of a state dict; `ToonforgeError` names what does not fit."""
    prefix = PREFIX if any(key.startswith(PREFIX) for key in state) else ""
    wrong: list[str] = []
    found: dict[str, Tensor] = {}
    for key, ours in network.features.state_dict().items():
        theirs = state.get(prefix + key)
        if not isinstance(theirs, torch.Tensor):
            wrong.append(f"no {prefix}{key}")
        elif theirs.shape != ours.shape:
            wrong.append(f"{prefix}{key} of {_shape(theirs)} in the place of {_shape(ours)}")
        else:
            found[key] = theirs
    if wrong:
        rest = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        given = ", ".join(map(repr, list(state)[:NAMED])) or "nothing"
        raise ToonforgeError(
            Problem(
                message=f"{source} does not hold the weights of VGG19",
                key="weights",
                found=f"{', '.join(wrong[:NAMED])}{rest}; it begins with {given}",
                expected="torchvision's vgg19 without batch norm: the whole network's state dict, or its features'",
            )
        )
    network.features.load_state_dict(found)


def _read(path: Path) -> Mapping[str, object]:
    from safetensors.torch import load_file as load_safetensors

    try:
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's, pickle's, safetensors' and the system's: a dozen kinds, one meaning
        first_line = str(error).strip().split("\n")[0]
        raise _unreadable(path, f"{type(error).__name__}: {first_line}") from error
    if not isinstance(state, Mapping):
        raise _unreadable(path, f"a {type(state).__name__}")
    return state


def _unreadable(path: Path, found: str) -> ToonforgeError:
    return ToonforgeError(
        Problem(
            message=f"{path} cannot be read as weights",
            key="weights",
            found=found,
            expected="a state dict of tensors and nothing else: .safetensors, or torch.save(network.state_dict(), …)",
        )
    )


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
