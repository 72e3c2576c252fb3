"""`lpips`: how different a translation looks from its pair, for data sets that have pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toonforge.components import Shape, component, param
from toonforge.errors import ShapeError
from toonforge.extras import need
from toonforge.losses.shapes import a_picture
from toonforge.metrics.known_networks import TRUNK_TAKES, TRUNKS
from toonforge.metrics.pairs import Mean, PairMetric
from toonforge.metrics.weights_file import package_file, release, said, said_of_hub
from toonforge.nn.weights_file import named_file

if TYPE_CHECKING:
    import torch

    from toonforge.metrics.lpips_network import Network


@component
class LPIPS(PairMetric):
    """Learned perceptual distance (LPIPS 0.1) of paired pictures, mean over the pairs; 0 for equal ones.

    The distance of a network's normalised features at several layers, weighted as people judged such differences. The
    weights of the layers come with the package lpips; the network's own, `trunk`, are torchvision's, downloaded once.
    Pictures keep their size; values beyond [-1, 1] are clamped first, as files are. "alex" is its authors' choice for
    comparing pictures. nan where no picture arrived.

    Needs toonforge[metrics].

    Source: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric (Zhang et al., 2018).
    """

    net: Literal["alex", "vgg", "squeeze"] = param("alex", doc="AlexNet, VGG16 or SqueezeNet 1.1", tiny="squeeze")
    trunk: str = param(
        "imagenet",
        doc='"imagenet", the path of a state dict with torchvision\'s names, or "random", which is for tests',
        tiny="random",
    )

    def check(self, **shapes: Shape) -> None:
        """Both must be RGB pictures of one shape, as large as the network needs."""
        super().check(**shapes)
        a_picture("input", shapes["input"])
        channels, height, width = shapes["input"]
        if channels != 3:
            raise ShapeError(f"lpips takes RGB pictures, found {channels} channels")
        smallest = TRUNKS[self.net][2]
        if min(height, width) < smallest:
            raise ShapeError(
                f'lpips with net = "{self.net}" takes {smallest}x{smallest} or more, found {height}x{width}'
            )

    def verify(self) -> None:
        """lpips, torchvision, and the trunk's file where one is named."""
        need("lpips", "the metric lpips needs")
        need("torchvision", "the metric lpips needs")
        self.trunk_file()

    def trunk_file(self) -> Path | None:
        """The file that `trunk` names, if it names one; `ToonforgeError` where there is none."""
        return None if self.trunk in ("imagenet", "random") else named_file(self.trunk, "trunk", TRUNK_TAKES)

    def protocol(self) -> str:
        """Network, hashes of both files of weights, and whose computation."""
        name, url, _ = TRUNKS[self.net]
        if self.trunk == "random":
            weights = "random weights: for tests alone"
        elif self.trunk == "imagenet":
            weights = said_of_hub(url)
        else:
            weights = said(Path(self.trunk).expanduser(), "weights file not found")
        heads = said(package_file("lpips", "weights", "v0.1", f"{self.net}.pth"), "not installed")
        return (
            f"LPIPS 0.1 of translation and target on {name}, mean over pictures, values clamped to [-1, 1], not "
            f"resized; {name}: {weights}; heads: {release('lpips')}, {heads}"
        )

    def build(self, device: torch.device) -> BuiltLPIPS:
        """An empty measurement; `ToonforgeError` where a package is missing or weights cannot be had."""
        self.verify()
        from toonforge.metrics.lpips_network import network

        return BuiltLPIPS(network(self.net, self.trunk, self.trunk_file(), device), device)


class BuiltLPIPS:
    """Sums over pictures in double precision.

    Args:
        network: two batches of pictures to their distances.
        device: where to compute.
    """

    def __init__(self, network: Network, device: torch.device) -> None:
        self.network, self.device = network, device
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape (N,3,H,W), in [-1, 1]."""
        import torch

        x, y = (tensors[key].detach().to(self.device, torch.float32).clamp(-1, 1) for key in ("input", "target"))
        with torch.no_grad():
            values = self.network(x, y)
        self.mean.add(float(values.double().sum()), len(x))

    def compute(self) -> Mapping[str, float]:
        """The mean so far."""
        return {"": self.mean.value}
