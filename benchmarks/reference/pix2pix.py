"""A pix2pix step as it is written by hand, for comparison: the discriminator first, then the generator."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from reference.networks import patchgan, unet

PIXELS = 100
"""Weight of the absolute difference."""


def build(width: int = 64, levels: int = 8, dropout: bool = True) -> dict[str, nn.Module]:
    """The two networks: G, D."""
    return {"G": unet(width, levels, dropout), "D": patchgan(6, nn.BatchNorm2d, width)}


def against(logits: Tensor, real: bool) -> Tensor:
    """Cross-entropy of logits against "real" or "fake" everywhere."""
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(real)))


class Pix2Pix:
    """Networks and optimizers; one step a call.

    Args:
        networks: as `build` makes them; cartoon -> photo.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.G, self.D = networks["G"], networks["D"]
        self.of_G, self.of_D = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (self.G, self.D)
        )

    def step(self, cartoon: Tensor, photo: Tensor) -> dict[str, Tensor]:
        """One step on pictures (N,3,H,W) in [-1, 1]; returns the weighted terms, without gradient."""
        fake = self.G(cartoon)
        self.D.requires_grad_(True)
        fakes = against(self.D(torch.cat([cartoon, fake.detach()], 1)), False) / 2
        reals = against(self.D(torch.cat([cartoon, photo], 1)), True) / 2
        self.of_D.zero_grad()
        (fakes + reals).backward()
        self.of_D.step()

        self.D.requires_grad_(False)
        fool = against(self.D(torch.cat([cartoon, fake], 1)), True)
        pixels = PIXELS * functional.l1_loss(fake, photo)
        self.of_G.zero_grad()
        (fool + pixels).backward()
        self.of_G.step()
        terms = {"fool": fool, "pixels": pixels, "fakes": fakes, "reals": reals}
        return {name: term.detach() for name, term in terms.items()}
