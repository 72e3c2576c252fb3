"""A folder of pictures through CycleGAN's generator as one writes it by hand, one picture after another.

python benchmarks/reference/translate.py G.safetensors FOLDER OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent.parent))
from reference.networks import resnet


@torch.no_grad()
def main(weights: Path, folder: Path, out: Path) -> None:
    state = load_file(weights)
    blocks = len({key.split(".")[1] for key in state if ".conv_block." in key})
    network = resnet(state["model.1.weight"].shape[0], blocks)
    network.load_state_dict(state)
    network.eval()
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB")))
        made = network(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
        rows = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
        Image.fromarray(rows.numpy()).save(out / f"{path.stem}.png")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
