"""Weights files: whatever their headers, descriptions and tensors are, a translator is loaded or the file is refused."""

from __future__ import annotations

import json
import struct
import tempfile
from pathlib import Path
from typing import Any

import torch
from hypothesis import strategies as st

import toonforge
from tests import tiny
from tests.fuzz.fuzzed import VALID, fuzzed, outcome
from tests.fuzz.jsons import changed, nested
from tests.fuzz.mutations import binaries, texts
from toonforge.errors import RunError

CHECKPOINT = Path(__file__).parents[1] / "data/checkpoints/format-1/checkpoints/step-000004"
FILES = {file.name: file.read_bytes() for file in sorted(CHECKPOINT.glob("*.safetensors"))}
G = FILES["G.safetensors"]
START = 8
SIZE = struct.unpack("<Q", G[:START])[0]
HEADER: dict[str, Any] = json.loads(G[START : START + SIZE])
ABOUT: dict[str, Any] = json.loads(HEADER["__metadata__"]["toonforge"])
TENSORS = G[START + SIZE :]
WHOLE_ABOUT: dict[str, Any] = {
    "format": 1,
    "needs": "0.1.0",
    "kind": "model",
    "recipe": ABOUT["recipe"],
    "step": 4,
    "image_size": ABOUT["image_size"],
    "value_range": [-1, 1],
    "translations": ABOUT["translations"],
    "signals": ABOUT["signals"],
    "networks": {"G": {"kind": ABOUT["kind"], "component": ABOUT["component"], "averaged": False}},
    "card": {"title": "Tiny", "license": "CC0-1.0"},
}
WHOLE_HEADER: dict[str, Any] = {f"G.{name}": value for name, value in HEADER.items() if name != "__metadata__"}
"""Of an exported file of the same network: its tensors have the network's name before theirs."""


