"""Writes folders of runs as training leaves them, in any state, without training: for tests of what reads runs."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

HOSTILE = (
    "</script><script>document.title='caught'</script>",
    "<img src=x onerror=\"document.title='caught'\">",
    'it\'s "quoted" & <b>bold</b>',
    "\u202egnp.exe \u2066.jpg",
    "日本語のとても長い名前" * 8,
    "sub/folder/a picture with spaces 🎨.png",
)
"""Names that a page must show as text."""

BASE = """
extends = "pix2pix/pix2pix"
name = "{name}"  # </pre><script>document.title='caught'</script>
[data]
type = "samples/photo-cartoon"
cartoon_field = "anime"
filtered = {{ cartoon = "cartoonize(photo, classic)" }}
load_size = 224
image_size = 96
validation_size = 192
[train]
epochs = 50
batch_size = 4
"""


def write_run(
    folder: Path,
    *,
    name: str = "try",
    total: int = 750,
    done: int | None = None,
    log_every: int = 10,
    grids: Sequence[int] | None = None,
    measured: Sequence[int] | None = None,
    resumed: int | None = None,
    end: str | None = "done",
    message: str | None = None,
    names: Sequence[str] = HOSTILE,
    size: tuple[int, int] = (96, 64),
    warned: bool = True,
    began: float = 1_790_000_000.0,
) -> Path:
    """A run of a translation in both directions.

    Args:
        total, done: steps planned, and steps that the log knows; all when left out.
        grids, measured: steps at which strips and metrics are there.
        resumed: a step after which it was begun anew, an hour later.
        end: the reason in the `end` event; no such event for None.
        names: of the validation pictures.
        size: of each, width and height.
        warned: whether something looked wrong.
        began: seconds since 1970.
    """
    done = total if done is None else done
    grids = (
        sorted({min(step, done) for step in range(0, done + 1, max(1, done // 6))} - {0} | {done})
        if grids is None
        else grids
    )
    measured = grids if measured is None else measured
    folder.mkdir(parents=True)
    (folder / "recipe.toml").write_text(BASE.format(name=name), "utf-8")
    (folder / "resolved.toml").write_text(RESOLVED.format(name=name, total=total), "utf-8")
    (folder / "lock.json").write_text(json.dumps(LOCK), "utf-8")
    lines = [f"train,photos/{i}.jpg,\n" for i in range(40)] + [f"train,,anime/{i}.png\n" for i in range(21)]
    lines += [f"validation,photos/v{i}.jpg,\n" for i in range(len(names))]
    (folder / "data.csv").write_text("part,photo,anime\n" + "".join(lines), "utf-8")
    events = [start(0, began, total)]
    for step in steps_logged(done, log_every):
        if resumed is not None and step > resumed and len([e for e in events if e["event"] == "start"]) == 1:
            events += [
                start(resumed, began + resumed + 3600, total),
                {
                    "event": "changed",
                    "step": resumed,
                    "time": began + resumed + 3600,
                    "change": "train.steps: 500 -> 750",
                },
            ]
        late = 3600 if resumed is not None and step > resumed else 0
        events.append(logged(step, total, began + late + step))
    for step in grids:
        draw_strips(folder, step, total, names, size)
        draw_grid(folder, step)
        strips = f"samples/step-{step:06d}"
        late = 3600 if resumed is not None and step > resumed else 0
        events.append(
            {"event": "samples", "step": step, "time": began + late + step, "grid": f"{strips}.jpg", "strips": strips}
        )
    for step in measured:
        late = 3600 if resumed is not None and step > resumed else 0
        events.append(metrics(folder, step, total, began + late + step))
    if measured:
        best = min(measured, key=lambda step: kid(step, total))
        events.append(
            {
                "event": "best",
                "step": best,
                "time": began + best,
                "metric": "kid",
                "value": kid(best, total),
                "checkpoint": f"checkpoints/step-{best:06d}",
            }
        )
    events += [
        {"event": "checkpoint", "step": step, "time": began + step, "folder": f"checkpoints/step-{step:06d}"}
        for step in grids
    ]
    if warned and done > 20:
        events += warnings(done, began)
    events.append(
        {"event": "skipped", "step": 3, "time": began + 3, "path": "photos/<broken>.jpg", "reason": "cut short"}
    )
    events.sort(key=lambda event: event["step"])
    if end is not None:
        late = 3600 if resumed is not None else 0
        last = {"event": "end", "step": done, "time": began + late + done + 5, "reason": end, "seconds": done}
        events.append({**last, "message": message} if message is not None else last)
    write_log(folder, events)
    return folder


def write_log(folder: Path, events: Sequence[dict[str, Any]]) -> None:
    text = "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    (folder / "metrics.jsonl").write_text(text, "utf-8")


def steps_logged(done: int, every: int) -> list[int]:
    return sorted({1, done, *range(every, done + 1, every)}) if done else []


def start(step: int, time: float, total: int) -> dict[str, Any]:
    cut = total * 3 // 5
    return {
        "event": "start", "step": step, "time": time, "format": 1, "total_steps": total, "steps_per_epoch": 14, "batch_size": 4,
        "phases": {
            "warm_up": {"start": 0, "stop": cut, "every": 1, "updates": ["G", "F"]},
            "generators": {"start": cut, "stop": total, "every": 1, "updates": ["G", "F"]},
            "discriminators": {"start": cut, "stop": total, "every": 3, "updates": ["D_anime"]},
        },
        "parameters": {"G": 1_234_567, "F": 1_234_567, "D_anime": 340_961}, "device": "cpu", "processes": 1, "averaged": 0.99,
        "notes": ["<i>a note</i>"],
    }  # fmt: skip


def logged(step: int, total: int, time: float) -> dict[str, Any]:
    noise = random.Random(step)
    part = step / total
    losses = {
        "warm_up.drawn": 0.25 * math.exp(-4 * part) + 0.02 * noise.random(),
        "warm_up.undrawn": 0.2 * math.exp(-5 * part) + 0.02 * noise.random(),
    }
    totals = {"warm_up": sum(losses.values())}
    if part > 0.6:
        losses = {
            "generators.fool_anime": 0.4 + 0.3 * noise.random(),
            "generators.cycle_photo": 0.1 + 0.02 * noise.random(),
        }
        losses |= {
            "discriminators.fakes": 0.2 + 0.2 * noise.random(),
            "discriminators.reals": 0.25 + 0.2 * noise.random(),
        }
        totals = {
            "generators": losses["generators.fool_anime"] + 3 * losses["generators.cycle_photo"],
            "discriminators": 0.5,
        }
    lr = {phase: 1e-4 * min(1.0, 2 * (1 - part) + 0.01) for phase in totals}
    return {
        "event": "step",
        "step": step,
        "time": time,
        "losses": losses,
        "totals": totals,
        "lr": lr,
        "images_per_second": 30 + 4 * noise.random(),
        "data": 0.0125,
        "memory": 500_000_000 + 1000 * step,
    }


def kid(step: int, total: int) -> float:
    part = step / total
    return 95 - 40 * part + 90 * max(0.0, part - 0.7)


def metrics(folder: Path, step: int, total: int, time: float) -> dict[str, Any]:
    picture = f"metrics/fourier-step-{step:06d}.png"
    (folder / "metrics").mkdir(exist_ok=True)
    drawn = Image.new("RGB", (320, 200), "white")
    ImageDraw.Draw(drawn).line([(10, 190), (100, 60), (310, 20 + 100 * step // total)], fill="navy", width=3)
    drawn.save(folder / picture)
    values = {
        "kid": kid(step, total), "kid.std": 2.5, "kid.untranslated": 92.8, "kid.untranslated_std": 2.4, "kid.filter": 71.0,
        "kid.filter_std": 2.2, "fourier": 0.31 - 0.1 * step / total, "fourier.low": 0.1, "fourier.high": None, "content": 0.8 + 0.1 * step / total,
    }  # fmt: skip
    about = {
        "kid": {"better": "lower", "protocol": "KID x 1000, EfficientNet-Lite0 (sha256 abcdef012345), bilinear to 224; 120 pictures of validation, moving average (decay 0.99)", "pictures": {"generated": 120, "reference": 29}, "cautions": ["few pictures: <b>the error</b> is large"]},
        "fourier": {"better": "lower", "protocol": "radial power spectrum", "pictures": {"output": 120}},
        "content": {"better": "higher", "protocol": "cosine of features", "pictures": {"output": 120}},
    }  # fmt: skip
    return {
        "event": "metrics",
        "step": step,
        "time": time,
        "metrics": values,
        "about": about,
        "pictures": {"fourier": picture},
        "seconds": 2.0,
    }


def warnings(done: int, began: float) -> list[dict[str, Any]]:
    one = {"kind": "one-colour", "about": "anime"}
    two = {"kind": "discriminator-won", "about": "D_anime"}
    return [
        {"event": "warning", "step": 20, "time": began + 20, **one, "message": "The pictures of <anime> are of one colour: they spread over 0.01 of the range.", "hint": "Lower the learning rate; see that the data are what they should be."},
        {"event": "over", "step": min(done, 60), "time": began + 60, **one},
        {"event": "warning", "step": done * 4 // 5, "time": began + done * 4 // 5, **two, "message": "D_anime has won: it has told every picture apart for 200 steps.", "hint": "Give it a lower learning rate, spectral_norm = true, or fewer layers."},
    ]  # fmt: skip


def draw_strips(folder: Path, step: int, total: int, names: Sequence[str], size: tuple[int, int]) -> None:
    """The strips of photo -> anime with a reconstruction, and of anime -> photo."""
    strips = folder / "samples" / f"step-{step:06d}"
    strips.mkdir(parents=True)
    part = step / total
    translations = []
    for target, field, stages in (
        ("anime", "photo", ("input", "output", "reconstruction")),
        ("photo", "anime", ("input", "output")),
    ):
        columns = []
        for stage in stages:
            file = f"{target}-{stage}.jpg"
            amount = {"input": 0.0, "output": part, "reconstruction": part / 4}[stage]
            strip(names, size, amount, 3 if target == "anime" else 11).save(
                strips / file, "JPEG", quality=90, subsampling=0
            )
            label = {"input": field, "output": target, "reconstruction": f"{field} again"}[stage]
            columns.append({"stage": stage, "label": label, "file": file})
        translations.append(
            {"target": target, "field": field, "names": list(names), "size": list(size), "columns": columns}
        )
    (strips / "strips.json").write_text(json.dumps({"translations": translations}), "utf-8")


def draw_grid(folder: Path, step: int) -> None:
    sheet = Image.new("RGB", (400, 240), "#fff")
    ImageDraw.Draw(sheet).text((20, 20), f"step {step}", fill="#000")
    sheet.save(folder / "samples" / f"step-{step:06d}.jpg")


def strip(names: Sequence[str], size: tuple[int, int], amount: float, seed: int) -> Image.Image:
    """A scene a name, one below another; the colours move with the amount, so that every step looks different."""
    whole = Image.new("RGB", (size[0], size[1] * len(names)))
    for row in range(len(names)):
        draw = random.Random(seed * 100 + row)
        hue, low = draw.randrange(360), 40 + round(30 * amount)
        cell = Image.new("RGB", size, f"hsl({hue},{low}%,{60 + round(15 * amount)}%)")
        pen = ImageDraw.Draw(cell)
        pen.rectangle([0, size[1] * 0.65, size[0], size[1]], fill=f"hsl({(hue + 120) % 360},{low}%,40%)")
        x, y = draw.uniform(0.2, 0.8) * size[0], draw.uniform(0.2, 0.6) * size[1]
        radius = size[1] * (0.12 + 0.15 * amount)
        pen.ellipse(
            [x - radius, y - radius, x + radius, y + radius], fill=f"hsl({(hue + 200) % 360},90%,55%)", outline="black"
        )
        whole.paste(cell, (0, size[1] * row))
    return whole


LOCK = {
    "python": "3.11.7", "platform": "Linux-6.1-x86_64", "packages": {"toonforge": "0.1.0", "torch": "2.13.0"},
    "plugins": {"pix2pix": "toonforge-pix2pix 0.1.0"}, "seed": 7, "device": "x86_64", "threads": 2,
    "data": {"photo": "40 pictures, b406643a2366", "anime": "21 pictures, 7aa120f68e73"},
}  # fmt: skip

RESOLVED = """
name = "{name}"
[data]
type = "samples/photo-cartoon"
image_size = 96
load_size = 192
[generators.G]
type = "cyclegan/double-unet"
width = 16
[generators.F]
type = "cyclegan/double-unet"
width = 16
[discriminators.D_anime]
type = "cyclegan/patchgan"
layers = 3
[phases.warm_up]
updates = ["G", "F"]
[phases.warm_up.losses.drawn]
type = "l1"
weight = 1.0
[phases.warm_up.losses.undrawn]
type = "l1"
weight = 0.5
[phases.generators]
updates = ["G", "F"]
[phases.generators.losses.cycle_photo]
type = "l1"
weight = 3
[phases.discriminators]
updates = ["D_anime"]
[train]
steps = {total}
batch_size = 4
precision = "fp32"
[train.metrics]
best = "kid"
[translations]
anime = "G(photo)"
photo = "F(anime)"
[metrics.kid]
type = "kid"
"""
