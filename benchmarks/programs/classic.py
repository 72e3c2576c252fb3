"""The step written by hand (benchmarks/reference) as a program of the protocol of benchmarks/programs/protocol.py.

python benchmarks/programs/classic.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent.parent))
from reference import cyclegan, pix2pix

from programs.protocol import Losses, Start, serve


class Classic:
    """Built when told to start."""

    def start(self, start: Start) -> str:
        torch.manual_seed(start.seed)
        if start.precision != "fp32":
            raise ValueError(f"no precision {start.precision}: only fp32")
        if start.method == "cyclegan":
            networks = cyclegan.build(start.width, start.blocks)
        else:
            networks = pix2pix.build(start.width, start.levels, start.dropout)
        self.device = torch.device(start.device)
        for name, state in start.states().items():
            networks[name].load_state_dict(state)
            networks[name].to(self.device)
        self.training = (cyclegan.CycleGAN if start.method == "cyclegan" else pix2pix.Pix2Pix)(networks)
        return "the step by hand"

    def step(self, pictures: dict[str, Tensor]) -> dict[str, Tensor]:
        return self.training.step(**{field: value.to(self.device) for field, value in pictures.items()})

    def losses(self, done: Losses) -> Losses:
        return done


if __name__ == "__main__":
    serve(Classic())
