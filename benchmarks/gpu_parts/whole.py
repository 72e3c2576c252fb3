"""Whole programs on a GPU: a run from a folder of JPEG files, and pictures translated from folder to folder."""

from __future__ import annotations

import io
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from reference.networks import resnet
from safetensors.torch import save_file

from gpu_parts.steps import alternating, by_hand


def waiting(
    root: Path, *, batch: int, size: int, steps: int, small: bool, cpu: bool, precision: str
) -> dict[str, float]:
    """A run of CycleGAN from `root`/photo and `root`/anime: what its log says of the second half of its steps.

    Returns:
        `data`: the share of the time in which the device waited for pictures, 0 to 1; `images_per_second`.
    """
    from toonforge import load_recipe
    from toonforge.train.trainer import train

    fields = json.dumps({name: str(root / name) for name in ("photo", "anime")}).replace('":', '" =')
    settings = [
        f"data.fields={fields}",
        f"data.image_size={size}",
        f"data.load_size={size + size // 8}",
        "data.validation=0.01" if not small else "data.validation=0.1",
        f"train.steps={steps}",
        f"train.batch_size={batch}",
        f'train.precision="{precision}"',
        f"train.workers={0 if small else min(12, max(2, (os.cpu_count() or 2) - 2))}",
        f"train.log.every={max(1, steps // 4)}",
        f"train.checkpoint.every={steps}",
        f"train.samples.every={steps}",
        *([f"generators.{name}.width=4" for name in "GF"] if small else []),
        *([f"discriminators.{name}.width=4" for name in ("D_anime", "D_photo")] if small else []),
    ]
    recipe = without_metrics(load_recipe("cyclegan/cyclegan", settings))
    train(recipe, folder=root / "run", cpu=cpu)
    lines = [json.loads(line) for line in (root / "run/metrics.jsonl").read_text().splitlines()]
    logged = [line for line in lines if line["event"] == "step"]
    half = [line for line in logged if line["step"] > steps // 2]
    return {key: sum(line[key] for line in half) / len(half) for key in ("data", "images_per_second")}


def without_metrics(recipe: object) -> object:
    """Pictures are not measured here."""
    import attrs

    return attrs.evolve(recipe, metrics={})  # type: ignore[type-var]


class Translating:
    """A ResNet generator of CycleGAN over a folder, by hand and by toonforge, both to PNG files in one process."""

    def __init__(self, root: Path, *, width: int, blocks: int, device: torch.device) -> None:
        import toonforge
        from toonforge.cli.import_ import command

        torch.manual_seed(0)
        self.root, self.device = root, device
        self.network = resnet(width, blocks)
        save_file(self.network.state_dict(), root / "G.safetensors")
        self.network.eval().to(device)
        with redirect_stdout(io.StringIO()):
            command.main([str(root / "G.safetensors"), "--out", str(root / "model.safetensors")], standalone_mode=False)
        self.model = toonforge.load(root / "model.safetensors", cpu=device.type == "cpu")

    @torch.no_grad()
    def by_hand(self, folder: Path, out: Path) -> None:
        """One picture after another."""
        out.mkdir(parents=True, exist_ok=True)
        with by_hand():
            for path in sorted(folder.iterdir()):
                pixels = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).to(self.device)
                made = self.network(pixels.permute(2, 0, 1)[None].float() / 127.5 - 1)[0]
                rows = ((made + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)
                Image.fromarray(rows.cpu().numpy()).save(out / f"{path.stem}.png")

    def ours(self, folder: Path, out: Path, batch: int | None) -> None:
        """As `toonforge translate` does it."""
        from toonforge.use.pictures.pipeline import Pipeline
        from toonforge.use.pictures.plan import plan

        for outcome in Pipeline([self.model], plan([folder], out, force=True, ending="png").jobs, batch=batch):
            if outcome.problem is not None:
                raise RuntimeError(str(outcome.problem))

    def rates(self, folder: Path, turns: int) -> dict[str, tuple[float, float]]:
        """Program -> (pictures a second, how many times as fast as by hand)."""
        count = len(list(folder.iterdir()))

        def again(work: Callable[[], None]) -> Callable[[int], None]:
            return lambda times: [work() for _ in range(times)] and None

        work = {
            "by hand": again(lambda: self.by_hand(folder, self.root / "by hand")),
            "batch 1": again(lambda: self.ours(folder, self.root / "one", 1)),
            "batch 16": again(lambda: self.ours(folder, self.root / "sixteen", 16)),
        }
        began = time.perf_counter()
        for each in work.values():
            each(1)  # kernels are chosen
        times = alternating(work, turns, seconds=(time.perf_counter() - began) / 100)
        rates = {name: count / statistics.median(found) for name, found in times.items()}
        return {name: (rate, rate / rates["by hand"]) for name, rate in rates.items()}

    def apart(self) -> int:
        """The largest difference of a pixel between by hand and batches of 16, of 255."""
        worst = 0
        for path in (self.root / "by hand").iterdir():
            (other,) = (self.root / "sixteen").rglob(f"{path.stem}.png")
            pair = (np.asarray(Image.open(each)).astype(int) for each in (path, other))
            worst = max(worst, int(np.abs(np.subtract(*pair)).max()))
        return worst
