"""Is the translation nearer to cartoons than the photograph was? Measured on pictures that no training saw.

Every picture of the samples is held out once: the recipe is trained on the other folds, the fold's photographs are
translated, and the kernel distance (KID) between them and the fold's held-out cartoons is compared with that of the
untranslated photographs, and with that of the plain cartoon filter. Repeated for several seeds; intervals come from
resampling pictures.

    python benchmarks/cross_validate.py recipes/anime_unet_from_scratch.toml --folds 4 --seeds 0 1 2 --out runs/folds

Finished folds are kept in the folder and not trained again. Prints one table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import toonforge
from toonforge import recipe as recipes
from toonforge.components import ImageSource, changed
from toonforge.data.filters.cartoonize import cartoonize
from toonforge.data.transforms import normalised, to_pictures, to_tensor
from toonforge.metrics.extractor import lite0
from toonforge.train.trainer import train

Features = np.ndarray[Any, Any]


def kernel_terms(x: Features, y: Features) -> Features:
    """The cubic kernel of KID between rows of x and of y: (x.y / d + 1)^3."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def weighted_kid(x: Features, y: Features, wx: Features, wy: Features) -> float:
    """Unbiased squared MMD times 1000 for pictures that count wx and wy times; a picture never meets its own copy."""

    def within(k: Features, w: Features) -> float:
        pairs = np.outer(w, w)
        np.fill_diagonal(pairs, 0)
        return float((pairs * k).sum() / pairs.sum())

    across = np.outer(wx, wy)
    between = float((across * kernel_terms(x, y)).sum() / across.sum())
    return 1000 * (within(kernel_terms(x, x), wx) + within(kernel_terms(y, y), wy) - 2 * between)


def features(pictures: list[torch.Tensor]) -> Features:
    """Pooled EfficientNet-Lite0 features of pictures in [-1, 1], one row each, as the metric `kid` takes them."""
    extractor = lite0(torch.device("cpu"), 224)
    rows: Features = torch.cat([extractor(picture.unsqueeze(0)) for picture in pictures]).double().numpy()
    return rows


def one_fold(recipe_path: str, fold: int, folds: int, seed: int, folder: Path, overrides: list[str]) -> dict[str, Any]:
    """Train without the fold (unless done already) and give the features of its held-out pictures."""
    done = folder / f"fold{fold}-seed{seed}.json"
    recipe = recipes.load(recipe_path, [f"data.folds={folds}", f"data.fold={fold}", f"train.seed={seed}", *overrides])
    if recipe.initial:
        # Whoever trained them may have seen what is held out here.
        again = " ".join(f"""--set 'generators.{name}.weights="random"'""" for name in recipe.initial)
        sys.exit(f"{', '.join(recipe.initial)} start from weights of elsewhere: begin at random, such as {again}")
    recipe = changed(recipe, metrics={})
    run = folder / f"fold{fold}-seed{seed}"
    if not done.is_file():
        began = time.perf_counter()
        finished = train(recipe, folder=run, resume=(run / "resolved.toml").is_file())
        if finished.reason != "done":
            raise SystemExit(130)
        done.write_text(json.dumps({"seconds": time.perf_counter() - began}))
        print(f"fold {fold}, seed {seed}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    model = toonforge.load(run)
    pictures = recipe.data.build("validation")
    photos = all_of(pictures, "photo")
    cutouts = all_of(
        toonforge.datasets["samples/photo-cartoon"](
            kinds=("cutout",), image_size=192, load_size=192, folds=folds, fold=fold
        ).build("validation"),
        "cartoon",
    )
    cartoons = all_of(pictures, "anime")
    return {
        **json.loads(done.read_text()),
        "photos": features(photos),
        "translated": features([model(photo.unsqueeze(0), "anime")[0] for photo in photos]),
        "filtered": features([cartoon_filter(photo) for photo in photos]),
        "cartoons": features(cartoons),
        "cutouts": features(cutouts),
    }


def all_of(source: ImageSource, group: str) -> list[torch.Tensor]:
    """Every picture of a group, cut from the middle, in [-1, 1]."""
    return [normalised(source.item(group, index, None)[group]) for index in range(source.sizes[group])]


def cartoon_filter(photo: torch.Tensor) -> torch.Tensor:
    """The plain picture filter, as a baseline."""
    (pixels,) = to_pictures(photo.unsqueeze(0))
    return normalised(to_tensor(cartoonize(pixels)))


Draw = tuple[Features, Features]
"""How often each photograph and each cartoon of a fold counts."""


def mean_over_folds(results: list[dict[str, Any]], which: str, draws: list[Draw] | None = None) -> float:
    """KID to the fold's cartoons, averaged over folds; each picture counts as often as `draws` say, once by default."""
    values = []
    for index, result in enumerate(results):
        x, y = result[which], result["cartoons"]
        values.append(weighted_kid(x, y, *(draws[index] if draws else (np.ones(len(x)), np.ones(len(y))))))
    return float(np.mean(values))


def drawn_anew(size: int, rng: np.random.Generator) -> Features:
    """How often each of `size` pictures comes up when as many are drawn with replacement."""
    return np.bincount(rng.integers(size, size=size), minlength=size)


def report(by_seed: dict[int, list[dict[str, Any]]], resamples: int) -> str:
    """The table: each seed, and the mean over seeds, with 95 % intervals from resampled pictures."""
    rng = np.random.default_rng(0)
    kinds = ("photos", "filtered", "translated")
    folds = next(iter(by_seed.values()))
    points = np.array([[mean_over_folds(r, kind) for kind in kinds] for r in by_seed.values()])
    resampled = np.empty((resamples, *points.shape))
    for index in range(resamples):
        # The seeds share their pictures, so they share the draw.
        draws = [(drawn_anew(len(r["photos"]), rng), drawn_anew(len(r["cartoons"]), rng)) for r in folds]
        resampled[index] = [[mean_over_folds(r, kind, draws) for kind in kinds] for r in by_seed.values()]

    def cell(value: float, draws: Features) -> str:
        low, high = np.percentile(draws, [2.5, 97.5])
        return f"{value:.1f} [{low:.1f}, {high:.1f}]"

    def row(name: str, values: Features, draws: Features) -> str:
        cells = [cell(values[i], draws[:, i]) for i in range(len(kinds))]
        gain = cell(values[2] - values[0], draws[:, 2] - draws[:, 0])
        return f"| {name} | {' | '.join(cells)} | {gain} |"

    lines = [
        "| seed | untranslated | cartoon filter | translated | translated - untranslated |",
        "|---|---|---|---|---|",
    ]
    lines += [row(str(seed), points[index], resampled[:, index]) for index, seed in enumerate(by_seed)]
    return "\n".join([*lines, row("mean", points.mean(0), resampled.mean(1))])


def main() -> None:
    """Train every fold of every seed, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/cross-validation"))
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    by_seed = {
        seed: [
            one_fold(arguments.recipe, fold, arguments.folds, seed, arguments.out, arguments.overrides)
            for fold in range(arguments.folds)
        ]
        for seed in arguments.seeds
    }
    print("to held-out cartoons of the recipe's kinds\n")
    print(report(by_seed, arguments.resamples))
    for results in by_seed.values():
        for result in results:
            result["cartoons"] = np.concatenate([result["cartoons"], result["cutouts"]])
    print("\nto held-out cartoons of all kinds\n")
    print(report(by_seed, arguments.resamples))


if __name__ == "__main__":
    main()
