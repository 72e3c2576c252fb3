"""Films with sound for the tests, models that answer at once, and what a film holds."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np
import torch
from safetensors.torch import save_file

from tests import films
from toonforge.recipe import component_from_data
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.tiled import ignore

HERTZ = 48000
TURNS = {1: (0, -1, 1, 0), 2: (-1, 0, 0, -1), 3: (0, 1, -1, 0)}
"""Quarter turns to the left -> the matrix with which a telephone says so."""


CPU = torch.device("cpu")


@attrs.frozen
class Fake:
    """A model without networks."""

    function: Callable[[torch.Tensor], torch.Tensor] = torch.clone
    device: torch.device = CPU

    def translate(
        self,
        pictures: torch.Tensor,
        to: str | None = None,
        *,
        look: Look = AS_IT_IS,
        note: Callable[[str], None] = ignore,
    ) -> torch.Tensor:
        return look.apply(pictures, self.function(pictures))


SAME, NEGATIVE = Fake(), Fake(torch.neg)


def with_sound(
    path: Path,
    pictures: Sequence[np.ndarray],
    *,
    fps: int = 25,
    sound: Iterable[str] = ("aac",),
    tone: int = 440,
    late: Fraction = Fraction(0),
    metadata: Mapping[str, str] = {},
) -> Path:
    """A film whose tracks of sound, in German and English, are a tone each; the frames begin `late` seconds later."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libx264", rate=fps, options={"preset": "ultrafast", "crf": "12", "bf": "2"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.codec_context.time_base = Fraction(1, 1000)
        tracks = [container.add_stream(codec, rate=HERTZ) for codec in sound]
        for track, language in zip(tracks, ("ger", "eng")):
            track.metadata["language"] = language
        for index, picture in enumerate(films.numbered(pictures)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")
            frame.pts, frame.time_base = round((late + Fraction(index, fps)) * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for number, track in enumerate(tracks):
            _play(container, track, HERTZ * len(pictures) // fps, tone * (1 + number))
    return path


def _play(container: Any, track: Any, samples: int, tone: int) -> None:
    wave = (0.3 * np.sin(np.arange(samples) * 2 * np.pi * tone / HERTZ)).astype(np.float32)
    for begin in range(0, samples, 960):
        part = wave[begin : begin + 960]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(np.stack([part, part])), "fltp", "stereo")
        frame.sample_rate, frame.pts, frame.time_base = HERTZ, begin, Fraction(1, HERTZ)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))


def turned(path: Path, turns: int) -> Path:
    """Let an .mp4 say that it is to be turned, in quarters to the left."""
    content = path.read_bytes()
    one, (a, b, c, d) = 1 << 16, TURNS[turns]
    before = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, 1 << 30)
    after = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    place = content.index(before, content.index(b"tkhd"))
    path.write_bytes(content[:place] + after + content[place + len(before) :])
    return path


def frames(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pictures(path: Path) -> list[np.ndarray]:
    return [frame.to_ndarray(format="rgb24") for frame in frames(path)]


def times(path: Path) -> list[float]:
    """When each frame is shown, and when the last one ends, in seconds."""
    shown = frames(path)
    last = shown[-1]
    return [
        *(float(frame.pts * frame.time_base) for frame in shown),
        float((last.pts + last.duration) * last.time_base),
    ]


def length(path: Path) -> float:
    """Of the whole film, in seconds."""
    with av.open(str(path)) as container:
        return float(container.duration / av.time_base)


def numbers(path: Path) -> list[int]:
    return [int(films.number_of(picture)) for picture in pictures(path)]


def packets(path: Path, track: int = 0, kind: str = "audio") -> list[tuple[float, bytes]]:
    """When each packet of a track begins, in seconds, and its bytes."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[track]
        return [
            (float(packet.pts * packet.time_base), bytes(packet)) for packet in container.demux(stream) if packet.size
        ]


def pitch(path: Path, track: int = 0) -> tuple[float, float]:
    """The loudest frequency of a track in hertz, and its length in seconds."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[track]
        wave = np.concatenate([frame.to_ndarray().reshape(-1) for frame in _mono(container, stream)])
    spectrum = np.abs(np.fft.rfft(wave[: len(wave) // 2 * 2] * np.hanning(len(wave) // 2 * 2)))
    return float(np.argmax(spectrum) * HERTZ / (len(wave) // 2 * 2)), len(wave) / HERTZ


def _mono(container: Any, stream: Any) -> Iterable[av.AudioFrame]:
    resampler = av.AudioResampler("flt", "mono", HERTZ)
    for frame in container.decode(stream):
        yield from resampler.resample(frame)
    yield from resampler.resample(None)


def model_file(folder: Path) -> Path:
    """The weights file of a real generator, small and untrained."""
    component = {"type": "cyclegan/unet", "width": 4, "levels": 2}
    torch.manual_seed(0)
    about = {
        "format": 1,
        "network": "G",
        "kind": "generators",
        "component": component,
        "translations": {"anime": "G(photo)"},
        "signals": {},
        "value_range": [-1, 1],
        "image_size": 32,
        "recipe": "tiny",
    }
    network = component_from_data("generators", component).build()
    save_file(network.state_dict(), folder / "G.safetensors", {"toonforge": json.dumps(about)})
    return folder / "G.safetensors"
