"""Writes a film: frames encoded, tracks copied, times kept."""

from __future__ import annotations

import re
from contextlib import suppress
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any

from toonforge.errors import Problem, RunError
from toonforge.use.video.colours import even, known, tag, to_frame
from toonforge.use.video.pieces import Colours, Facts, Piece, Shot
from toonforge.use.video.sound import Track, tracks

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

ENCODERS = {"webm": ("libvpx-vp9",), "mp4": ("libx264", "mpeg4"), "mov": ("libx264", "mpeg4")}
ENCODERS["matroska"] = ENCODERS["mp4"]
"""By container, in the order of preference; builds of ffmpeg without the first have the second."""

OPTIONS = {
    "libx264": {"preset": "medium", "crf": "17", "bf": "0", "rc-lookahead": "20"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "lag-in-frames": "16"},
    "mpeg4": {},
}
"""High quality: what the network drew is not seen to suffer. Without B-frames, which are stored out of order: MP4
cannot say exactly how long each of them is shown, nor how long the film is, where its frame rate varies."""

MPEG4_UNITS = 60_000
"""Of a second; finer ones MPEG-4 does not know."""

TIMES = {"matroska": {"avoid_negative_ts": "disabled"}}
"""Sound of MP4 begins before 0, with what its decoder needs to settle. Matroska takes such times for single packets;
ffmpeg would move all of the film instead."""

OWN = re.compile(
    r"major_brand|minor_version|compatible_brands|encoder|rotate|duration|_statistics.*|bps.*|number_of_.*", re.I
)
"""What a container says of itself and not of the film."""


class Writer:
    """One film that is being written. A context: closing it completes the file, an error inside leaves it as it is.

    Args:
        file: that it is written to.
        kind: ffmpeg's name of the container.
        facts: of the film.
        source: where tracks and titles are taken from; None for a film without.
    """

    def __init__(self, file: IO[bytes], kind: str, facts: Facts, source: InputContainer | None = None) -> None:
        import av

        self.remarks: list[str] = []
        self._out = av.open(file, "w", format=kind, buffer_size=2**20, container_options=TIMES.get(kind, {}))
        self._encoder = encoder_of(kind)
        self._colours = self._told(facts)
        self._odd = self._encoder == "libx264" and (facts.height % 2 or facts.width % 2)
        self._stream = self._video(facts)
        self._unit = facts.unit
        self._lengths: dict[int, int] = {}
        self._tracks: dict[int, Track] = {}
        self.width, self.height = self._stream.width, self._stream.height
        if self._odd:
            self.remarks.append(
                f"{facts.width}x{facts.height} became {self.width}x{self.height}, its edge doubled: H.264 of the "
                "common kind has even sides (.webm keeps odd ones)"
            )
        if source is not None:
            self._out.metadata.update({k: v for k, v in source.metadata.items() if not OWN.fullmatch(k)})
            self._tracks = tracks(source, self._out, kind, self.remarks)
            with suppress(ValueError, KeyError, AttributeError):  # a chapter that ends before it begins
                self._out.set_chapters(source.chapters())

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self._mux(self._stream.encode(None))
            for track in self._tracks.values():
                self._out.mux(track.packets(None))
            self._out.close()
            return
        with suppress(Exception):  # the first error counts
            self._out.close()

    def add(self, piece: Piece) -> None:
        """Write a piece."""
        for packet in piece.packets:
            if packet.stream_index in self._tracks:
                self._out.mux(self._tracks[packet.stream_index].packets(packet))
        for shot in piece.shots:
            self.add_shot(shot)

    def add_shot(self, shot: Shot) -> None:
        """Write a frame; later ones follow."""
        frame = to_frame(even(shot.pixels) if self._odd else shot.pixels, self._colours)
        unit = self._stream.codec_context.time_base
        frame.pts, frame.time_base = shot.time, self._unit
        at = round(shot.time * self._unit / unit)
        self._lengths[at] = round(shot.length * self._unit / unit)
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: list[Any]) -> None:
        for packet in packets:
            # Encoders forget how long a frame is shown; of the last frame nothing else tells.
            length = self._lengths.pop(packet.pts, 0)
            if length:
                packet.duration = length
            self._out.mux(packet)

    def _told(self, facts: Facts) -> Colours:
        """MPEG-4 says nothing of its colours, so they have to be those that players guess."""
        if self._encoder != "mpeg4":
            return known(facts.colours)
        return Colours(matrix=1 if facts.height > 576 or facts.width >= 1280 else 6)

    def _video(self, facts: Facts) -> VideoStream:
        stream: Any = self._out.add_stream(self._encoder, rate=facts.rate, options=dict(OPTIONS[self._encoder]))
        stream.width, stream.height = facts.width, facts.height
        if self._odd:
            stream.width, stream.height = facts.width + facts.width % 2, facts.height + facts.height % 2
        stream.pix_fmt = "yuv420p"
        unit = facts.unit
        if self._encoder == "mpeg4":
            unit = max(unit, Fraction(1, MPEG4_UNITS))
            unit = unit if unit.denominator <= MPEG4_UNITS else Fraction(1, MPEG4_UNITS)
            stream.codec_context.qmin, stream.codec_context.qmax = 1, 4
            stream.codec_context.bit_rate = int(facts.width * facts.height * facts.rate)
        stream.codec_context.time_base = unit
        stream.time_base = unit
        tag(stream.codec_context, self._colours)
        return stream  # type: ignore[no-any-return]


def encoder_of(kind: str) -> str:
    """The encoder of a container's frames.

    Raises:
        RunError: this build of ffmpeg has none.
    """
    import av

    for name in ENCODERS[kind]:
        if name in av.codecs_available:
            return name
    raise RunError(
        Problem(
            message=f"PyAV was built without {' and '.join(ENCODERS[kind])}, which {kind} needs",
            hint="give another ending, such as .mp4, or install PyAV from PyPI: pip install av",
        )
    )
