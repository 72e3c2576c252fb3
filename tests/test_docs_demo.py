"""The page on the demo does what it says: its commands, its Python, and stopping it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.demo_client import Client, photo
from tests.demo_models import model_file
from toonforge.cli import main
from toonforge.use.demo import room, upload

PAGE = (Path(__file__).parent.parent / "docs/how-to/demo.md").read_text("utf-8")
ROOT = Path(__file__).parent.parent


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Tiny models in the place of those that the page names."""
    pytest.importorskip("gradio")
    monkeypatch.chdir(tmp_path)
    names = ("photo-to-cartoon", "runs/first", "runs/second")
    return {name: str(model_file(tmp_path / f"{Path(name).name}.safetensors")) for name in names}


def block(marker: str) -> str:
    (text,) = re.findall(rf"^<!-- (?:run|python): {marker} -->\n```\w+\n(.*?)```", PAGE, re.M | re.S)
    return str(text)


@pytest.mark.parametrize("marker", ["one", "several"])
def test_its_commands_serve_a_page_until_they_are_stopped(
    marker: str, named: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from toonforge.use.demo import server

    opened: list[str] = []
    seen: list[Any] = []

    def visit() -> None:
        (url,) = re.findall(r"http://\S+", capsys.readouterr().out)
        seen.append((url, Client(url).translate(photo())["success"]))

    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    monkeypatch.setattr(server, "wait", visit)
    name, *words = shlex.split(block(marker))
    port = next((each for each in range(8000, 8100) if _free(each)), 8000)
    assert name == "toonforge"
    assert main([named.get(word, word if word != "8000" else str(port)) for word in words]) == 0
    ((url, translated),) = seen
    assert translated and (opened == [url] if marker == "one" else opened == [] and url.endswith(f":{port}/"))


def _free(port: int) -> bool:
    import socket

    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) != 0


def test_its_python_gives_a_page_to_launch(named: dict[str, str]) -> None:
    code = block("build").replace("photo-to-cartoon", named["photo-to-cartoon"])
    code = code.replace("page.launch(", "page.launch(prevent_thread_lock=True, quiet=True, share=False, ")
    space: dict[str, Any] = {}
    exec(code, space)
    try:
        assert Client(space["page"].local_url).translate(photo())["success"]
    finally:
        space["page"].close(verbose=False)


STARTED = """
import sys
from tests import demo_models
from toonforge.cli import main
demo_models.register()
sys.exit(main(["demo", sys.argv[1], "--no-open"]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_signal_stops_it_cleanly_and_leaves_nothing(number: int, named: dict[str, str], tmp_path: Path) -> None:
    """The second signal: pytest -m soak tests/test_docs_demo.py"""
    places = tmp_path / "temporary"
    places.mkdir()
    words = [sys.executable, "-c", STARTED, named["photo-to-cartoon"]]
    environment = {**os.environ, "TMPDIR": str(places), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(words, cwd=tmp_path, env=environment, **pipes)  # type: ignore[call-overload]
    late = threading.Timer(100, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/  \(Ctrl-C stops it\)\n", line), (line, process.stderr.read())
        assert [path.name.startswith("toonforge-demo-") for path in places.iterdir()] == [True]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    finally:
        late.cancel()
        process.kill()
    assert (process.returncode, out, err) == (0, "", "stopped\n")
    assert list(places.iterdir()) == []


def test_its_numbers_are_those_of_the_code() -> None:
    from toonforge.use.demo.address import LOCAL

    assert (
        f"above {upload.MAX_BYTES // 2**20} MB" in PAGE and f"than {upload.MAX_PIXELS // 10**6} million pixels" in PAGE
    )
    assert room.KEPT_SECONDS == 1800 and "after half an hour" in PAGE and LOCAL in PAGE
    assert room.KEPT_BYTES == 2 * 2**30 and "more than 2 GB" in PAGE
    page = (ROOT / "toonforge/use/demo/page.py").read_text("utf-8")
    assert "queue of 20" in PAGE and "MOST_WAITING = 20" in page
