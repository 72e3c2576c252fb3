"""What the page's server answers: to the page, and to whoever sends it something else."""

from __future__ import annotations

import io
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.demo_client import Client, photo
from tests.demo_models import offered_models
from tests.hostile_pictures import HOSTILE
from toonforge.use.demo import upload
from toonforge.use.demo.gateway import Gateway
from toonforge.use.demo.room import Room
from toonforge.use.demo.work import Offered
from toonforge.use.model import load
from toonforge.use.translate import Job, translate_file


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Offered]:
    return offered_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def served(models: list[Offered]) -> Iterator[Any]:
    pytest.importorskip("gradio")
    from toonforge.use.demo.server import serving

    with serving(models) as server:
        yield server
    assert not server.room.folder.exists()


@pytest.fixture
def client(served: Any) -> Client:
    return Client(served.url)


def test_the_page_is_served_to_this_computer_alone(served: Any, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=5):
        pass
    for other in {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)} - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError), socket.create_connection((other, served.port), timeout=5):
            pass
    if sys.platform == "linux":
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", served.port), timeout=5):
            pass
    page = client.http.get("/")
    assert page.status_code == 200 and "default-src 'self'" in page.headers["content-security-policy"]
    assert client.http.get("/", headers={"Host": "elsewhere.example"}).status_code == 400, "a name that was led here"


def test_an_upload_is_translated_by_every_model_and_downloads_what_translate_writes(
    client: Client, models: list[Offered], tmp_path: Path
) -> None:
    data = photo((300, 200))
    done = client.translate(data, "Beach day.jpg")
    assert done["success"], done
    views, buttons = done["output"]["data"][::2], done["output"]["data"][1::2]
    (tmp_path / "in.jpg").write_bytes(data)
    for offered, view, button in zip(models, views, buttons):
        assert "tf-range" in view and "300 × 200 pixels" in view and "Beach day.jpg" in view
        assert button["value"]["orig_name"] == f"Beach_day-anime-{offered.label}.jpg"
        got = client.http.get(f"/gradio_api/file={button['value']['path']}")
        translate_file(load(offered.given), Job(tmp_path / "in.jpg", tmp_path / "out.jpg"))
        assert got.content == (tmp_path / "out.jpg").read_bytes()


def test_settings_reach_the_translation(client: Client) -> None:
    data = photo((64, 48), "PNG")
    for strength, wanted in ((0.0, 0), (1.0, 1)):
        done = client.translate(data, "a.png", (strength, 0, False))
        file = client.http.get(f"/gradio_api/file={done['output']['data'][1]['value']['path']}").content
        before, after = (np.asarray(Image.open(io.BytesIO(each))).astype(int) for each in (data, file))
        assert np.array_equal(after, before if wanted == 0 else 255 - before)


@pytest.mark.parametrize("settings", [(2, 0, False), ("1", 0, False), (1, None, False), (1, 0, "on")])
def test_settings_that_nobody_can_make_are_answered_with_a_reason(client: Client, settings: Sequence[object]) -> None:
    done = client.translate(photo(), settings=settings)
    assert not done["success"] and "cannot be that" in done["output"]["error"]


@pytest.mark.parametrize("kind", ["PNG, 100000x100000", "PNG, empty", "EPS", "TIFF, tiles of 1 GB", "SVG"])
def test_a_hostile_upload_gets_a_message_and_no_traceback(
    client: Client, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = client.translate(HOSTILE[kind], "<script>alert(1)</script>.png")
    assert not done["success"]
    assert "<b>script_.png " in done["output"]["error"] and "Found: " in done["output"]["error"]
    assert "<script" not in done["output"]["error"]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_picture_that_a_model_cannot_take_gets_its_reason(client: Client, capfd: pytest.CaptureFixture[str]) -> None:
    done = client.translate(photo((3, 3), "PNG"), "tiny.png")
    assert not done["success"] and "cannot be computed of a picture of 3x3 pixels" in done["output"]["error"]
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_fault_of_ours_is_told_without_its_inside(client: Client, models: list[Offered], monkeypatch: Any) -> None:
    import toonforge.use.demo.page as page

    def broken(*_: Any) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(page, "make", broken)
    done = client.translate(photo())
    assert (
        not done["success"] and "secret" not in json.dumps(done) and "not with your picture" in done["output"]["error"]
    )


def test_an_upload_above_the_limit_is_refused_whatever_its_head_says(client: Client, served: Any) -> None:
    limit = upload.MAX_BYTES
    answer = client.upload(bytes(limit + 2**20))
    assert answer.status_code == 413 and "64 MB" in answer.text

    def parts() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
        for _ in range(limit // 2**20 + 2):
            yield bytes(2**20)
        yield b"\r\n--x--\r\n"

    import httpx

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    with suppress(httpx.TransportError):  # hung up on, while it still sent
        assert client.http.post("/gradio_api/upload", content=parts(), headers=headers).status_code == 413
    held = sum(path.stat().st_size for path in served.room.folder.rglob("*") if path.is_file())
    assert held < 2 * limit
    assert client.translate(photo())["success"], "it goes on"


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../etc/passwd",
        str(Path(__file__)),
        "http://127.0.0.1:9/a.png",
        "file:///etc/passwd",
        "",
        "\0",
        7,
        {"path": "/etc/passwd"},
    ],
)
def test_only_what_was_uploaded_can_be_named(client: Client, path: object, capfd: pytest.CaptureFixture[str]) -> None:
    assert client.join(path).status_code == 400
    assert "Traceback" not in "".join(capfd.readouterr())


