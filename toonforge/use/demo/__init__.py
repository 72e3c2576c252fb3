"""A page to try models on: a picture is dropped on it, and its translations are compared with it and downloaded.

`demo` serves it on this computer; `build` gives it as Gradio's `Blocks`, for other places:

    page = toonforge.use.demo.build(["photo-to-cartoon"])
    page.launch(**toonforge.use.demo.launch_options())
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toonforge.use.demo.server import demo

if TYPE_CHECKING:
    from toonforge.use.model import Model

__all__ = ["build", "demo", "launch_options"]


def build(models: Sequence[str | Path | Model], *, checkpoint: str | int | None = None, cpu: bool = False) -> Any:
    """The page as `gradio.Blocks`, to launch or to mount elsewhere, such as in a Space.

    Translations are kept in a temporary folder until the process ends, at most for half an hour.

    Args:
        models: as `toonforge.load` takes them, or loaded.
        checkpoint, cpu: see `toonforge.load`.

    Raises:
        ToonforgeError: Gradio is not installed, or a model cannot be loaded.
    """
    import atexit
    from contextlib import ExitStack

    from toonforge.extras import need
    from toonforge.use.demo.offered import offer
    from toonforge.use.demo.room import a_room

    need("gradio", "the demo needs")
    offered = offer(models, checkpoint=checkpoint, cpu=cpu)
    from toonforge.use.demo.page import build_page

    stack = ExitStack()
    atexit.register(stack.close)
    return build_page(offered, stack.enter_context(a_room()))


def launch_options() -> dict[str, Any]:
    """What to give to the page's `launch`: its looks, and how large a file may be."""
    from toonforge.extras import need

    need("gradio", "the demo needs")
    from toonforge.use.demo.page import launch_options

    return launch_options()
