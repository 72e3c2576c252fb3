"""Reads a film piece by piece: frames decoded and upright, packets of sound and subtitles as they are.

It goes on after damaged frames, up to where a film is torn off, and keeps account of what was wrong.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.errors import UnreadableImage
from toonforge.prepare.films.film import HDR, MOST_PIXELS, fraction, opened, remarks_of
from toonforge.prepare.films.picture import HD_HEIGHT, HD_WIDTH, STRANGE_PIXELS, UNKNOWN, to_picture
from toonforge.prepare.films.whole import Extent
from toonforge.use.video.pieces import SOUND, Colours, Facts, Piece, Shot

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.stream import VideoStream

    from toonforge.data.transforms import Picture

THREADS = 4
"""Decoders at most; each holds a frame."""

BROADCAST = ("mpeg", "mpegts", "mpegtsraw")
"""Containers whose clock begins anywhere; films in them begin at 0."""

RGB, BT709, BT601, FULL = 0, 1, 6, 2
"""Numbers of H.273 and of ffmpeg's colour ranges."""


class Film:
    """One film that is being read. A context: its file is open inside.

    Args:
        path: of the film.
        batch: frames of a piece, at most; may be set until the first piece is read.
        short: the short side to which frames are scaled down; None keeps their size.
        alone: frames only, without sound and subtitles.

    Attributes:
        container, stream: of PyAV.
        total: frames, as far as the film says so.
        seconds: its length, as far as it says so.
        damage: what was wrong with it, in words, as far as it was read; complete when all pieces were.
        remarks: what is not as in the film, in words; complete when all pieces were read.
    """

    container: InputContainer
    stream: VideoStream

    def __init__(self, path: Path, batch: int = 1, short: int | None = None, alone: bool = False) -> None:
        self.path, self.batch, self.short = path, batch, short
        self._alone = alone
        self.total: int | None = None
        self.seconds: float | None = None
        self.damage: list[str] = []
        self.remarks: list[str] = []
        self.begins = Fraction(0)
        self._open = ExitStack()
        self._lost: list[float] = []
        self._facts: Facts | None = None
        self._last: tuple[int, int] | None = None

    def __enter__(self) -> Film:
        import av

        self.container, self.stream = self._open.enter_context(opened(self.path))
        self.stream.thread_count = min(THREADS, os.cpu_count() or 1)
        self.stream.thread_type = "AUTO"
        self.stream.codec_context.options = {"max_pixels": str(MOST_PIXELS)}
        self.unit = fraction(self.stream.time_base) or Fraction(1, 1000)
        self.rate = fraction(self.stream.average_rate) or fraction(self.stream.guessed_rate) or Fraction(25)
        if self.container.duration:
            self.seconds = self.container.duration / av.time_base
        if self.container.format.name in BROADCAST:
            self.begins = Fraction(self.container.start_time or 0, av.time_base)
        said = dict(remarks_of(self.stream))
        if curve := HDR.get(self.stream.codec_context.color_trc):
            said["converted"] = f"HDR ({curve}) stays so, but in 8 bits, and the model takes it for pale colours"
        self.remarks.extend(said.values())
        self.total = self.stream.frames or (round(self.seconds * self.rate) if self.seconds else None)
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def pieces(self) -> Generator[Piece, None, None]:
        """All of the film.

        Raises:
            UnreadableImage: there is no frame in it.
        """
        piece, size = Piece(), 0
        for item in self._lasting(self._items()):
            if isinstance(item, Shot):
                piece.shots.append(item)
            else:
                piece.packets.append(item)
                size += item.size
            if len(piece.shots) >= self.batch or size >= SOUND:
                piece.facts = self._facts
                yield piece
                piece, size = Piece(), 0
        if self._facts is None:
            why = "none of its frames can be decoded" if self._lost else "it ends before its first picture"
            if not self.stream.codec_context.width:  # a decoder forgets sizes that it was told not to take
                why = f"it says nothing of the size of its frames, or they have more than {MOST_PIXELS:,} pixels"
            raise UnreadableImage(os.fspath(self.path), why)
        piece.facts = self._facts
        yield piece

    def _lasting(self, items: Iterator[Shot | Any]) -> Iterator[Shot | Any]:
        """Each frame lasts until the next. What files say of single frames is wrong where they are stored out of order;
        of the last one nothing else is known, but when all ends.
        """
        held: Shot | None = None
        for item in items:
            if not isinstance(item, Shot):
                yield item
                continue
            if held is not None:
                yield attrs.evolve(held, length=item.time - held.time)
            held = item
        if held is not None:
            end = (self.stream.start_time or 0) + (self.stream.duration or 0) - round(self.begins / self.unit)
            whole = held.time < end and not self.damage
            yield attrs.evolve(held, length=end - held.time) if whole else held

    def _items(self) -> Iterator[Shot | Any]:
        """Frames, and packets of the other streams, in the order of the file."""
        import av

        kept: list[Any] = [self.stream]
        if not self._alone:
            kept += [*self.container.streams.audio, *self.container.streams.subtitles]
        packets = self.container.demux(kept)
        extent = Extent(self.path, self.container, self.stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                self._torn(error)
                packet = None
            if packet is None:
                break
            extent.add(packet)
            if packet.stream_index == self.stream.index:
                yield from self._decoded(packet)
            elif packet.size:
                yield self._shifted(packet)
        yield from self._decoded(None)
        self._account(extent)

    def _decoded(self, packet: Any) -> Iterator[Shot]:
        """The frames that a packet gives; those still in the decoder for None."""
        import av

        if packet is not None and not packet.size:
            return  # the demuxer's own end: flushed once, after the last packet
        try:
            frames = self.stream.decode(packet)
        except (av.FFmpegError, OSError):  # one damaged packet; what follows may be whole
            if packet is not None:
                stamp = packet.pts if packet.pts is not None else packet.dts
                self._lost.append(float((stamp or 0) * self.unit))
            return
        for frame in frames:
            yield self._shot(frame)

    def _shot(self, frame: av.VideoFrame) -> Shot:
        pixel = fraction(self.stream.sample_aspect_ratio)
        if self._facts is None and pixel and pixel != 1 and 1 / STRANGE_PIXELS <= pixel <= STRANGE_PIXELS:
            self.remarks.append(f"its pixels are not square ({pixel}): it was scaled, and looks the same")
        picture = to_picture(frame, pixel, self.short)
        if self._facts is None:
            self._begin(frame, picture)
        elif picture.shape[:2] != (self._facts.height, self._facts.width):
            picture = self._resized(picture)
        time, length = self._time(frame)
        return Shot(picture, time, length)

    def _begin(self, frame: av.VideoFrame, picture: Picture) -> None:
        height, width = picture.shape[:2]
        hd = frame.height > HD_HEIGHT or frame.width >= HD_WIDTH
        guessed = frame.colorspace in (UNKNOWN, RGB)
        context = self.stream.codec_context
        self._facts = Facts(
            height=height,
            width=width,
            unit=self.unit,
            rate=self.rate,
            colours=Colours(
                matrix=(BT709 if hd else BT601) if guessed else int(frame.colorspace),
                full=int(frame.color_range) == FULL or frame.format.name.startswith("yuvj"),
                primaries=int(context.color_primaries),
                curve=int(context.color_trc),
            ),
        )
        if any(part.is_alpha for part in frame.format.components):
            self.remarks.append("it is transparent in parts: those are white")

    def _resized(self, picture: Picture) -> Picture:
        """A frame of another size than the first: recordings of calls change theirs."""
        import numpy as np
        from PIL import Image

        assert self._facts is not None
        size = self._facts.width, self._facts.height
        said = f"its frames change their size: all were scaled to {size[0]}x{size[1]}"
        if said not in self.remarks:
            self.remarks.append(said)
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))

    def _time(self, frame: av.VideoFrame) -> tuple[int, int]:
        """When a frame is shown, which only ever grows, and for how long."""
        step = max(1, round(1 / (self.rate * self.unit)))
        length = int(frame.duration or 0)
        time = None if frame.pts is None else frame.pts - round(self.begins / self.unit)
        if self._last is not None:
            before, lasted = self._last
            if time is None:
                time = before + (lasted or step)
            elif time <= before:  # recordings that were joined without care
                said = "its times jump back: frames from there on follow each other at its frame rate"
                if said not in self.remarks:
                    self.remarks.append(said)
                time = before + (lasted or step)
        time = 0 if time is None else time
        self._last = time, length
        return time, length

    def _shifted(self, packet: Any) -> Any:
        if self.begins and packet.time_base:
            shift = round(self.begins / packet.time_base)
            packet.pts = None if packet.pts is None else packet.pts - shift
            packet.dts = None if packet.dts is None else packet.dts - shift
        return packet

    def _torn(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self.damage.append(f"it cannot be read after {self._seconds():.1f} s ({reason})")

    def _seconds(self) -> float:
        return 0.0 if self._last is None else float(sum(self._last) * self.unit)

    def _account(self, extent: Extent) -> None:
        """What was found to be wrong, once all was read."""
        if not self.damage:
            self.damage.extend(extent.missing().values())
        if self._lost:
            many = len(self._lost)
            first = min(self._lost)
            self.damage.append(f"{many} damaged frame{'s' * (many != 1)} left out, the first at {first:.1f} s")


def first_facts(path: Path, short: int | None = None) -> Facts:
    """Those of a film whose first frame comes late.

    Raises:
        UnreadableImage: there is no frame in it.
    """
    with Film(path, short=short, alone=True) as film, closing(film.pieces()) as pieces:
        facts = next(pieces).facts
    assert facts is not None  # without sound, no piece ends before a frame
    return facts
