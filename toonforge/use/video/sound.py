"""The tracks beside the frames: sound and subtitles, packet by packet as they are where the container takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from av.container import InputContainer, OutputContainer

PCM = ("pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be", "pcm_f32le", "pcm_f32be")
SOUND = {
    "mp4": ("aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac"),
    "mov": ("aac", "mp3", "mp2", "ac3", "eac3", "alac", *PCM),
    "webm": ("opus", "vorbis"),
    "matroska": ("aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "vorbis", "flac", "dts", "truehd", *PCM),
}
"""Sound that players expect in a container; what is not among it is encoded anew."""

SUBTITLES = {
    "mp4": ("mov_text",),
    "mov": ("mov_text",),
    "webm": ("webvtt",),
    "matroska": ("subrip", "ass", "webvtt", "dvd_subtitle", "hdmv_pgs_subtitle"),
}

AGAIN = {"mp4": "aac", "mov": "aac", "webm": "libopus", "matroska": "aac"}
"""The encoder of sound that a container does not take."""

KILOBITS = 96
"""Of sound that is encoded anew, in thousands of bits per second and channel."""

TOLD = ("language", "title", "handler_name")
"""What a track says of itself and keeps."""


@attrs.frozen(eq=False)
class Track:
    """A track of the output: `packets` turns one of the film's packets, or None for its end, into those written."""

    packets: Callable[[Any], list[Any]]


def tracks(film: InputContainer, out: OutputContainer, kind: str, remarks: list[str]) -> dict[int, Track]:
    """By the film's stream, the tracks of the output; streams that are left out are told in the remarks."""
    made: dict[int, Track] = {}
    for number, stream in enumerate(film.streams.audio, 1):
        track = _sound(stream, out, kind, f"sound track {number}", remarks)
        if track is not None:
            made[stream.index] = track
    for number, titles in enumerate(film.streams.subtitles, 1):
        name = codec_name(titles)
        if name in SUBTITLES[kind]:
            made[titles.index] = _copied(titles, out)
        else:
            remarks.append(f"subtitles {number} ({name or 'of an unknown kind'}) left out: {kind} does not take them")
    others = len(film.streams) - len(film.streams.audio) - len(film.streams.subtitles) - 1
    if others:
        kinds = sorted({stream.type for stream in film.streams} - {"audio", "subtitle"})
        remarks.append(f"{others} other stream{'s' * (others != 1)} left out ({', '.join(kinds)})")
    return made


def codec_name(stream: Any) -> str:
    """The common name of a stream's codec, whichever decoder is used for it; "" for an unknown one."""
    context = stream.codec_context
    return "" if context is None else str(context.codec.canonical_name)


def _sound(stream: Any, out: OutputContainer, kind: str, called: str, remarks: list[str]) -> Track | None:
    name = codec_name(stream)
    if name in SOUND[kind]:
        return _copied(stream, out)
    if not name or not stream.codec_context.sample_rate:
        remarks.append(f"{called} left out: it cannot be decoded")
        return None
    remarks.append(f"{called} encoded anew: {kind} does not take {name}")
    return _encoded(stream, out, AGAIN[kind], called, remarks)


def _copied(stream: Any, out: OutputContainer) -> Track:
    added = out.add_stream_from_template(stream, opaque=True)
    _tell(stream, added)

    def packets(packet: Any) -> list[Any]:
        if packet is None or (packet.dts is None and packet.pts is None):
            return []
        packet.stream = added
        return [packet]

    return Track(packets)


def _encoded(stream: Any, out: OutputContainer, encoder: str, called: str, remarks: list[str]) -> Track:
    import av

    rate = 48000 if encoder == "libopus" else int(stream.codec_context.sample_rate)
    added: Any = out.add_stream(encoder, rate=rate)
    added.codec_context.layout = stream.codec_context.layout.name
    added.codec_context.bit_rate = KILOBITS * 1000 * max(1, stream.codec_context.layout.nb_channels)
    _tell(stream, added)

    def packets(packet: Any) -> list[Any]:
        made: list[Any] = []
        try:
            frames = stream.decode(packet)
        except (av.FFmpegError, OSError):
            said = f"{called} is damaged in places: silent there"
            if said not in remarks:
                remarks.append(said)
            return made
        for frame in frames:
            made += added.encode(frame)
        return made + (added.encode(None) if packet is None else [])

    return Track(packets)


def _tell(stream: Any, added: Any) -> None:
    added.metadata.update({key: value for key, value in stream.metadata.items() if key in TOLD})
    added.disposition = stream.disposition
