"""Opens films and decodes them from any position on. Needs PyAV, ffmpeg's libraries for Python.

A position is a frame's time stamp in the film's own unit, so that every frame is found again exactly, whatever the
frame rate does. Of files that keep no trustworthy time stamps (AVI, MPEG, bare streams) frames are counted instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.reading.picture import shown, why_not_opened
from toonforge.errors import UnreadableImage
from toonforge.extras import need
from toonforge.prepare.films.whole import Extent

if TYPE_CHECKING:
    import av
    import numpy as np
    import numpy.typing as npt
    from av.container import InputContainer
    from av.video.stream import VideoStream

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,ogg,mpeg,mpegts,mpegtsraw,asf,flv,live_flv,rm,mxf,nut,dv,wtv,ivf,"
    "h264,hevc,av1,obu,m4v,mpegvideo,vc1,yuv4mpegpipe"
)
"""What ffmpeg may take a file for. Pictures and texts are no films; playlists would lead to other files and hosts."""

UNTIMED = ("avi", "mpeg", "h264", "hevc", "m4v", "mpegvideo", "vc1", "obu")
"""Formats without a time stamp for each frame, or with those of B-frames in the wrong place."""

HDR = {16: "PQ", 18: "HLG"}
"""Transfer functions of high dynamic range (H.273, table 3)."""

PROGRESSIVE = 1
"""The last of ffmpeg's field orders whose frames were not taken in two halves."""

MOST_PIXELS = 2**26
"""Of a frame; films with larger ones are refused before any is decoded (those of 8K have half as many)."""

LEADS = (0.0, 2.0, 12.0)
"""Seconds before the wanted frame at which decoding begins; the next is tried where a seek came out too late."""


@attrs.frozen(kw_only=True, eq=False)
class Survey:
    """What a film's packets tell without decoding them.

    Attributes:
        positions: of the frames, ascending.
        keys: positions of the frames at which decoding can begin, ascending.
        base: seconds of one unit of position.
        counted: positions number the frames, and decoding always begins with the first.
        pixel: width by height of a pixel; None where the film does not say.
        remarks: what the user should know: "truncated", "converted" or "interlaced" -> why, in words.
    """

    positions: npt.NDArray[np.int64]
    keys: npt.NDArray[np.int64]
    base: Fraction
    counted: bool
    pixel: Fraction | None = None
    remarks: Mapping[str, str] = attrs.field(factory=dict)

    def seconds(self, position: int) -> float:
        """Time since the first frame."""
        return float((int(position) - int(self.positions[0])) * self.base)

    def position(self, seconds: float) -> int:
        """The position at a time, whether a frame is there or not."""
        return int(self.positions[0]) + round(Fraction(seconds) / self.base)

    @property
    def duration(self) -> float:
        """Seconds between the first and the last frame."""
        return self.seconds(int(self.positions[-1]))


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A film and its first stream of moving pictures.

    Raises:
        UnreadableImage: for a file that is missing, no film, or has no moving pictures that can be decoded.
        ToonforgeError: PyAV is not installed.
    """
    need("av", "films need")
    import av
    from av.stream import Disposition

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would be waited for, a device may have no end
            raise UnreadableImage(shown(path), "no file")
        file = open(path, "rb")  # noqa: SIM115 -- a path that ffmpeg opened itself could name another protocol
    except OSError as error:
        raise UnreadableImage(shown(path), why_not_opened(error)) from None
    with file:
        try:
            options = {"format_whitelist": FORMATS, "max_pixels": str(MOST_PIXELS)}
            container = av.open(file, "r", options=options, buffer_size=2**18, **_lenient(av.__version__))
        except (av.FFmpegError, OSError, ValueError):
            raise UnreadableImage(shown(path), _why_no_film(path)) from None
        with container:
            moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
            if not moving:
                raise UnreadableImage(shown(path), "it holds no moving pictures, only sound or a cover")
            if moving[0].codec_context is None:
                raise UnreadableImage(shown(path), "its moving pictures are of a kind that cannot be decoded")
            width, height = moving[0].codec_context.width, moving[0].codec_context.height
            if width * height > MOST_PIXELS:
                raise UnreadableImage(
                    shown(path), f"its frames of {width}x{height} are more than {MOST_PIXELS:,} pixels"
                )
            moving[0].thread_count = 1  # the cores are busy with other parts of the film, or with other films
            yield container, moving[0]


def survey(path: Path) -> Survey:
    """Read a film once without decoding it.

    Raises:
        UnreadableImage: as `opened`, or no frame is in it.
    """
    import numpy as np

    with opened(path) as (container, stream):
        stamps: list[int | None] = []
        keys: list[int | None] = []
        extent = Extent(path, container, stream)
        for packet in _packets(container, None):
            extent.add(packet)
            if packet.size == 0 or packet.is_discard:
                continue
            if packet.stream_index == stream.index:
                stamps.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
        if not stamps:
            raise UnreadableImage(shown(path), "it ends before its first picture")
        remarks = {**extent.missing(), **remarks_of(stream)}
        pixel = fraction(stream.sample_aspect_ratio)
        timed = _ascending(keys) and None not in stamps and len({*stamps}) == len(stamps)
        if not timed or container.format.name in UNTIMED:
            positions = np.arange(len(stamps), dtype=np.int64)
            base = 1 / (fraction(stream.average_rate) or fraction(stream.guessed_rate) or Fraction(25))
            return Survey(
                positions=positions, keys=positions[:1], base=base, counted=True, pixel=pixel, remarks=remarks
            )
        return Survey(
            positions=np.unique(np.array(stamps, np.int64)),
            keys=np.array(keys, np.int64),
            base=fraction(stream.time_base) or Fraction(1),
            counted=False,
            pixel=pixel,
            remarks=remarks,
        )


def frames_from(path: Path, film: Survey, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Positions and frames from the position `first` on; damaged frames are left out.

    Raises:
        UnreadableImage: as `opened`.
    """
    seekable = not film.counted and first > film.positions[0]
    for lead in LEADS if seekable else ():
        with opened(path) as (container, stream):
            container.seek(int(max(film.positions[0], first - lead / film.base)), stream=stream)
            frames = _positioned(container, stream, film)
            head = next(frames, None)
            if head is not None and head[0] <= first:
                yield from (one for one in chain([head], frames) if one[0] >= first)
                return
    with opened(path) as (container, stream):
        yield from (one for one in _positioned(container, stream, film) if one[0] >= first)


