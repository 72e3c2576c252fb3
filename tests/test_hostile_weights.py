"""Weights files that somebody else made: they hold numbers and say which network these are of, and make nothing else
happen: no other file is read, nothing is downloaded, no memory is taken that the file does not fill."""

from __future__ import annotations

import collections
import io
import json
import os
import pickle
import struct
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests import tiny
from tests.test_use_translate import about, save
from toonforge.cli import main
from toonforge.errors import RunError, ToonforgeError
from toonforge.nn.weights import read_state
from toonforge.recipe import component_from_data
from toonforge.recipe.expr import Expr
from toonforge.use.model import load, load_networks
from toonforge.use.sizes import refuse_absurd_values

tiny.register()

VGG = {"type": "vgg19", "layer": "conv1_1"}


def weights(folder: Path, kind: str, component: dict[str, Any], tensors: dict[str, torch.Tensor] | None = None) -> Path:
    """A checkpoint's folder with the one network G."""
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {**about("G", {"anime": "G(photo)"}), "kind": kind, "component": component}
    if tensors is None:
        network = component_from_data(kind, component).without_weights().build()  # type: ignore[attr-defined]
        tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    save_file(tensors, folder / "G.safetensors", {"toonforge": json.dumps(metadata)})
    return folder


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every path that is opened through Python, torch or safetensors."""
    found: list[str] = []
    true_open, true_load = io.open, torch.load
    monkeypatch.setattr("io.open", lambda path, *a, **k: (found.append(str(path)), true_open(path, *a, **k))[1])
    monkeypatch.setattr("torch.load", lambda path, *a, **k: (found.append(str(path)), true_load(path, *a, **k))[1])
    return found


# -- what a file may name ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", ["imagenet", "/etc/passwd", "random", "no/such/file.pth"])
def test_a_network_with_weights_of_its_own_takes_those_of_the_file(
    tmp_path: Path, named: str, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`weights` says where training began. It is neither read nor downloaded again, wherever it is said to lie."""

    def refuse(*args: Any, **more: Any) -> Any:
        raise AssertionError("a download")

    monkeypatch.setattr("toonforge.nn.vgg.downloaded", refuse)
    folder = weights(tmp_path / "model", "networks", {**VGG, "weights": named})
    loaded = load_networks(folder)
    assert loaded.modules["G"].features[0].weight.shape == (64, 3, 3, 3)
    assert not [path for path in opened if "passwd" in path or "no/such" in path]


