"""What may be asked of the server: what the page itself asks, in small requests, and nothing of the rest of Gradio.

Gradio's server also fetches addresses for whoever asks, describes itself, keeps histories and more. None of it is
reached through here, and a browser is told to load nothing from elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from toonforge.use.demo.elsewhere import is_from_elsewhere
from toonforge.use.demo.room import Room

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

UPLOAD = "/gradio_api/upload"

ASKED = re.compile(
    r"/(|config/?|favicon\.ico|theme\.css|manifest\.json|robots\.txt|(assets|static|svelte)/[\w./@+-]+)"
    r"|/gradio_api/(theme\.css|startup-events|app_id|upload_progress|queue/(join|data)|heartbeat/\w+|run/predict|upload|cancel|reset)/?"
    r"|/gradio_api/file=(?!\w[\w+.-]*:/).+",
    re.DOTALL,
)
"""Paths that the page asks for. A file is never given by an address: the server would fetch it."""

MOST = 2**18
"""Bytes of a request that is no upload: a few settings, and where an upload lies."""

SPARE = 2**16
"""Bytes of an upload besides its file."""

ARRIVING = 2**29
"""Bytes of all uploads that arrive at once."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""Gradio needs the scripts and styles in its page; nothing comes from, or goes to, another place."""

HEADERS = {
    b"content-security-policy": POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}


class _TooLarge(Exception):
    pass


class _TooMany(Exception):
    pass


class _Gone(Exception):
    pass


class Gateway:
    """Stands before a server (ASGI).

    Args:
        app: the server.
        max_bytes: of an uploaded file.
        room: where uploads go, and no other files can be named; swept after each, not only when one is translated.
    """

    def __init__(self, app: App, max_bytes: int, room: Room) -> None:
        self.app, self.max_bytes, self.room, self.uploads = app, max_bytes, room, room.uploads.resolve()
        self._arriving = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or let it through."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if not ASKED.fullmatch(path) or _is_address(path):
            await _answer(send, 404, "there is nothing of this name here")
        elif is_from_elsewhere(scope):
            await _answer(send, 403, "only this page itself may ask for that")
        elif path.rstrip("/") == UPLOAD:
            await self._upload(scope, receive, send)
        else:
            await self._small(scope, receive, send)

    async def _upload(self, scope: Message, receive: Receive, send: Send) -> None:
        """Counts what arrives: its head may say less."""
        most, begun = self.max_bytes + SPARE, False
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            if message["type"] == "http.disconnect" and not begun:
                raise _Gone
            size = len(message.get("body", b""))
            came += size
            self._arriving += size
            if came > most:
                raise _TooLarge
            if self._arriving > ARRIVING:
                raise _TooMany
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            if not begun:
                await asyncio.to_thread(self.room.sweep)
            begun = True
            await _guarded(send)(message)

        try:
            if _length(scope) > most:
                raise _TooLarge
            await self.app(scope, counted, noted)
        except (_TooLarge, _TooMany, _Gone) as error:
            await asyncio.to_thread(self.room.sweep)  # of what came before
            if not begun and isinstance(error, _TooLarge):
                await _answer(send, 413, f"this file is larger than {self.max_bytes / 2**20:.0f} MB")
            elif not begun and isinstance(error, _TooMany):
                await _answer(send, 503, "too much is being uploaded at once: try again later")
        finally:
            self._arriving -= came

    async def _small(self, scope: Message, receive: Receive, send: Send) -> None:
        """Reads the whole of it first, and refuses files that were not uploaded."""
        body = b""
        if scope["method"] not in ("GET", "HEAD"):
            more = True
            while more:
                message = await receive()
                body += message.get("body", b"")
                more = message["type"] == "http.request" and message.get("more_body", False)
                if len(body) > MOST or _length(scope) > MOST:
                    await _answer(send, 413, "this request is too large")
                    return
            if not all(self._is_upload(path) for path in _paths(body)):
                await _answer(send, 400, "only files that were uploaded can be named")
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given or scope["method"] in ("GET", "HEAD"):
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, again, _guarded(send))

    def _is_upload(self, path: object) -> bool:
        try:
            return isinstance(path, str) and Path(path).resolve().is_relative_to(self.uploads)
        except (OSError, ValueError):  # no path at all
            return False


def _guarded(send: Send) -> Send:
    """Adds the headers that keep a browser here."""

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(key, value) for key, value in message.get("headers", []) if key.lower() not in HEADERS]
            message = {**message, "headers": [*kept, *HEADERS.items()]}
        await send(message)

    return guarded


def _is_address(path: str) -> bool:
    """Whether a file is asked for by an address, however often its letters are escaped."""
    text = path.removeprefix("/gradio_api/file=")
    for _ in range(3):
        text = unquote(text)
    return text != path and bool(re.match(r"\s*[a-z][a-z0-9+.-]*:", text, re.IGNORECASE) or text.startswith("//"))


def _paths(body: bytes) -> list[object]:
    """What a request's JSON gives as the paths of files."""
    try:
        waiting: list[Any] = [json.loads(body)] if body else []
    except (ValueError, RecursionError):
        return []  # the server refuses it
    found: list[object] = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += [value["path"]] if value.get("path") is not None else []
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _length(scope: Message) -> int:
    for key, value in scope["headers"]:
        if key.lower() == b"content-length" and value.isdigit():
            return int(value)
    return 0


async def _answer(send: Send, status: int, text: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *HEADERS.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
