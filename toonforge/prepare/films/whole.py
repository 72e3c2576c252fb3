"""Whether a film is whole: what its packets hold, against what the file says it holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

SLACK = 1.0
"""Seconds that a file may promise too much, where nothing else tells that its end is missing."""

LITTLE = 0.01
"""Seconds that are not worth being named."""

EBML, SEGMENT, CLUSTER = bytes.fromhex("1a45dfa3"), bytes.fromhex("18538067"), bytes.fromhex("1f43b675")
"""With what Matroska begins, what holds all of the film in it, and what in that holds a few seconds each."""

BOXES = (b"ftyp", b"moov", b"mdat", b"moof", b"styp", b"sidx", b"free", b"skip", b"wide", b"uuid", b"pnot")
"""With what MP4 and its kin begin, after the length."""


class Extent:
    """How far a film goes; told of all its packets as they are read.

    Args:
        path: of the film.
        container, stream: of PyAV.
    """

    def __init__(self, path: str | os.PathLike[str], container: InputContainer, stream: VideoStream) -> None:
        self._container, self._stream = container, stream
        self._cut, self._torn = cut_off(path), False
        self._ends, self._shown = 0.0, 0.0
        self._frames, self._hidden, self._longest = 0, 0, 0

    def add(self, packet: Any) -> None:
        """Take account of a packet of any stream."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is None and not packet.size:
            return  # no packet, but the demuxer's end
        frame = packet.stream_index == self._stream.index
        if frame:
            self._frames += 1
            self._torn = bool(packet.is_corrupt)  # the last one counts
            if packet.is_discard:
                self._hidden += 1
                return
            self._longest = max(self._longest, packet.duration or 0)
        if stamp is not None and packet.time_base:
            end = float((stamp + (packet.duration or 0)) * packet.time_base)
            self._ends = max(self._ends, end)
            self._shown = max(self._shown, end) if frame else self._shown

    def missing(self) -> Mapping[str, str]:
        """A remark ("truncated" -> why, in words) where there is less than the film promises; after all packets."""
        import av

        begins = (self._container.start_time or 0) / av.time_base
        promised, found = (self._container.duration or 0) / av.time_base, self._ends - begins
        if (self._cut or self._torn) and 0 < self._frames < int(self._stream.frames or 0):
            return {"truncated": f"the file ends after {self._frames:,} of {self._stream.frames:,} frames"}
        if self._hidden and 0 < (self._stream.duration or 0) < self._longest:  # times that cannot be
            return {"truncated": f"{self._hidden:,} of its {self._frames:,} frames are to be shown after its end"}
        if self._cut and (own := _seconds(self._stream.metadata.get("DURATION", ""))):
            promised, found = own, self._shown
        if found < promised - (LITTLE if self._cut or self._torn else SLACK):
            digits = 1 if promised - found >= 0.1 else 2
            return {"truncated": f"the file ends after {found:.{digits}f} of {promised:.{digits}f} seconds"}
        return {"truncated": f"the file ends amid its frames and sound, at {found:.1f} s"} if self._cut else {}


def cut_off(path: str | os.PathLike[str]) -> bool:
    """Whether a file ends amid what holds its frames and sound; False for kinds that do not say how long that is, and
    where only an index behind it is missing.
    """
    size = os.stat(path).st_size
    with open(path, "rb") as file:
        head = file.read(12)
        if head.startswith(EBML):
            return _matroska(file, size)
        if head.startswith(b"RIFF"):
            return _chunks(file, size)
        return head[4:8] in BOXES and _boxes(file, size)


def _chunks(file: IO[bytes], size: int) -> bool:
    """Of an AVI: parts that follow each other, each after its name and length, in parts that do so themselves."""
    at, kind = 0, b""
    while at + 12 <= size:
        file.seek(at)
        head = file.read(12)
        length, kind = int.from_bytes(head[4:8], "little"), head[8:]
        if not length:
            return False  # a recording that was never completed
        at += 12 if head[:4] == b"RIFF" else 8 + length + length % 2
    return at > size and kind == b"movi"


def _boxes(file: IO[bytes], size: int) -> bool:
    """Of an MP4: its outermost parts follow each other, each after its length and name."""
    at, name = 0, b""
    while at + 8 <= size:
        file.seek(at)
        head = file.read(16)
        length, name = int.from_bytes(head[:4], "big"), head[4:8]
        length = int.from_bytes(head[8:], "big") if length == 1 else length
        if length < 8:  # 0: up to the end, however long that is
            return False
        at += length
    return at > size and name == b"mdat"


def _matroska(file: IO[bytes], size: int) -> bool:
    """Of a Matroska: in one segment, the clusters and what describes them follow each other."""
    file.seek(len(EBML))
    length = _number(file)
    file.seek(length or 0, os.SEEK_CUR)
    if length is None or file.read(4) != SEGMENT:
        return False
    length = _number(file)
    if length is None or file.tell() + length <= size:
        return False
    while file.tell() < size:
        name = file.read(1)
        name += file.read(max(0, 8 - name[0].bit_length()))
        length = _number(file)
        if length is None or file.tell() + length > size:
            return name in (CLUSTER, CLUSTER[: len(name)])
        file.seek(length, os.SEEK_CUR)
    return True


def _number(file: IO[bytes]) -> int | None:
    """A length of Matroska: as many bytes as the first says by its leading zeros; None for an unknown one."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    more = 8 - first[0].bit_length()
    mask = (1 << 7 * (more + 1)) - 1
    value = int.from_bytes(first + file.read(more), "big") & mask
    return None if value == mask else value


def _seconds(text: str) -> float:
    """Of "00:01:02.5"; 0 for what is none."""
    try:
        hours, minutes, seconds = text.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    except ValueError:
        return 0.0