def test_packaged_weights_are_not_loaded_only_to_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.nn.efficientnet_lite.trained", lambda: 1 / 0)
    component = {"type": "efficientnet-lite0", "layer": 0, "weights": "imagenet"}
    assert load_networks(weights(tmp_path / "model", "networks", component)).modules["G"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "datasets", "component": {"type": "hugging-face", "path": "user/set"}}, "holds no network"),
        ({"kind": "losses", "component": {"type": "l1", "input": "G(x)", "target": "x"}}, "holds no network"),
        ({"kind": "metrics", "component": {"type": "classifier-gap", "model": "/etc/passwd"}}, r"input|holds no network"),
        ({"kind": "recipes", "component": {"type": "cyclegan/cyclegan"}}, "recipes|unknown|holds no"),
        ({"kind": "__class__", "component": {"type": "x"}}, "__class__|no"),
        ({"component": {"type": "os.system", "command": "touch evil"}}, "os.system"),
        ({"component": {"type": "../../evil"}}, "evil"),
        ({"component": {"type": "negative/invert", "__class__": "x"}}, "__class__"),
        ({"component": {"type": "absent/network"}}, "absent"),
    ],
)  # fmt: skip
def test_only_registered_networks_are_built(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save(tmp_path, "G", {**about("G", {"anime": "G(photo)"}), **change})
    with pytest.raises(ToonforgeError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    "expression",
    ["__import__('os').system('x')", "G.__class__(photo)", "eval(photo)", "G(photo); import os", "lambda: 0", "${HOME}"],
)  # fmt: skip
def test_expressions_of_a_file_are_calls_of_ops_and_networks(tmp_path: Path, expression: str) -> None:
    for metadata in (about("G", {"anime": expression}), about("G", {"anime": "G(s)"}, {"s": expression})):
        save(tmp_path, "G", metadata)
        with pytest.raises(RunError):
            load(tmp_path)


def test_a_file_says_which_network_it_is_and_never_which_file(tmp_path: Path) -> None:
    """A name with a path in it is a name: nothing is looked for or written there."""
    save(tmp_path / "model", "G", {**about("../../evil", {"anime": "G(photo)"})})
    with pytest.raises(RunError, match="offers no translation"):
        load(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["G.safetensors", "model"]


# -- how much a file may ask for ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [10**5, 10**9, 10**15, 2**63 - 1, 10**30])
def test_a_few_bytes_ask_for_no_network_of_any_size(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    build = tiny.TinyGenerator.build

    def spied(self: tiny.TinyGenerator) -> torch.nn.Module:
        built.append(torch.empty(0).device.type)
        return build(self)

    monkeypatch.setattr(tiny.TinyGenerator, "build", spied)
    few = {"0.weight": torch.zeros(4, 3, 3, 3)}
    folder = weights(tmp_path / "model", "generators", {"type": "tiny/generator", "width": width}, few)
    with pytest.raises(ToonforgeError, match=r"does not fit|width"):
        load_networks(folder)
    assert width > 2**62 or built == ["meta"], "no memory is taken for it"


def test_a_network_without_end_is_given_up_soon(tmp_path: Path) -> None:
    """Many parts take time in place of memory."""
    component = {"type": "cyclegan/resnet", "width": 1, "blocks": 10**7}
    folder = weights(tmp_path / "model", "generators", component, {"a": torch.zeros(1)})
    began = time.monotonic()
    with pytest.raises(ToonforgeError, match=r"far larger than the file|blocks|width"):
        load_networks(folder)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("expression", ["gray(s40)", "gray(s17)"])
def test_a_translation_of_absurd_size_is_refused_before_it_is_computed(
    tmp_path: Path, expression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = {f"s{n + 1}": f"cat(s{n}, s{n})" for n in range(40)}
    save(tmp_path, "G", about("G", {"anime": expression}, {"s0": "G(photo)", **signals}))
    model = load(tmp_path)
    monkeypatch.setattr(torch, "cat", lambda *_, **__: pytest.fail("it was computed"))
    with pytest.raises(RunError, match="cannot be computed of a picture of 32x32 pixels") as refusal:
        model(torch.zeros(1, 3, 32, 32))
    assert "far too large: cat(s" in str(refusal.value) and "x32x32" in str(refusal.value)


def test_large_pictures_are_translated_by_what_is_not_absurd() -> None:
    signals = {"twice": Expr.parse("cat(photo, photo)")}
    networks = {"G": component_from_data("generators", {"type": "negative/invert"})}
    refuse_absurd_values(Expr.parse("cat(twice, G(photo))"), signals, networks, {"photo": (3, 13_000, 13_000)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        (
            {"0.weight": torch.zeros(5, 3, 3, 3)},
            r"0\.weight: \[4, 3, 3, 3\] in the network, \[5, 3, 3, 3\] in the file",
        ),
        ({"other": torch.zeros(1)}, "0.weight: .* not in the file"),
        ({}, "not in the file"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, tensors: dict[str, torch.Tensor], found: str) -> None:
    folder = weights(tmp_path / "model", "generators", {"type": "tiny/generator"}, tensors)
    with pytest.raises(RunError, match=found):
        load_networks(folder)


def test_a_tensor_too_many_is_told(tmp_path: Path) -> None:
    folder = weights(tmp_path / "model", "generators", {"type": "tiny/generator"})
    state = torch.nn.Module()
    assert load_networks(folder).modules["G"] is not state
    from safetensors.torch import load_file

    tensors = {**load_file(folder / "G.safetensors"), "extra": torch.zeros(3)}
    weights(folder, "generators", {"type": "tiny/generator"}, tensors)
    with pytest.raises(RunError, match="extra"):
        load_networks(folder)


def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path: Path) -> None:
    for header in (
        {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"w": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}},
        {"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"w": {"dtype": "pickle", "shape": [1], "data_offsets": [0, 4]}},
    ):
        text = json.dumps({**header, "__metadata__": {"toonforge": json.dumps(about("G", {"a": "G(x)"}))}}).encode()
        (tmp_path / "G.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(4))
        with pytest.raises(RunError, match="no weights file"):
            load(tmp_path)
    for size in (2**63, 2**40, 0):
        (tmp_path / "G.safetensors").write_bytes(size.to_bytes(8, "little") + b"{}")
        with pytest.raises(RunError, match="no weights file"):
            load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_in_the_place_of_weights_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "G.safetensors")
    for path in (tmp_path, tmp_path / "G.safetensors"):
        with pytest.raises(RunError):
            load(path)


# -- pickles --------------------------------------------------------------------------------------------------------


class Evil:
    """Its pickle writes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "caught"))


def a_zip(path: Path, evil: Evil) -> None:
    torch.save(evil, path)


def a_legacy_file(path: Path, evil: Evil) -> None:
    torch.save(evil, path, _use_new_zipfile_serialization=False)


def a_bare_pickle(path: Path, evil: Evil) -> None:
    path.write_bytes(pickle.dumps(evil, 2))


def a_tar(path: Path, evil: Evil) -> None:
    """The oldest format, which torch before 2.6 reads with all of pickle even where tensors alone are asked for."""
    with tarfile.open(path, "w") as file:
        for name in ("sources", "storages", "tensors", "pickle"):
            header = tarfile.TarInfo(name)
            data = pickle.dumps(evil, 2)
            header.size = len(data)
            file.addfile(header, io.BytesIO(data))


def a_zip_of_something_else(path: Path, evil: Evil) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(evil, 2))
        file.writestr("archive/version", "3\n")


@pytest.mark.parametrize("make", [a_zip, a_legacy_file, a_bare_pickle, a_tar, a_zip_of_something_else])
@pytest.mark.parametrize("ending", ["pth", "pt", "safetensors", "ckpt"])
def test_weights_that_a_recipe_names_run_nothing(tmp_path: Path, make: Any, ending: str) -> None:
    path, caught = tmp_path / f"weights.{ending}", tmp_path / "caught"
    make(path, Evil(caught))
    with pytest.raises(ToonforgeError, match="cannot be read as weights"):
        read_state(path)
    assert not caught.exists()
    if make is a_bare_pickle:
        pickle.loads(path.read_bytes())
        assert caught.exists(), "the file is as evil as it looks"


def written_by_hand(path: Path, made: bytes, keys: list[str] | None = None) -> Path:
    """A file of the older format: {"weight": what the opcodes make}, and the storages whose numbers follow."""
    info = {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    head = b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, info))
    name = b"X" + struct.pack("<I", 6) + b"weight"
    path.write_bytes(head + b"\x80\x02}" + name + made + b"s." + pickle.dumps(keys or [], 2))
    return path


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def a_tensor(numbers: int, of: int) -> bytes:
    """The opcodes of a tensor of so many numbers, of a storage of another length."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0aX\3\0\0\0cpu" + number(of) + b"NtQ"
    sizes = b"(" + number(numbers) + b"t(K\1t"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + sizes + b"\x89ccollections\nOrderedDict\n)RtR"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (b"ctorch\nFloatTensor\n(" + number(64) + number(3) + b"tR", "GLOBAL torch.FloatTensor"),
        (b"ctorch\nFloatTensor\n(" + number(10**12) + b"tR", "GLOBAL torch.FloatTensor"),
        (b"ctorch\nTensor\n(" + number(10**12) + b"tR", "GLOBAL torch.Tensor"),
        (b"ctorch.storage\nUntypedStorage\n(" + number(10**12) + b"tR", "GLOBAL torch.storage.UntypedStorage"),
        (b"c__builtin__\nbytearray\n(" + number(10**12) + b"tR", "GLOBAL __builtin__.bytearray"),
        (b"ctorch._utils\n_rebuild_meta_tensor_no_storage\n(K\1tR", "GLOBAL torch._utils._rebuild_meta_tensor"),
        (a_tensor(4, 10**7), "claims more numbers"),
        (a_tensor(10**6, 4), "claims more numbers"),
    ],
)  # fmt: skip
def test_tensors_that_the_file_holds_no_numbers_of_are_never_made(tmp_path: Path, made: bytes, message: str) -> None:
    """torch's reader makes them of any size, of what lies in memory."""
    path = written_by_hand(tmp_path / "weights.pth", made)
    with pytest.raises(ToonforgeError, match=message):
        read_state(path)


def test_storages_without_numbers_in_the_file_hold_nothing_of_the_memory(tmp_path: Path) -> None:
    left = [torch.full((1000,), 7.0) for _ in range(200)]
    del left  # what torch takes next lies there
    for _ in range(20):
        found = read_state(written_by_hand(tmp_path / "weights.pth", a_tensor(1000, 1000)))["weight"]
        assert isinstance(found, torch.Tensor) and not found.any()


@pytest.mark.parametrize("in_zip", [True, False])
def test_a_pickle_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, in_zip: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.pth"
    marks = b"\x80\x02" + b"(" * 5_000_000
    if in_zip:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", marks)
    else:
        path.write_bytes(pickle.dumps(0x1950A86A20F9469CFC6C, 2) + marks)
    monkeypatch.setattr("torch.load", lambda *a, **k: 1 / 0)
    with pytest.raises(ToonforgeError, match=r"a pickle of .*more than"):
        read_state(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_torch_saves_of_weights_is_read(tmp_path: Path, legacy: bool) -> None:
    kinds = (torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.uint8, torch.bool)
    whole = torch.arange(12.0)
    state = collections.OrderedDict({str(kind): torch.ones(2, 3).to(kind) for kind in kinds})
    state.update(view=whole[2:8].reshape(2, 3).T, same=whole, none=torch.zeros(0), one=torch.tensor(3.0))
    state["parameter"] = torch.nn.Parameter(torch.ones(2))
    held = {"net": state, "epoch": 3, "size": torch.Size([1, 2]), "device": torch.device("cpu"), "kind": torch.float32}
    held["schedule"] = collections.Counter([1, 1, 2])
    torch.save(held, tmp_path / "weights.pth", _use_new_zipfile_serialization=not legacy)
    found = read_state(tmp_path / "weights.pth")
    assert {name: found[name] for name in held if name != "net"} == {name: held[name] for name in held if name != "net"}
    net = found["net"]
    assert isinstance(net, dict) and list(net) == list(state)
    assert all(torch.equal(net[name], state[name]) for name in state)


def test_torch_is_not_even_asked_to_read_a_tar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_tar(tmp_path / "weights.pth", Evil(tmp_path / "caught"))
    monkeypatch.setattr("torch.load", lambda *a, **k: (tmp_path / "caught").write_text("caught"))
    with pytest.raises(ToonforgeError, match="a tar file"):
        read_state(tmp_path / "weights.pth")
    assert not (tmp_path / "caught").exists()


@pytest.mark.parametrize("make", [a_zip, a_legacy_file, a_bare_pickle, a_tar])
def test_a_pickle_in_the_place_of_a_model_is_no_weights_file(
    tmp_path: Path, make: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "G.safetensors", Evil(tmp_path / "caught"))
    (tmp_path / "a.png").write_bytes(b"")
    assert main(["translate", str(tmp_path), str(tmp_path / "a.png"), "--cpu"]) == 2
    assert "is no weights file of toonforge" in capsys.readouterr().err
    assert not (tmp_path / "caught").exists()
