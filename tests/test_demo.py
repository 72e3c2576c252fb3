"""What the page makes of pictures, and what becomes of them; its models, and its command."""

from __future__ import annotations

import base64
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import attrs
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from tests.demo_client import photo
from tests.demo_models import Scaled, model_file, offered_models
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.use.demo import remembering
from toonforge.use.demo.about import about, headline
from toonforge.use.demo.address import check_port, others_can_reach
from toonforge.use.demo.compare import compared, failed
from toonforge.use.demo.left import PREFIX, mark, remove_left
from toonforge.use.demo.offered import offer
from toonforge.use.demo.room import Closed, Room, a_room
from toonforge.use.demo.upload import read_upload
from toonforge.use.demo.work import Offered, download_name, make, preview
from toonforge.use.look import Look
from toonforge.use.model import Model, load
from toonforge.use.tiled import Tiles
from toonforge.use.translate import Job, translate_file


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Offered]:
    return offered_models(tmp_path_factory.mktemp("models"))


@pytest.fixture
def room() -> Iterator[Room]:
    with a_room() as made:
        yield made


def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jpg", photo(icc_profile=icc())),
        ("b.png", photo(kind="PNG", mode="RGBA")),
        ("c.webp", photo(kind="WEBP")),
        ("d.gif", photo(kind="GIF", mode="P")),
        ("e.png", photo(kind="PNG", mode="L")),
    ],
)
@pytest.mark.parametrize("look", [Look(), Look(strength=0.3, keep_color=True, smooth=0.5)], ids=["plain", "finished"])
def test_a_download_is_the_file_that_translate_writes(
    models: list[Offered], room: Room, tmp_path: Path, name: str, data: bytes, look: Look
) -> None:
    source = tmp_path / name
    source.write_bytes(data)
    made = make(models[0], room, read_upload(source, name), download_name(name, "anime"), "anime", look)
    target = tmp_path / "out" / made.file.name
    translate_file(load(models[0].given), Job(source, target), "anime", look=look)
    assert made.file.read_bytes() == target.read_bytes()


