"""Files that are small and ask for all memory, or for a program to be started."""

from __future__ import annotations

import struct
import zlib

SIDE = 13_000
"""Of pictures just within the limit; with nothing behind their headers."""


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *extra: bytes, depth: int = 8, colours: int = 2, rows: bytes | None = None) -> bytes:
    """A black picture of 3 bytes a pixel unless `rows` (each behind a filter byte) say otherwise."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    rows = bytes(min(10**6, height * (3 * width + 1))) if rows is None else rows
    body = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + body + chunk(b"IEND", b"")


def tiff(width: int, height: int, **tags: int) -> bytes:
    entries = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: 200, 278: height, 279: 64}
    entries |= {int(tag[1:]): value for tag, value in tags.items()}
    counts = {tag: 0xFFFFFFFF if value < 0 else 1 for tag, value in entries.items()}
    packed = [struct.pack("<HHII", tag, 4, counts[tag], abs(value)) for tag, value in sorted(entries.items())]
    return b"II*\0" + struct.pack("<IH", 8, len(packed)) + b"".join(packed) + bytes(300)


def bmp(width: int, height: int) -> bytes:
    return b"BM" + struct.pack("<IHHI", 100, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *[0] * 6)


def gif(width: int, height: int, frame_width: int, frame_height: int) -> bytes:
    frame = b"," + struct.pack("<HHHH", 0, 0, frame_width, frame_height) + b"\0\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0" + frame + b";"


def webp(width: int, height: int) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 100) + b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + sides + bytes(60)


UNPACKS = zlib.compress(bytes(50_000_000), 9)

HOSTILE = {
    "PNG, profile that unpacks to 50 MB": png(8, 8, chunk(b"iCCP", b"x\0\0" + UNPACKS)),
    "PNG, text that unpacks to 50 MB": png(8, 8, chunk(b"zTXt", b"k\0\0" + UNPACKS)),
    "PNG, international text that unpacks to 50 MB": png(8, 8, chunk(b"iTXt", b"k\0\1\0\0\0" + UNPACKS)),
    "PNG, a hundred texts of 1 MB": png(
        8, 8, *[chunk(b"zTXt", b"k%d\0\0" % n + zlib.compress(bytes(10**6), 9)) for n in range(100)]
    ),
    "PNG, 0x0": png(0, 0),
    "PNG, 100000x100000": png(100_000, 100_000),
    "PNG, empty": png(SIDE, SIDE),
    "GIF, 65535x65535": gif(65_535, 65_535, 65_535, 65_535),
    "GIF, frame larger than the picture": gif(1, 1, 65_535, 65_535),
    "GIF, empty": gif(SIDE, SIDE, SIDE, SIDE),
    "BMP, 100000x100000": bmp(100_000, 100_000),
    "BMP, empty": bmp(SIDE, SIDE),
    "WebP, 16384x16384": webp(16_384, 16_384),
    "TIFF, 4294967295x4294967295": tiff(0xFFFFFFFF, 0xFFFFFFFF),
    "TIFF, four thousand million strips": tiff(8, 8, t273=-200, t279=-64),
    "TIFF, strip of 4 GB": tiff(8, 8, t259=5, t279=0xFFFFFFF0),
    "TIFF, tiles of 1 GB": tiff(8, 8, t259=8, t322=32_768, t323=32_768, t324=200, t325=64),
    "TIFF, 65535 values a pixel": tiff(8, 8, t277=65_535),
    "TIFF, empty": tiff(SIDE, SIDE, t259=8),
    "TIFF, no entries": b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\nshowpage\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "AVIF, damaged": b"\0\0\0\x1cftypavif" + bytes(99),
}