ABROAD = (
    "/gradio_api/file=http://127.0.0.1:9/", "/gradio_api/file=%68ttp://127.0.0.1:9/", "/gradio_api/file=HTTPS:%2F%2Fa.example/",
    "/gradio_api/proxy=http://127.0.0.1:9/", "/gradio_api/info", "/gradio_api/openapi.json", "/gradio_api/vibe-code",
    "/gradio_api/run/translate", "/gradio_api/call/translate", "/gradio_api/queue/status", "/monitoring", "/docs", "/gradio_api/mcp",
)  # fmt: skip


@pytest.mark.parametrize("path", ABROAD)
def test_nothing_is_fetched_for_others_and_no_interface_is_offered(client: Client, path: str) -> None:
    assert client.http.get(path).status_code == 404
    assert client.http.post(path, json={"data": []}).status_code == 404


def test_nobody_gets_past_the_queue(client: Client) -> None:
    file = {"path": client.upload(photo()).json()[0], "orig_name": "a.jpg", "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file, 1, 0, False, None, None], "fn_index": client.call["id"], "session_hash": client.session}
    answer = client.http.post("/gradio_api/run/predict", json=body)
    assert answer.status_code == 404 and "join the queue" in answer.text


def test_the_disk_and_the_models_are_not_handed_out(client: Client, models: list[Offered]) -> None:
    given = Path(models[0].given)
    wanted = [
        "/etc/passwd",
        str(given),
        str(given.parent),
        str(Path(__file__)),
        f"{given.parent}/../models0/{given.name}",
    ]
    for path in wanted:
        for asked in (f"/gradio_api/file={path}", f"/gradio_api/file=/..{path}", f"/static/..%2f..%2f..{path}"):
            answer = client.http.get(asked)
            assert answer.status_code in (403, 404) and b"root:" not in answer.content
    uploaded = Path(client.upload(photo()).json()[0])
    for path in (f"{uploaded}/../../../../../etc/passwd", f"{uploaded.parent.parent}", "%2e%2e/%2e%2e/etc/passwd"):
        assert client.http.get(f"/gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize("name", ["a.svg", "a.html", "a.xml", "a.png.html"])
def test_an_upload_is_never_shown_as_a_page(client: Client, name: str) -> None:
    path = client.upload(b"<html xmlns='x'><script>alert(1)</script></html>", name).json()[0]
    answer = client.http.get(f"/gradio_api/file={path}")
    assert (
        answer.headers["content-disposition"].startswith("attachment") and "html" not in answer.headers["content-type"]
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["../../evil.png", "..\\evil.png", "/etc/evil.png", "a\0b.png", "x" * 400 + ".png", ".png"]
)
def test_a_name_of_an_upload_leads_nowhere(client: Client, served: Any, name: str) -> None:
    answer = client.upload(photo(kind="PNG"), name)
    if answer.status_code == 200:
        assert Path(answer.json()[0]).resolve().is_relative_to(served.room.uploads.resolve())
    assert answer.status_code in (200, 400, 500)
    done = client.translate(photo(kind="PNG"), "ok.png")
    assert done["success"]


def test_one_picture_at_a_time_and_those_that_wait_know_their_place(
    served: Any, models: list[Offered], monkeypatch: pytest.MonkeyPatch
) -> None:
    import toonforge.use.demo.page as page

    going, most, lock, whole = 0, 0, threading.Lock(), page.make

    def slow(*given: Any) -> Any:
        nonlocal going, most
        with lock:
            going += 1
            most = max(most, going)
        time.sleep(0.15)
        with lock:
            going -= 1
        return whole(*given)

    monkeypatch.setattr(page, "make", slow)
    clients = [Client(served.url) for _ in range(3)]
    for each in clients:
        assert each.join(each.upload(photo()).json()[0]).status_code == 200
    told = [list(each.messages()) for each in clients]
    assert most == 1
    assert all(any(message["msg"] == "process_completed" and message["success"] for message in each) for each in told)
    assert max(message["rank"] for message in told[-1] if message["msg"] == "estimation") >= 1


@pytest.fixture
def example(client: Client) -> Any:
    """Asks for an example by its number."""
    pytest.importorskip("toonforge_samples")
    calls = client.http.get("/config").json()["dependencies"]
    (number,) = [call["id"] for call in calls if call["api_name"] == "load_example"]

    def asked(index: object) -> Any:
        body = {"data": [index], "fn_index": number, "session_hash": client.session}
        return client.http.post("/gradio_api/run/predict", json=body)

    return asked


@pytest.mark.parametrize("index", [10**9, 6, -1, "x", None, [1], 1e300, True, {}])
def test_an_example_that_there_is_not_prints_nothing(
    example: Any, index: object, capfd: pytest.CaptureFixture[str]
) -> None:
    assert example(index).status_code == 500
    assert "Traceback" not in "".join(capfd.readouterr())


def test_examples_stay_when_all_else_is_swept(client: Client, served: Any, example: Any) -> None:
    upload = Path(client.upload(photo((19, 18))).json()[0])
    served.room.sweep(seconds=-1)
    assert not upload.exists()
    given = example(0).json()["data"][0]["value"]
    assert client.http.get(f"/gradio_api/file={given['path']}").status_code == 200


FOREIGN = [
    {"Origin": "https://a.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://127.0.0.1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "OWN", "Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=repr)
def test_pages_of_others_can_neither_send_nor_read(client: Client, served: Any, headers: dict[str, str]) -> None:
    headers = {key: value.replace("OWN", served.url.rstrip("/")) for key, value in headers.items()}
    before = set(served.room.folder.rglob("*"))
    files = {"files": ("a.jpg", photo((41, 23)), "image/jpeg")}
    assert client.http.post("/gradio_api/upload", files=files, headers=headers).status_code == 403
    for path in ("queue/join", "run/predict", "cancel", "reset"):
        assert client.http.post(f"/gradio_api/{path}", json={}, headers=headers).status_code == 403
    asked = {**headers, "Access-Control-Request-Method": "POST"}
    assert client.http.options("/gradio_api/upload", headers=asked).status_code == 403
    answer = client.http.get("/config", headers=headers)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert set(served.room.folder.rglob("*")) == before


def test_the_page_itself_may_send(client: Client, served: Any) -> None:
    for url in (served.url, f"http://localhost:{served.port}/"):
        headers = {"Origin": url.rstrip("/"), "Sec-Fetch-Site": "same-origin", "Host": url.split("/")[2]}
        files = {"files": ("a.jpg", photo(), "image/jpeg")}
        assert client.http.post("/gradio_api/upload", files=files, headers=headers).status_code == 200


def test_uploads_that_nobody_translates_are_bounded_too(
    client: Client, served: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import toonforge.use.demo.gateway as gateway

    sweep = Room.sweep
    monkeypatch.setattr(Room, "sweep", lambda room: sweep(room, most=3 * 2**20))
    for number in range(6):
        path = Path(client.upload(bytes([number]) * 2**20).json()[0])
        assert path.is_file(), "the newest stays"
    came = (each for each in served.room.folder.rglob("*") if each.is_file() and each not in served.room._kept)
    assert sum(each.stat().st_size for each in came) <= 3 * 2**20
    monkeypatch.setattr(gateway, "ARRIVING", 2**19)
    assert client.upload(bytes(2**20)).status_code == 503
    assert client.upload(bytes(2**18)).status_code == 200, "what came before has arrived, or is given up"


def test_too_large_requests_and_websockets_are_turned_away(client: Client) -> None:
    assert client.http.post("/gradio_api/queue/join", content=b"[" * 300_000).status_code == 413
    assert client.http.post("/gradio_api/queue/join", content=b"[" * 200_000).status_code in (400, 422)


def test_a_gateway_counts_what_arrives_and_not_what_is_announced(tmp_path: Path) -> None:
    import asyncio

    async def server(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    def answer(size: int, headers: list[tuple[bytes, bytes]]) -> int:
        sent: list[Any] = []
        parts = [
            {"type": "http.request", "body": bytes(1000), "more_body": n > 0} for n in reversed(range(size // 1000))
        ]

        async def receive() -> Any:
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers}
        asyncio.run(Gateway(server, 100_000, Room(tmp_path))(scope, receive, send))
        return int(sent[0]["status"])

    assert answer(100_000, []) == 200 and answer(100_000, [(b"content-length", b"100000")]) == 200
    assert answer(200_000, []) == 413 and answer(200_000, [(b"content-length", b"5")]) == 413
    assert answer(1000, [(b"content-length", b"200000")]) == 413
