"""Files that are no weights, or would do more than be read: one message, nothing run, nothing written."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

import toonforge
from tests import foreign_networks as theirs
from toonforge.errors import RunError


def refused(path: Path) -> str:
    out = path.parent / "model.safetensors"
    with pytest.raises(RunError) as caught:
        toonforge.import_weights(path, out)
    assert not out.exists() and len(caught.value.problems) == 1
    return str(caught.value)


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("legacy", [False, True])
def test_code_in_a_file_is_refused_and_never_run(legacy: bool, tmp_path: Path) -> None:
    state = {**theirs.patchgan(theirs.plain).state_dict(), "opt": Payload(tmp_path / "ran")}
    torch.save(state, tmp_path / "G.pth", _use_new_zipfile_serialization=not legacy)
    text = refused(tmp_path / "G.pth")
    assert "none of it was run" in text and "system" in text
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "G.pth", weights_only=False)
    assert (tmp_path / "ran").exists(), "the payload is none"


def test_a_bare_pickle_is_refused_and_never_run(tmp_path: Path) -> None:
    (tmp_path / "G.pth").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    refused(tmp_path / "G.pth")
    assert not (tmp_path / "ran").exists()


def test_a_whole_network_is_refused_with_what_to_save_instead(tmp_path: Path) -> None:
    torch.save(theirs.patchgan(theirs.plain), tmp_path / "G.pth")
    text = refused(tmp_path / "G.pth")
    assert "it asks for" in text and "state_dict" in text


@pytest.mark.parametrize("name", ["G.pth", "G.pt", "G.pkl", "G.ckpt", "G.bin", "G", "G.safetensors"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off", b"\x80\x02}q\x00.", bytes(1000)])
def test_garbage_is_no_weights(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name)


def test_an_empty_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "G.pth").write_bytes(b"")
    assert "the file is empty" in refused(tmp_path / "G.pth")


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_was_cut_off_is_refused(legacy: bool, kept: float, tmp_path: Path) -> None:
    torch.save(theirs.resnet(theirs.plain).state_dict(), tmp_path / "G.pth", _use_new_zipfile_serialization=not legacy)
    whole = (tmp_path / "G.pth").read_bytes()
    (tmp_path / "G.pth").write_bytes(whole[: int(len(whole) * kept)])
    text = refused(tmp_path / "G.pth")
    assert "the file is cut short" in text or "unexpected EOF" in text


def test_a_file_that_unpacks_to_far_more_than_it_is_long_is_refused(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(1_000_000)}, tmp_path / "stored.pth")
    with zipfile.ZipFile(tmp_path / "stored.pth") as stored, zipfile.ZipFile(tmp_path / "G.pth", "w") as packed:
        for info in stored.infolist():
            packed.writestr(info.filename, stored.read(info), zipfile.ZIP_DEFLATED)
    assert "would unpack to far more" in refused(tmp_path / "G.pth")


def test_a_tensor_that_claims_more_numbers_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    state = theirs.patchgan(theirs.plain).state_dict()
    state["model.0.weight"] = torch.zeros(1).expand(1 << 20, 1 << 20)
    torch.save(state, tmp_path / "G.pth")
    assert "more numbers" in refused(tmp_path / "G.pth")


def test_a_storage_that_claims_more_than_its_record_holds_is_refused(tmp_path: Path) -> None:
    torch.save({"0.weight": torch.zeros(4096)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "G.pth", "w") as short:
        for info in whole.infolist():
            content = whole.read(info)
            short.writestr(info.filename, content[:16] if "/data/" in info.filename else content)
    refused(tmp_path / "G.pth")


@pytest.mark.parametrize("value", [[torch.ones(3)], torch.ones(3), "text", 3, {}, {"epoch": 3}, {1: torch.ones(2)}])
def test_files_without_a_state_dict_are_refused(value: object, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "G.pth")
    assert refused(tmp_path / "G.pth").count("G.pth") == 1


def test_a_tensor_that_is_made_of_what_lies_in_memory_is_refused(tmp_path: Path) -> None:
    """torch.FloatTensor(sizes…), which torch's reader calls: a few bytes for any size."""
    state = {name: tuple(value.shape) for name, value in theirs.resnet(theirs.plain).state_dict().items()}
    made = b"".join(
        b"X" + struct.pack("<I", len(name)) + name.encode() + b"ctorch\nFloatTensor\n("
        + b"".join(pickle.dumps(side, 2)[2:-1] for side in shape) + b"tR"
        for name, shape in state.items()
    )  # fmt: skip
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, info))
    (tmp_path / "G.pth").write_bytes(head + b"\x80\x02}(" + made + b"u." + pickle.dumps([], 2))
    assert "it asks for torch.FloatTensor" in refused(tmp_path / "G.pth")


def test_a_sparse_tensor_is_refused(tmp_path: Path) -> None:
    state = theirs.patchgan(theirs.plain).state_dict()
    state["model.0.weight"] = state["model.0.weight"].to_sparse()
    torch.save(state, tmp_path / "G.pth")
    assert "_rebuild_sparse_tensor" in refused(tmp_path / "G.pth")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("Hayao_net_G_float.t7", "Torch7"), ("G.h5", "Keras"), ("generator.index", "TensorFlow"), ("G.onnx", "ONNX"),
        ("generator.data-00000-of-00001", "TensorFlow"), ("conv.npy", "NumPy"), ("recipe.toml", "is a recipe"),
    ],
)  # fmt: skip
def test_files_of_other_programs_are_told_apart_with_what_to_do(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"anything")
    text = refused(tmp_path / name)
    assert what in text and "hint" in text


def test_tar_files_of_very_old_versions_are_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "G.pth", "w") as archive:
        archive.addfile(tarfile.TarInfo("pickle"), io.BytesIO())
    assert "a tar file" in refused(tmp_path / "G.pth")


def test_a_file_of_toonforge_is_used_as_it_is(tmp_path: Path) -> None:
    torch.save(theirs.patchgan(theirs.plain).state_dict(), tmp_path / "D.pth")
    toonforge.import_weights(tmp_path / "D.pth", tmp_path / "done.safetensors")
    assert "already" in refused(tmp_path / "done.safetensors")


def test_what_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latest_net_G.pth").write_bytes(b"x")
    assert "did you mean" in refused(tmp_path / "latest_net_g.pth")
    assert "is a folder" in refused(tmp_path)
    os.mkfifo(tmp_path / "pipe.pth")
    assert "no regular file" in refused(tmp_path / "pipe.pth")


def test_names_that_a_terminal_would_obey_are_shown_as_text(tmp_path: Path) -> None:
    torch.save({"\x1b[2Jfc": torch.zeros(3), "b": torch.zeros(2)}, tmp_path / "G.pth")
    assert "\x1b" not in refused(tmp_path / "G.pth")


def test_what_torch_says_of_running_a_file_is_never_passed_on(tmp_path: Path) -> None:
    for value in ({"opt": Payload(tmp_path / "ran")}, theirs.patchgan(theirs.plain)):
        torch.save(value, tmp_path / "G.pth")
        text = refused(tmp_path / "G.pth")
        assert "weights_only" not in text and "safe_globals" not in text


@pytest.mark.parametrize("side", [-5, 0, 10**18])
def test_sides_that_no_picture_has_are_refused(tmp_path: Path, side: int) -> None:
    torch.save(theirs.patchgan(theirs.plain).state_dict(), tmp_path / "D.pth")
    with pytest.raises(RunError, match="side of pictures"):
        toonforge.import_weights(tmp_path / "D.pth", tmp_path / "model.safetensors", image_size=side)
    assert not (tmp_path / "model.safetensors").exists()
