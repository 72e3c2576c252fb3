"""Inception V3 as FID and KID were published with it: torch-fidelity's port, its weights loaded safely."""

from __future__ import annotations

from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.hub import load_state_dict_from_url

from toonforge.data.transforms import to_bytes
from toonforge.metrics.known_networks import INCEPTION_TAKES, INCEPTION_URL
from toonforge.nn.torchvision_guard import beside_torchvision
from toonforge.nn.weights import State, downloaded, fitted_state, read_state

POOLED = "2048"
"""torch-fidelity's name of the last pooled features, which FID and KID are made of."""


class Inception:
    """2,048 pooled features, as torch-fidelity extracts them from 8-bit pictures.

    Args:
        device: where to compute.
        weights: a file; None takes torch-fidelity's, downloaded once.

    Raises:
        ToonforgeError: torch-fidelity is missing, or weights cannot be had or do not fit.
    """

    def __init__(self, device: torch.device, weights: Path | None = None) -> None:
        if weights is not None:
            state, source = read_state(weights), str(weights)
        else:
            otherwise = 'features = "efficientnet-lite0" takes features whose weights come as a package'
            load = partial(load_state_dict_from_url, INCEPTION_URL)
            state, source = downloaded(load, INCEPTION_URL, whose="Inception", otherwise=otherwise), INCEPTION_URL
        self.network = reference(state, source).to(device)

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N,3,H,W) in [-1, 1] to (N,2048); the resize to 299x299 is part of the network."""
        (features,) = self.network(to_bytes(pictures))
        return features  # type: ignore[no-any-return]


def reference(state: State, source: str) -> Any:
    """torch-fidelity's extractor with these weights; `ToonforgeError` names what does not fit."""
    extractor: Any = beside_torchvision("torch_fidelity.feature_extractor_inceptionv3").FeatureExtractorInceptionV3

    class Unloaded(extractor):  # type: ignore[misc]
        """Its constructor reads weights by `torch.load` without `weights_only`: it is given none to read."""

        def load_state_dict(self, *_: object) -> None:
            """Nothing yet."""

    nothing = BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Unloaded("inception-v3-compat", [POOLED], feature_extractor_weights_path=nothing)
    weights = fitted_state(network.state_dict(), state, source, whose="Inception", expected=INCEPTION_TAKES)
    extractor.load_state_dict(network, weights)
    return network