def test_moving_a_slider_does_not_run_the_networks_again(models: list[Offered], room: Room, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(photo(kind="PNG"))
    original, network = read_upload(source, "a.png"), models[0].model.inference.networks["G"]
    assert isinstance(network, Scaled)
    pixels = {}
    network.calls = 0
    for strength in (1.0, 0.5, 0.25, 1.0):
        made = make(models[0], room, original, "a.png", "anime", Look(strength=strength))
        pixels[strength] = np.asarray(Image.open(made.file)).astype(int)
    assert network.calls == 1
    assert np.abs(pixels[1.0] - (255 - original.pixels.astype(int))).max() == 0
    assert np.abs(pixels[0.5] - 127.5).max() <= 1
    make(models[0], room, original, "a.png", "photo", Look())
    assert network.calls == 2, "another translation is another output"


def test_a_picture_takes_no_more_memory_than_the_page_may(
    models: list[Offered], room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(photo((64, 40), "PNG"))
    given: list[Tiles] = []

    def noted(model: Model, pictures: torch.Tensor, to: str, tiles: Tiles, *rest: object) -> torch.Tensor:
        given.append(tiles)
        return pictures

    monkeypatch.setattr("toonforge.use.model.in_parts", noted)
    for free, most in ((2**40, remembering.MEMORY), (1000, 1000)):
        monkeypatch.setattr("toonforge.use.tiled.free.allowed_bytes", lambda device, free=free: free)
        models[0].model._last.clear()
        make(models[0], room, read_upload(source, "a.png"), "a.png", "anime", Look())
        assert given.pop().memory == most and not given
    models[0].model._last.clear()


def test_another_picture_is_not_answered_from_memory(models: list[Offered], room: Room, tmp_path: Path) -> None:
    for seed in (0, 1):
        source = tmp_path / f"{seed}.png"
        Image.new("RGB", (8, 8), (10 + seed, 0, 0)).save(source)
        made = make(models[0], room, read_upload(source, "a.png"), "a.png", "anime", Look())
        assert np.asarray(Image.open(made.file))[0, 0, 0] == 245 - seed


def test_a_preview_is_small_and_shows_what_is_clear_as_white(tmp_path: Path) -> None:
    source = tmp_path / "wide.png"
    Image.new("RGBA", (4000, 30), (200, 0, 0, 0)).save(source)
    kind, _, data = preview(read_upload(source, "wide.png")).partition(",")
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert kind == "data:image/jpeg;base64" and shown.size == (1600, 12)
        assert min(low for low, _ in shown.getextrema()) > 250


def test_models_have_names_of_their_own_and_say_what_their_cards_say(tmp_path: Path) -> None:
    card = {
        "title": "Photo to <b>cartoon</b>",
        "description": "Flat colours. More.\nYet more.",
        "license": "CC0",
        "limits": "Small.",
        "data": "The set `inked<` of 3.",
        "sha256": "0a",
    }
    paths = [
        model_file(tmp_path / name / "g.safetensors", card=card) for name in "abc" if (tmp_path / name).mkdir() is None
    ]
    offered = offer(paths)
    assert len({each.label for each in offered}) == 3
    (alone,) = offer(paths[:1])
    assert headline([alone]) == ("Photo to <b>cartoon</b>", "Flat colours.")
    said = about([alone])
    assert all(text in said for text in ("Yet more.", "CC0", "Small.", "500", "32 x 32")) and "<b>cartoon" not in said
    assert "The set <code>inked&lt;</code> of 3." in said and "<dt>SHA-256</dt>" in said
    assert "g.safetensors" in said and str(tmp_path) not in said, "where it lies is nobody's business"
    with pytest.raises(RunError, match="needs a model"):
        offer([])


def test_names_stand_on_the_page_as_text(models: list[Offered], room: Room, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(photo(kind="PNG"))
    made = make(models[0], room, read_upload(source, "a.png"), "a.png", "anime", Look())
    bad = "<img src=x onerror=alert(1)>\"'"
    page = compared(made, attrs.evolve(models[0], label=bad), bad, bad) + failed([bad])
    assert "<img src=x" not in page and page.count("<img ") == 2


def test_a_room_is_gone_with_all_in_it_and_readable_by_nobody_else() -> None:
    with suppress(KeyboardInterrupt), a_room() as room:
        room.place("a.png").write_bytes(b"1")
        assert os.name == "nt" or room.folder.stat().st_mode & 0o077 == 0
        raise KeyboardInterrupt
    assert not room.folder.exists()


def test_a_closed_room_ends_what_is_computed_in_it(models: list[Offered], room: Room, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(photo((30, 20), "PNG"))
    original = read_upload(source, "a.png")
    network = models[0].model.inference.networks["G"]
    hook = network.register_forward_pre_hook(lambda *_: room.close())
    try:
        with pytest.raises(Closed):
            make(models[0], room, original, "a.png", "anime", Look())
    finally:
        hook.remove()
    assert room.wait(0) and not (room.folder / "made").exists()
    with pytest.raises(Closed):
        room.place("a.png")


def test_what_a_dead_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    living, dead, young, old, other, elsewhere = (
        tmp_path / name for name in (*(f"{PREFIX}{n}" for n in range(4)), "other", "elsewhere")
    )
    for folder in (living, dead, young, old, other, elsewhere):
        folder.mkdir()
        (folder / "picture.png").write_bytes(b"1")
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    with mark(dead), mark(elsewhere):
        pass
    os.utime(old, (time.time() - 7200,) * 2)
    with mark(living):
        remove_left(tmp_path)
        assert [path.exists() for path in (living, dead, young, old, other)] == [True, False, True, False, True]
        assert (elsewhere / "picture.png").exists(), "links are not followed"
    remove_left(tmp_path)
    assert not living.exists()


PAGE = """
import os, signal, sys, threading, time
from pathlib import Path
from tests.demo_models import model_file
import toonforge.use.demo.server as server
path = model_file(Path(sys.argv[1]) / "a.safetensors")
def wait():
    threading.Timer(0.1, os.kill, (os.getpid(), getattr(signal, sys.argv[2]))).start()
    room, = Path(os.environ["TMPDIR"]).glob("toonforge-demo-*")
    (room / "server" / "picture.png").write_bytes(b"1")
    time.sleep(20)
server.wait = wait
from toonforge.cli import main
sys.exit(main(["demo", str(path), "--no-open"]))
"""


def test_a_closed_terminal_leaves_no_pictures(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    pytest.importorskip("fcntl")  # where there are hangups
    held = tmp_path / "tmp"
    held.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PAGE, str(tmp_path), "SIGHUP"],
        env={**os.environ, "TMPDIR": str(held), "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "stopped" in done.stderr, done.stderr
    assert list(held.glob("toonforge-demo-*")) == []


def test_what_is_old_or_too_much_is_swept_oldest_first(room: Room) -> None:
    files = [room.place(f"{number}.png") for number in range(5)]
    for number, file in enumerate(files):
        file.write_bytes(bytes(100))
        os.utime(file, (time.time() - 1000 * (5 - number),) * 2)
    room.sweep(seconds=4500, most=10_000)
    assert [file.exists() for file in files] == [False, True, True, True, True]
    room.sweep(seconds=10_000, most=250)
    assert [file.exists() for file in files] == [False, False, False, True, True]
    assert len(list((room.folder / "made").iterdir())) == 2, "empty folders go too"
    assert room.uploads.is_dir()


def test_a_taken_port_is_one_clear_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["demo", str(model_file(tmp_path / "a.safetensors")), "--port", str(port), "--no-open"]) == 2
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 cannot be used" in said and "--port" in said
    check_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "", "999.1.1.1"])
def test_an_address_that_is_not_ours_is_one_clear_error(host: str) -> None:
    if host:
        with pytest.raises(RunError, match="no address of this computer"):
            check_port(host, None)
    assert others_can_reach("0.0.0.0") and others_can_reach("192.0.2.1") and others_can_reach("::")
    assert not any(map(others_can_reach, ("127.0.0.1", "localhost", "::1", "127.0.0.9")))


def test_without_gradio_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from toonforge import extras

    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    assert main(["demo", "anything"]) == 2
    assert 'pip install "toonforge[demo]"' in capsys.readouterr().err


BAD = [
    ["demo", "--help"],
    ["demo"],
    ["demo", "no/such/model"],
    ["demo", "x", "--port", "0"],
    ["demo", "x", "--host", "192.0.2.1"],
]


def test_help_and_bad_arguments_import_neither_torch_nor_gradio(tmp_path: Path) -> None:
    script = f"""
import sys
from toonforge.cli import main
for words in {BAD!r}:
    print(main(words), *sorted({{"torch", "gradio"}} & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    codes = [line for line in done.stderr.splitlines() if line[:1] in "02" and len(line) < 20]
    assert codes == ["0", "2", "2", "2", "2"], done.stderr
