"""A page's server, and a client that asks it what the page asks, in tests without a browser."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image


def photo(size: tuple[int, int] = (40, 24), kind: str = "JPEG", mode: str = "RGB", **options: Any) -> bytes:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(3).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(values.squeeze()).convert(mode).save(file, kind, **options)
    return file.getvalue()


class Client:
    """Asks a server as the page does."""

    def __init__(self, url: str) -> None:
        import httpx  # comes with Gradio

        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        config = self.http.get("/config").json()
        (self.call,) = [each for each in config["dependencies"] if len(each["inputs"]) > 3]
        self.session = os.urandom(5).hex()

    def upload(self, data: bytes, name: str = "beach.jpg") -> Any:
        return self.http.post("/gradio_api/upload", files={"files": (name, data, "image/jpeg")})

    def join(self, path: object, name: str = "beach.jpg", settings: Sequence[object] = (1, 0, False)) -> Any:
        file = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        rest: list[object] = [*settings, *[None] * (len(self.call["inputs"]) - 4)]
        body = {"data": [file, *rest], "fn_index": self.call["id"], "session_hash": self.session}
        return self.http.post("/gradio_api/queue/join", json=body)

    def messages(self) -> Iterator[dict[str, Any]]:
        with self.http.stream("GET", f"/gradio_api/queue/data?session_hash={self.session}") as lines:
            for line in lines.iter_lines():
                if line.startswith("data:"):
                    yield json.loads(line[5:])
                    if "close_stream" in line:
                        return

    def translate(
        self, data: bytes, name: str = "beach.jpg", settings: Sequence[object] = (1, 0, False)
    ) -> dict[str, Any]:
        assert self.join(self.upload(data, name).json()[0], name, settings).status_code == 200
        (done,) = [message for message in self.messages() if message["msg"] == "process_completed"]
        return done
