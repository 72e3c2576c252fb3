"""The network of the package lpips, with both files of its weights loaded safely."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from toonforge.metrics.extractor import shared
from toonforge.metrics.known_networks import TRUNK_TAKES, TRUNKS
from toonforge.metrics.weights_file import changed_at
from toonforge.nn.torchvision_guard import beside_torchvision, torchvision
from toonforge.nn.weights import State, downloaded, fitted_state, read_state

Network = Callable[[Tensor, Tensor], Tensor]
"""Two batches (N,3,H,W) in [-1, 1] to their distances (N,1,1,1)."""

SLICE = re.compile(r"slice\d+")


def network(net: str, trunk: str, file: Path | None, device: torch.device) -> Network:
    """lpips' network, shared by all metrics of one setting and device.

    Args:
        net: "alex", "vgg" or "squeeze".
        trunk: "imagenet", "random", or the path of `file`.

    Raises:
        ToonforgeError: weights that cannot be downloaded, cannot be read or do not fit.
    """
    key = ("lpips", net, trunk, file and changed_at(file), device)
    return shared(key, lambda: build(net, trunk, file).to(device))  # type: ignore[no-any-return]


def build(net: str, trunk: str, file: Path | None) -> Any:
    """The module, on the CPU and frozen. Its own constructor would read files by `torch.load` as it pleases."""
    lpips: Any = beside_torchvision("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it asks torchvision for networks by arguments that torchvision has renamed
        module = lpips.LPIPS(pretrained=False, pnet_rand=True, net=net, verbose=False)
    _load_heads(module, Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth")
    if trunk != "random":
        _load_trunk(module.net, net, file)
    return module.requires_grad_(False).eval()


def _load_heads(module: Any, path: Path) -> None:
    heads = {name: value for name, value in module.state_dict().items() if re.match(r"lin\d+\.", name)}
    state = fitted_state(heads, read_state(path), str(path), whose="LPIPS' layers", expected="those of lpips 0.1")
    module.load_state_dict(state, strict=False)


def _load_trunk(module: Any, net: str, file: Path | None) -> None:
    name, url, _ = TRUNKS[net]
    state: State
    if file is not None:
        state, source = read_state(file, "trunk"), str(file)
    else:
        load = getattr(torchvision(), f"{name}_Weights").IMAGENET1K_V1.get_state_dict
        otherwise = "psnr and ssim compare pairs without a network's weights"
        state, source = downloaded(load, url, whose=f"{name} (ImageNet)", key="trunk", otherwise=otherwise), url
    # Its slices keep torchvision's numbers: slice2.3.weight is features.3.weight.
    names = {ours: SLICE.sub("features", ours) for ours in module.state_dict()}
    wanted = {names[ours]: value for ours, value in module.state_dict().items()}
    found = fitted_state(wanted, state, source, whose=name, expected=TRUNK_TAKES, key="trunk")
    module.load_state_dict({ours: found[theirs] for ours, theirs in names.items()})