def _positioned(container: InputContainer, stream: VideoStream, film: Survey) -> Iterator[tuple[int, av.VideoFrame]]:
    import av

    count = 0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:  # one damaged packet; what follows may be whole
            continue
        for frame in frames:
            position = count if film.counted else frame.pts
            count += 1
            if position is not None:
                yield position, frame


def _packets(container: InputContainer, stream: VideoStream | None) -> Iterator[Any]:
    """Packets up to the end of the film, or to where it is torn off."""
    import av

    packets = container.demux(*([] if stream is None else [stream]))
    try:
        yield from packets
    except (av.FFmpegError, OSError):
        return


def fraction(rational: Any) -> Fraction | None:
    """A rational of PyAV's, whose type differs between its versions; None where it is not known."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def _ascending(keys: list[int | None]) -> bool:
    """Whether time never jumps back, as it does where recordings were joined without care."""
    times = [key for key in keys if key is not None]
    return bool(times) and len(times) == len(keys) and all(a < b for a, b in pairwise(times))


def remarks_of(stream: VideoStream) -> Mapping[str, str]:
    """What is not kept of a film's frames, and what is to be known of them: see `Survey.remarks`."""
    context = stream.codec_context
    found: dict[str, str] = {}
    bits = max((part.bits for part in context.format.components), default=8) if context.format else 8
    if curve := HDR.get(context.color_trc):
        found["converted"] = f"HDR ({curve}), taken to 8 bits without tone mapping: its colours come out flat"
    elif bits > 8:
        found["converted"] = f"from {bits} bits a colour to 8"
    if getattr(context, "field_order", PROGRESSIVE) > PROGRESSIVE:  # PyAV before 18 does not tell
        found["interlaced"] = "what moves has combed edges; deinterlace it first, with ffmpeg's filter bwdif"
    return found


def _lenient(version: str) -> Mapping[str, Any]:
    """Arguments for titles that are no UTF-8, which PyAV 19 reads by itself."""
    return {"metadata_errors": "replace"} if int(version.split(".")[0]) < 19 else {}


def _why_no_film(path: Path) -> str:
    size = os.stat(path).st_size
    return f"no film of a known kind, or its index is torn off ({size:,} bytes)" if size else "the file is empty"
