"""Lists of pictures: manifests, tables, tar files, Parquet; whatever they hold, pictures are found or they are refused."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.fuzzed import VALID, fuzzed, outcome
from tests.fuzz.mutations import binaries, texts
from tests.fuzz.test_pictures import FILES
from toonforge import registries
from toonforge.errors import DataError, UnreadableImage
from toonforge.prepare.engine import manifest

COLUMNS = ("drawing", "score")
MANIFEST = "".join(
    [
        ",".join((*manifest.COLUMNS, *COLUMNS)) + "\n",
        'a.jpg,kept,a.jpg,,1234,1700000000000000000,999,a.png,0.5\n"b, c.jpg",dropped,,too small,0,0,0,,\n',
        "sub/d.png,kept,sub/d.png,,1,2,3,,nan\nsub/d.png,kept,sub/e.png,again,1,2,3,x.png,1e309\n",
    ]
)


@fuzzed(
    texts([MANIFEST]),
    short=100,
    corpus=[
        *(b"", b"\n", b"source\n" + b'"' * 10**5, b"a," * 10**5, MANIFEST.encode().replace(b"1234", b"1" * 5000)),
        *(MANIFEST.replace(name, f"{out}{name}").encode() for name in ("a.png", "sub/e.png") for out in ("../", "/")),
    ],
)
def test_any_manifest_is_read_or_refused(raw: bytes) -> str:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / manifest.CSV
        path.write_bytes(raw)
        for name in manifest.outputs_named(path, ("drawing",)):
            assert (path.parent / name).resolve().is_relative_to(path.parent.resolve())

        def read() -> None:
            rows, _ = manifest.read(path, COLUMNS)
            for row in rows:
                assert all(
                    (path.parent / out).resolve().is_relative_to(path.parent.resolve()) for out in row.outputs(COLUMNS)
                )
            path.write_text(",".join((*manifest.COLUMNS, *COLUMNS)) + "\n" + manifest.lines(rows, COLUMNS), "utf-8")
            assert str(manifest.read(path, COLUMNS)) == str((rows, True))  # nan equals only its text

        return outcome(read, DataError)


def looked_at(dataset: Callable[[], Any], **rng: Any) -> str:
    """Whether pictures can be read: the data set is checked, both parts are built, and each picture is read."""

    def build() -> None:
        found = dataset()
        found.verify()
        for split in ("train", "validation"):
            source = found.build(split)
            for group, size in source.sizes.items():
                for index in range(min(size, 4)):
                    source.name(group, index)
                    with suppress(UnreadableImage):
                        source.item(group, index, None)

    return outcome(build, DataError)


TABLE = "photo,cartoon,part,action\n" + "".join(
    f"p{n}.png,c{n}.png,{part},kept\n" for n, part in enumerate(["train"] * 3 + ["validation"] * 2 + [""])
)
PLAIN = "".join(f"p{n}.png\n" for n in range(6))


def listed(given: tuple[str, bytes]) -> str:
    """Pictures that a list of this ending names."""
    ending, raw = given
    with tempfile.TemporaryDirectory() as place:
        for n in range(6):
            (Path(place) / f"p{n}.png").write_bytes(FILES[6])
            (Path(place) / f"c{n}.png").write_bytes(FILES[6])
        path = Path(place) / f"list.{ending}"
        path.write_bytes(raw)
        dataset = registries.datasets["listed"]
        fields = {"photo": "path"} if ending == "txt" else {"photo": "photo", "cartoon": "cartoon"}
        more = {} if ending == "txt" else {"part_column": "part"}
        return looked_at(lambda: dataset(file=str(path), fields=fields, image_size=16, **more))


@fuzzed(
    st.tuples(
        st.sampled_from(["csv", "tsv", "txt"]), texts([TABLE, TABLE.replace(",", "\t"), TABLE.replace(",", ";"), PLAIN])
    ),
    short=80,
    corpus=[
        ("csv", TABLE.encode()),
        ("txt", PLAIN.encode()),
        ("txt", b"x" * 10**6),
        ("csv", b'photo\n"' + b"a" * 200_000),
        ("txt", b"/dev/zero\n" * 9),
        ("txt", b"../" * 9999),
    ],
)
def test_any_table_gives_pictures_or_is_refused(given: tuple[str, bytes]) -> str:
    return listed(given)


def tar(names: dict[str, bytes], format: int = tarfile.PAX_FORMAT) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as file:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return stream.getvalue()


MEMBERS = {
    f"{n:03}.{ending}": FILES[6] if ending.endswith("png") else b"text"
    for n in range(4)
    for ending in ("photo.png", "cartoon.png", "txt")
}
TARS = [
    tar(MEMBERS),
    tar(MEMBERS, tarfile.GNU_FORMAT),
    tar({f"{'long' * 40}/é{name}": raw for name, raw in MEMBERS.items()}),
    tar({f"../{name}": raw for name, raw in MEMBERS.items()}),
]


def summed(raw: bytes) -> bytes:
    """A tar file whose headers' checksums are right again, so that what is behind them is looked at."""
    out = bytearray(raw)
    for at in range(0, len(out) - 511, 512):
        if out[at + 257 : at + 262] == b"ustar":
            out[at + 148 : at + 156] = b"        "
            out[at + 148 : at + 156] = b"%06o\0 " % sum(out[at : at + 512])
    return bytes(out)


def sharded(raw: bytes) -> str:
    """Pictures of a tar file."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "shard.tar"
        path.write_bytes(raw)
        dataset = registries.datasets["webdataset"]
        return looked_at(
            lambda: dataset(shards=str(path), fields={"photo": "photo.png", "cartoon": "cartoon.png"}, image_size=16)
        )


@fuzzed(
    st.one_of(binaries(TARS, head=512), binaries(TARS, head=512).map(summed), binaries(TARS, head=6000).map(summed)),
    short=80,
    corpus=[*TARS, b"", bytes(1024), b"\x1f\x8b" + bytes(99)],
)
def test_any_tar_file_gives_pictures_or_is_refused(raw: bytes) -> str:
    return sharded(raw)


def parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet as files

    stream = io.BytesIO()
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    table = pyarrow.table(
        {"image": pyarrow.array([{"bytes": FILES[6], "path": f"{n}.png"} for n in range(6)], picture)}
    )
    files.write_table(table, stream)
    return stream.getvalue()


@fuzzed(st.deferred(lambda: binaries([parquet()], head=64)), short=8, share=0.05, megabytes=600, seconds=120)
def test_any_parquet_file_gives_pictures_or_is_refused(raw: bytes) -> str:
    return rows(raw)


def rows(raw: bytes) -> str:
    """Pictures of a Parquet file."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "a.parquet"
        path.write_bytes(raw)
        dataset = registries.datasets["hugging-face"]
        return looked_at(lambda: dataset(path=str(path), fields={"photo": "image"}, image_size=16))


def test_the_lists_that_are_changed_hold_pictures() -> None:
    assert listed(("csv", TABLE.encode())) == listed(("txt", PLAIN.encode())) == VALID
    assert [sharded(raw) for raw in TARS] == [VALID] * len(TARS)
    assert rows(parquet()) == VALID
