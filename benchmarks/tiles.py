"""A picture computed in parts against whole: the difference, the time, the memory; and what plain tiles would do.

Without a model, networks have drawn weights: their pictures show nothing, their work and memory are those of
trained ones.

    python benchmarks/tiles.py                                            # cyclegan/double-unet, 1024 pixels
    python benchmarks/tiles.py --model runs/x --size 3000 --out pictures  # writes whole.png, parts.png, plain.png
    python benchmarks/tiles.py --network cyclegan/resnet --size 4000 --only parts --memory 4e9
    python benchmarks/tiles.py --network cyclegan/resnet --set width=32 blocks=6 norm=group --size 1500
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import torch
from PIL import Image
from torch import nn

from toonforge import registries
from toonforge.components import changed
from toonforge.data.reading.picture import read_picture
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.use.model import Model, load
from toonforge.use.tiled import Tiles, compute

PLAIN = 512
"""Side of the tiles of those who cut a picture and translate each piece by itself."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="of which the first translation is computed; --network when left out")
    parser.add_argument("--network", default="cyclegan/double-unet")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the network")
    parser.add_argument("--size", type=int, default=1024, help="pixels a side")
    parser.add_argument("--picture", type=Path, help="enlarged to the size; a mosaic of the samples when left out")
    parser.add_argument("--memory", type=float, help="bytes for the parts")
    parser.add_argument("--rows", type=int, help="of a strip")
    parser.add_argument("--only", choices=("whole", "parts"), help="nothing else, so that the peak is its own")
    parser.add_argument("--out", type=Path, help="where the pictures are written")
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = load(given.model, cpu=True) if given.model else drawn(given.network, given.set)
    x = pixels(given.picture, given.size)
    print(f"{given.model or given.network} {' '.join(given.set)}, {x.shape[3]}x{x.shape[2]} pixels, one thread")
    print(f"before: peak {peak():.2f} GB")
    tiles = Tiles(use="always", memory=None if given.memory is None else int(given.memory), size=given.rows)
    ways: dict[str, Callable[[], torch.Tensor]] = {
        "parts": lambda: compute(model, x, tiles=tiles, note=print),
        "whole": lambda: model.compute(x),
        "plain": lambda: plain(model, x),
    }
    found: dict[str, torch.Tensor] = {}
    for name, way in ways.items():
        if given.only in (None, name):
            start = time.perf_counter()
            found[name] = way()
            print(f"{name}: {time.perf_counter() - start:.1f} s, peak of the process so far {peak():.2f} GB")
            if given.out is not None:
                given.out.mkdir(parents=True, exist_ok=True)
                image(found[name]).save(given.out / f"{name}.png")
    if given.out is not None:
        image(x).save(given.out / "input.png")
    for name in ("parts", "plain"):
        if "whole" in found and name in found:
            apart = (found[name] - found["whole"]).abs() * 127.5
            shift = (found[name] - found["whole"]).mean() * 127.5
            print(
                f"{name} - whole, of 255: at most {apart.max():.2e}, {apart.mean():.2e} on average;"
                f" brightness {shift:+.1e};"
                f" across the lines between plain tiles {seams(found[name], found['whole']):.2e}"
            )


def drawn(name: str, settings: list[str]) -> Model:
    """A model of one network with drawn weights."""
    config = registries.generators[name]()
    fields = {field.name: field for field in attrs.fields(type(config))}
    changes: dict[str, Any] = {}
    for item in settings:
        key, value = item.split("=")
        assert key in fields, f"{name} has no {key}"
        changes[key] = int(value) if value.isdigit() else {"true": True, "false": False}.get(value, value)
    config = changed(config, **changes).fit((3, 1 << 13, 1 << 13))
    torch.manual_seed(0)
    network: nn.Module = config.build().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.02)
    return Model(
        recipe=name,
        translations={"cartoon": Expr.parse("G(photo)")},
        image_size=None,
        device=torch.device("cpu"),
        inference=Inference({"G": network}, {}, registries.ops),
        checkpoint=None,  # type: ignore[arg-type]
        configs={"G": config},
    )


def pixels(path: Path | None, size: int) -> torch.Tensor:
    """1,3,size,size in [-1, 1]."""
    if path is not None:
        picture = Image.fromarray(read_picture(path, max_aspect=None)).resize((size, size), Image.Resampling.BICUBIC)
    else:
        from toonforge_samples.credits import samples

        photos = [read_picture(sample.path) for sample in samples() if sample.kind == "photo"]
        picture = Image.new("RGB", (size, size))
        at = x = y = tallest = 0
        while y < size:  # in rows, as they are
            tile = Image.fromarray(photos[at % len(photos)])
            picture.paste(tile, (x, y))
            x, at, tallest = x + tile.width, at + 1, max(tallest, tile.height)
            if x >= size:
                x, y, tallest = 0, y + tallest, 0
    values = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(size, size, 3)
    return values.permute(2, 0, 1)[None].float() / 127.5 - 1


def plain(model: Model, x: torch.Tensor) -> torch.Tensor:
    """Each piece by itself, side by side."""
    y = torch.empty_like(x)
    for top in range(0, x.shape[2], PLAIN):
        for left in range(0, x.shape[3], PLAIN):
            place = (..., slice(top, top + PLAIN), slice(left, left + PLAIN))
            y[place] = model.compute(x[place])
    return y


def seams(y: torch.Tensor, whole: torch.Tensor) -> float:
    """The mean step in the difference to the whole across the lines where plain tiles meet, of 255."""
    wrong = (y - whole) * 127.5
    rows = list(range(PLAIN, wrong.shape[2], PLAIN))
    if not rows:
        return 0.0
    return float(torch.stack([(wrong[:, :, row] - wrong[:, :, row - 1]).abs().mean() for row in rows]).mean())


def image(x: torch.Tensor) -> Image.Image:
    return Image.fromarray(((x[0] + 1) * 127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def peak() -> float:
    """GB that the process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


if __name__ == "__main__":
    main()
