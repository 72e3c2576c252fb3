"""A CycleGAN step as it is written by hand, for comparison: generators first, then both discriminators."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.networks import patchgan, resnet
from reference.pool import Pool

CYCLE, IDENTITY = 10, 5
"""Weights of the cycle and the identity terms."""


def build(width: int = 64, blocks: int = 9) -> dict[str, nn.Module]:
    """The four networks: G, F, D_anime, D_photo."""
    return {
        "G": resnet(width, blocks),
        "F": resnet(width, blocks),
        "D_anime": patchgan(3, nn.InstanceNorm2d, width),
        "D_photo": patchgan(3, nn.InstanceNorm2d, width),
    }


def against(logits: Tensor, real: bool) -> Tensor:
    """The least-squares term: logits to 1 for real pictures, to 0 for fakes."""
    return functional.mse_loss(logits, torch.full_like(logits, float(real)))


class CycleGAN:
    """Networks, optimizers and pools; one step a call.

    Args:
        networks: as `build` makes them; photo -> anime is G.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.G, self.F, self.D_anime, self.D_photo = (networks[name] for name in ("G", "F", "D_anime", "D_photo"))
        self.of_generators, self.of_discriminators = (
            torch.optim.Adam(chain(a.parameters(), b.parameters()), lr=2e-4, betas=(0.5, 0.999))
            for a, b in ((self.G, self.F), (self.D_anime, self.D_photo))
        )
        self.pool_anime, self.pool_photo = Pool(50), Pool(50)

    def step(self, photo: Tensor, anime: Tensor) -> dict[str, Tensor]:
        """One step on pictures (N,3,H,W) in [-1, 1]; returns the weighted terms, without gradient."""
        fake_anime, fake_photo = self.G(photo), self.F(anime)
        for network in (self.D_anime, self.D_photo):
            network.requires_grad_(False)
        terms = {
            "fool_anime": against(self.D_anime(fake_anime), True),
            "fool_photo": against(self.D_photo(fake_photo), True),
            "cycle_photo": CYCLE * functional.l1_loss(self.F(fake_anime), photo),
            "cycle_anime": CYCLE * functional.l1_loss(self.G(fake_photo), anime),
            "identity_anime": IDENTITY * functional.l1_loss(self.G(anime), anime),
            "identity_photo": IDENTITY * functional.l1_loss(self.F(photo), photo),
        }
        self.of_generators.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        self.of_generators.step()

        for network in (self.D_anime, self.D_photo):
            network.requires_grad_(True)
        self.of_discriminators.zero_grad()
        for kind, network, real, fake in (
            ("anime", self.D_anime, anime, self.pool_anime(fake_anime)),
            ("photo", self.D_photo, photo, self.pool_photo(fake_photo)),
        ):
            judged = (against(network(real), True) + against(network(fake), False)) / 2
            judged.backward()
            terms[f"judge_{kind}"] = judged
        self.of_discriminators.step()
        return {name: term.detach() for name, term in terms.items()}
