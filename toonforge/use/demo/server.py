"""Serves the page: to this computer alone unless asked otherwise, with nothing asked of any other."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import attrs

from toonforge.errors import Problem, RunError
from toonforge.extras import need
from toonforge.use.demo.address import HERE, LOCAL, check_port
from toonforge.use.demo.elsewhere import Unshared
from toonforge.use.demo.offered import offer
from toonforge.use.demo.room import Room, a_room
from toonforge.use.demo.upload import MAX_BYTES

if TYPE_CHECKING:
    from toonforge.use.demo.elsewhere import App
    from toonforge.use.demo.work import Offered
    from toonforge.use.model import Model

SETTINGS = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_RUN_HISTORY": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
NOT_OURS = ("GRADIO_ALLOWED_PATHS", "GRADIO_ROOT_PATH", "GRADIO_NUM_WORKERS", "GRADIO_WATCH_DIRS", "GRADIO_DEBUG")
"""Variables that would let Gradio hand out the disk's files, or serve something else than this page."""

SECONDS_TO_END = 3.0
"""So long a picture that is being computed has to notice that the page is closed."""


@attrs.frozen
class Server:
    """A page that is served.

    Attributes:
        url: where it is.
        port: its port.
        room: what passes through it.
    """

    url: str
    port: int
    room: Room


@contextmanager
def serving(models: Sequence[Offered], *, host: str = LOCAL, port: int | None = None) -> Iterator[Server]:
    """Serve the page of some models while the block runs; afterwards, nothing of it is left.

    Args:
        host: the address to listen on.
        port: its port; the first free one from 7860 on when left out.

    Raises:
        ToonforgeError: Gradio is not installed, or the port is taken.
    """
    need("gradio", "the demo needs")
    check_port(host, port)
    with a_room() as room, _environment(room.uploads):
        from toonforge.use.demo.page import build_page, launch_options

        page = build_page(models, room)
        try:
            page.launch(
                server_name=host,
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                inbrowser=False,
                share=False,
                inline=False,
                show_error=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                app_kwargs={"middleware": _guards(host, room)},
                **launch_options(),
            )
        except OSError as error:
            raise RunError(
                Problem(message="no port is free", found=str(error), hint="choose one with --port")
            ) from None
        # Around what Gradio itself puts around all others.
        page.app.middleware_stack = Unshared(cast("App", page.app.middleware_stack))
        try:
            yield Server(f"http://{_called(host)}:{page.server_port}/", page.server_port, room)
        finally:
            room.close()
            page.close(verbose=False)
            room.wait(SECONDS_TO_END)


def _called(host: str) -> str:
    """An address as it stands in a browser; of those that mean every address, one that leads here."""
    if host in ("0.0.0.0", "::", ""):
        return LOCAL
    return f"[{host}]" if ":" in host else host


def _guards(host: str, room: Room) -> list[Any]:
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from toonforge.use.demo.gateway import Gateway

    # A page elsewhere may have its own name lead here; whoever listens for others is called by names not known here.
    names = [*HERE, f"[{HERE[2]}]"] if host in HERE else ["*"]
    return [
        Middleware(TrustedHostMiddleware, allowed_hosts=names, www_redirect=False),
        Middleware(Gateway, max_bytes=MAX_BYTES, room=room),
    ]


@contextmanager
def _environment(uploads: Path) -> Iterator[None]:
    """Gradio asks its variables late, so they hold while it runs; proxies are not for this computer."""
    wanted: dict[str, str | None] = {**SETTINGS, "GRADIO_TEMP_DIR": str(uploads), **dict.fromkeys(NOT_OURS)}
    for name in ("NO_PROXY", "no_proxy"):
        wanted[name] = ",".join(part for part in (os.environ.get(name), *HERE) if part)
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def demo(
    *models: str | Path | Model,
    host: str = LOCAL,
    port: int | None = None,
    checkpoint: str | int | None = None,
    cpu: bool = False,
    show: bool = True,
) -> None:
    """Serve a page that translates pictures with these models, until Ctrl-C.

    Args:
        models: as `toonforge.load` takes them, or loaded; several stand side by side.
        host: the address to listen on; others can reach the page where it is not 127.0.0.1.
        port: its port; the first free one from 7860 on when left out.
        checkpoint: which of a run's; see `toonforge.load`.
        cpu: stay on the CPU even where there is a GPU.
        show: open it in the browser.

    Raises:
        ToonforgeError: a model cannot be loaded, Gradio is not installed, the port is taken.
    """
    import webbrowser

    offered = offer(models, checkpoint=checkpoint, cpu=cpu)
    with until_asked_to_stop(), serving(offered, host=host, port=port) as server:
        print(server.url)
        if show:
            webbrowser.open(server.url)
        wait()


@contextmanager
def until_asked_to_stop() -> Iterator[None]:
    """Ends the block at Ctrl-C, SIGTERM and SIGHUP, wherever it is: with them a page is stopped, and they are no fault.

    Further ones change nothing: what the page held is being deleted. A hangup that was to be ignored (`nohup`) is.
    """
    asked = False

    def stop(number: int, frame: object) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    heeded = [number for number in numbers if main and signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heeded}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait() -> None:
    """For ever."""
    while True:
        time.sleep(1)  # with no limit, Windows would not notice Ctrl-C