def file_of(header: Any, tensors: bytes = TENSORS, size: int | None = None) -> bytes:
    """A weights file with this header; `size` is what it says of the header's length."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(raw) if size is None else size % 2**64) + raw + tensors


def described(about: Any) -> bytes:
    """A weights file that says this of itself."""
    text = about.decode("utf-8", "replace") if isinstance(about, bytes) else json.dumps(about)
    return file_of({**HEADER, "__metadata__": {"toonforge": text}})


def exported(about: Any, tensors: Any = WHOLE_HEADER) -> bytes:
    """An exported file that says this of itself, its tensors lying where this says."""
    text = about.decode("utf-8", "replace") if isinstance(about, bytes) else json.dumps(about)
    named = tensors if isinstance(tensors, dict) else {}
    return file_of({**named, "__metadata__": {"toonforge": text}})


def loaded(raw: bytes) -> str:
    """What becomes of the file when a picture is to be translated with it."""
    tiny.register()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "G.safetensors"
        path.write_bytes(raw)

        def load() -> None:
            model = toonforge.load(path, cpu=True)
            output = model(torch.zeros(1, 3, 8, 8))
            assert output.shape == (1, 3, 8, 8)

        return outcome(load, RunError)


DEEP = b'{"a":' * 5000
LONG = b"[" * 100_000


@fuzzed(
    binaries([G], head=START + SIZE), short=100, corpus=[b"", b"\0" * 8, b"\xff" * 8, G[:4], G[:START], G[: START + 5]]
)
def test_a_damaged_weights_file_is_loaded_or_refused(raw: bytes) -> str:
    return loaded(raw)


@fuzzed(
    st.one_of(
        changed(HEADER).map(file_of),
        st.builds(file_of, st.just(HEADER), st.binary(max_size=500)),
        st.builds(lambda size: file_of(HEADER, size=size), st.integers(-9, 2**64) | st.integers(SIZE - 9, SIZE + 9)),
        texts([json.dumps(HEADER)]).map(file_of),
    ),
    short=100,
    corpus=[file_of(DEEP), file_of(LONG), file_of(b"[]"), file_of(b"{}"), file_of(b"null")],
)
def test_a_header_of_any_content_is_loaded_or_refused(raw: bytes) -> str:
    return loaded(raw)


@fuzzed(
    st.one_of(changed(ABOUT), texts([json.dumps(ABOUT)])).map(described),
    short=150,
    corpus=[described(DEEP), described(LONG), described(b"[]"), described({**ABOUT, "signals": {"s": "t", "t": "s"}, "translations": {"anime": "G(s)"}}),
            described({**ABOUT, "signals": {f"s{n}": f"G(s{n + 1})" for n in range(2000)}, "translations": {"anime": "G(s0)"}}),
            described({**ABOUT, "signals": {**{f"s{n}": f"cat(s{n + 1}, s{n + 1})" for n in range(90)}, "s90": "photo"}, "translations": {"anime": "G(s0)"}}),
            described({**ABOUT, "component": {**ABOUT["component"], "type": nested(700)}}), described({**ABOUT, "component": {"type": "cyclegan/resnet", "width": 10**9}}), described({**ABOUT, "component": {**ABOUT["component"], "width": 10**9}}),
            described({**ABOUT, "component": {"type": "cyclegan/resnet", "blocks": 10**9}}), described({**ABOUT, "component": {"type": "cyclegan/unet", "levels": 10**6}})],
)  # fmt: skip
def test_a_description_of_any_content_is_loaded_or_refused(raw: bytes) -> str:
    return loaded(raw)


NETWORK = WHOLE_ABOUT["networks"]["G"]


@fuzzed(
    st.one_of(
        st.one_of(changed(WHOLE_ABOUT), texts([json.dumps(WHOLE_ABOUT)])).map(exported),
        st.builds(exported, st.just(WHOLE_ABOUT), changed(WHOLE_HEADER)),
        binaries([exported(WHOLE_ABOUT)], head=2 * START + SIZE),
    ),
    short=120,
    corpus=[exported(DEEP), exported(LONG), exported(b"[]"), exported({**WHOLE_ABOUT, "networks": {}}), exported({**WHOLE_ABOUT, "networks": {"": NETWORK}}),
            exported({**WHOLE_ABOUT, "networks": {f"N{n}": NETWORK for n in range(2000)}}), exported({**WHOLE_ABOUT, "networks": {"G": {**NETWORK, "component": {"type": "cyclegan/resnet", "width": 10**9}}}}),
            exported({**WHOLE_ABOUT, "signals": {"s": "t", "t": "s"}, "translations": {"anime": "G(s)"}}), exported(WHOLE_ABOUT, {**WHOLE_HEADER, "X.1": next(iter(WHOLE_HEADER.values()))}), exported(WHOLE_ABOUT, {})],
)  # fmt: skip
def test_an_exported_file_of_any_content_is_loaded_or_refused(raw: bytes) -> str:
    return loaded(raw)


@st.composite
def folders(draw: st.DrawFn) -> dict[str, bytes]:
    """A checkpoint's folder with files that are damaged, exchanged, missing or too many."""
    files = {name: raw for name, raw in FILES.items() if not name.startswith(("optimizer", "ops"))}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(
            st.sampled_from(
                [
                    *files,
                    "G.ema.safetensors",
                    "H.safetensors",
                    "G..safetensors",
                    "ema.safetensors",
                    "G.ema.ema.safetensors",
                ]
            )
        )
        how = draw(st.sampled_from(["out", "other", "damaged", "described"]))
        if how == "out":
            files.pop(name, None)
        elif how == "other":
            files[name] = draw(st.sampled_from(sorted(FILES.values())))
        elif how == "damaged":
            files[name] = draw(binaries([FILES.get(name, G)], head=300))
        else:
            files[name] = described(draw(changed(ABOUT)))
    return files


@fuzzed(folders(), short=60)
def test_a_checkpoint_of_any_files_is_loaded_or_refused(files: dict[str, bytes]) -> str:
    tiny.register()
    with tempfile.TemporaryDirectory() as place:
        for name, raw in files.items():
            (Path(place) / name).write_bytes(raw)
        return outcome(lambda: toonforge.load(place, cpu=True)(torch.zeros(1, 3, 8, 8)), RunError)


def test_the_file_that_is_changed_is_valid() -> None:
    assert loaded(G) == loaded(file_of(HEADER)) == loaded(described(ABOUT)) == VALID
    assert loaded(exported(WHOLE_ABOUT)) == VALID
