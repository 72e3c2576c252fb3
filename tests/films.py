"""Films for the tests: scenes of different pictures that move, each frame with its number burnt in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

BITS = 16
"""Frame numbers are burnt in as so many black and white squares along the top, in Gray code: one changes at a time."""

HEIGHT, WIDTH = 120, 160


def scene(seed: int, frames: int, height: int = HEIGHT, width: int = WIDTH, speed: float = 0.5) -> list[np.ndarray]:
    """A slow pan over a random picture of patches and fine grain: `frames` arrays of (height, width, 3)."""
    rng = np.random.default_rng(seed)
    room = round(speed * frames) + 1
    coarse = rng.integers(30, 226, (6, 8 + room // 32, 3), dtype=np.uint8)
    size = (width + room, height)
    patches = np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)).astype(int)
    picture = np.clip(patches + rng.integers(-20, 21, (height, width + room, 1)), 0, 255).astype(np.uint8)
    return [picture[:, round(speed * i) : round(speed * i) + width] for i in range(frames)]


def dissolve(first: Sequence[np.ndarray], second: Sequence[np.ndarray], frames: int) -> list[np.ndarray]:
    """Two scenes, the last `frames` of one blended into the first of the other."""
    shares = [(i + 1) / (frames + 1) for i in range(frames)]
    blended = [
        (a * (1 - share) + b * share).astype(np.uint8) for a, b, share in zip(first[-frames:], second[:frames], shares)
    ]
    return [*first[:-frames], *blended, *second[frames:]]


def fade_out(pictures: Sequence[np.ndarray], frames: int) -> list[np.ndarray]:
    """A scene whose last `frames` fade to black."""
    shares = [1 - (i + 1) / frames for i in range(frames)]
    return [*pictures[:-frames], *((p * s).astype(np.uint8) for p, s in zip(pictures[-frames:], shares))]


def blurred(picture: np.ndarray) -> np.ndarray:
    """As if the camera had moved."""
    from PIL import ImageFilter

    return np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(3)))


def numbered(pictures: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The pictures with their positions burnt in."""
    for number, picture in enumerate(pictures):
        marked, side = picture.copy(), picture.shape[1] // BITS
        code = number ^ number >> 1
        for bit in range(BITS):
            marked[:side, bit * side : (bit + 1) * side] = 255 * (code >> bit & 1)
        yield marked


def number_of(picture: np.ndarray) -> int:
    """The number burnt into a picture, whatever its size."""
    side = picture.shape[1] / BITS
    code = 0
    for bit in reversed(range(BITS)):
        white = picture[round(side / 2), round((bit + 0.5) * side)].mean() > 127
        code |= (white ^ (code >> (bit + 1) & 1)) << bit
    return code


def film(
    path: Path,
    pictures: Iterable[np.ndarray],
    fps: int = 25,
    times: Sequence[int] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    number: bool = True,
    options: dict[str, str] | None = None,
    **settings: Any,
) -> Path:
    """Write a film; the path's ending decides the container.

    Args:
        times: of each frame in milliseconds, for a variable rate.
        settings: attributes of the codec's context.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format={".ts": "mpegts"}.get(path.suffix)) as container:
        stream = container.add_stream(codec, rate=fps)
        stream.pix_fmt = pixels
        stream.options = options or ({"preset": "ultrafast", "crf": "12", "bf": "2"} if codec == "libx264" else {})
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for name, value in settings.items():
            setattr(stream.codec_context, name, value)
        for index, picture in enumerate(numbered(pictures) if number else pictures):
            if index == 0:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(
                np.ascontiguousarray(picture), "rgb24" if picture.shape[2] == 3 else "rgba"
            )
            if times is not None:
                frame.pts, frame.time_base = times[index], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
