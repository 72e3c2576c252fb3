"""Pages of other places, which a browser lets send requests to this computer: they may change nothing and read nothing.

A browser says where a page that asks is from. Who says nothing of the kind is a program, which needs no page for harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

OWN = (b"same-origin", b"none")
"""What `Sec-Fetch-Site` says of a page's own requests, and of those that somebody makes with the address bar."""


def is_from_elsewhere(scope: Message) -> bool:
    """Whether a request that may change something comes from another page than the one served here.

    Args:
        scope: of the request (ASGI).
    """
    if scope["method"] in ("GET", "HEAD"):
        return False
    origins, sites, hosts = (_all(scope, name) for name in (b"origin", b"sec-fetch-site", b"host"))
    if any(site.strip().lower() not in OWN for site in sites):
        return True
    return any(len(hosts) != 1 or _place(origin) != hosts[0].decode("latin-1").lower() for origin in origins)


def _all(scope: Message, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


def _place(origin: bytes) -> str | None:
    """The "host:port" of an origin; None of "null" and of what is none."""
    try:
        return urlsplit(origin.decode("latin-1")).netloc.lower() or None
    except ValueError:
        return None


class Unshared:
    """Takes back what a server (ASGI) allows the pages of others: Gradio lets every page of this computer read all."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer as the server does, without what a browser would take for leave to read it elsewhere."""

        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                own = [each for each in headers if not each[0].lower().startswith(b"access-control-")]
                message = {**message, "headers": own}
            await send(message)

        if scope["type"] == "http" and scope["method"] == "OPTIONS" and is_from_elsewhere(scope):
            await send({"type": "http.response.start", "status": 403, "headers": []})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.app(scope, receive, kept)
